package main

import (
	"context"
	"fmt"
	"io"
	"net/url"
	"os"
	"strings"

	"github.com/jedib0t/go-pretty/v6/table"
	"github.com/spf13/cobra"

	"signet/provider/oauth"
)

// grantDevice is what people call oauth.GrantDevice.
const grantDevice = "device"

// tokenOptions are the flags of "signet token".
type tokenOptions struct {
	file, secretFile, refreshFile string
	flags                         clientSettings
	authMethod                    string
	door, grant, scope            string
	resources                     []string
	decode, raw                   bool
}

func (c *console) tokenCommand() *cobra.Command {
	var o tokenOptions
	cmd := &cobra.Command{
		Use:   "token",
		Short: "Get a token as a client would (for development)",
		Long: `Plays a client: reads the provider's metadata, authenticates by the client's method, and prints the
token response. With a certificate it goes to the mTLS door (RFC 8705 section 5), so that the token
is bound to the certificate.

What describes the client comes from --client-file, which "signet demo" writes for each of its
clients, or from flags, which win over the file.`,
		Example: `  signet token --client-file .signet/clients/demo-private-key-jwt.json --scope accounts --decode
  signet token --client-file .signet/clients/demo-tls.json --scope accounts --raw
  signet token --client-file .signet/clients/demo-public.json --grant authorization_code --scope "openid accounts"
  signet token --client-file .signet/clients/demo-fapi2.json --grant authorization_code --scope "openid accounts" --decode
  signet token --client-file .signet/clients/demo-public.json --grant device --scope "openid accounts"
  signet token --client-file .signet/clients/demo-basic.json --grant refresh_token --refresh-token-file FILE
  signet token --issuer https://login.bank.example --client tpp --key tpp-key.pem --cert tpp.pem --scope accounts`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return c.getToken(cmd.Context(), o) },
	}
	f := cmd.Flags()
	f.StringVar(&o.file, "client-file", "", "JSON file that describes the client")
	f.StringVar(&o.flags.Issuer, "issuer", "", "the provider's issuer identifier")
	f.StringVar(&o.flags.CA, "ca", "", "PEM file with the CA of the provider's certificate (default: the system's CAs)")
	f.StringVar(&o.flags.ClientID, "client", "", "client_id")
	f.StringVar(&o.authMethod, "auth", "", "authentication method, as registered (default: what the given credentials suggest)")
	f.StringVar(&o.secretFile, "secret-file", "", "file with the client secret; - reads standard input")
	f.StringVar(&o.flags.Key, "key", "", "PEM private key for private_key_jwt")
	f.StringVar(&o.flags.KeyID, "kid", "", "key id (default: the key's RFC 7638 thumbprint)")
	f.StringVar(&o.flags.Certificate, "cert", "", "PEM client certificate to present, with its chain")
	f.StringVar(&o.flags.CertificateKey, "cert-key", "", "PEM private key of --cert (default: in the same file)")
	f.StringVar(&o.flags.DPoPKey, "dpop-key", "", "PEM private key to bind the tokens to (RFC 9449)")
	f.BoolVar(&o.flags.Push, "par", false, "push the authorization request (RFC 9126)")
	f.StringVar(&o.flags.RedirectURI, "redirect-uri", "", "loopback redirect URI for authorization_code (default: http://127.0.0.1:<free>/callback)")
	f.StringVar(&o.door, "door", "", "main or mtls (default: mtls when there is a certificate)")
	f.StringVar(&o.grant, "grant", oauth.GrantClientCredentials, "client_credentials, authorization_code, device or refresh_token")
	f.StringVar(&o.refreshFile, "refresh-token-file", "", "file with the refresh token; - reads standard input")
	f.StringVar(&o.scope, "scope", "", "space-delimited scopes to ask for")
	f.StringArrayVar(&o.resources, "resource", nil, "resource server to ask for (RFC 8707); repeatable")
	f.BoolVar(&o.decode, "decode", false, "print the tokens' headers and claims as tables (not verified)")
	f.BoolVar(&o.raw, "raw", false, "print the access token alone")
	cmd.MarkFlagsMutuallyExclusive("decode", "raw")
	cmd.AddCommand(c.tokenDecodeCommand(), c.tokenProofCommand())
	return cmd
}

func (c *console) tokenDecodeCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "decode [TOKEN]",
		Short: "Print a JWT's header and claims; nothing is verified",
		Long:  "Prints a JWT's header and claims. Without TOKEN it reads a JWT or a token response from standard input.",
		Example: `  curl -s ... https://localhost:9444/token | signet token decode
  signet token decode eyJhbGciOi...`,
		Args: cobra.MaximumNArgs(1),
		RunE: func(_ *cobra.Command, args []string) error {
			input := c.in
			if len(args) == 1 {
				input = strings.NewReader(args[0])
			}
			token, err := tokenIn(input)
			if err != nil {
				return err
			}
			return c.showJWT(token)
		},
	}
}

