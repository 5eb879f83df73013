package token

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"signet/policy"
	"signet/provider/audit"
	"signet/provider/issue"
	"signet/provider/jose"
	"signet/provider/oauth"
)

const authReqID = oauth.Secret("the-auth-req-id")

// desk is where backchannel requests wait.
type desk struct {
	requests map[oauth.Digest]oauth.Backchannel
	err      error
}

func (d desk) Backchannel(_ context.Context, digest oauth.Digest) (oauth.Backchannel, error) {
	return find(d.requests, digest, d.err)
}

func cibaClient(change func(*oauth.Client)) *oauth.Client {
	c := client(change)
	c.GrantTypes, c.BackchannelMode = append(c.GrantTypes, oauth.GrantCIBA), oauth.BackchannelPoll
	return c
}

// waiting is a request that has been approved, changed by change.
func waiting(change func(*oauth.Backchannel)) oauth.Backchannel {
	b := oauth.Backchannel{
		Digest: authReqID.Digest(), ID: "b1", ClientID: "c1", UserID: "u1", Mode: oauth.BackchannelPoll,
		Scope: oauth.Scope{"openid", "offline_access", "accounts"}, Resources: []string{"https://api"},
		Status: oauth.BackchannelApproved, User: &oauth.EndUser{ID: "u1", AuthTime: noon}, GrantID: "g1",
		CreatedAt: noon, ExpiresAt: noon.Add(time.Minute), Interval: 5, NextPoll: noon,
	}
	if change != nil {
		change(&b)
	}
	return b
}

func TestCIBA(t *testing.T) {
	status := func(s oauth.BackchannelStatus) func(*oauth.Backchannel) {
		return func(b *oauth.Backchannel) { b.Status, b.User, b.GrantID = s, nil, "" }
	}
	pendingAt := func(next time.Time) func(*oauth.Backchannel) {
		return func(b *oauth.Backchannel) { b.Status, b.NextPoll = oauth.BackchannelPending, next }
	}
	poll := func(seen time.Time, interval int) []oauth.Change {
		return []oauth.Change{oauth.PollBackchannel{
			Digest: authReqID.Digest(), Seen: seen, NextPoll: noon.Add(time.Duration(interval) * time.Second), Interval: interval,
		}}
	}
	redeem := []oauth.Change{oauth.RedeemBackchannel{Digest: authReqID.Digest(), At: noon}}
	for name, c := range map[string]struct {
		request func(*oauth.Backchannel)
		client  func(*oauth.Client)
		id      string
		user    oauth.User
		want    outcome
	}{
		"approved":               {want: outcome{Scope: "openid offline_access accounts", Refresh: oauth.NewRefresh{}, Changes: redeem}},
		"approved, no refresh":   {client: func(c *oauth.Client) { c.GrantTypes = nil }, want: outcome{Scope: "openid offline_access accounts", Refresh: oauth.NoRefresh{}, Changes: redeem}},
		"approved, polled early": {request: func(b *oauth.Backchannel) { b.NextPoll = noon.Add(time.Second * 30) }, want: outcome{Scope: "openid offline_access accounts", Refresh: oauth.NewRefresh{}, Changes: redeem}},
		"pending":                {request: pendingAt(noon), want: outcome{Error: oauth.AuthorizationPending, Changes: poll(noon, 5)}},
		"a little early":         {request: pendingAt(noon.Add(pollSlack)), want: outcome{Error: oauth.AuthorizationPending, Changes: poll(noon.Add(pollSlack), 5)}},
		"too early":              {request: pendingAt(noon.Add(time.Second)), want: outcome{Error: oauth.SlowDown, Changes: poll(noon.Add(time.Second), 10)}},
		"denied":                 {request: status(oauth.BackchannelDenied), want: outcome{Error: oauth.AccessDenied}},
		"redeemed":               {request: status(oauth.BackchannelRedeemed), want: outcome{Error: oauth.InvalidGrant}},
		"expired, unanswered": {request: func(b *oauth.Backchannel) { b.Status, b.ExpiresAt = oauth.BackchannelPending, noon },
			want: outcome{Error: oauth.ExpiredToken}},
		"expired, approved":  {request: func(b *oauth.Backchannel) { b.ExpiresAt = noon }, want: outcome{Error: oauth.ExpiredToken}},
		"another client's":   {request: func(b *oauth.Backchannel) { b.ClientID = "c2" }, want: outcome{Error: oauth.InvalidGrant}},
		"unknown":            {id: "x", want: outcome{Error: oauth.InvalidGrant}},
		"missing":            {id: "-", want: outcome{Error: oauth.InvalidRequest}},
		"push":               {request: func(b *oauth.Backchannel) { b.Mode = oauth.BackchannelPush }, want: outcome{Error: oauth.UnauthorizedClient}},
		"disabled meanwhile": {user: oauth.User{Disabled: true}, want: outcome{Error: oauth.InvalidGrant}},
		"approved by nobody": {request: status(oauth.BackchannelApproved), want: outcome{Error: oauth.ServerError}},
	} {
		t.Run(name, func(t *testing.T) {
			b := waiting(c.request)
			id := authReqID.Reveal()
			if c.id != "" {
				id = c.id
			}
			params := map[string]string{"auth_req_id": id}
			if c.id == "-" {
				params = nil
			}
			g := CIBA{Store: desk{requests: map[oauth.Digest]oauth.Backchannel{b.Digest: b}}, Users: rest{users: map[string]oauth.User{"u1": c.user}}}
			got := outcomeOf(g.Redeem(t.Context(), request(cibaClient(c.client), params)))
			if diff := cmp.Diff(c.want, got); diff != "" {
				t.Error(diff)
			}
		})
	}
	down := CIBA{Store: desk{err: errors.New("disk on fire")}, Users: rest{}}
	if got := outcomeOf(down.Redeem(t.Context(), request(cibaClient(nil), map[string]string{"auth_req_id": "x"}))); got.Error != oauth.ServerError {
		t.Errorf("without a store: %+v", got)
	}
}

