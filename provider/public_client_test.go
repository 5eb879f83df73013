package provider_test

import (
	"net/http"
	"testing"

	"signet/certs"
	"signet/mtls"
	"signet/provider/oauth"
)

// TestPublicClientWithBoundTokens is a public client that proves nothing but PKCE and a certificate: its
// tokens work with that certificate alone (RFC 8705 sections 3 and 4).
func TestPublicClientWithBoundTokens(t *testing.T) {
	h := newHouse(t, nil)
	h.account("alice")
	public := func(bound bool) func(*oauth.Client) {
		return func(c *oauth.Client) {
			c.AuthMethod, c.BoundAccessTokens = oauth.AuthNone, bound
			c.GrantTypes = []string{oauth.GrantAuthorizationCode, oauth.GrantRefreshToken}
		}
	}
	h.register("bound", public(true))
	h.register("free", public(false))
	h.register("api", func(c *oauth.Client) {
		c.GrantTypes, c.Resources, c.Introspects = []string{oauth.GrantClientCredentials}, nil, []string{apiJWT, apiOpaque}
	})
	h.register("stranger", nil)
	tw := h.twin(nil, nil)
	own, other := tw.leaf(certs.Request{}), tw.leaf(certs.Request{})
	t.Run("JWT", func(t *testing.T) { tw.boundFlow(t, own, other, apiJWT) })
	t.Run("opaque", func(t *testing.T) { tw.boundFlow(t, own, other, apiOpaque) })
	t.Run("a certificate is required", func(t *testing.T) { tw.certificateRequired(t, own) })
	t.Run("the refresh token is bound", func(t *testing.T) { tw.boundRefresh(t, own, other) })
	t.Run("a client that need not be bound", func(t *testing.T) { tw.freeClient(t, own, other) })
}

// codeFor redeems a stored code at the mTLS door.
func (tw *twin) codeFor(t *testing.T, client string, leaf *certs.Leaf, more ...string) reply {
	t.Helper()
	r := tw.post(tw.http(leaf), tw.mtls+"/token", form(redeem(tw.storedCode(client, bankingAll), append(more, "client_id", client)...)...))
	if r.Status != http.StatusOK {
		t.Fatalf("%d %s", r.Status, r.Body)
	}
	return r
}

// boundFlow follows one access token to where it is used.
func (tw *twin) boundFlow(t *testing.T, own, other *certs.Leaf, resource string) {
	thumbprint := mtls.Thumbprint(own.Certificate)
	issued := tw.codeFor(t, "bound", own, "resource", resource)
	access := issued.text("access_token")
	if resource == apiJWT && thumbprintOf(t, access) != thumbprint {
		t.Errorf("the token is bound to %q", thumbprintOf(t, access))
	}
	about := func(client string) map[string]any {
		return tw.post(tw.http(nil), tw.issuer+"/introspect", form("token", access), basic(client)).JSON
	}
	answer := about("api")
	cnf, _ := answer["cnf"].(map[string]any)
	if answer["active"] != true || cnf["x5t#S256"] != thumbprint || answer["client_id"] != "bound" || answer["sub"] != "sub-alice" {
		t.Errorf("the resource server is told %v", answer)
	}
	if answer := about("stranger"); answer["active"] != false || len(answer) != 1 {
		t.Errorf("a stranger is told %v", answer)
	}
	for name, c := range map[string]struct {
		leaf   *certs.Leaf
		door   string
		status int
	}{
		"its certificate": {own, tw.mtls, 200}, "another": {other, tw.mtls, 401}, "none": {nil, tw.mtls, 401}, "the main door": {own, tw.issuer, 401},
	} {
		if r := tw.get(tw.http(c.leaf), c.door+"/userinfo", bearer(access)); r.Status != c.status || c.status == 401 && r.text("error") != "invalid_token" {
			t.Errorf("userinfo with %s: %d %s", name, r.Status, r.Body)
		}
	}
}

