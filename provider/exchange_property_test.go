package provider_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"signet/certs"
	"signet/provider/oauth"
)

const inside = "https://inside.bank.example" // a trust domain

// heldToken is a token that somebody got, with what it was made from.
type heldToken struct {
	kind   oauth.TokenType
	text   string
	owner  string // the client that got it
	parent *heldToken
	ended  bool
}

func (k *heldToken) dead() bool {
	for ; k != nil; k = k.parent {
		if k.ended {
			return true
		}
	}
	return false
}

// claims are what the token says; a refresh token says nothing.
func (k *heldToken) claims(t testing.TB) map[string]any {
	if k.kind == oauth.TokenTypeRefresh {
		return nil
	}
	return claimsOf(t, k.text)
}

// said is the nearest ancestor that says something.
func (k *heldToken) said() *heldToken {
	for p := k.parent; p != nil; p = p.parent {
		if p.kind != oauth.TokenTypeRefresh {
			return p
		}
	}
	return nil
}

// chainRig plays clients that exchange, refresh and replace what they can get, in any order.
type chainRig struct {
	*house
	client *http.Client // of the mTLS door, with a certificate
	person *browser     // signed in once
	tokens []*heldToken
}

var chainClients = []string{"app", "api", "gateway"}

func newChainHouse(t *testing.T) *house {
	h := newHouseWith(t, "token_exchange: {enabled: true}\ntransaction_tokens: {trust_domains: [{audience: \""+inside+"\"}]}\n", nil)
	h.user("alice")
	for _, id := range chainClients {
		h.withGrants(id, func(c *oauth.Client) {
			c.Introspects, c.TrustDomains = []string{apiJWT}, []string{inside}
			c.Resources = []string{apiJWT}
		}, oauth.GrantTokenExchange)
	}
	return h
}

// start gets tokens of a new grant; bound ones by a certificate.
func (r *chainRig) start(bound bool) {
	f := newFlow("app", "openid accounts payments offline_access")
	client, door := r.http(nil), r.issuer
	if bound {
		client, door = r.client, r.mtls
	}
	answer := r.person.open(r.issuer + "/authorize?" + f.query)
	if answer.Get("code") == "" {
		answer = r.person.login(f)
	}
	got := r.post(client, door+"/token", f.redeem(answer.Get("code")), basic("app"))
	if got.Status != http.StatusOK {
		r.t.Fatalf("%d %s", got.Status, got.Body)
	}
	refresh := &heldToken{kind: oauth.TokenTypeRefresh, text: got.text("refresh_token"), owner: "app"}
	r.tokens = append(r.tokens, refresh,
		&heldToken{kind: oauth.TokenTypeAccess, text: got.text("access_token"), owner: "app", parent: refresh},
		&heldToken{kind: oauth.TokenTypeID, text: got.text("id_token"), owner: "app", parent: refresh})
}

// TestNothingGrows makes tokens of tokens as it comes, and holds each against what it was made from: its scope, audience
// and life are no more, it is bound if that was, and everybody who acted still is in it. At the end something is revoked,
// and all that was made from it has ended.
func TestNothingGrows(t *testing.T) {
	h := newChainHouse(t)
	leaf := h.leaf(certs.Request{})
	certified, person := h.http(leaf), h.browser()
	made, refused := 0, 0
	rapid.Check(t, func(t *rapid.T) {
		r := &chainRig{house: h, client: certified, person: person}
		r.start(rapid.Bool().Draw(t, "bound"))
		for range rapid.IntRange(3, 12).Draw(t, "steps") {
			if r.step(t) {
				made++
			} else {
				refused++
			}
		}
		r.revokeOne(t)
	})
	if made == 0 || refused == 0 {
		t.Errorf("%d tokens were made, %d refused", made, refused)
	}
	t.Logf("%d tokens were made, %d requests refused", made, refused)
}

// step lets a client try something with a token; it says whether that worked.
func (r *chainRig) step(t *rapid.T) bool {
	subject := rapid.SampledFrom(r.tokens).Draw(t, "subject")
	caller := rapid.SampledFrom(append([]string{subject.owner, subject.owner}, chainClients...)).Draw(t, "caller")
	requested := rapid.SampledFrom([]oauth.TokenType{
		oauth.TokenTypeAccess, oauth.TokenTypeJWT, oauth.TokenTypeRefresh, oauth.TokenTypeID, oauth.TokenTypeTxn, oauth.TokenTypeTxn,
	}).Draw(t, "requested")
	pairs := exchanging(subject.text, subject.kind, "requested_token_type", string(requested))
	kind := requested
	refreshing := subject.kind == oauth.TokenTypeRefresh && rapid.Bool().Draw(t, "refresh")
	switch {
	case refreshing:
		kind, caller = oauth.TokenTypeAccess, subject.owner
		pairs = []string{"grant_type", "refresh_token", "refresh_token", subject.text}
	case requested == oauth.TokenTypeTxn:
		pairs = append(pairs, "audience", inside)
	case rapid.Bool().Draw(t, "target"):
		pairs = append(pairs, "resource", rapid.SampledFrom([]string{apiJWT, apiOpaque, inside}).Draw(t, "resource"))
	}
	if scope := rapid.SampledFrom([]string{"", "", "accounts", "accounts", "payments", "accounts payments", "openid accounts offline_access", "email"}).Draw(t, "scope"); scope != "" {
		pairs = append(pairs, "scope", scope)
	}
	if actor := rapid.SampledFrom(append(make([]*heldToken, 3*len(r.tokens)), r.tokens...)).Draw(t, "actor"); actor != nil && !refreshing {
		pairs = append(pairs, "actor_token", actor.text, "actor_token_type", string(actor.kind))
	}
	client, door := r.http(nil), r.issuer
	if rapid.Bool().Draw(t, "with a certificate") {
		client, door = r.client, r.mtls
	}
	got := r.post(client, door+"/token", form(pairs...), basic(caller))
	if got.Status != http.StatusOK {
		if got.Status >= 500 {
			t.Fatalf("%v: %d %s", pairs, got.Status, got.Body)
		}
		return false
	}
	child := &heldToken{kind: kind, text: got.text("access_token"), owner: caller, parent: subject}
	if refreshing {
		if next := got.text("refresh_token"); next != "" {
			subject.text = next // rotated
		}
	}
	r.tokens = append(r.tokens, child)
	r.hold(t, child)
	return true
}

