package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"os"

	"github.com/spf13/cobra"

	"signet/provider/clientauth"
	"signet/provider/oauth"
)

// clientAddOptions are the flags of "signet client add". A flag that is given wins over --from.
type clientAddOptions struct {
	from, jwksFile string
	client         oauth.Client
}

func (c *console) clientAddCommand() *cobra.Command {
	var o clientAddOptions
	cmd := &cobra.Command{
		Use:   "add CLIENT",
		Short: "Register a client",
		Long: `Registers a client from flags, from a JSON file with client metadata (RFC 7591 section 2, RFC 8705
section 2.1.2), or from both: flags win. A method that needs a secret gets a generated one. It is
printed now and never again; only its hash is kept.`,
		Example: `  signet client add tpp-1 --auth tls_client_auth --tls-subject-dn "CN=tpp-1.example,O=TPP,C=DE" \
      --grant client_credentials --scope accounts --resource https://api.bank.example --bound
  signet client add app --auth none --grant authorization_code --redirect-uri http://127.0.0.1/callback \
      --scope "openid accounts" --resource https://api.bank.example
  signet client add tpp-3 --profile fapi2-security --auth private_key_jwt --jwks-file tpp-3.jwks --dpop-bound \
      --grant authorization_code --redirect-uri https://tpp-3.example/cb --scope "openid accounts" --resource https://api.bank.example
  signet client add tpp-2 --from metadata.json`,
		Args: exactArgs("CLIENT"),
		RunE: func(cmd *cobra.Command, args []string) error {
			client, err := c.clientFrom(cmd, o)
			if err != nil {
				return err
			}
			client.ID = args[0]
			return c.addClient(cmd.Context(), client)
		},
	}
	f := cmd.Flags()
	f.StringVar(&o.from, "from", "", "JSON file with client metadata; - reads standard input")
	f.StringVar(&o.jwksFile, "jwks-file", "", "file with its public keys (JWK Set)")
	for _, flag := range clientFlags {
		flag.declare(cmd, &o.client)
	}
	return cmd
}

// clientFrom merges --from and the flags.
func (c *console) clientFrom(cmd *cobra.Command, o clientAddOptions) (oauth.Client, error) {
	var client oauth.Client
	if o.from != "" {
		raw, err := c.readInput(o.from)
		if err != nil {
			return client, err
		}
		if client, err = decodeClient(o.from, raw); err != nil {
			return client, err
		}
	}
	err := c.applyFlags(cmd, &client, o)
	return client, err
}

// applyFlags puts what the flags say into the registration.
func (c *console) applyFlags(cmd *cobra.Command, client *oauth.Client, o clientAddOptions) error {
	for _, flag := range clientFlags {
		if cmd.Flags().Changed(flag.name) {
			flag.copy(client, &o.client)
		}
	}
	if o.jwksFile == "" {
		return nil
	}
	raw, err := c.readInput(o.jwksFile)
	client.JWKS = raw
	return err
}

// decodeClient reads client metadata strictly.
func decodeClient(name string, raw []byte) (client oauth.Client, err error) {
	decoder := json.NewDecoder(bytes.NewReader(raw))
	decoder.DisallowUnknownFields()
	if err := decoder.Decode(&client); err != nil {
		return client, next(fmt.Errorf("%s: %w", name, err), "the fields are those of RFC 7591 section 2 that Signet has: signet client show CLIENT --json shows them")
	}
	if client.SecretHash != "" || client.SecretSealed != nil || client.Former != nil || client.RegistrationToken != "" {
		return client, fmt.Errorf("%s: a secret's hash cannot be imported; Signet generates secrets", name)
	}
	return client, nil
}

// readInput reads a file, or standard input for "-".
func (c *console) readInput(name string) ([]byte, error) {
	if name == "-" {
		return io.ReadAll(io.LimitReader(c.in, 1<<20))
	}
	return os.ReadFile(name) //nolint:gosec // the user names the file
}

func (c *console) addClient(ctx context.Context, client oauth.Client) error {
	return c.withRegistrar(ctx, client.AuthMethod == oauth.AuthSecretJWT, func(r *registrar) error {
		var secret oauth.Secret
		if client.AuthMethod.UsesSecret() {
			var err error
			if secret, err = clientauth.NewSecret(c.random, &client); err != nil {
				return err
			}
		}
		stored, err := r.addClient(ctx, client, secret)
		if err != nil {
			return err
		}
		c.noteWarnings(stored, r.config)
		return c.showRegistered(stored, secret)
	})
}

// showRegistered prints a registration with its new secret, if there is one.
func (c *console) showRegistered(client oauth.Client, secret oauth.Secret) error {
	if c.json {
		return writeJSON(c.out, registered{Client: shown(client), Secret: secret.Reveal()})
	}
	if err := c.showClient(client); err != nil || secret == "" {
		return err
	}
	_, err := fmt.Fprintf(c.out, "\nThe client secret, shown this once:\n\n  %s\n", secret.Reveal())
	return err
}
