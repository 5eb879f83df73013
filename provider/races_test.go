package provider_test

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"io"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"

	"signet/provider/audit"
	"signet/provider/oauth"
	"signet/provider/store"
)

// raceRounds is how often each single-use credential is used twice at once.
const raceRounds = 200

// TestSingleUseAcrossProcesses uses each single-use credential at two server processes on one database at the
// same moment: one succeeds, the other is refused, and nothing else is issued.
func TestSingleUseAcrossProcesses(t *testing.T) {
	s := newSite(t, 2, "")
	s.user("alice")
	s.register("app", nil)
	s.register("refresher", nil)
	key := newSigningKey(t, "k1")
	s.register("pk", func(c *oauth.Client) { c.AuthMethod, c.JWKS = oauth.AuthPrivateKeyJWT, key.jwks })

	t.Run("assertion", func(t *testing.T) {
		s := s.with(t)
		race := s.newRace()
		for range raceRounds {
			race.run(http.StatusUnauthorized, oauth.InvalidClient, form("grant_type", "client_credentials", "scope", "accounts",
				"client_assertion_type", jwtBearer, "client_assertion", s.assertion(key, "pk", nil)))
		}
		if issued := s.audited(audit.TokenIssued, "pk"); len(issued) != raceRounds {
			t.Errorf("%d tokens issued in %d rounds", len(issued), raceRounds)
		}
	})
	t.Run("code", func(t *testing.T) {
		s := s.with(t)
		race := s.newRace()
		codes := s.seedCodes("app", raceRounds)
		for _, c := range codes {
			won := race.run(http.StatusBadRequest, oauth.InvalidGrant, c.redeem(), basic("app"))
			s.assertGone(c.grantID, "app", won)
		}
		s.assertOneEach("app", codes, audit.CodeReused)
	})
	t.Run("refresh token", func(t *testing.T) {
		s := s.with(t)
		race := s.newRace()
		tokens := s.seedRefreshTokens("refresher", raceRounds)
		for _, r := range tokens {
			won := race.run(http.StatusBadRequest, oauth.InvalidGrant, r.refresh(), basic("refresher"))
			s.assertGone(r.grantID, "refresher", won)
		}
		s.assertOneEach("refresher", tokens, audit.RefreshReused)
	})
}

// race sends requests to every process of a site at once, each over a connection that is open already.
type race struct {
	site    *site
	clients []*http.Client
	wins    []int // by process
}

func (s *site) newRace() *race {
	r := &race{site: s, wins: make([]int, len(s.processes))}
	for _, p := range s.processes {
		client := s.http(nil)
		s.get(client, p.main+"/jwks")
		r.clients = append(r.clients, client)
	}
	s.t.Cleanup(func() { s.t.Logf("rounds won by process: %v", r.wins) })
	return r
}

// run is one round: it returns the one success, and has checked that the others were refused as said.
func (r *race) run(status int, code oauth.Code, values url.Values, edit ...func(*http.Request)) reply {
	r.site.t.Helper()
	replies, failures := make([]reply, len(r.clients)), make([]error, len(r.clients))
	start := make(chan struct{})
	var done sync.WaitGroup
	for i, p := range r.site.processes {
		done.Go(func() {
			<-start
			replies[i], failures[i] = send(r.clients[i], p.main+"/token", values, edit...)
		})
	}
	close(start)
	done.Wait()
	winner := -1
	for i, got := range replies {
		must(r.site.t, failures[i])
		switch {
		case got.Status == http.StatusOK && winner < 0:
			winner = i
			r.wins[i]++
		case got.Status != status || got.text("error") != string(code) || got.JSON["access_token"] != nil:
			r.site.t.Fatalf("a use beside another: %d %s", got.Status, got.Body)
		}
	}
	if winner < 0 {
		r.site.t.Fatalf("no success: %s", replies[0].Body)
	}
	return replies[winner]
}

// send posts a form. Unlike house.post it may be called from any goroutine.
func send(client *http.Client, target string, values url.Values, edit ...func(*http.Request)) (reply, error) {
	request, err := http.NewRequest(http.MethodPost, target, strings.NewReader(values.Encode()))
	if err != nil {
		return reply{}, err
	}
	request.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	for _, e := range edit {
		e(request)
	}
	response, err := client.Do(request)
	if err != nil {
		return reply{}, err
	}
	defer func() { _ = response.Body.Close() }()
	body, err := io.ReadAll(response.Body)
	if err != nil {
		return reply{}, err
	}
	r := reply{Status: response.StatusCode, Header: response.Header, Body: string(body)}
	_ = json.Unmarshal(body, &r.JSON)
	return r, nil
}

