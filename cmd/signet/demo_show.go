package main

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
)

// demoCommand is one command to paste, with what it shows and how its output proves it.
type demoCommand struct {
	title   string
	text    string
	want    []string // must all be in the output
	setup   string   // run before, in the same shell; "" = nothing
	private bool     // part of a sequence: printed, but checked by its successors
}

// commands are what the demonstration prints, and what its check runs: the same text.
func (d *demonstration) commands(tokenEndpoint string) []demoCommand {
	signet := shellPath(executable())
	pki := func(name string) string { return shellPath(d.path("pki", name)) }
	client := func(id string) string { return shellPath(d.path("clients", id+".json")) }
	accounts := shellQuote(d.config.Resources[0].ID + "/accounts")
	curl := "curl -sS --cacert " + pki("ca.pem")
	withCertificate := func(name string) string {
		return curl + " --cert " + pki(name+".pem") + " --key " + pki(name+"-key.pem")
	}
	getToken := fmt.Sprintf("TOKEN=$(%s token --client-file %s --scope accounts --raw)", signet, client("demo-private-key-jwt"))
	use := ` -H "Authorization: Bearer $TOKEN" -w '\nHTTP %{http_code}\n' ` + accounts
	list := []demoCommand{
		{title: "A certificate-bound token at the mTLS door, with nothing but curl (look for cnf):",
			text: withCertificate("client-tls") + " \\\n    -d grant_type=client_credentials -d client_id=demo-tls -d scope=accounts \\\n    " +
				shellQuote(tokenEndpoint) + " | " + signet + " token decode",
			want: []string{"x5t#S256", "demo-tls", "accounts"}},
		{title: "private_key_jwt at the main door (no certificate, so no cnf):",
			text: fmt.Sprintf("%s token --client-file %s \\\n    --door main --scope accounts --decode", signet, client("demo-private-key-jwt")),
			want: []string{"demo-private-key-jwt", "accounts"}},
		{title: "private_key_jwt at the mTLS door (the presented certificate binds the token):",
			text: fmt.Sprintf("%s token --client-file %s \\\n    --door mtls --scope accounts --decode", signet, client("demo-private-key-jwt")),
			want: []string{"x5t#S256", "demo-private-key-jwt"}},
		{title: "A client held to FAPI 2.0, whose token is bound to a DPoP key (look for jkt):",
			text: fmt.Sprintf("%s token --client-file %s \\\n    --scope accounts --decode", signet, client(fapi2Client)),
			want: []string{"jkt", fapi2Client}},
	}
	if d.o.noResourceServer {
		return list
	}
	return append(list,
		demoCommand{title: "Keep such a token ...", text: getToken, private: true},
		demoCommand{title: "... and use it at the bank's API with the certificate that it is bound to (200):",
			text: withCertificate("client-tls") + " \\\n   " + use, setup: getToken, want: []string{"HTTP 200", "accounts"}},
		demoCommand{title: "... with another valid certificate (401):",
			text: withCertificate("client-tls-other") + " \\\n   " + use, setup: getToken, want: []string{"HTTP 401", "invalid_token"}},
		demoCommand{title: "... with none (401):",
			text: curl + " \\\n   " + use, setup: getToken, want: []string{"HTTP 401", "invalid_token"}},
		demoCommand{title: "A DPoP-bound token needs a fresh proof with each request (200):",
			text: curl + " \\\n    -H \"Authorization: DPoP $TOKEN\" \\\n    -H \"DPoP: $(printf %s \"$TOKEN\" | " + signet + " token proof " + accounts + " --client-file " + client(fapi2Client) + ")\" \\\n" +
				`    -w '\nHTTP %{http_code}\n' ` + accounts,
			setup: fmt.Sprintf("TOKEN=$(%s token --client-file %s --scope accounts --raw)", signet, client(fapi2Client)), want: []string{"HTTP 200", "accounts"}},
	)
}

// present prints everything that a first look needs.
func (d *demonstration) present(ctx context.Context) error {
	flow, err := d.callback.begin(ctx)
	if err != nil {
		return err
	}
	signet := shellPath(executable())
	var b strings.Builder
	line := func(format string, args ...any) { fmt.Fprintf(&b, format+"\n", args...) }
	line("\nSignet is ready.\n")
	line("  main door        %s", d.config.Main.BaseURL)
	line("  mTLS door        %s", d.config.MTLS.BaseURL)
	line("  readiness        http://%s/readyz", d.config.Operations.Listen)
	if !d.o.noResourceServer {
		line("  resource server  %s", d.config.Resources[0].ID)
	}
	line("  configuration    %s", d.path("signet.yaml"))
	line("  logs             %s, %s", d.path("signet.log"), d.path("resource-server.log"))
	line("  policy           %s", d.policyName())
	line("\nPaste these in another terminal, in this folder:")
	for _, command := range d.commands(d.callback.client.meta.Aliases.TokenEndpoint) {
		line("\n# %s\n%s", command.title, command.text)
	}
	line("\n# The same by hand in a browser. Sign in as alice with the password %s", d.password)
	line("# (the browser warns once: %s is the CA of this demonstration).", d.path("pki", "ca.pem"))
	line("# http://127.0.0.1:%d/ starts again with a fresh request.", d.ports.Callback)
	line("%s", flow.URL)
	line("\n# ... or with the development client, which waits for the browser:")
	line("%s token --client-file %s \\\n    --grant authorization_code --scope 'openid accounts' --decode", signet, shellPath(d.path("clients", "tpp-aisp.json")))
	line("\n# Administration (tables; --json for programs):")
	line("%s --config %s client list", signet, shellPath(d.path("signet.yaml")))
	line("%s --config %s audit list --limit 10", signet, shellPath(d.path("signet.yaml")))
	line("\nCtrl-C ends it. Running it again reuses everything in %s.", d.o.dir)
	_, err = fmt.Fprint(d.out, b.String())
	return err
}

func (d *demonstration) policyName() string {
	if d.config.Policy.Directory != "" {
		return "of " + d.config.Policy.Directory
	}
	return "built in (try --policy policy/examples/psd2)"
}

func executable() string {
	self, err := os.Executable()
	if err != nil {
		return "signet"
	}
	return self
}

// shellPath is the shortest way to write a file in a shell in this folder.
func shellPath(file string) string {
	here, err := os.Getwd()
	if err == nil && filepath.IsAbs(file) {
		if relative, err := filepath.Rel(here, file); err == nil && filepath.IsLocal(relative) {
			file = relative
		}
	}
	return shellQuote(file)
}

// shellQuote leaves ordinary words as they are.
func shellQuote(word string) string {
	if word != "" && !strings.ContainsFunc(word, func(r rune) bool {
		return !strings.ContainsRune("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-./:=@%+,", r)
	}) {
		return word
	}
	return "'" + strings.ReplaceAll(word, "'", `'\''`) + "'"
}
