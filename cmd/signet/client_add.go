package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"os"

	"github.com/spf13/cobra"

	"signet/provider/oauth"
)

// clientAddOptions are the flags of "signet client add". A flag that is given wins over --from.
type clientAddOptions struct {
	from, jwksFile, method, profile string
	client                          oauth.Client
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
	f.StringVar(&o.client.Name, "name", "", "client_name: what the consent page calls it")
	f.StringVar(&o.profile, "profile", "", "hold the client to a stricter profile: fapi2-security")
	f.StringVar(&o.method, "auth", "", "token_endpoint_auth_method")
	f.StringVar(&o.client.AuthSigningAlg, "auth-alg", "", "the only algorithm of its assertions (default: any that the profile allows)")
	f.StringVar(&o.jwksFile, "jwks-file", "", "file with its public keys (JWK Set)")
	f.StringVar(&o.client.JWKSURI, "jwks-uri", "", "where its public keys are")
	f.StringVar(&o.client.TLSSubjectDN, "tls-subject-dn", "", "its certificate's subject (RFC 4514)")
	f.StringVar(&o.client.TLSSANDNS, "tls-san-dns", "", "its certificate's DNS name")
	f.StringVar(&o.client.TLSSANURI, "tls-san-uri", "", "its certificate's URI")
	f.StringVar(&o.client.TLSSANIP, "tls-san-ip", "", "its certificate's IP address")
	f.StringVar(&o.client.TLSSANEmail, "tls-san-email", "", "its certificate's e-mail address")
	f.BoolVar(&o.client.BoundAccessTokens, "bound", false, "refuse it tokens that are not bound to a certificate")
	f.StringArrayVar(&o.client.RedirectURIs, "redirect-uri", nil, "redirect URI; repeatable")
	f.StringArrayVar(&o.client.GrantTypes, "grant", nil, "grant type; repeatable")
	f.StringVar(&o.client.Scope, "scope", "", "all scopes that it may ever have")
	f.StringArrayVar(&o.client.Resources, "resource", nil, "resource server that its tokens can be for; repeatable")
	f.StringArrayVar(&o.client.Introspects, "introspects", nil, "resource server whose tokens it may introspect; repeatable")
	f.StringVar(&o.client.IDTokenAlg, "id-token-alg", "", "signing algorithm of its ID tokens (default: the server's)")
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
		decoder := json.NewDecoder(bytes.NewReader(raw))
		decoder.DisallowUnknownFields()
		if err := decoder.Decode(&client); err != nil {
			return client, next(fmt.Errorf("%s: %w", o.from, err), "the fields are those of RFC 7591 section 2 that Signet has: signet client show CLIENT --json shows them")
		}
		if client.SecretHash != "" || client.SecretSealed != nil {
			return client, fmt.Errorf("%s: a secret's hash cannot be imported; Signet generates secrets", o.from)
		}
	}
	given := cmd.Flags().Changed
	for flag, set := range map[string]func(){
		"name":           func() { client.Name = o.client.Name },
		"profile":        func() { client.Profile = oauth.ProfileName(o.profile) },
		"auth":           func() { client.AuthMethod = oauth.AuthMethod(o.method) },
		"auth-alg":       func() { client.AuthSigningAlg = o.client.AuthSigningAlg },
		"jwks-uri":       func() { client.JWKSURI = o.client.JWKSURI },
		"tls-subject-dn": func() { client.TLSSubjectDN = o.client.TLSSubjectDN },
		"tls-san-dns":    func() { client.TLSSANDNS = o.client.TLSSANDNS },
		"tls-san-uri":    func() { client.TLSSANURI = o.client.TLSSANURI },
		"tls-san-ip":     func() { client.TLSSANIP = o.client.TLSSANIP },
		"tls-san-email":  func() { client.TLSSANEmail = o.client.TLSSANEmail },
		"bound":          func() { client.BoundAccessTokens = o.client.BoundAccessTokens },
		"redirect-uri":   func() { client.RedirectURIs = o.client.RedirectURIs },
		"grant":          func() { client.GrantTypes = o.client.GrantTypes },
		"scope":          func() { client.Scope = o.client.Scope },
		"resource":       func() { client.Resources = o.client.Resources },
		"introspects":    func() { client.Introspects = o.client.Introspects },
		"id-token-alg":   func() { client.IDTokenAlg = o.client.IDTokenAlg },
	} {
		if given(flag) {
			set()
		}
	}
	if o.jwksFile != "" {
		raw, err := c.readInput(o.jwksFile)
		if err != nil {
			return client, err
		}
		client.JWKS = raw
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
			if secret, err = oauth.NewSecret(c.random); err != nil {
				return err
			}
		}
		stored, err := r.addClient(ctx, client, secret)
		if err != nil {
			return err
		}
		if c.json {
			return writeJSON(c.out, registered{Client: shown(stored), Secret: secret.Reveal()})
		}
		if err := c.showClient(stored); err != nil {
			return err
		}
		if secret != "" {
			_, err = fmt.Fprintf(c.out, "\nThe client secret, shown this once:\n\n  %s\n", secret.Reveal())
		}
		return err
	})
}
