package authorize

import (
	"net/http"
	"net/url"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"signet/provider/oauth"
)

// agreedRig is grantRig with the user's consent to all scopes, so that nothing but the grant can ask for a page.
func agreedRig(t *testing.T, change func(*rig, *oauth.Grant)) (*rig, oauth.EndUser) {
	t.Helper()
	r, user := grantRig(t)
	r.consent("u1", oauth.Scope{"openid", "profile", "accounts"})
	grant := r.store.Grants["g1"]
	grant.Details, grant.Resources, grant.ExpiresAt = nil, []string{accounts}, r.now.Add(48*time.Hour)
	change(r, &grant)
	r.store.Grants["g1"] = grant
	return r, user
}

func (r *rig) change(action string, more ...string) url.Values {
	return params(append([]string{"grant_management_action", action, "grant_id", "g1"}, more...)...)
}

// What was agreed to once is neither issued again nor prolonged silently by a request that does not name it.
func TestNothingOfAnEarlierGrantIsGivenAgainSilently(t *testing.T) {
	for name, test := range map[string]struct {
		change func(*rig, *oauth.Grant)
		want   string // "" = a code
	}{
		"all of it agreed to": {func(*rig, *oauth.Grant) {}, ""},
		"a payment":           {func(_ *rig, g *oauth.Grant) { g.Details = oauth.Details{payment("1")} }, "consent_required"},
		"it would last on":    {func(r *rig, g *oauth.Grant) { g.ExpiresAt = r.now.Add(time.Minute) }, "consent_required"},
		"a scope at another resource server": {
			func(_ *rig, g *oauth.Grant) { g.Resources = []string{"https://other.example"} }, "consent_required",
		},
		"a scope": {func(_ *rig, g *oauth.Grant) { g.Scope = oauth.Scope{"payments"} }, "consent_required"},
	} {
		t.Run(name, func(t *testing.T) {
			r, _ := agreedRig(t, test.change)
			before := r.store.Grants["g1"]
			answer := r.answerOf(r.get(r.change("merge", "scope", "openid", "prompt", "none")), callback)
			if answer.Get("error") != test.want || answer.Has("code") != (test.want == "") {
				t.Errorf("answer %v", answer)
			}
			if diff := cmp.Diff(before, r.store.Grants["g1"]); test.want != "" && (diff != "" || len(r.codes()) > 0) {
				t.Errorf("refused, and changed: %s", diff)
			}
		})
	}
}

// The page is given all that the grant would have, and that is what is kept, remembered and audited.
func TestTheWholeOutcomeIsShownRememberedAndAudited(t *testing.T) {
	all, both := oauth.Scope{"openid", "profile", "accounts"}, []string{"https://other.example", accounts}
	r, user := agreedRig(t, func(_ *rig, g *oauth.Grant) {
		g.Details, g.Resources = oauth.Details{payment("1")}, []string{"https://other.example"}
	})
	before := r.store.Grants["g1"]
	r.get(r.change("merge"))
	shown := r.asked[0].Outcome
	if shown == nil {
		t.Fatal("no outcome to show")
	}
	if diff := cmp.Diff([]any{all, both, oauth.Details{payment("1")}, before.UpdatedAt}, []any{shown.Scope, shown.Resources, shown.Details, shown.UpdatedAt}); diff != "" {
		t.Error(diff)
	}
	r.store.Commits = nil
	r.answerOf(r.do(r.Resume(), http.MethodPost, r.resumeURL(), approve(user)), callback)
	entries := 0
	for _, change := range r.store.Commits[0] {
		if c, ok := change.(oauth.RecordAudit); ok {
			entries++
			if d := c.Entry.Detail; d["scope"] != all.String() || !cmp.Equal(d["resources"], any(both)) || !cmp.Equal(d["authorization_details"], any(oauth.Details{payment("1")})) {
				t.Errorf("%s: %v", c.Entry.Event, d)
			}
		}
	}
	if consent := r.store.Consents[[2]string{"u1", "app"}]; entries != 2 || !consent.Covers(all, both, r.now) || consent.Covers(all, both, r.now.Add(lasts(nil, nil))) {
		t.Errorf("%d entries, consent %+v", entries, consent)
	}
}

// Nobody is shown a grant before it is known whose it is.
func TestNoOutcomeBeforeTheLogin(t *testing.T) {
	r, _ := agreedRig(t, func(*rig, *oauth.Grant) {})
	r.get(r.change("merge", "prompt", "login"))
	if len(r.asked) != 1 || r.asked[0].Outcome != nil {
		t.Errorf("asked %+v", r.asked)
	}
}