// However a client polls, the interval never gets shorter, each slow_down adds to it, and a client that keeps to it
// is never told to slow down.
func TestPolling(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		b, now := waiting(func(b *oauth.Backchannel) { b.Status, b.ExpiresAt = oauth.BackchannelPending, noon.Add(24*time.Hour) }), noon
		for range rapid.IntRange(1, 20).Draw(t, "polls") {
			patient := rapid.Bool().Draw(t, "patient")
			if patient {
				now = b.NextPoll
			} else {
				now = now.Add(time.Duration(rapid.IntRange(0, 30_000).Draw(t, "wait")) * time.Millisecond)
			}
			refusal := pending(b, now)
			poll := refusal.Changes[0].(oauth.PollBackchannel) //nolint:forcetypeassert // it is the one change there is
			slow := refusal.Err.Code == oauth.SlowDown
			switch {
			case !poll.Seen.Equal(b.NextPoll) || poll.Digest != b.Digest:
				t.Fatalf("the change is conditional on %v, not on %v", poll.Seen, b.NextPoll)
			case slow && (patient || poll.Interval != b.Interval+slowDown):
				t.Fatalf("slow_down: from %d to %d s, patient: %v", b.Interval, poll.Interval, patient)
			case !slow && poll.Interval != b.Interval:
				t.Fatalf("%s changed the interval", refusal.Err.Code)
			case poll.NextPoll.Sub(now) < time.Duration(poll.Interval)*time.Second-time.Microsecond:
				t.Fatalf("the next poll may come after %v, the interval is %d s", poll.NextPoll.Sub(now), poll.Interval)
			}
			b.NextPoll, b.Interval = poll.NextPoll, poll.Interval
		}
	})
}

// A poll is remembered together with the client's proof, and the audit log is not told of it. A poll that came at
// the same moment as another is told to slow down.
func TestPollIsCommitted(t *testing.T) {
	proof := oauth.UseAssertion{ClientID: "c1", JTI: "j1"}
	refusal := pending(waiting(nil), noon)
	for name, c := range map[string]struct {
		outcome error
		want    oauth.Code
	}{
		"alone":         {nil, oauth.AuthorizationPending},
		"at the moment": {&oauth.Conflict{Change: refusal.Changes[0]}, oauth.SlowDown},
		"store down":    {errors.New("disk on fire"), oauth.ServerError},
	} {
		t.Run(name, func(t *testing.T) {
			store := &scripted{script: []error{c.outcome}}
			e := &Endpoint{Deps: Deps{Store: store, Record: audit.NewRecorder(time.Now, rand.Reader)}}
			caller := oauth.ClientAuthentication{Changes: []oauth.Change{proof}}
			err := e.refuse(t.Context(), oauth.TokenRequest{GrantType: oauth.GrantCIBA, Client: cibaClient(nil)}, caller, refusal)
			var lost *oauth.Conflict
			if errors.As(err, &lost) {
				err = lost.ConflictError()
			}
			if got := outcomeOf(oauth.Authorization{}, err); got.Error != c.want {
				t.Errorf("%v, want %s", err, c.want)
			}
			if diff := cmp.Diff([][]string{{"UseAssertion", "PollBackchannel"}}, store.kinds); diff != "" {
				t.Error(diff)
			}
		})
	}
}