func (c *console) tokenProofCommand() *cobra.Command {
	var file, tokenFile, method, nonce string
	cmd := &cobra.Command{
		Use:   "proof URL",
		Short: "Print a DPoP proof for one request with an access token (for development)",
		Long:  "Prints the value of the DPoP header for one request to URL. A proof is good once, and for a minute.",
		Example: `  signet token proof https://localhost:9446/accounts --client-file .signet/clients/demo-fapi2.json --token-file token
  curl -H "Authorization: DPoP $TOKEN" -H "DPoP: $(printf %s "$TOKEN" | signet token proof URL --client-file FILE --token-file -)" URL`,
		Args: exactArgs("URL"),
		RunE: func(_ *cobra.Command, args []string) error {
			settings, err := readClientSettings(file)
			if err != nil {
				return err
			}
			if settings.DPoPKey == "" {
				return next(fmt.Errorf("%s has no dpop_key", file), "choose a client that binds its tokens to a DPoP key")
			}
			token, err := c.readSecret(tokenFile)
			if err != nil {
				return err
			}
			proof, err := (&devClient{clientSettings: settings, system: c.system}).proof(method, args[0], oauth.Secret(token), nonce)
			if err != nil {
				return err
			}
			_, err = fmt.Fprintln(c.out, proof)
			return err
		},
	}
	f := cmd.Flags()
	f.StringVar(&file, "client-file", "", "JSON file that describes the client")
	f.StringVar(&tokenFile, "token-file", "-", "file with the access token; - reads standard input")
	f.StringVar(&method, "method", "GET", "the request's method")
	f.StringVar(&nonce, "nonce", "", "the resource server's DPoP-Nonce, when it asked for one")
	_ = cmd.MarkFlagRequired("client-file")
	return cmd
}

func (c *console) showJWT(token string) error {
	decoded, err := decodeJWT(token)
	if err != nil {
		return err
	}
	return c.show(decoded, table.Row{"part", "name", "value"}, decoded.rows())
}

func (c *console) getToken(ctx context.Context, o tokenOptions) error {
	settings, err := c.tokenSettings(o)
	if err != nil {
		return err
	}
	if o.door != "" && o.door != "main" && o.door != "mtls" {
		return fmt.Errorf("--door: want main or mtls, not %q", o.door)
	}
	client, err := newDevClient(ctx, settings, o.door, c.system)
	if err != nil {
		return err
	}
	answer, err := c.runGrant(ctx, client, o)
	if err != nil {
		return err
	}
	return c.showTokens(answer, o)
}

// tokenSettings merges the client file and the flags.
func (c *console) tokenSettings(o tokenOptions) (s clientSettings, err error) {
	if o.file != "" {
		if s, err = readClientSettings(o.file); err != nil {
			return s, err
		}
	}
	for _, value := range []struct {
		flag string
		into *string
	}{
		{o.flags.Issuer, &s.Issuer}, {o.flags.CA, &s.CA}, {o.flags.ClientID, &s.ClientID}, {o.flags.Key, &s.Key},
		{o.flags.KeyID, &s.KeyID}, {o.flags.Certificate, &s.Certificate}, {o.flags.CertificateKey, &s.CertificateKey},
		{o.flags.RedirectURI, &s.RedirectURI}, {o.flags.DPoPKey, &s.DPoPKey},
	} {
		if value.flag != "" {
			*value.into = value.flag
		}
	}
	s.Push = s.Push || o.flags.Push
	if o.flags.Certificate != "" && o.flags.CertificateKey == "" {
		s.CertificateKey = "" // the file's key belongs to the file's certificate
	}
	if o.authMethod != "" {
		s.AuthMethod = oauth.AuthMethod(o.authMethod)
	}
	if o.secretFile != "" {
		if s.Secret, err = c.readSecret(o.secretFile); err != nil {
			return s, err
		}
	}
	return s, nil
}

// readSecret reads one line from a file or, for "-", from standard input: secrets are never flags, which
// every process on the machine can see.
func (c *console) readSecret(name string) (string, error) {
	var raw []byte
	var err error
	if name == "-" {
		raw, err = io.ReadAll(io.LimitReader(c.in, 64<<10))
	} else {
		raw, err = os.ReadFile(name) //nolint:gosec // the user names the file
	}
	if err != nil {
		return "", err
	}
	secret := strings.TrimRight(string(raw), "\r\n")
	if secret == "" {
		return "", fmt.Errorf("%s is empty", name)
	}
	return secret, nil
}

func (c *console) runGrant(ctx context.Context, client *devClient, o tokenOptions) (*tokenResponse, error) {
	form := url.Values{"grant_type": {o.grant}}
	if o.scope != "" {
		form.Set("scope", o.scope)
	}
	if len(o.resources) > 0 {
		form["resource"] = o.resources
	}
	switch o.grant {
	case oauth.GrantClientCredentials:
	case oauth.GrantRefreshToken:
		if o.refreshFile == "" {
			return nil, next(fmt.Errorf("the grant refresh_token needs a refresh token"), "give --refresh-token-file FILE, or - and pipe it in")
		}
		token, err := c.readSecret(o.refreshFile)
		if err != nil {
			return nil, err
		}
		form.Set("refresh_token", token)
	case oauth.GrantAuthorizationCode:
		return client.codeByBrowser(ctx, o.scope, o.resources, func(address string) {
			c.note("Open this in a browser and log in; waiting for it to come back:\n\n  %s\n", address)
		})
	case grantDevice, oauth.GrantDevice:
		return c.tokenByDevice(ctx, client, o.scope, o.resources)
	default:
		return nil, fmt.Errorf("--grant: want client_credentials, authorization_code, device or refresh_token, not %q", o.grant)
	}
	return client.token(ctx, form)
}

func (c *console) showTokens(answer *tokenResponse, o tokenOptions) error {
	switch {
	case o.raw:
		_, err := fmt.Fprintln(c.out, answer.AccessToken)
		return err
	case !o.decode:
		return writeJSON(c.out, answer.raw)
	}
	for _, token := range []struct{ name, value string }{{"access token", answer.AccessToken}, {"ID token", answer.IDToken}} {
		if token.value == "" {
			continue
		}
		if !c.json {
			c.note("%s:", token.name)
		}
		if err := c.showJWT(token.value); err != nil {
			c.note("%v", err)
		}
	}
	return nil
}
