package provider_test

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/coreos/go-oidc/v3/oidc"
	"github.com/google/go-cmp/cmp"
	"golang.org/x/oauth2"
	"golang.org/x/oauth2/clientcredentials"

	"signet/certs"
	"signet/mtls"
	"signet/provider/oauth"
)

// TestGoClients uses Signet with golang.org/x/oauth2 and coreos/go-oidc: code flow with PKCE and discovery, ID
// token, userinfo, refresh; and client credentials at the mTLS door.
func TestGoClients(t *testing.T) {
	s := newSite(t, 1, "")
	s.user("alice")
	s.register("app", nil)
	t.Run("code flow", func(t *testing.T) { s.with(t).goCodeFlow() })
	t.Run("client credentials with mTLS", func(t *testing.T) { s.with(t).goClientCredentials() })
}

func (s *site) goCodeFlow() {
	t := s.t
	ctx := oidc.ClientContext(t.Context(), s.http(nil))
	peer, err := oidc.NewProvider(ctx, s.issuer)
	must(t, err)
	config := oauth2.Config{
		ClientID: "app", ClientSecret: secretOf("app").Reveal(), Endpoint: peer.Endpoint(), RedirectURL: callback,
		Scopes: []string{oidc.ScopeOpenID, oidc.ScopeOfflineAccess, "email", "accounts"},
	}
	verifier := oauth2.GenerateVerifier()
	answer := s.browser().login(flowTo(t, config.AuthCodeURL("s1", oauth2.S256ChallengeOption(verifier), oidc.Nonce("n1"))))
	tokens, err := config.Exchange(ctx, answer.Get("code"), oauth2.VerifierOption(verifier))
	must(t, err)

	raw, _ := tokens.Extra("id_token").(string)
	id, err := peer.Verifier(&oidc.Config{ClientID: "app"}).Verify(ctx, raw)
	must(t, err)
	must(t, id.VerifyAccessToken(tokens.AccessToken))
	if id.Nonce != "n1" || id.Subject != "sub-alice" || answer.Get("state") != "s1" {
		t.Errorf("ID token: %+v, callback: %v", id, answer)
	}
	info, err := peer.UserInfo(ctx, oauth2.StaticTokenSource(tokens))
	must(t, err)
	if info.Subject != id.Subject || info.Email != "alice@example.com" || !info.EmailVerified {
		t.Errorf("userinfo: %+v", info)
	}

	refreshed, err := config.TokenSource(ctx, &oauth2.Token{RefreshToken: tokens.RefreshToken}).Token()
	must(t, err)
	if refreshed.AccessToken == tokens.AccessToken || refreshed.RefreshToken == tokens.RefreshToken {
		t.Error("the refresh made no new tokens")
	}
	var refusal *oauth2.RetrieveError
	_, err = config.TokenSource(ctx, &oauth2.Token{RefreshToken: tokens.RefreshToken}).Token()
	if !errors.As(err, &refusal) || refusal.ErrorCode != "invalid_grant" {
		t.Errorf("a refresh token used twice: %v", err)
	}
}

func (s *site) goClientCredentials() {
	t := s.t
	leaf := s.leaf(certs.Request{DNSNames: []string{"tpp.example"}})
	s.register("tpp", func(c *oauth.Client) { c.AuthMethod, c.TLSSANDNS = oauth.AuthTLS, "tpp.example" })
	ctx := oidc.ClientContext(t.Context(), s.http(leaf))
	peer, err := oidc.NewProvider(ctx, s.issuer)
	must(t, err)
	var metadata struct {
		Aliases struct {
			Token string `json:"token_endpoint"`
		} `json:"mtls_endpoint_aliases"`
	}
	must(t, peer.Claims(&metadata))
	config := clientcredentials.Config{ClientID: "tpp", TokenURL: metadata.Aliases.Token, Scopes: []string{"accounts"}, AuthStyle: oauth2.AuthStyleInParams}
	token, err := config.Token(ctx)
	must(t, err)
	want := map[string]any{"x5t#S256": mtls.Thumbprint(leaf.Certificate)}
	if diff := cmp.Diff(want, claimsOf(t, token.AccessToken)["cnf"]); diff != "" {
		t.Errorf("cnf: %s", diff)
	}
	withoutCertificate := oidc.ClientContext(t.Context(), s.http(nil))
	var refusal *oauth2.RetrieveError
	if _, err := config.Token(withoutCertificate); !errors.As(err, &refusal) || refusal.ErrorCode != "invalid_client" {
		t.Errorf("without the certificate: %v", err)
	}
}

// flowTo is a flow whose request somebody else has built.
func flowTo(t testing.TB, address string) flow {
	t.Helper()
	u, err := url.Parse(address)
	must(t, err)
	return flow{query: u.RawQuery}
}