// certificateRequired refuses without burning the code, and still insists on PKCE.
func (tw *twin) certificateRequired(t *testing.T, own *certs.Leaf) {
	f := form(redeem(tw.storedCode("bound", bankingAll), "client_id", "bound")...)
	want := refused(400, "invalid_request",
		"this client's tokens are certificate-bound: use the mTLS token endpoint with a client certificate (RFC 8705 section 3)")
	before := tw.state(t)
	want.check(t, tw.post(tw.http(own), tw.issuer+"/token", f))
	want.check(t, tw.post(tw.http(nil), tw.mtls+"/token", f))
	unchanged(t, before, tw.state(t))
	if r := tw.post(tw.http(own), tw.mtls+"/token", f); r.Status != http.StatusOK {
		t.Errorf("the same code with a certificate: %d %s", r.Status, r.Body)
	}
	for _, bad := range []string{"", verifier + "x"} {
		f = form(redeem(tw.storedCode("bound", bankingAll), "client_id", "bound")...)
		f.Set("code_verifier", bad)
		refused(400, "invalid_grant", "code_verifier does not match the code_challenge (RFC 7636 section 4.6)").
			check(t, tw.post(tw.http(own), tw.mtls+"/token", f))
	}
}

// boundRefresh tries the refresh token with other certificates, which changes nothing, and then with its own.
func (tw *twin) boundRefresh(t *testing.T, own, other *certs.Leaf) {
	issued := tw.codeFor(t, "bound", own)
	refresh := func(leaf *certs.Leaf, token string) reply {
		return tw.post(tw.http(leaf), tw.mtls+"/token", form("grant_type", "refresh_token", "refresh_token", token, "client_id", "bound"))
	}
	token := issued.text("refresh_token")
	before := tw.state(t)
	refused(400, "invalid_grant", "the refresh token is bound to another certificate (RFC 8705 section 4)").check(t, refresh(other, token))
	if r := refresh(nil, token); r.Status != http.StatusBadRequest || r.text("error") != "invalid_request" {
		t.Errorf("without a certificate: %d %s", r.Status, r.Body)
	}
	unchanged(t, before, tw.state(t))
	next := refresh(own, token)
	if next.Status != http.StatusOK || thumbprintOf(t, next.text("access_token")) != mtls.Thumbprint(own.Certificate) || next.text("refresh_token") == token {
		t.Fatalf("%d %s", next.Status, next.Body)
	}
	refused(400, "invalid_grant", "the refresh token is bound to another certificate (RFC 8705 section 4)").check(t, refresh(other, next.text("refresh_token")))
	// A thief of the rotated token must not be able to end the grant either: the binding is checked first.
	refused(400, "invalid_grant", "the refresh token is bound to another certificate (RFC 8705 section 4)").check(t, refresh(other, token))
	if r := refresh(own, next.text("refresh_token")); r.Status != http.StatusOK {
		t.Errorf("the successor: %d %s", r.Status, r.Body)
	}
}

// freeClient is bound when it comes with a certificate, and not otherwise.
func (tw *twin) freeClient(t *testing.T, own, other *certs.Leaf) {
	refresh := func(leaf *certs.Leaf, token string) reply {
		return tw.post(tw.http(leaf), tw.mtls+"/token", form("grant_type", "refresh_token", "refresh_token", token, "client_id", "free"))
	}
	bound := tw.codeFor(t, "free", own)
	if thumbprintOf(t, bound.text("access_token")) != mtls.Thumbprint(own.Certificate) {
		t.Error("a presented certificate did not bind")
	}
	for _, leaf := range []*certs.Leaf{other, nil} {
		refused(400, "invalid_grant", "the refresh token is bound to another certificate (RFC 8705 section 4)").
			check(t, refresh(leaf, bound.text("refresh_token")))
	}
	loose := tw.codeFor(t, "free", nil)
	if thumbprintOf(t, loose.text("access_token")) != "" {
		t.Error("bound to nothing that was presented")
	}
	if r := refresh(nil, loose.text("refresh_token")); r.Status != http.StatusOK || thumbprintOf(t, r.text("access_token")) != "" {
		t.Errorf("%d %s", r.Status, r.Body)
	}
}
