package storetest

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strings"
	"sync"
	"testing"

	"signet/provider/oauth"
	"signet/provider/store"
)

// load is the child that gets killed: it redeems codes and rotates refresh tokens, and says so after each
// commit, as a server would answer.
func load(ctx context.Context, b Backend) error {
	var say sync.Mutex
	var errs [8]error
	var wg sync.WaitGroup
	for worker := range errs {
		wg.Go(func() {
			for i := 0; errs[worker] == nil; i++ {
				errs[worker] = loadOne(ctx, b, &say, fmt.Sprintf("%d-%d-%d", os.Getpid(), worker, i))
			}
		})
	}
	wg.Wait()
	return errors.Join(errs[:]...)
}

func loadOne(ctx context.Context, b Backend, say *sync.Mutex, id string) error {
	var failed error
	err := life(ctx, b, id, func(step string) {
		say.Lock()
		defer say.Unlock()
		if _, err := fmt.Println(step, id); err != nil {
			failed = err
		}
	})
	return errors.Join(err, failed)
}

// life is one login's: a code, its redemption, the rotation of its refresh token. It calls done after each commit.
func life(ctx context.Context, b Backend, id string, done func(step string)) error {
	for _, step := range []struct {
		done    string
		changes []oauth.Change
	}{
		{"stored", []oauth.Change{oauth.StoreGrant{Grant: grant(id)}, oauth.StoreCode{Code: code(id, id)}}},
		{"redeemed", []oauth.Change{assertion(id), redeem(id), oauth.StoreRefresh{Token: refresh(id+"/0", id)}, oauth.RecordAudit{Entry: entry(id)}}},
		{"rotated", []oauth.Change{rotate(id+"/0", id+"/1", id)}},
	} {
		if err := b.Commit(ctx, step.changes...); err != nil {
			return err
		}
		done(step.done)
	}
	return nil
}

// testKilled kills a process at work, several times on one database: what it had said is there, and what it
// had not said is there whole or not at all.
func (e Effort) testKilled(t *testing.T, open Opener, dsn string) {
	for round := range e.Kills {
		p := start(t, "load", dsn)
		said := map[string]string{} // the last step of each id
		for range 50 + 37*round {
			step, id, _ := strings.Cut(p.receive(t), " ")
			said[id] = step
		}
		if err := p.cmd.Process.Kill(); err != nil {
			t.Fatal(err)
		}
		// What had left the process before the kill counts as said.
		for {
			line, err := p.out.ReadString('\n')
			if err != nil {
				break
			}
			step, id, _ := strings.Cut(strings.TrimSpace(line), " ")
			said[id] = step
		}
		_ = p.cmd.Wait() // "signal: killed"
		checkSurvivors(t, open, dsn, said)
	}
}

func checkSurvivors(t *testing.T, open Opener, dsn string, said map[string]string) {
	t.Helper()
	b, err := open(t.Context(), dsn)
	if err != nil {
		t.Fatalf("opening after the kill: %v", err)
	}
	defer func() {
		if err := b.Close(); err != nil {
			t.Error(err)
		}
	}()
	entries, err := b.AuditEntries(t.Context(), store.AuditFilter{Limit: 1e6})
	if err != nil {
		t.Fatal(err)
	}
	recorded := map[string]bool{}
	for _, e := range entries {
		recorded[e.ID] = true
	}
	grants, err := b.Grants(t.Context(), store.GrantFilter{Limit: 1e6})
	if err != nil {
		t.Fatal(err)
	}
	kept := map[string]bool{}
	for _, g := range grants {
		kept[g.ID] = true
		checkSurvivor(t, b, g.ID, said[g.ID], recorded[g.ID])
	}
	for id, step := range said {
		if !kept[id] {
			t.Errorf("%s was %s, and is gone", id, step)
		}
	}
}

func checkSurvivor(t *testing.T, b Backend, id, step string, recorded bool) {
	t.Helper()
	ctx := t.Context()
	kept, err := b.Code(ctx, digest(id))
	if err != nil {
		t.Errorf("%s: grant without its code: %v", id, err)
	}
	first, firstErr := b.RefreshToken(ctx, digest(id+"/0"))
	second, secondErr := b.RefreshToken(ctx, digest(id+"/1"))
	if kept.Used != recorded || kept.Used != (firstErr == nil) {
		t.Errorf("%s: half a commit: code used %v, audit %v, refresh token %v", id, kept.Used, recorded, firstErr)
	}
	if rotated := !first.RotatedAt.IsZero(); rotated != (secondErr == nil) {
		t.Errorf("%s: half a rotation: rotated %v, successor %v", id, rotated, secondErr)
	}
	if step == "redeemed" || step == "rotated" {
		if !kept.Used {
			t.Errorf("%s: a redeemed code is unused", id)
		}
		commitConflicts(t, b, assertion(id), assertion(id))
		commitConflicts(t, b, redeem(id), redeem(id))
	}
	if step == "rotated" && (secondErr != nil || !second.RotatedAt.IsZero()) {
		t.Errorf("%s: the token that the client received does not work: %+v, %v", id, second, secondErr)
	}
}
