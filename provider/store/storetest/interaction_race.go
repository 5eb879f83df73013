package storetest

import (
	"errors"
	"fmt"
	"sync"
	"testing"
	"time"

	"signet/provider/oauth"
)

// testInteractionRace has logins meet approvals of one waiting request: one approval wins, no login brings the
// request back, and a login that came second leaves no session behind.
func (e Effort) testInteractionRace(t *testing.T, b Backend) {
	for round := range e.Races {
		key := fmt.Sprintf("interaction-%d", round)
		waiting := oauth.Interaction{Digest: digest(key), Request: request(), ExpiresAt: now.Add(time.Hour)}
		commit(t, b, oauth.StoreInteraction{Interaction: waiting})
		session := func(i int) oauth.Digest { return digest(fmt.Sprintf("%s/%d", key, i)) }

		logins, approvals := make([]error, 10), make([]error, 10)
		var race sync.WaitGroup
		start := make(chan struct{})
		for i := range logins {
			race.Go(func() {
				user := endUser()
				user.SessionID = fmt.Sprint(i)
				mine := waiting
				mine.User = &user
				<-start
				logins[i] = b.Commit(t.Context(),
					oauth.StoreSession{Session: oauth.Session{Digest: session(i), User: user, ExpiresAt: now.Add(time.Hour)}},
					oauth.UpdateInteraction{Interaction: mine})
			})
			race.Go(func() {
				<-start
				approvals[i] = b.Commit(t.Context(), oauth.FinishInteraction{Digest: waiting.Digest})
			})
		}
		close(start)
		race.Wait()

		if won := winners(t, approvals); won != 1 {
			t.Errorf("%s: %d approvals succeeded, want 1", key, won)
		}
		winners(t, logins)
		got, err := b.Interaction(t.Context(), waiting.Digest)
		gone(t, got, err)
		for i, lost := range logins {
			if _, err := b.Session(t.Context(), session(i)); (err == nil) != (lost == nil) {
				t.Errorf("%s: the login ended with %v, its session with %v", key, lost, err)
			}
		}
	}
}

// winners counts the commits that succeeded; any failure but a conflict is an error.
func winners(t *testing.T, outcomes []error) (won int) {
	t.Helper()
	for _, err := range outcomes {
		var conflict *oauth.Conflict
		switch {
		case err == nil:
			won++
		case !errors.As(err, &conflict):
			t.Error(err)
		}
	}
	return won
}
