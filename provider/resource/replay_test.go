package resource

import (
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"pgregory.net/rapid"

	"signet/provider/oauth"
)

func TestRememberedIsRaced(t *testing.T) {
	m := NewRemembered(testClock)
	var fresh atomic.Int64
	var wait sync.WaitGroup
	for range 32 {
		wait.Go(func() {
			for i := range 50 {
				if ok, err := m.Use(t.Context(), id(i), testTime.Add(time.Minute)); err != nil {
					t.Error(err)
				} else if ok {
					fresh.Add(1)
				}
			}
		})
	}
	wait.Wait()
	if fresh.Load() != 50 {
		t.Errorf("50 proofs were new %d times", fresh.Load())
	}
}

func TestRememberedIsBounded(t *testing.T) {
	now := testTime
	m := NewRemembered(func() time.Time { return now })
	m.limit = 3
	for i := range 3 {
		if fresh, err := m.Use(t.Context(), id(i), testTime.Add(time.Minute)); !fresh || err != nil {
			t.Fatal(fresh, err)
		}
	}
	if fresh, err := m.Use(t.Context(), id(3), testTime.Add(time.Minute)); fresh || !errors.Is(err, errReplayFull) {
		t.Errorf("the fourth: %v, %v", fresh, err)
	}
	if fresh, err := m.Use(t.Context(), id(0), testTime.Add(time.Minute)); fresh || err != nil {
		t.Errorf("a known one when full: %v, %v", fresh, err)
	}
	now = testTime.Add(time.Minute)
	if fresh, err := m.Use(t.Context(), id(3), now.Add(time.Minute)); !fresh || err != nil || len(m.used) != 1 {
		t.Errorf("after their time: %v, %v, %d are kept", fresh, err, len(m.used))
	}
}

// TestRememberedAgainstAModel: a proof is new exactly when it was not used since its last expiry.
func TestRememberedAgainstAModel(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		now := testTime
		m := NewRemembered(func() time.Time { return now })
		model := map[int]time.Time{}
		for range rapid.IntRange(1, 60).Draw(t, "steps") {
			now = now.Add(time.Duration(rapid.IntRange(0, 20).Draw(t, "seconds")) * time.Second)
			n, until := rapid.IntRange(0, 5).Draw(t, "proof"), now.Add(time.Duration(rapid.IntRange(1, 90).Draw(t, "life"))*time.Second)
			want := !now.Before(model[n])
			got, err := m.Use(t.Context(), id(n), until)
			if err != nil || got != want {
				t.Fatalf("proof %d at %v: %v, %v; want %v", n, now, got, err, want)
			}
			if want {
				model[n] = until
			}
		}
	})
}

func id(i int) oauth.Digest { return oauth.Secret(fmt.Sprint(i)).Digest() }
