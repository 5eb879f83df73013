package file

import (
	"crypto"
	"crypto/x509"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"time"

	"signet/provider/jose"
	"signet/provider/keys"
)

const keyFormat = "signet signing key 1"

// facts are the part of a key file that anybody may read; they are authenticated with the secret.
type facts struct {
	Format      string    `json:"format"`
	Kid         string    `json:"kid"`
	Alg         string    `json:"alg"`
	CreatedAt   time.Time `json:"created_at"`
	ActivatesAt time.Time `json:"activates_at"`
}

// bytes is the facts' canonical form: the context under which the secret is sealed.
func (f facts) bytes() []byte {
	raw, _ := json.Marshal(f) // four texts and two times cannot fail: the years are checked in Create
	return raw
}

type keyDocument struct {
	facts
	Private []byte `json:"private_key"` // PKCS #8, sealed
}

// loaded is a key in memory.
type loaded struct {
	keys.Key
	private *jose.PrivateKey
}

// readKey reads, opens and checks one key file.
func (b *Backend) readKey(name string) (loaded, error) {
	raw, err := os.ReadFile(filepath.Join(b.opt.Directory, name)) //nolint:gosec // from the directory's listing
	if err != nil {
		return loaded{}, fmt.Errorf("reading a key: %w", err)
	}
	var document keyDocument
	if err := json.Unmarshal(raw, &document); err != nil || document.Format != keyFormat {
		return loaded{}, fmt.Errorf("%s: not a key file of this version", name)
	}
	der, err := b.files.open(document.Private, document.bytes())
	if err != nil {
		return loaded{}, fmt.Errorf("%s: damaged, changed, or sealed with another data key: %w", name, err)
	}
	private, err := parsePrivate(der, document.Alg)
	if err != nil {
		return loaded{}, fmt.Errorf("%s: %w", name, err)
	}
	if private.Kid() != document.Kid || name != document.Kid+keySuffix {
		return loaded{}, fmt.Errorf("%s: the file's name, its kid and its key do not belong together", name)
	}
	return loaded{document.key(private.Public()), private}, nil
}

func (f facts) key(public crypto.PublicKey) keys.Key {
	return keys.Key{Kid: f.Kid, Alg: f.Alg, Public: public, CreatedAt: f.CreatedAt, ActivatesAt: f.ActivatesAt}
}

func parsePrivate(der []byte, alg string) (*jose.PrivateKey, error) {
	parsed, err := x509.ParsePKCS8PrivateKey(der)
	if err != nil {
		return nil, errors.New("no private key inside") // the cause could quote the secret
	}
	signer, ok := parsed.(crypto.Signer)
	if !ok {
		return nil, fmt.Errorf("a key of type %T cannot sign", parsed)
	}
	return jose.NewPrivateKey(alg, "", signer)
}

// makeKey generates a key and writes its file. The caller holds the lock.
func (b *Backend) makeKey(spec keys.Spec) (loaded, error) {
	signer, err := jose.Generate(spec.Alg, b.opt.RSABits, b.opt.Random)
	if err != nil {
		return loaded{}, fmt.Errorf("generating a key: %w", err)
	}
	private, err := jose.NewPrivateKey(spec.Alg, "", signer)
	if err != nil {
		return loaded{}, fmt.Errorf("generating a key: %w", err)
	}
	document := keyDocument{facts: facts{
		Format: keyFormat, Kid: private.Kid(), Alg: spec.Alg,
		CreatedAt: spec.CreatedAt.UTC().Truncate(time.Second), ActivatesAt: spec.ActivatesAt.UTC().Truncate(time.Second),
	}}
	der, err := x509.MarshalPKCS8PrivateKey(signer)
	if err != nil {
		return loaded{}, fmt.Errorf("encoding a key: %w", err)
	}
	if document.Private, err = b.files.seal(der, document.bytes()); err != nil {
		return loaded{}, err
	}
	key := loaded{document.key(private.Public()), private}
	return key, writeJSON(filepath.Join(b.opt.Directory, document.Kid+keySuffix), document)
}

// removeKey deletes a key's file.
func (b *Backend) removeKey(kid string) error {
	if kid == "" || strings.ContainsAny(kid, `/\`) {
		return nil // no thumbprint looks like this, so there is no such key
	}
	err := os.Remove(filepath.Join(b.opt.Directory, kid+keySuffix))
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("deleting a key: %w", err)
	}
	return syncDirectory(b.opt.Directory)
}
