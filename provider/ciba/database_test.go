package ciba

import (
	"log/slog"
	"path/filepath"
	"testing"
	"time"

	"signet/provider/oauth"
	"signet/provider/store"
	"signet/provider/token"
)

// TestDatabase is a request's life on a real store: asked, polled, approved, told of, redeemed once.
func TestDatabase(t *testing.T) {
	now := noon
	db, err := store.Open(t.Context(), "sqlite:"+filepath.Join(t.TempDir(), "signet.db"), store.Options{
		Clock: func() time.Time { return now }, Log: slog.New(slog.DiscardHandler),
	})
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = db.Close() }()
	r := newRig(t, func(d *Deps) { d.Store, d.Clock = db, func() time.Time { return now } })
	client := r.store.clients["ping"]
	if err := db.Commit(t.Context(), oauth.StoreClient{Client: *client}, oauth.StoreUser{User: r.store.users["u1"]}); err != nil {
		t.Fatal(err)
	}
	got := r.post(form("ping", "authorization_details", `[{"type":"payment","amount":1}]`))
	if got.AuthReqID == "" {
		t.Fatal(got.body)
	}
	grant := token.CIBA{Store: db, Users: db}
	poll := func() (oauth.Authorization, oauth.Code) {
		a, err := grant.Redeem(t.Context(), oauth.TokenRequest{
			Now: now, Client: client, Params: oauth.NewParams(map[string][]string{"auth_req_id": {got.AuthReqID}}),
		})
		if refusal, ok := err.(*oauth.Refusal); ok { //nolint:errorlint // exactly this one
			if err := db.Commit(t.Context(), refusal.Changes...); err != nil {
				return a, codeOf(err)
			}
		}
		return a, codeOf(err)
	}
	for _, step := range []struct {
		after time.Duration
		want  oauth.Code
	}{{0, oauth.AuthorizationPending}, {5 * time.Second, oauth.AuthorizationPending}, {time.Second, oauth.SlowDown}, {10 * time.Second, oauth.AuthorizationPending}} {
		now = now.Add(step.after + time.Nanosecond) // finer than any database keeps it
		if _, code := poll(); code != step.want {
			t.Errorf("at %v: %s, want %s", now.Sub(noon), code, step.want)
		}
	}
	waiting, err := r.Pending(t.Context(), "u1")
	if err != nil || len(waiting) != 1 || waiting[0].Interval != 10 {
		t.Fatalf("%+v, %v", waiting, err)
	}
	anna := oauth.EndUser{ID: "u1", AuthTime: now.Truncate(time.Second), ACR: "own", SessionID: "s1"}
	for i, want := range []oauth.Code{"", oauth.InvalidRequest} {
		if err := r.Answer(t.Context(), waiting[0].ID, anna, true); codeOf(err) != want {
			t.Errorf("answer %d: %v", i, err)
		}
	}
	if err := r.Deliver(t.Context()); err != nil || len(r.world.got) != 1 {
		t.Errorf("%v, %d notices", err, len(r.world.got))
	}
	now = now.Add(2 * time.Minute) // the lease is over
	if err := r.Deliver(t.Context()); err != nil || len(r.world.got) != 1 {
		t.Errorf("again: %v, %d notices", err, len(r.world.got))
	}
	now = noon.Add(20 * time.Second)
	a, code := poll()
	if code != "" || a.Subject.Subject() != "u1" || len(a.Details) != 1 || a.Scope.String() != "openid accounts" {
		t.Fatalf("%s %+v", code, a)
	}
	if err := db.Commit(t.Context(), a.Changes...); err != nil {
		t.Fatal(err)
	}
	if err := db.Commit(t.Context(), a.Changes...); codeOf(err) != "conflict" {
		t.Errorf("redeemed twice: %v", err)
	}
	if _, code := poll(); code != oauth.InvalidGrant {
		t.Errorf("after it: %s", code)
	}
	if kept, err := db.Grant(t.Context(), a.GrantID); err != nil || kept.ClientID != "ping" || len(kept.Details) != 1 {
		t.Errorf("%+v, %v", kept, err)
	}
}
