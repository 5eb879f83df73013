package main

import (
	"context"
	"crypto/rand"
	"fmt"
	"io"
	"log/slog"
	"os"
	"os/signal"
	"syscall"
	"time"

	"github.com/spf13/cobra"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	code := run(ctx, os.Args[1:], os.Stdout, os.Stderr)
	stop()
	os.Exit(code)
}

// run executes the command line until ctx ends and returns the exit code.
func run(ctx context.Context, args []string, stdout, stderr io.Writer) int {
	cmd := newCommand(stdout, stderr)
	cmd.SetArgs(args)
	if err := cmd.ExecuteContext(ctx); err != nil {
		_, _ = fmt.Fprintln(stderr, "resource-server:", err)
		return 1
	}
	return 0
}

func newCommand(stdout, stderr io.Writer) *cobra.Command {
	o := options{clock: time.Now, random: rand.Reader, out: stdout}
	level := slog.LevelInfo
	cmd := &cobra.Command{
		Use:   "resource-server",
		Short: "A sample bank API that takes Signet's access tokens",
		Long: `A sample bank API that takes Signet's access tokens.

  GET  /accounts        accounts and balances; scope "accounts"
  GET  /payments        the client's own payments; scope "payments"
  POST /payments        initiates one; authorization_details of the type payment_initiation,
                        which must be the payment's own, whatever the scope
  GET  /payments/{id}   one of them; scope "payments"

A token that is bound to a client certificate is taken only over a connection made with
that certificate; one that is bound to a DPoP key, only with a proof made for this request
and not seen before. Both are served at one address: it asks for a certificate and does
without. The issuer's keys are found through its discovery document.`,
		Example: `  resource-server --listen 127.0.0.1:9446 \
    --issuer https://localhost:9443 --audience https://localhost:9446 \
    --cert .signet/pki/server.pem --key .signet/pki/server-key.pem --ca .signet/pki/ca.pem

  curl --cacert ca.pem --cert client-tls.pem --key client-tls-key.pem \
    -H "Authorization: Bearer $TOKEN" https://localhost:9446/accounts`,
		Args:              cobra.NoArgs,
		SilenceUsage:      true,
		SilenceErrors:     true,
		CompletionOptions: cobra.CompletionOptions{DisableDefaultCmd: true},
		RunE: func(cmd *cobra.Command, _ []string) error {
			o.log = slog.New(slog.NewTextHandler(stderr, &slog.HandlerOptions{Level: level}))
			return serve(cmd.Context(), o)
		},
	}
	cmd.SetOut(stdout)
	cmd.SetErr(stderr)
	f := cmd.Flags()
	f.StringVar(&o.listen, "listen", "127.0.0.1:9446", "TCP address; port 0 picks a free one")
	f.StringVar(&o.issuer, "issuer", "https://localhost:9443", "whose tokens are taken; compared exactly with iss")
	f.StringVar(&o.audience, "audience", "https://localhost:9446", "what tokens must be for, one of aud")
	f.StringVar(&o.certFile, "cert", "", "PEM file with this server's certificate chain; read again when it changes")
	f.StringVar(&o.keyFile, "key", "", "PEM file with its private key")
	f.StringVar(&o.caFile, "ca", "", "PEM file with the CAs of the issuer's server certificate (default: the system's)")
	f.BoolVar(&o.allowUnbound, "allow-unbound", false, "take plain bearer tokens too (FAPI 2.0 forbids it)")
	f.StringVar(&o.introspectClient, "introspect-client", "", "this server's client id at the issuer; with it, opaque tokens are taken")
	f.StringVar(&o.introspectCert, "introspect-cert", "", "PEM file with the certificate for introspection (tls_client_auth)")
	f.StringVar(&o.introspectKey, "introspect-key", "", "PEM file with its key; without a certificate, the key for private_key_jwt")
	f.BoolVar(&o.introspectAlways, "introspect-always", false, "ask about JWTs too, so that a revocation counts at once")
	f.StringSliceVar(&o.baseURLs, "base-url", nil, "https addresses that DPoP proofs name, as clients see them (default: that of the audience)")
	f.BoolVar(&o.dpopNonces, "dpop-nonces", false, "demand this server's nonce in DPoP proofs (RFC 9449 section 9)")
	f.StringSliceVar(&o.paymentsACR, "payments-acr", nil, "kinds of login, any of which initiating a payment needs (RFC 9470)")
	f.DurationVar(&o.paymentsMaxAge, "payments-max-age", 0, "how long ago that login may have been (RFC 9470)")
	f.StringVar(&o.signKey, "sign-responses", "", "PEM file with an EC P-256 or Ed25519 key that signs every answer (RFC 9421); public at /jwks")
	f.TextVar(&level, "log-level", slog.LevelInfo, "debug, info, warn or error")
	for _, name := range []string{"cert", "key"} {
		// The only possible error is a flag that does not exist, which the tests would show.
		_ = cmd.MarkFlagRequired(name)
	}
	return cmd
}