// assertGone checks what the loser of a race leaves: a revoked grant, whose winner's tokens are of no use.
func (s *site) assertGone(grantID, client string, won reply) {
	s.t.Helper()
	grant, err := s.store.Grant(s.t.Context(), grantID)
	must(s.t, err)
	if !grant.Revoked {
		s.t.Fatalf("the grant outlived a reuse")
	}
	again := s.post(s.http(nil), s.issuer+"/token", form("grant_type", "refresh_token", "refresh_token", won.text("refresh_token")), basic(client))
	if again.Status != http.StatusBadRequest || again.text("error") != "invalid_grant" {
		s.t.Fatalf("the winner's refresh token after the reuse: %d %s", again.Status, again.Body)
	}
}

// assertOneEach checks in the audit log that each grant issued once and that its reuse was noticed once.
func (s *site) assertOneEach(client string, all []seeded, reuse audit.Event) {
	s.t.Helper()
	for _, event := range []audit.Event{audit.TokenIssued, reuse} {
		count := map[string]int{}
		for _, entry := range s.audited(event, client) {
			count[entry.GrantID]++
		}
		for _, one := range all {
			if count[one.grantID] != 1 {
				s.t.Errorf("%d entries %s of one grant", count[one.grantID], event)
			}
		}
		if len(count) != len(all) {
			s.t.Errorf("entries %s of %d grants, want %d", event, len(count), len(all))
		}
	}
}

func (s *site) audited(event audit.Event, client string) []oauth.AuditEntry {
	s.t.Helper()
	entries, err := s.store.AuditEntries(s.t.Context(), store.AuditFilter{Event: string(event), ClientID: client, Limit: 1 << 20})
	must(s.t, err)
	return entries
}

// seeded is a credential that was put straight into the store, as the authorization or the token endpoint
// leaves it there.
type seeded struct {
	grantID, verifier string
	secret            oauth.Secret
}

func (s seeded) redeem() url.Values { return flow{verifier: s.verifier}.redeem(s.secret.Reveal()) }

func (s seeded) refresh() url.Values {
	return form("grant_type", "refresh_token", "refresh_token", s.secret.Reveal())
}

// seedCodes stores n approvals by alice: grants with their codes.
func (s *site) seedCodes(client string, n int) []seeded {
	s.t.Helper()
	all, err := s.seed(client, n, s.codeOf(client))
	must(s.t, err)
	return all
}

// codeOf makes the code of an approval.
func (s *site) codeOf(client string) func(seeded, oauth.Scope) oauth.Change {
	return func(one seeded, scope oauth.Scope) oauth.Change {
		sum := sha256.Sum256([]byte(one.verifier))
		return oauth.StoreCode{Code: oauth.AuthorizationCode{
			Digest: one.secret.Digest(), ClientID: client, GrantID: one.grantID, User: s.alice(), Scope: scope,
			IssuedAt: s.now(), ExpiresAt: s.now().Add(time.Hour),
			Request: oauth.AuthorizationRequest{
				ClientID: client, RedirectURI: callback, ResponseType: "code", ResponseMode: "query", Scope: scope,
				CodeChallenge: base64.RawURLEncoding.EncodeToString(sum[:]),
			},
		}}
	}
}

// seedRefreshTokens stores n grants with their first refresh tokens.
func (s *site) seedRefreshTokens(client string, n int) []seeded {
	s.t.Helper()
	all, err := s.seed(client, n, func(one seeded, scope oauth.Scope) oauth.Change {
		return oauth.StoreRefresh{Token: oauth.RefreshToken{
			Digest: one.secret.Digest(), ClientID: client, GrantID: one.grantID, User: s.alice(), Scope: scope,
			IssuedAt: s.now(), ExpiresAt: s.now().Add(time.Hour),
		}}
	})
	must(s.t, err)
	return all
}

// seed may be called from any goroutine.
func (s *site) seed(client string, n int, credential func(seeded, oauth.Scope) oauth.Change) ([]seeded, error) {
	var all []seeded
	var changes []oauth.Change
	scope := oauth.Scope{"accounts"}
	for range n {
		secret, err := oauth.NewSecret(rand.Reader)
		if err != nil {
			return nil, err
		}
		grantID, err := oauth.NewID(rand.Reader)
		if err != nil {
			return nil, err
		}
		one := seeded{grantID: grantID, verifier: rand.Text() + rand.Text(), secret: secret}
		all = append(all, one)
		changes = append(changes, oauth.StoreGrant{Grant: oauth.Grant{
			ID: grantID, ClientID: client, UserID: s.alice().ID, Scope: scope, CreatedAt: s.now(), ExpiresAt: s.now().Add(time.Hour),
		}}, credential(one, scope))
	}
	return all, s.store.Commit(context.Background(), changes...)
}

func (s *site) alice() oauth.EndUser {
	return oauth.EndUser{ID: "sub-alice", AuthTime: s.now(), AMR: []string{"pwd"}}
}
