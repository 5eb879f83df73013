package token

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"signet/provider/audit"
	"signet/provider/oauth"
)

// scripted is a store whose commits end as the script says; it remembers the kinds of what was committed.
type scripted struct {
	script []error
	kinds  [][]string
}

func (s *scripted) Commit(_ context.Context, changes ...oauth.Change) error {
	var kinds []string
	for _, c := range changes {
		kinds = append(kinds, fmt.Sprintf("%T", c)[len("oauth."):])
	}
	s.kinds = append(s.kinds, kinds)
	return s.script[len(s.kinds)-1]
}

// TestALostRaceRevokes commits a redemption that came second.
func TestALostRaceRevokes(t *testing.T) {
	proof := oauth.UseAssertion{ClientID: "c1", JTI: "j1"}
	redeem := oauth.RedeemCode{GrantID: "g1"}
	changed := &oauth.Conflict{Change: oauth.CheckGrant{GrantID: "g1"}}
	second, replayed, down := &oauth.Conflict{Change: redeem}, &oauth.Conflict{Change: proof}, errors.New("disk on fire")
	whole := []string{"UseAssertion", "RedeemCode", "RecordAudit"}
	for name, c := range map[string]struct {
		script []error
		want   oauth.Code
		kinds  [][]string
	}{
		"first":               {[]error{nil}, "", [][]string{whole}},
		"replayed proof":      {[]error{replayed}, oauth.InvalidClient, [][]string{whole}},
		"the grant changed":   {[]error{changed}, oauth.InvalidGrant, [][]string{whole}},
		"store down":          {[]error{down}, oauth.ServerError, [][]string{whole}},
		"second":              {[]error{second, nil}, oauth.InvalidGrant, [][]string{whole, {"UseAssertion", "RevokeGrant", "RecordAudit"}}},
		"second, used proof":  {[]error{second, replayed, nil}, oauth.InvalidGrant, [][]string{whole, {"UseAssertion", "RevokeGrant", "RecordAudit"}, {"RevokeGrant", "RecordAudit"}}},
		"second, not revoked": {[]error{second, down}, oauth.TemporarilyUnavailable, [][]string{whole, {"UseAssertion", "RevokeGrant", "RecordAudit"}}},
	} {
		t.Run(name, func(t *testing.T) {
			store := &scripted{script: c.script}
			e := &Endpoint{Deps: Deps{Store: store, Record: audit.NewRecorder(time.Now, rand.Reader)}}
			caller := oauth.ClientAuthentication{Changes: []oauth.Change{proof}}
			req := oauth.TokenRequest{GrantType: oauth.GrantAuthorizationCode, Client: &oauth.Client{ID: "c1"}}
			err := e.commit(t.Context(), req, caller, []oauth.Change{redeem}, oauth.AuditEntry{})
			var fault *oauth.Error
			var lost *oauth.Conflict
			var got oauth.Code
			switch {
			case errors.As(err, &fault):
				got = fault.Code
			case errors.As(err, &lost):
				got = lost.ConflictError().Code
			case err != nil:
				got = oauth.ServerError
			}
			if got != c.want {
				t.Errorf("%v, want %q", err, c.want)
			}
			if diff := cmp.Diff(c.kinds, store.kinds); diff != "" {
				t.Error(diff)
			}
		})
	}
}
