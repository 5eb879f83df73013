package transit

import (
	"bytes"
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"net/http"

	"signet/provider/keys"
	"signet/provider/keys/vault"
)

// dataKind is the key that seals; it can be rotated in Vault at any time, as what it sealed names its version.
var dataKind = &kind{vault: "aes256-gcm96", suffix: "data"}

// ensureDataKey makes the sealing key when it is missing. An identity that may not even look has no use for it.
func (b *Backend) ensureDataKey(ctx context.Context) error {
	found, err := b.findTransitKey(ctx, dataKind)
	switch {
	case errors.Is(err, vault.ErrDenied):
		return nil
	case err != nil || found != nil:
		return err
	}
	return needsKeeper(b.makeTransitKey(ctx, b.keyName(dataKind.suffix), dataKind.vault))
}

// Seal implements keys.Sealer by a call to Vault. vault.ErrDenied means that the identity may not, as the servers' may not.
func (b *Backend) Seal(ctx context.Context, plaintext, context []byte) ([]byte, error) {
	data := map[string]any{"plaintext": base64.StdEncoding.EncodeToString(plaintext)}
	bind(data, context)
	text, err := b.crypt(ctx, "encrypt", data, "ciphertext")
	if err != nil {
		return nil, needsKeeper(fmt.Errorf("sealing in Vault: %w", err))
	}
	return []byte(text), nil
}

// Open implements keys.Sealer by a call to Vault.
func (b *Backend) Open(ctx context.Context, sealed, context []byte) ([]byte, error) {
	if !bytes.HasPrefix(sealed, []byte("vault:v")) {
		return nil, keys.ErrSealed
	}
	data := map[string]any{"ciphertext": string(sealed)}
	bind(data, context)
	text, err := b.crypt(ctx, "decrypt", data, "plaintext")
	var refused *vault.Error
	switch {
	case errors.As(err, &refused) && refused.Status == http.StatusBadRequest:
		return nil, fmt.Errorf("%w: %w", keys.ErrSealed, err)
	case err != nil:
		return nil, fmt.Errorf("opening in Vault: %w", err)
	}
	plaintext, err := base64.StdEncoding.DecodeString(text)
	if err != nil {
		return nil, fmt.Errorf("opening in Vault: %w", err)
	}
	return plaintext, nil
}

// bind adds what is authenticated with the data.
func bind(data map[string]any, context []byte) {
	if len(context) > 0 {
		data["associated_data"] = base64.StdEncoding.EncodeToString(context)
	}
}

// crypt makes one call and returns the one field that it is about.
func (b *Backend) crypt(ctx context.Context, operation string, data map[string]any, field string) (string, error) {
	answer, err := b.vault.Write(ctx, b.path(operation, b.keyName(dataKind.suffix)), data)
	if err != nil {
		return "", err
	}
	if text, ok := answer[field].(string); ok {
		return text, nil
	}
	return "", fmt.Errorf("the answer has no %s", field)
}

// RotateDataKey implements keys.DataKeyRotator. What is sealed from now on, by any process, has the new version;
// Vault opens the older ones until an operator raises the key's min_decryption_version. Two at once make two.
func (b *Backend) RotateDataKey(ctx context.Context) error {
	return needsKeeper(b.rotate(ctx, b.keyName(dataKind.suffix)))
}
