package interaction

import (
	"fmt"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

func TestThrottleByAddress(t *testing.T) {
	now := time.Unix(1_800_000_000, 0)
	throttle := newThrottle(func() time.Time { return now })
	for i := range addressBurst {
		if _, _, ok := throttle.begin(fmt.Sprint("user", i), "192.0.2.1"); !ok {
			t.Fatalf("attempt %d was refused", i)
		}
	}
	if _, wait, ok := throttle.begin("another", "192.0.2.1"); ok || wait != addressLeak {
		t.Errorf("got %v, wait %v", ok, wait)
	}
	if _, _, ok := throttle.begin("another", "192.0.2.2"); !ok {
		t.Error("another address was refused")
	}
}

func TestThrottleSuccess(t *testing.T) {
	throttle := newThrottle(func() time.Time { return time.Unix(1_800_000_000, 0) })
	for range usernameBurst - 1 {
		throttle.begin("anna", "192.0.2.1")
	}
	last, _, ok := throttle.begin("ANNA ", "192.0.2.1")
	if !ok {
		t.Fatal("refused")
	}
	last.succeeded()
	if _, _, ok := throttle.begin("anna", "192.0.2.1"); !ok {
		t.Error("refused after a success")
	}
	if level := throttle.touch("a:192.0.2.1", addressLeak).level; level != usernameBurst {
		t.Errorf("the address has %v, want %d: failures stay", level, usernameBurst)
	}
}

func TestThrottleIsExactUnderConcurrency(t *testing.T) {
	throttle := newThrottle(func() time.Time { return time.Unix(1_800_000_000, 0) })
	var passed atomic.Int32
	var all sync.WaitGroup
	for range 50 {
		all.Go(func() {
			if _, _, ok := throttle.begin("anna", "192.0.2.1"); ok {
				passed.Add(1)
			}
		})
	}
	all.Wait()
	if passed.Load() != usernameBurst {
		t.Errorf("%d passed, want %d", passed.Load(), usernameBurst)
	}
}

func TestThrottleMemoryIsBounded(t *testing.T) {
	throttle := newThrottle(func() time.Time { return time.Unix(1_800_000_000, 0) })
	for i := range maxBuckets + 100 {
		throttle.begin("u", fmt.Sprint(i))
	}
	if n := len(throttle.known); n != maxBuckets || throttle.order.Len() != n {
		t.Errorf("%d known, %d in order, want %d", n, throttle.order.Len(), maxBuckets)
	}
}

// TestAThrottledAddressCannotFillTheMemory floods from one address with names that are long and always new.
func TestAThrottledAddressCannotFillTheMemory(t *testing.T) {
	th := newThrottle(func() time.Time { return time.Unix(0, 0) })
	for range usernameBurst {
		th.begin("victim", "192.0.2.9")
	}
	for i := range 10 * addressBurst {
		th.begin(strconv.Itoa(i)+strings.Repeat("x", 1<<16), "192.0.2.1")
	}
	if got, most := th.order.Len(), addressBurst+4; got > most {
		t.Errorf("%d buckets, want at most %d", got, most)
	}
	for key := range th.known {
		if len(key) > MaxUsername+2 {
			t.Fatalf("a key of %d bytes is kept", len(key))
		}
	}
	if _, _, ok := th.begin("victim", "192.0.2.7"); ok {
		t.Error("the flood made the victim's failures forgotten")
	}
}