// The grant was changed while the user read the page: the approval was of something else.
func TestApprovalIsOfWhatWasShown(t *testing.T) {
	for name, change := range map[string]func(r *rig){
		"changed meanwhile": func(r *rig) {
			grant := r.store.Grants["g1"]
			grant.Details, grant.UpdatedAt = oauth.Details{payment("9")}, r.now
			r.store.Grants["g1"] = grant
		},
		"never shown": func(r *rig) {
			for digest, waiting := range r.store.Waiting {
				waiting.Outcome = nil
				r.store.Waiting[digest] = waiting
			}
		},
	} {
		t.Run(name, func(t *testing.T) {
			r, user := agreedRig(t, func(_ *rig, g *oauth.Grant) { g.Details = oauth.Details{payment("1")} })
			r.get(r.change("merge"))
			change(r)
			want := r.store.Grants["g1"]
			res := r.do(r.Resume(), http.MethodPost, r.resumeURL(), approve(user))
			if res.StatusCode != http.StatusTeapot || len(r.asked) != 2 || len(r.codes()) > 0 || !cmp.Equal(want, r.store.Grants["g1"]) {
				t.Fatalf("%d, asked %d times, codes %v", res.StatusCode, len(r.asked), r.codes())
			}
			if diff := cmp.Diff(want.Details, r.asked[1].Outcome.Details); diff != "" {
				t.Error(diff)
			}
			if answer := r.answerOf(r.do(r.Resume(), http.MethodPost, r.resumeURL(), approve(user)), callback); !answer.Has("code") {
				t.Errorf("the second time: %v", answer)
			}
		})
	}
}

// After a replacement was approved, what it ended does not come back without the user.
func TestReplacementSetsTheConsent(t *testing.T) {
	r, user := agreedRig(t, func(*rig, *oauth.Grant) {})
	replace := r.change("replace", "scope", "openid", "prompt", "consent")
	r.get(replace)
	r.now = r.now.Add(time.Second)
	r.answerOf(r.do(r.Resume(), http.MethodPost, r.resumeURL(), approve(user)), callback)
	if grant := r.store.Grants["g1"]; !grant.ReplacedAt.Equal(r.now) || !grant.UpdatedAt.Equal(r.now) {
		t.Errorf("grant %+v", grant)
	}
	for _, silent := range []url.Values{params("prompt", "none", "grant_management_action", "create"), r.change("merge", "prompt", "none"), params("prompt", "none")} {
		if answer := r.answerOf(r.get(silent), callback); answer.Get("error") != "consent_required" {
			t.Errorf("%v: %v", silent, answer)
		}
	}
	if answer := r.answerOf(r.get(params("prompt", "none", "scope", "openid")), callback); !answer.Has("code") {
		t.Errorf("what is left: %v", answer)
	}
	replaced := r.store.Grants["g1"].ReplacedAt
	r.now = r.now.Add(time.Second)
	r.answerOf(r.get(r.change("merge", "scope", "openid", "prompt", "none")), callback)
	if grant := r.store.Grants["g1"]; !grant.ReplacedAt.Equal(replaced) || !grant.UpdatedAt.Equal(r.now) {
		t.Errorf("merged: %+v", grant)
	}
}

// Consent counts for as long as the page said, and at the resource server that it named.
func TestRememberedConsentHasAnEndAndAPlace(t *testing.T) {
	r := newRig(t)
	r.deps.Lasts = func(*oauth.Client, oauth.Scope) time.Duration { return time.Hour }
	r.store.Clients["app"].Resources = []string{accounts, "https://other.example"}
	user := r.login("u1")
	agree := func(v url.Values) {
		t.Helper()
		r.get(v)
		r.answerOf(r.do(r.Resume(), http.MethodPost, r.resumeURL(), approve(user)), callback)
	}
	agree(params("scope", "accounts", "resource", accounts))
	agree(params("scope", "profile", "resource", "https://other.example"))
	outcomeOf := func(resource string) string {
		return r.answerOf(r.get(params("scope", "accounts", "resource", resource, "prompt", "none")), callback).Get("error")
	}
	if got := []string{outcomeOf(accounts), outcomeOf("https://other.example")}; !cmp.Equal(got, []string{"", "consent_required"}) {
		t.Errorf("agreed to here, and elsewhere: %v", got)
	}
	r.now = r.now.Add(time.Hour - time.Microsecond)
	if got := outcomeOf(accounts); got != "" {
		t.Errorf("within the hour: %q", got)
	}
	r.now = r.now.Add(time.Microsecond)
	if got := outcomeOf(accounts); got != "consent_required" {
		t.Errorf("after the hour: %q", got)
	}
}

// A grant that is changed between the decision and the answer is not answered with, since nobody decided about it.
func TestSilentAnswerIsOfWhatWasDecided(t *testing.T) {
	r, user := agreedRig(t, func(*rig, *oauth.Grant) {})
	req := r.cookies.Request(http.MethodGet, "/authorize?"+r.change("merge", "prompt", "none").Encode(), nil)
	who, err := r.client(t.Context(), "app")
	if err != nil {
		t.Fatal(err)
	}
	p, err := r.receive(t.Context(), who, oauth.NewParams(r.change("merge", "prompt", "none")))
	if err != nil {
		t.Fatal(err)
	}
	decided, err := r.foresee(t.Context(), p, r.now)
	if err != nil {
		t.Fatal(err)
	}
	grant := r.store.Grants["g1"]
	grant.Details, grant.UpdatedAt = oauth.Details{payment("9")}, r.now
	r.store.Grants["g1"] = grant
	res := r.send(http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) { r.issue(w, req, p, decided, user, false) }), req)
	if answer := r.answerOf(res, callback); answer.Get("error") != "invalid_grant_id" || len(r.codes()) != 0 {
		t.Errorf("answer %v", answer)
	}
}