// hold compares a token with what it was made from.
func (r *chainRig) hold(t *rapid.T, child *heldToken) {
	parent := child.said()
	if child.kind == oauth.TokenTypeRefresh || parent == nil {
		return
	}
	now, before := child.claims(r.t), parent.claims(r.t)
	if child.kind != oauth.TokenTypeID && parent.kind != oauth.TokenTypeID {
		had, _ := before["scope"].(string)
		has, _ := now["scope"].(string)
		for _, value := range strings.Fields(has) {
			if !slices.Contains(strings.Fields(had), value) {
				t.Fatalf("scope grew from %q to %q", had, has)
			}
		}
		if parent.kind == oauth.TokenTypeTxn && now["aud"] != before["aud"] || child.kind != oauth.TokenTypeTxn && now["aud"] != apiJWT {
			t.Fatalf("audience grew from %v to %v", before["aud"], now["aud"])
		}
		if before["cnf"] != nil && child.kind != oauth.TokenTypeTxn && now["cnf"] == nil {
			t.Fatalf("a bearer token was made of a bound one: %v", now)
		}
	}
	if exp, bound := now["exp"].(float64), before["exp"].(float64); exp > bound {
		t.Fatalf("life grew from %v to %v", bound, exp)
	}
	was, is := actorsOf(r.t, before), actorsOf(r.t, now)
	if len(is) < len(was) || !slices.Equal(is[len(is)-len(was):], was) {
		t.Fatalf("who acted: %v, and now %v", was, is)
	}
	if now["sub"] != before["sub"] {
		t.Fatalf("about %v, and now %v", before["sub"], now["sub"])
	}
}

// actorsOf are those in the act claim, the present one first.
func actorsOf(t testing.TB, claims map[string]any) []string {
	t.Helper()
	var all []string
	for act, ok := claims["act"].(map[string]any); ok; act, ok = act["act"].(map[string]any) {
		all = append(all, fmt.Sprint(act["sub"], " ", act["client_id"]))
	}
	return all
}

// revokeOne ends something, and sees that all that was made of it has ended.
func (r *chainRig) revokeOne(t *rapid.T) {
	var candidates []*heldToken
	for _, token := range r.tokens {
		if token.kind == oauth.TokenTypeAccess || token.kind == oauth.TokenTypeJWT || token.kind == oauth.TokenTypeRefresh {
			candidates = append(candidates, token)
		}
	}
	ends := rapid.SampledFrom(candidates).Draw(t, "revoked")
	if got := r.post(r.http(nil), r.issuer+"/revoke", form("token", ends.text), basic(ends.owner)); got.Status != http.StatusOK {
		t.Fatalf("revocation: %d %s", got.Status, got.Body)
	}
	ends.ended = true
	for _, token := range r.tokens {
		if !token.dead() {
			continue
		}
		if token.kind == oauth.TokenTypeAccess || token.kind == oauth.TokenTypeJWT || token.kind == oauth.TokenTypeRefresh {
			if about := r.about(token.owner, token.text); about["active"] != false {
				text, _ := json.Marshal(about)
				t.Fatalf("%s of %s outlives what it was made from: %s", token.kind, token.owner, text)
			}
		}
		again := exchanging(token.text, token.kind, "requested_token_type", string(oauth.TokenTypeTxn), "audience", inside, "scope", "accounts")
		if got := r.ask(again, basic(token.owner)); got.Status == http.StatusOK {
			t.Fatalf("%s of %s gives something although what it was made from was revoked", token.kind, token.owner)
		}
	}
}

// TestLifeOfWhatIsMade: what is made late in a token's life ends with it.
func TestLifeOfWhatIsMade(t *testing.T) {
	h := newChainHouse(t)
	token := h.tokensOf("app", "openid accounts").text("access_token")
	h.advance(4 * time.Minute)
	made := h.granted(exchanging(token, oauth.TokenTypeAccess), basic("app"))
	ends, before := claimsOf(t, made.text("access_token"))["exp"].(float64), claimsOf(t, token)["exp"].(float64)
	if ends > before || ends < before-1 || made.JSON["expires_in"].(float64) > 60 {
		t.Error(made.Body)
	}
	h.advance(time.Minute)
	h.denied("invalid_request", exchanging(token, oauth.TokenTypeAccess), basic("app"))
}
