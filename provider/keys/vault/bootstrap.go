package vault

import (
	"context"
	"errors"
	"fmt"
	"time"

	"signet/provider/oauth"
)

// Bootstrap is what an AppRole identity's files hold at first.
type Bootstrap struct {
	RoleID   string
	SecretID oauth.Secret // or the token that it is wrapped in
}

// Bootstrap makes a secret id for an AppRole identity, whose role must be there. With Auth.Wrapped the secret
// id does not leave Vault: the result has a token that unwraps it once, within wrapTTL.
func (c *Client) Bootstrap(ctx context.Context, i Identity, wrapTTL time.Duration) (Bootstrap, error) {
	mount := i.Auth.Mount
	if mount == "" {
		mount = AppRole
	}
	role := fmt.Sprintf("auth/%s/role/%s", mount, i.roleName())
	found, err := c.Read(ctx, role+"/role-id", nil)
	if err != nil {
		return Bootstrap{}, err
	}
	if found == nil {
		return Bootstrap{}, fmt.Errorf("vault has no role %s", role)
	}
	roleID, _ := found.Data["role_id"].(string)
	secretID, err := c.newSecretID(ctx, role+"/secret-id", i.Auth.Wrapped, wrapTTL)
	if err == nil && (roleID == "" || secretID == "") {
		err = errors.New("vault gave an empty id for " + role)
	}
	return Bootstrap{RoleID: roleID, SecretID: oauth.Secret(secretID)}, err
}

func (c *Client) newSecretID(ctx context.Context, path string, wrapped bool, wrapTTL time.Duration) (string, error) {
	if !wrapped {
		made, err := c.Write(ctx, path, nil)
		if err != nil || made == nil {
			return "", err
		}
		id, _ := made.Data["secret_id"].(string)
		return id, nil
	}
	limited, cancel := context.WithTimeout(ctx, c.opt.Timeout)
	defer cancel()
	client, err := c.as(c.api.Token())
	if err != nil {
		return "", err
	}
	client.SetWrappingLookupFunc(func(string, string) string { return wrapTTL.String() })
	made, err := client.Logical().WriteWithContext(limited, path, nil)
	if err := classify(ctx, "write "+path, err); err != nil {
		return "", err
	}
	if made == nil || made.WrapInfo == nil {
		return "", errors.New("vault did not wrap its answer")
	}
	return made.WrapInfo.Token, nil
}