// pushBench is an endpoint whose policy says what it is told to.
type pushBench struct {
	*bench
	denials []policy.Denial
	failure error
}

func (p pushBench) Decide(_ context.Context, in policy.Input) (policy.Decision, error) {
	return policy.Decision{ID: "d1", Scope: in.Grant.Scope, Denials: p.denials}, p.failure
}

// Sign shows the claims instead of signing them.
func (pushBench) Sign(_ context.Context, _, typ string, payload []byte) (string, error) {
	return typ + string(payload), nil
}

func (p pushBench) push() Push {
	endpoint := New(Deps{
		Policy: p, Store: p, Audit: p, Record: audit.NewRecorder(func() time.Time { return noon }, rand.Reader),
		Issue:     issue.New(issue.Options{Issuer: "https://id", Signer: p, Random: rand.Reader, Algs: []string{"ES256"}}),
		Catalog:   NewCatalog([]Resource{{ID: "https://api", Scopes: oauth.Scope{"accounts"}, Alg: "ES256", Lifetime: time.Minute}}),
		Lifetimes: Lifetimes{IDToken: time.Minute, RefreshToken: time.Hour, Most: time.Hour},
		Clock:     func() time.Time { return noon },
	})
	return Push{Endpoint: endpoint, Users: rest{users: map[string]oauth.User{"u1": {}}}}
}

// The ID token of a push vouches for all that comes with it (CIBA Core section 10.3.1).
func TestPush(t *testing.T) {
	b := pushBench{bench: newBench()}
	body, changes, err := b.push().Tokens(t.Context(), cibaClient(nil), oauth.Profiles[oauth.ProfileOpenID], waiting(nil), authReqID)
	if err != nil {
		t.Fatal(err)
	}
	var got struct {
		AuthReqID string `json:"auth_req_id"`
		Access    string `json:"access_token"`
		Refresh   string `json:"refresh_token"`
		ID        string `json:"id_token"`
		Type      string `json:"token_type"`
		ExpiresIn int    `json:"expires_in"`
	}
	if err := json.Unmarshal(body, &got); err != nil {
		t.Fatal(err)
	}
	var claims map[string]any
	if err := json.Unmarshal([]byte(got.ID[len("JWT"):]), &claims); err != nil {
		t.Fatal(err)
	}
	hash := func(text string) string {
		h, err := jose.HalfHash("ES256", text)
		if err != nil {
			t.Fatal(err)
		}
		return h
	}
	for claim, want := range map[string]string{
		"urn:openid:params:jwt:claim:auth_req_id": authReqID.Reveal(), "urn:openid:params:jwt:claim:rt_hash": hash(got.Refresh),
		"at_hash": hash(got.Access), "sub": "u1", "aud": "c1",
	} {
		if claims[claim] != want {
			t.Errorf("%s: %v, want %s", claim, claims[claim], want)
		}
	}
	if got.AuthReqID != authReqID.Reveal() || got.Type != "Bearer" || got.ExpiresIn != 60 || got.Refresh == "" {
		t.Errorf("%s", body)
	}
	var kinds []string
	for _, c := range changes {
		kinds = append(kinds, fmt.Sprintf("%T", c)[len("oauth."):])
	}
	if diff := cmp.Diff([]string{"StoreRefresh", "ExtendGrant", "RecordAudit"}, kinds); diff != "" {
		t.Error(diff)
	}
	if len(b.committed) != 0 {
		t.Error("making tokens committed something")
	}
}

