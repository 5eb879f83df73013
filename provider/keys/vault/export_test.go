package vault

import (
	"context"

	"github.com/hashicorp/vault/api"
)

// Delete is what Signet itself never does; tests try whether they could.
func (c *Client) Delete(ctx context.Context, path string) error {
	_, err := c.request(ctx, "delete "+path, func(ctx context.Context) (*api.Secret, error) {
		return c.api.Logical().DeleteWithContext(ctx, path)
	})
	return err
}
