package vault

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strings"
	"time"

	"github.com/hashicorp/vault/api"

	"signet/provider/oauth"
)

// secretIDNotice is how long before the end of a secret id each login warns of it.
const secretIDNotice = 10 * 24 * time.Hour

func (c *Client) loginAppRole(ctx context.Context) (*api.SecretAuth, error) {
	roleID, err := readSecret(c.opt.Auth.RoleIDFile)
	if err != nil {
		return nil, err
	}
	c.warnOfAge()
	secretID, err := c.secretIDForLogin(ctx)
	if err != nil {
		return nil, err
	}
	return c.loginWith(ctx, map[string]any{"role_id": roleID, "secret_id": secretID})
}

// warnOfAge judges by the file, as the identity may not ask Vault about its own secret id.
func (c *Client) warnOfAge() {
	info, err := os.Stat(c.opt.Auth.SecretIDFile)
	if err != nil || c.opt.Clock().Sub(info.ModTime()) < SecretIDTTL-secretIDNotice {
		return
	}
	c.opt.Log.Warn("the secret id for vault is old; replace it in its file before it ends, no restart is needed",
		"path", c.opt.Auth.SecretIDFile, "written", info.ModTime(), "ends_after", SecretIDTTL)
}

// secretIDForLogin reads the secret id. A wrapped one is unwrapped once; a new wrapping token in the file
// replaces it.
func (c *Client) secretIDForLogin(ctx context.Context) (string, error) {
	s := &c.session
	inFile, err := readSecret(c.opt.Auth.SecretIDFile)
	switch {
	case !c.opt.Auth.Wrapped:
		return inFile, err
	case err != nil && s.secretID != "": // the file may be removed once it is used up
		return s.secretID, nil
	case err != nil:
		return "", err
	case inFile == s.unwrapped:
		return s.secretID, nil
	}
	secretID, err := c.unwrap(ctx, inFile)
	if err != nil {
		return "", err
	}
	s.secretID, s.unwrapped = secretID, inFile
	return secretID, nil
}

// unwrap exchanges a response-wrapping token for the secret id. Where it was made is checked first: a token of
// another's making would log us in as someone else.
func (c *Client) unwrap(ctx context.Context, wrapping string) (string, error) {
	client, err := c.as("")
	if err != nil {
		return "", err
	}
	about, err := client.Logical().WriteWithContext(ctx, "sys/wrapping/lookup", map[string]any{"token": wrapping})
	if err := classify(ctx, "write sys/wrapping/lookup", err); err != nil {
		return "", spent(c.opt.Auth.SecretIDFile, err)
	}
	if about == nil {
		return "", spent(c.opt.Auth.SecretIDFile, errors.New("vault does not know the wrapping token"))
	}
	if path, _ := about.Data["creation_path"].(string); !c.makesSecretIDs(path) {
		return "", fmt.Errorf("%w: %s holds a wrapping token that was made by %q, not by auth/%s: it is not ours, and was left alone",
			ErrDenied, c.opt.Auth.SecretIDFile, path, c.opt.Auth.Mount)
	}
	if client, err = c.as(wrapping); err != nil {
		return "", err
	}
	secret, err := client.Logical().UnwrapWithContext(ctx, "")
	if err := classify(ctx, "write sys/wrapping/unwrap", err); err != nil {
		return "", spent(c.opt.Auth.SecretIDFile, err)
	}
	if secret != nil {
		if id, _ := secret.Data["secret_id"].(string); id != "" {
			return id, nil
		}
	}
	return "", fmt.Errorf("%w: what %s unwraps to is no secret id", ErrDenied, c.opt.Auth.SecretIDFile)
}

// makesSecretIDs reports whether path is the one at which the role's secret ids are made.
func (c *Client) makesSecretIDs(path string) bool {
	path = strings.TrimPrefix(path, strings.Trim(c.opt.Namespace, "/")+"/")
	role, found := strings.CutPrefix(path, "auth/"+c.opt.Auth.Mount+"/role/")
	role, ends := strings.CutSuffix(role, "/secret-id")
	return found && ends && role != "" && !strings.Contains(role, "/") && (c.opt.Auth.Role == "" || c.opt.Auth.Role == role)
}

// spent explains a wrapping token that Vault does not take.
func spent(file string, err error) error {
	if errors.Is(err, oauth.ErrUnavailable) || saysNothing(err) {
		return err
	}
	return fmt.Errorf("%w: the wrapping token in %s is used up or expired; if Signet did not use it, someone else has the secret id: destroy it and make a new one: %w", ErrDenied, file, err)
}
