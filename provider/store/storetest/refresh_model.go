package storetest

import (
	"errors"
	"fmt"
	"testing"
	"time"

	"pgregory.net/rapid"

	"signet/provider/oauth"
)

// testRefreshFamilies compares families of refresh tokens with a model of what the change says, over
// random sequences of rotations, retries, uses of dead tokens and revocations.
func (e Effort) testRefreshFamilies(t *testing.T, b Backend) {
	var families int // a new family per sequence, all in one database
	passed, failed := 0, false
	rapid.Check(t, func(r *rapid.T) {
		if passed >= e.Sequences && !failed { // a failing one is executed again to make it shorter
			return
		}
		failed = true
		families++
		f := &family{b: b, t: t, r: r, grantID: fmt.Sprintf("g-%d", families), at: now}
		f.store()
		r.Repeat(map[string]func(*rapid.T){
			"":          f.invariant,
			"rotate":    f.rotate,
			"use":       f.use,
			"wait":      func(r *rapid.T) { f.at = f.at.Add(rapid.SampledFrom(waits).Draw(r, "wait")) },
			"supersede": f.supersede,
			"revoke":    f.revoke,
		})
		passed, failed = passed+1, false
	})
}

var (
	waits  = []time.Duration{time.Microsecond, time.Second, 4 * time.Second, 5 * time.Second, 6 * time.Second}
	graces = []time.Duration{0, time.Second, 5 * time.Second, 10 * time.Second}
)

// family is the model: every token ever issued, and which one is usable.
type family struct {
	b       Backend
	t       *testing.T
	r       *rapid.T
	grantID string
	at      time.Time
	revoked bool
	tokens  []*modelToken
}

type modelToken struct {
	name      string
	rotatedAt time.Time // zero: usable
	successor *modelToken
	removed   bool // superseded by a retry
	forgotten bool // superseded because of its grant
}

func (f *family) issue() *modelToken {
	token := &modelToken{name: fmt.Sprintf("%s/%d", f.grantID, len(f.tokens))}
	f.tokens = append(f.tokens, token)
	return token
}

func (f *family) store() {
	commit(f.t, f.b, oauth.StoreGrant{Grant: grant(f.grantID)}, oauth.StoreRefresh{Token: refresh(f.issue().name, f.grantID)})
}

// usable is the rule of oauth.ReplaceRefresh, word by word.
func (f *family) usable(old *modelToken, grace time.Duration) bool {
	if f.revoked || old.removed || old.forgotten {
		return false
	}
	if old.rotatedAt.IsZero() {
		return true
	}
	unused := !old.successor.removed && !old.successor.forgotten && old.successor.rotatedAt.IsZero()
	return grace > 0 && f.at.Sub(old.rotatedAt) <= grace && unused
}

func (f *family) rotate(r *rapid.T) {
	old := rapid.SampledFrom(f.tokens).Draw(r, "old")
	grace := rapid.SampledFrom(graces).Draw(r, "grace")
	allowed := f.usable(old, grace)
	next := f.issue()
	err := f.b.Commit(f.t.Context(), oauth.ReplaceRefresh{Old: digest(old.name), New: refresh(next.name, f.grantID), At: f.at, Grace: grace})
	f.outcome(r, err, allowed)
	if !allowed {
		f.tokens = f.tokens[:len(f.tokens)-1]
		return
	}
	if old.rotatedAt.IsZero() {
		old.rotatedAt = f.at
	} else {
		old.successor.removed = true
	}
	old.successor = next
}

func (f *family) use(r *rapid.T) {
	token := rapid.SampledFrom(f.tokens).Draw(r, "token")
	err := f.b.Commit(f.t.Context(), oauth.UseRefresh{Digest: digest(token.name), GrantID: f.grantID})
	f.outcome(r, err, !f.revoked && !token.removed && !token.forgotten && token.rotatedAt.IsZero())
}

// supersede forgets the one usable token.
func (f *family) supersede(r *rapid.T) {
	next := f.issue()
	err := f.b.Commit(f.t.Context(), oauth.SupersedeRefresh{Token: refresh(next.name, f.grantID)})
	f.outcome(r, err, !f.revoked)
	for _, token := range f.tokens[:len(f.tokens)-1] {
		if !f.revoked && !token.removed && token.rotatedAt.IsZero() {
			token.forgotten = true
		}
	}
	if f.revoked {
		f.tokens = f.tokens[:len(f.tokens)-1]
	}
}

func (f *family) revoke(r *rapid.T) {
	if rapid.IntRange(0, 9).Draw(r, "revoke") > 0 {
		return // seldom, since little happens afterwards
	}
	commit(f.t, f.b, oauth.RevokeGrant{GrantID: f.grantID, At: f.at})
	f.revoked = true
}

func (f *family) outcome(r *rapid.T, err error, allowed bool) {
	var conflict *oauth.Conflict
	switch {
	case allowed && err != nil:
		r.Fatalf("refused: %v", err)
	case !allowed && !errors.As(err, &conflict):
		r.Fatalf("not refused as a conflict: %v", err)
	}
}

// invariant: at most one token is usable, and what a reader is told of each agrees with the model.
func (f *family) invariant(r *rapid.T) {
	live := 0
	for _, token := range f.tokens {
		got, err := f.b.RefreshToken(f.t.Context(), digest(token.name))
		if token.forgotten && errors.Is(err, oauth.ErrNotFound) {
			continue
		}
		if err != nil || token.forgotten {
			r.Fatalf("reading %s: %v", token.name, err)
		}
		usable := !token.removed && token.rotatedAt.IsZero()
		if got.RotatedAt.IsZero() {
			live++
		}
		if got.RotatedAt.IsZero() != usable {
			r.Fatalf("%s: RotatedAt is %v, usable in the model: %v", token.name, got.RotatedAt, usable)
		}
		retryable := !token.removed && token.successor != nil && !token.successor.removed && !token.successor.forgotten && token.successor.rotatedAt.IsZero()
		if retryable && (!got.RotatedAt.Equal(token.rotatedAt) || got.Successor != digest(token.successor.name)) {
			r.Fatalf("%s: rotated at %v, want %v to %s", token.name, got.RotatedAt, token.rotatedAt, token.successor.name)
		}
		if !usable && got.SuccessorUsed == retryable {
			r.Fatalf("%s: SuccessorUsed is %v", token.name, got.SuccessorUsed)
		}
	}
	if live != 1 {
		r.Fatalf("%d usable tokens in one family", live)
	}
}
