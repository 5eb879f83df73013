package transit

import (
	"context"
	"net/url"

	"signet/provider/keys/vault"
)

// caller is what the backend needs of Vault. An answer without data is nil.
type caller interface {
	Read(ctx context.Context, path string, query url.Values) (map[string]any, error)
	Write(ctx context.Context, path string, data map[string]any) (map[string]any, error)
	ReadKV(ctx context.Context, mount, path string) (data map[string]any, version int, err error)
	WriteKV(ctx context.Context, mount, path string, data map[string]any, cas int) (version int, err error)
	Probe(ctx context.Context) error
}

// client is a vault.Client whose answers are their data alone.
type client struct{ *vault.Client }

// Read implements caller.
func (c client) Read(ctx context.Context, path string, query url.Values) (map[string]any, error) {
	secret, err := c.Client.Read(ctx, path, query)
	if err != nil || secret == nil {
		return nil, err
	}
	return secret.Data, nil
}

// Write implements caller.
func (c client) Write(ctx context.Context, path string, data map[string]any) (map[string]any, error) {
	secret, err := c.Client.Write(ctx, path, data)
	if err != nil || secret == nil {
		return nil, err
	}
	return secret.Data, nil
}
