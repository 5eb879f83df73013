package vault

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"os"
	"strings"

	"github.com/hashicorp/vault/api"
)

// authenticate obtains a token by the configured method.
func (c *Client) authenticate(ctx context.Context) (*api.SecretAuth, error) {
	c.warnOfReaders()
	a := c.opt.Auth
	switch a.Method {
	case AppRole:
		return c.loginAppRole(ctx)
	case Cert:
		// A renewed certificate must not be held back by a connection that still has the old one.
		c.transport.CloseIdleConnections()
		return c.loginWith(ctx, map[string]any{"name": a.Role})
	case Kubernetes:
		jwt, err := readSecret(a.JWTFile)
		if err != nil {
			return nil, err
		}
		return c.loginWith(ctx, map[string]any{"role": a.Role, "jwt": jwt})
	case TokenFile:
		return c.takeTokenFile(ctx)
	default:
		return c.takeToken(ctx, a.Token.Reveal())
	}
}

// loginWith posts credentials to the method's login path, without a token.
func (c *Client) loginWith(ctx context.Context, credentials map[string]any) (*api.SecretAuth, error) {
	path := "auth/" + c.opt.Auth.Mount + "/login"
	anonymous, err := c.as("")
	if err != nil {
		return nil, err
	}
	secret, err := anonymous.Logical().WriteWithContext(ctx, path, credentials)
	if err := classify(ctx, "write "+path, err); err != nil {
		var answer *Error
		// That is how Vault refuses credentials; a secret id that is used up was a 500 for a time.
		if errors.As(err, &answer) && (answer.Status == http.StatusBadRequest || answer.Says("invalid secret id")) {
			err = fmt.Errorf("%w: %w", ErrDenied, err)
		}
		return nil, err
	}
	if secret == nil || secret.Auth == nil || secret.Auth.ClientToken == "" {
		return nil, fmt.Errorf("write %s: the answer has no token", path)
	}
	return secret.Auth, nil
}

// as is a client of the same Vault with another token, over the same connections.
func (c *Client) as(token string) (*api.Client, error) {
	client, err := c.api.Clone()
	if err != nil {
		return nil, unreadable(err)
	}
	c.opt.isolate(client, token)
	return client, nil
}

func (c *Client) takeTokenFile(ctx context.Context) (*api.SecretAuth, error) {
	text, err := os.ReadFile(c.opt.Auth.TokenFile)
	if err != nil {
		return nil, err
	}
	c.session.tokenInFile = text
	token := strings.TrimSpace(string(text))
	if token == "" {
		return nil, errors.New(c.opt.Auth.TokenFile + " is empty")
	}
	return c.takeToken(ctx, token)
}

// takeToken asks Vault how long a token lives.
func (c *Client) takeToken(ctx context.Context, token string) (*api.SecretAuth, error) {
	client, err := c.as(token)
	if err != nil {
		return nil, err
	}
	secret, err := client.Auth().Token().LookupSelfWithContext(ctx)
	if err := classify(ctx, "read auth/token/lookup-self", err); err != nil {
		return nil, err
	}
	ttl, err := secret.TokenTTL()
	if err != nil {
		return nil, err
	}
	renewable, err := secret.TokenIsRenewable()
	if err != nil {
		return nil, err
	}
	policies, err := secret.TokenPolicies()
	if err != nil {
		return nil, err
	}
	return &api.SecretAuth{ClientToken: token, LeaseDuration: int(ttl.Seconds()), Renewable: renewable, TokenPolicies: policies}, nil
}

// warnOfReaders says, once per file, that others on the machine can read a credential.
func (c *Client) warnOfReaders() {
	for _, file := range c.opt.Auth.secretFiles() {
		info, err := os.Stat(file)
		if err != nil || info.Mode().Perm()&0o007 == 0 || c.session.warned[file] {
			continue
		}
		c.session.warned[file] = true
		c.opt.Log.Warn("others on this machine can read the credentials for vault", "path", file, "mode", info.Mode().String())
	}
}

// readSecret reads a one-line file. Its content is in no error.
func readSecret(file string) (string, error) {
	text, err := os.ReadFile(file) //nolint:gosec // the configuration names it
	if err != nil {
		return "", err
	}
	secret := strings.TrimSpace(string(text))
	if secret == "" || strings.ContainsAny(secret, " \t\r\n") {
		return "", errors.New(file + " does not hold one word")
	}
	return secret, nil
}