// A client takes no part in the browser session in which its user approved: no token of the request names that session,
// whichever way it comes.
func TestBackchannelTokensNameNoSession(t *testing.T) {
	b := pushBench{bench: newBench()}
	push, approved := b.push(), waiting(func(b *oauth.Backchannel) { b.User.SessionID = "approved-in" })
	e, client := push.Endpoint, cibaClient(nil)
	idToken := map[string]func() (string, []oauth.Change, error){
		"push": func() (string, []oauth.Change, error) {
			body, changes, err := push.Tokens(t.Context(), client, oauth.Profiles[oauth.ProfileOpenID], approved, authReqID)
			if err != nil {
				return "", nil, err
			}
			var answer response
			err = json.Unmarshal(body, &answer)
			return answer.IDToken, changes, err
		},
		"poll": func() (string, []oauth.Change, error) {
			req := request(client, map[string]string{"auth_req_id": authReqID.Reveal()})
			g := CIBA{Store: desk{requests: map[oauth.Digest]oauth.Backchannel{approved.Digest: approved}}, Users: push.Users}
			a, err := g.Redeem(t.Context(), req)
			if err != nil {
				return "", nil, err
			}
			to, err := e.target(req, a)
			if err != nil {
				return "", nil, err
			}
			issued, err := e.issue(t.Context(), req, a, to, policy.Decision{ID: "d1", Scope: a.Scope})
			if err != nil {
				return "", nil, err
			}
			return issued.response.IDToken, issued.changes, nil
		},
	}
	for name, tokens := range idToken {
		t.Run(name, func(t *testing.T) {
			id, changes, err := tokens()
			if err != nil {
				t.Fatal(err)
			}
			if !strings.Contains(id, `"sub":"u1"`) || strings.Contains(id, "sid") {
				t.Errorf("ID token %s", id)
			}
			kept := slices.IndexFunc(changes, func(change oauth.Change) bool { _, ok := change.(oauth.StoreRefresh); return ok })
			if kept < 0 || strings.Contains(fmt.Sprintf("%+v", changes[kept]), "approved-in") { // which makes ID tokens too
				t.Errorf("changes %+v", changes)
			}
		})
	}
	if approved.User.SessionID != "approved-in" {
		t.Error("the request was changed")
	}
}

func TestPushRefused(t *testing.T) {
	openid := oauth.Profiles[oauth.ProfileOpenID]
	for name, c := range map[string]struct {
		client  func(*oauth.Client)
		profile oauth.Profile
		request func(*oauth.Backchannel)
		bench   pushBench
		want    oauth.Code
		audited bool
	}{
		"sender-constrained profile": {profile: oauth.Profiles[oauth.ProfileFAPICIBA], want: oauth.InvalidRequest, audited: true},
		"certificate-bound client":   {profile: openid, client: func(c *oauth.Client) { c.BoundAccessTokens = true }, want: oauth.InvalidRequest, audited: true},
		"DPoP-bound client":          {profile: openid, client: func(c *oauth.Client) { c.DPoPBound = true }, want: oauth.InvalidRequest, audited: true},
		"not approved":               {profile: openid, request: func(b *oauth.Backchannel) { b.Status = oauth.BackchannelPending }, want: oauth.ServerError},
		"user gone":                  {profile: openid, request: func(b *oauth.Backchannel) { b.User.ID = "u9" }, want: oauth.InvalidGrant, audited: true},
		"no resource server":         {profile: openid, request: func(b *oauth.Backchannel) { b.Resources = []string{"https://x"} }, want: oauth.InvalidTarget, audited: true},
		"policy":                     {profile: openid, bench: pushBench{denials: []policy.Denial{{Error: "access_denied"}}}, want: oauth.AccessDenied, audited: true},
		"policy cannot answer":       {profile: openid, bench: pushBench{failure: errors.New("engine on fire")}, want: oauth.TemporarilyUnavailable},
	} {
		t.Run(name, func(t *testing.T) {
			c.bench.bench = newBench()
			body, changes, err := c.bench.push().Tokens(t.Context(), cibaClient(c.client), c.profile, waiting(c.request), authReqID)
			if got := outcomeOf(oauth.Authorization{}, err); got.Error != c.want || body != nil {
				t.Errorf("%v, %s; want %s", err, body, c.want)
			}
			audited := slices.ContainsFunc(changes, func(change oauth.Change) bool {
				record, ok := change.(oauth.RecordAudit)
				return ok && record.Entry.Event == string(audit.TokenRefused) && record.Entry.Subject != "" && record.Entry.Detail["error"] == string(c.want) &&
					(record.Entry.DecisionID == "d1") == (name == "policy")
			})
			if audited != c.audited {
				t.Errorf("changes: %v", changes)
			}
		})
	}
}
