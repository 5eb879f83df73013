package transit

import (
	"context"
	"crypto"
	"crypto/ed25519"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"strconv"

	"signet/provider/jose"
	"signet/provider/keys"
)

// transitKey is what Vault tells about one of its keys.
type transitKey struct {
	Type         string                     `json:"type"`
	Latest       int                        `json:"latest_version"`
	MinAvailable int                        `json:"min_available_version"`
	MinDecrypt   int                        `json:"min_decryption_version"`
	MinEncrypt   int                        `json:"min_encryption_version"`
	Exportable   bool                       `json:"exportable"`
	Backup       bool                       `json:"allow_plaintext_backup"`
	Derived      bool                       `json:"derived"`
	Versions     map[string]json.RawMessage `json:"keys"`

	name string
	kind *kind
}

func (b *Backend) keyName(suffix string) string { return b.opt.Prefix + "-" + suffix }

// findTransitKey reads a key; nil when there is none.
func (b *Backend) findTransitKey(ctx context.Context, k *kind) (*transitKey, error) {
	name := b.keyName(k.suffix)
	answer, err := b.vault.Read(ctx, b.path("keys", name), nil)
	if err != nil {
		return nil, fmt.Errorf("reading transit key %s: %w", name, err)
	}
	if answer == nil {
		return nil, nil
	}
	raw, err := json.Marshal(answer)
	if err != nil {
		return nil, fmt.Errorf("transit key %s: %w", name, err)
	}
	found := &transitKey{name: name, kind: k}
	if err := json.Unmarshal(raw, found); err != nil {
		return nil, fmt.Errorf("transit key %s: %w", name, err)
	}
	if found.Type != k.vault || found.Derived {
		return nil, fmt.Errorf("transit key %s is of type %s (derived: %t), want plain %s", name, found.Type, found.Derived, k.vault)
	}
	if _, reported := b.reported.LoadOrStore(name, true); !reported && (found.Exportable || found.Backup) {
		b.opt.Log.Warn("the private key can be taken out of Vault", "transit_key", name,
			"exportable", found.Exportable, "allow_plaintext_backup", found.Backup)
	}
	return found, nil
}

// readTransitKey reads a key that has to be there.
func (b *Backend) readTransitKey(ctx context.Context, k *kind) (*transitKey, error) {
	found, err := b.findTransitKey(ctx, k)
	if err == nil && found == nil {
		err = fmt.Errorf("transit has no key %s: %w", b.keyName(k.suffix), keys.ErrNoKey)
	}
	return found, err
}

// public returns the public key of a version and its kid.
func (t *transitKey) public(version int) (public crypto.PublicKey, kid string, err error) {
	raw, ok := t.Versions[strconv.Itoa(version)]
	if !ok {
		return nil, "", fmt.Errorf("transit key %s has no version %d: %w", t.name, version, keys.ErrNoKey)
	}
	var fields struct {
		Public string `json:"public_key"`
	}
	if err = json.Unmarshal(raw, &fields); err == nil {
		public, err = parsePublic(fields.Public)
	}
	if err == nil && t.kind.signatureSize(public) == 0 {
		err = fmt.Errorf("a %T is not for %s", public, t.kind.vault)
	}
	if err == nil {
		kid, err = jose.Thumbprint(public)
	}
	if err != nil {
		return nil, "", fmt.Errorf("transit key %s version %d: %w", t.name, version, err)
	}
	return public, kid, nil
}

// parsePublic reads PEM or, as Vault gives an Ed25519 key, its 32 bytes in base64.
func parsePublic(text string) (crypto.PublicKey, error) {
	if block, _ := pem.Decode([]byte(text)); block != nil {
		return x509.ParsePKIXPublicKey(block.Bytes)
	}
	raw, err := base64.StdEncoding.DecodeString(text)
	if err != nil || len(raw) != ed25519.PublicKeySize {
		return nil, errors.New("not a public key")
	}
	return ed25519.PublicKey(raw), nil
}

// makeTransitKey makes a key with its first version; one that is there already stays as it is.
func (b *Backend) makeTransitKey(ctx context.Context, name, vaultType string) error {
	_, err := b.vault.Write(ctx, b.path("keys", name), map[string]any{
		"type": vaultType, "exportable": false, "allow_plaintext_backup": false,
	})
	if err != nil {
		return fmt.Errorf("making transit key %s: %w", name, err)
	}
	return nil
}

// newVersion makes a version above last, or takes one that is there: left by a process that stopped or lost a
// race before it recorded it.
func (b *Backend) newVersion(ctx context.Context, k *kind, last int) (*transitKey, error) {
	found, err := b.findTransitKey(ctx, k)
	switch {
	case err != nil:
		return nil, err
	case found == nil:
		err = b.makeTransitKey(ctx, b.keyName(k.suffix), k.vault)
	case found.Latest > last:
		return found, nil
	default:
		err = b.rotate(ctx, found.name)
	}
	if err != nil {
		return nil, err
	}
	if found, err = b.readTransitKey(ctx, k); err != nil {
		return nil, err
	}
	if found.Latest <= last {
		return nil, fmt.Errorf("transit key %s has only %d versions, %d were in use: was it made anew?", found.name, found.Latest, last)
	}
	return found, nil
}

func (b *Backend) rotate(ctx context.Context, name string) error {
	if _, err := b.vault.Write(ctx, b.path("keys", name)+"/rotate", nil); err != nil {
		return fmt.Errorf("rotating transit key %s: %w", name, err)
	}
	return nil
}
