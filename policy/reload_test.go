package policy

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

// numbered answers with its number in two places, so that a decision that mixed two bundles would show.
func numbered(n int) string {
	return fmt.Sprintf(`package signet.custom.token
access_claims := {"bundle": %d}
id_claims := {"bundle": %d}
`, n, n)
}

const denyAll = `package signet.custom.grant
deny contains {"rule": "bank.closed", "error": "access_denied", "text": "no tokens today"}`

func TestReload(t *testing.T) {
	directory := folder(t, map[string]string{"a.rego": numbered(1)})
	e := engine(t, directory)
	first := e.Revision()
	expect := func(step string, want int64, healthy bool) {
		t.Helper()
		d, err := e.Decide(context.Background(), request())
		if err != nil || d.AccessClaims["bundle"] != want || d.Revision != e.Revision() {
			t.Errorf("%s: %+v, %v", step, d, err)
		}
		if health := e.Health(); (health == nil) != healthy {
			t.Errorf("%s: health %v", step, health)
		}
	}
	reload := func(step string, changed, fails bool) {
		t.Helper()
		if got, err := e.Reload(context.Background()); got != changed || (err != nil) != fails {
			t.Errorf("%s: changed %v, %v", step, got, err)
		}
	}
	reload("unchanged", false, false)
	expect("unchanged", 1, true)

	write(t, directory, "a.rego", numbered(2))
	reload("changed", true, false)
	expect("changed", 2, true)
	if e.Revision() == first {
		t.Error("the revision is the old one")
	}

	for name, broken := range map[string]string{
		"syntax": "package signet.custom.token\naccess_claims :=", "claim": "package signet.custom.token\naccess_claims := {\"sub\": 1}",
		"field": "package signet.custom.token\naccess_claims := {\"a\": input.nothing}",
	} {
		write(t, directory, "a.rego", broken)
		reload(name, false, true)
		reload(name+" again", false, true)
		expect(name, 2, false)
		if text := e.Health().Error(); !strings.Contains(text, "2026-03-04T12:00:00Z") || !strings.Contains(text, e.Revision()) {
			t.Errorf("health says %q", text)
		}
	}

	write(t, directory, "a.rego", numbered(2))
	reload("back again", false, false)
	expect("back again", 2, true)

	if err := os.Rename(directory, directory+".gone"); err != nil {
		t.Fatal(err)
	}
	reload("gone", false, true)
	expect("gone", 2, false)
	if err := os.Rename(directory+".gone", directory); err != nil {
		t.Fatal(err)
	}
	write(t, directory, "a.rego", numbered(3))
	reload("repaired", true, false)
	expect("repaired", 3, true)
}

func TestReloadGivenUp(t *testing.T) {
	directory := folder(t, map[string]string{"a.rego": numbered(1)})
	e := engine(t, directory)
	write(t, directory, "a.rego", numbered(2))
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	if changed, err := e.Reload(ctx); changed || err == nil {
		t.Errorf("changed %v, %v", changed, err)
	}
	if err := e.Health(); err != nil {
		t.Errorf("a cancelled reload counts as a broken bundle: %v", err)
	}
	if changed, err := e.Reload(context.Background()); !changed || err != nil {
		t.Errorf("changed %v, %v", changed, err)
	}
}

// Under load, every decision is wholly of one bundle, none fails, and broken bundles change nothing.
func TestReloadUnderLoad(t *testing.T) {
	directory := folder(t, map[string]string{"a.rego": numbered(0)})
	e := engine(t, directory)
	ctx, stop := context.WithCancel(context.Background())
	defer stop()
	var load sync.WaitGroup
	var decisions, newest atomic.Int64
	for range 4 {
		load.Go(func() {
			for ctx.Err() == nil {
				floor := newest.Load()
				d, err := e.Decide(context.Background(), request())
				if err != nil || !d.Allowed() {
					t.Errorf("%+v, %v", d, err)
					return
				}
				n, ok := d.AccessClaims["bundle"].(int64)
				if !ok || d.IDClaims["bundle"] != n || n < floor {
					t.Errorf("claims %v and %v, although bundle %d was in force", d.AccessClaims, d.IDClaims, floor)
					return
				}
				decisions.Add(1)
			}
		})
	}
	for n := 1; n <= 12; n++ {
		write(t, directory, "a.rego", "package signet.custom.token\nbroken")
		if changed, err := e.Reload(ctx); changed || err == nil || e.Health() == nil {
			t.Errorf("broken bundle: changed %v, %v, health %v", changed, err, e.Health())
		}
		write(t, directory, "a.rego", numbered(n))
		if changed, err := e.Reload(ctx); !changed || err != nil || e.Health() != nil {
			t.Errorf("bundle %d: changed %v, %v, health %v", n, changed, err, e.Health())
		}
		newest.Store(int64(n))
	}
	waitFor(t, func() bool { return decisions.Load() > 100 || t.Failed() })
	stop()
	load.Wait()
}

func TestWatch(t *testing.T) {
	directory := folder(t, map[string]string{"a.rego": numbered(1)})
	e := engine(t, directory)
	ctx, stop := context.WithCancel(context.Background())
	reports := make(chan error, 100)
	done := make(chan struct{})
	go func() {
		defer close(done)
		e.Watch(ctx, 5*time.Millisecond, func(err error) { reports <- err })
	}()
	next := func() error {
		select {
		case err := <-reports:
			return err
		case <-time.After(30 * time.Second):
			t.Fatal("no report")
			return nil
		}
	}

	write(t, directory, "b.rego", denyAll)
	if err := next(); err != nil {
		t.Errorf("a good bundle is reported as %v", err)
	}
	if d, err := e.Decide(ctx, request()); err != nil || d.Allowed() || d.Denials[0] != (Denial{"grant", "bank.closed", "access_denied", "no tokens today"}) {
		t.Errorf("%+v, %v", d, err)
	}

	write(t, directory, "b.rego", "package signet.grant")
	if err := next(); err == nil || e.Health() == nil {
		t.Errorf("a broken bundle is reported as %v, health %v", err, e.Health())
	}
	time.Sleep(50 * time.Millisecond) // several looks at the same broken files: reported once
	if err := os.Remove(filepath.Join(directory, "b.rego")); err != nil {
		t.Fatal(err)
	}
	if err := next(); err != nil {
		t.Errorf("the repaired bundle is reported as %v", err)
	}
	if d, err := e.Decide(ctx, request()); err != nil || !d.Allowed() || e.Health() != nil {
		t.Errorf("%+v, %v, health %v", d, err, e.Health())
	}
	stop()
	<-done

	e.Watch(context.Background(), 0, func(err error) { reports <- err })
	if next() == nil {
		t.Error("an interval of zero is accepted")
	}
}

func waitFor(t *testing.T, condition func() bool) {
	t.Helper()
	for range 3000 {
		if condition() {
			return
		}
		time.Sleep(10 * time.Millisecond)
	}
	t.Fatal("waited in vain")
}