// nodeSteps is what testdata/openid-client/flow.mjs reports when everything works.
var nodeSteps = []string{
	"private_key_jwt: discovery", "private_key_jwt: client_credentials", "private_key_jwt: authorization", "private_key_jwt: code and ID token",
	"private_key_jwt: userinfo", "private_key_jwt: refresh", "private_key_jwt: introspection", "private_key_jwt: revocation", "private_key_jwt: a code twice",
	"tls_client_auth: discovery", "tls_client_auth: client_credentials", "tls_client_auth: authorization", "tls_client_auth: code and ID token",
	"tls_client_auth: userinfo", "tls_client_auth: refresh", "tls_client_auth: introspection", "tls_client_auth: revocation", "tls_client_auth: a code twice",
	"none: discovery", "none: authorization", "none: code and ID token", "none: userinfo", "none: refresh", "none: revocation", "none: a code twice",
}

// TestOpenIDClient uses Signet with openid-client, the OpenID client library of Node.js.
func TestOpenIDClient(t *testing.T) {
	s := newSite(t, 1, "")
	s.user("alice")
	key := newSigningKey(t, "k1")
	leaf := s.leaf(certs.Request{DNSNames: []string{"node.example"}})
	s.register("node-private_key_jwt", func(c *oauth.Client) { c.AuthMethod, c.JWKS = oauth.AuthPrivateKeyJWT, key.jwks })
	s.register("node-tls_client_auth", func(c *oauth.Client) { c.AuthMethod, c.TLSSANDNS = oauth.AuthTLS, "node.example" })
	s.register("node-none", func(c *oauth.Client) {
		c.AuthMethod, c.GrantTypes = oauth.AuthNone, []string{oauth.GrantAuthorizationCode, oauth.GrantRefreshToken}
	})
	jwk, err := json.Marshal(key.private)
	must(t, err)
	settings, err := json.Marshal(map[string]any{
		"issuer": s.issuer, "callback": callback, "resource": apiJWT, "jwk": json.RawMessage(jwk),
		"certificate": map[string]string{
			"cert": s.write("node.pem", string(leaf.CertPEM)), "key": s.write("node-key.pem", string(leaf.KeyPEM)),
			"thumbprint": mtls.Thumbprint(leaf.Certificate),
		},
	})
	must(t, err)
	person := func(said nodeLine) any {
		b := s.browser()
		b.login(flowTo(t, said.Open))
		return map[string]any{"at": b.at.String()}
	}
	if diff := cmp.Diff(nodeSteps, s.runNode("flow.mjs", string(settings), person)); diff != "" {
		t.Errorf("steps (-want +got):\n%s", diff)
	}
}

// nodeLine is what a script says: a step that it has finished, or what the person at the browser is to do. See
// testdata/openid-client/common.mjs.
type nodeLine struct {
	Step, Open, Answer string
	Deny               bool
}

// runNode runs a script, for which person plays the browser; it returns the steps that it took.
func (s *site) runNode(script, settings string, person func(nodeLine) any) (steps []string) {
	return s.converse(tool(s.t, "node"), nodePackage(s.t), []string{script, settings}, "NODE_EXTRA_CA_CERTS", person)
}

// converse runs a program that takes the file of the CAs that it trusts from an environment variable, writes a
// nodeLine at a time, and reads person's answer to each that is no step. It returns the steps.
func (s *site) converse(program, dir string, args []string, trust string, person func(nodeLine) any) (steps []string) {
	t := s.t
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	peer := exec.CommandContext(ctx, program, args...)
	peer.Dir = dir
	peer.Env = append(os.Environ(), trust+"="+filepath.Join(s.dir, "pki", "ca.pem"), "PYTHONDONTWRITEBYTECODE=1")
	var trouble bytes.Buffer
	peer.Stderr = &trouble
	in, err := peer.StdinPipe()
	must(t, err)
	out, err := peer.StdoutPipe()
	must(t, err)
	must(t, peer.Start())
	lines := bufio.NewScanner(out)
	for lines.Scan() {
		var said nodeLine
		if err := json.Unmarshal(lines.Bytes(), &said); err != nil {
			t.Errorf("%s: %q", args[0], lines.Text())
		}
		if said.Step != "" {
			steps = append(steps, said.Step)
			continue
		}
		must(t, json.NewEncoder(in).Encode(person(said)))
	}
	if err := peer.Wait(); err != nil {
		t.Errorf("%s: %v\n%s", args[0], err, trouble.String())
	}
	return steps
}

// nodePackage is a copy of testdata/openid-client with its dependencies installed as its lock file says.
func nodePackage(t testing.TB) string {
	t.Helper()
	npm := tool(t, "npm")
	dir := t.TempDir()
	must(t, os.CopyFS(dir, os.DirFS(filepath.Join("testdata", "openid-client"))))
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	install := exec.CommandContext(ctx, npm, "ci", "--ignore-scripts", "--no-audit", "--no-fund", "--prefer-offline", "--loglevel=error")
	install.Dir = dir
	if out, err := install.CombinedOutput(); err != nil {
		t.Fatalf("npm ci: %v\n%s", err, out)
	}
	return dir
}

// tool finds a program that the tests need, under one of its names. Nothing is skipped for the lack of one.
func tool(t testing.TB, names ...string) string {
	t.Helper()
	for _, name := range names {
		if path, err := exec.LookPath(name); err == nil {
			return path
		}
	}
	t.Fatalf("%s is missing; \"make tools\" installs it (.ci/need)", strings.Join(names, " or "))
	return ""
}
