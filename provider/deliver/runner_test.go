package deliver

import (
	"context"
	"errors"
	"strconv"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"signet/provider/oauth"
)

func TestNewNeedsEverything(t *testing.T) {
	if _, err := New(Deps{}); err == nil {
		t.Error("no error")
	}
}

func TestHandle(t *testing.T) {
	known := Kind{Name: "letter", Send: always(Result{})}
	for name, kind := range map[string]Kind{"twice": known, "without a name": {Send: known.Send}, "nobody sends it": {Name: "parcel"}} {
		r := newRig(t, known)
		if err := r.Handle(kind); err == nil {
			t.Errorf("%s: no error", name)
		}
	}
}

// TestAttempts is what becomes of a delivery that counts for two minutes, second by second.
func TestAttempts(t *testing.T) {
	again := Result{Again, 503, nil}
	for name, c := range map[string]struct {
		script []Result // of the attempts, the last one for ever
		at     []int    // seconds after which they come
		end    End
	}{
		"done":              {[]Result{{Done, 204, nil}}, []int{0}, End{Delivered: true, Status: 204}},
		"refused":           {[]Result{{Refused, 400, nil}}, []int{0}, End{Status: 400, Reason: "it was refused"}},
		"not reached, done": {[]Result{{Again, 0, errDown}, {Done, 200, nil}}, []int{0, 2}, End{Delivered: true, Status: 200}},
		"refused in the end": {
			[]Result{again, again, {Refused, 0, errDown}}, []int{0, 2, 6}, End{Reason: "it was refused"},
		},
		"down for ever": {[]Result{again}, []int{0, 2, 6, 14, 30, 62}, End{Status: 503, Reason: "its time is over"}},
	} {
		t.Run(name, func(t *testing.T) {
			var r *rig
			var at []int
			var ends []End
			r = newRig(t, Kind{
				Name: "letter",
				Send: func(_ context.Context, d oauth.Delivery) Result {
					if d.Attempts != len(at) {
						t.Errorf("attempt %d is told of %d before it", len(at), d.Attempts)
					}
					at = append(at, int(r.now.Sub(noon).Seconds()))
					return c.script[min(len(at), len(c.script))-1]
				},
				End: func(_ oauth.Delivery, end End) ([]oauth.Change, error) { ends = append(ends, end); return nil, nil },
			})
			r.add("one", "letter", "app")
			d := r.queue.deliveries["one"]
			d.ExpiresAt = noon.Add(2 * time.Minute)
			r.queue.deliveries["one"] = d
			for range 200 {
				r.deliver()
				r.now = r.now.Add(time.Second)
			}
			if diff := cmp.Diff(c.at, at); diff != "" {
				t.Error(diff)
			}
			if diff := cmp.Diff([]End{c.end}, ends); diff != "" || r.queue.left() != 0 {
				t.Errorf("%s, %d left", diff, r.queue.left())
			}
		})
	}
}

func TestBackoffHasABound(t *testing.T) {
	for attempts, want := range map[int]time.Duration{1: firstRetry, 2: 2 * firstRetry, 5: 16 * firstRetry, 6: lastRetry, 1000: lastRetry} {
		if got := backoff(attempts); got != want {
			t.Errorf("after %d attempts: %v, want %v", attempts, got, want)
		}
	}
}

// What a kind has to say of an end is committed with it; when it cannot say it, the delivery comes again.
func TestEndIsOneCommit(t *testing.T) {
	fault := errDown
	r := newRig(t, Kind{
		Name: "letter", Send: always(Result{Done, 200, nil}),
		End: func(d oauth.Delivery, _ End) ([]oauth.Change, error) {
			return []oauth.Change{oauth.RecordAudit{Entry: oauth.AuditEntry{ID: d.ID}}}, fault
		},
	})
	r.add("one", "letter", "app")
	if r.deliver(); r.queue.left() != 1 || len(r.queue.entries) != 0 {
		t.Errorf("%d left, %d entries", r.queue.left(), len(r.queue.entries))
	}
	fault = nil
	r.now = r.now.Add(lease)
	if r.deliver(); r.queue.left() != 0 || len(r.queue.entries) != 1 {
		t.Errorf("later: %d left, %d entries", r.queue.left(), len(r.queue.entries))
	}
}

// What could not be noted comes again when the lease ends: at least once.
func TestOutcomeNotKept(t *testing.T) {
	var r *rig
	sent := 0
	r = newRig(t, Kind{Name: "letter", Send: func(context.Context, oauth.Delivery) Result {
		if sent++; sent == 1 {
			r.queue.failure = errDown
		}
		return Result{Done, 200, nil}
	}})
	r.add("one", "letter", "app")
	r.deliver()
	if err := r.Deliver(t.Context()); !errors.Is(err, errDown) {
		t.Errorf("a queue that cannot be read: %v", err)
	}
	r.queue.failure = nil
	if r.deliver(); sent != 1 {
		t.Errorf("sent %d times within the lease", sent)
	}
	r.now = r.now.Add(lease)
	if r.deliver(); sent != 2 || r.queue.left() != 0 {
		t.Errorf("sent %d times, %d left", sent, r.queue.left())
	}
}

// What this process does not know how to send is left to others.
func TestOwnKindsOnly(t *testing.T) {
	empty := newRig(t)
	empty.add("one", "letter", "app")
	if empty.deliver(); len(empty.queue.claims) != 0 {
		t.Error("a runner without kinds claims")
	}
	r := newRig(t, Kind{Name: "parcel", Send: always(Result{Verdict: Done})}, Kind{Name: "letter", Send: always(Result{Verdict: Done})})
	r.add("one", "letter", "app")
	r.add("two", "parcel", "app")
	r.add("three", "smoke-signal", "app")
	r.deliver()
	if _, there := r.queue.deliveries["three"]; !there || r.queue.left() != 1 {
		t.Errorf("left: %v", r.queue.deliveries)
	}
	if diff := cmp.Diff([][]string{{"letter", "parcel"}}, r.queue.claims); diff != "" {
		t.Error(diff)
	}
}

// A delivery of an unknown kind that is claimed nevertheless is put off, without an attempt, until its time is over.
func TestUnknownKind(t *testing.T) {
	r := newRig(t, Kind{Name: "letter", Send: always(Result{Verdict: Done})})
	r.queue.sloppy = true
	r.add("one", "smoke-signal", "app")
	for range 3600 / 60 {
		r.deliver()
		d, there := r.queue.deliveries["one"]
		if wait := d.NextAt.Sub(r.now); !there || wait > firstRetry || d.Attempts != 0 {
			t.Fatalf("put off for %v, %d attempts", wait, d.Attempts)
		}
		r.now = r.now.Add(time.Minute)
	}
	if r.deliver(); r.queue.left() != 0 {
		t.Errorf("%d left", r.queue.left())
	}
}

// A client that does not answer has a few deliveries on their way, and holds up nobody else's.
func TestSlowClient(t *testing.T) {
	open, posted := make(chan struct{}), make(chan string, 1000)
	send := func(_ context.Context, d oauth.Delivery) Result {
		posted <- d.Kind + " " + d.ClientID
		if d.Kind == "letter" && d.ClientID == "slow" {
			<-open
		}
		return Result{Verdict: Done}
	}
	r := newRig(t, Kind{Name: "letter", Send: send}, Kind{Name: "bell", Service: true, Send: send})
	r.now = noon.Add(-time.Minute)
	for i := range 3 * maxLane {
		r.add(strconv.Itoa(i), "letter", "slow")
	}
	r.now = noon
	r.add("another's", "letter", "quick")
	r.add("the service's", "bell", "slow")
	var sending sync.WaitGroup
	if err := r.dispatch(t.Context(), &sending); err != nil {
		t.Fatal(err)
	}
	got := map[string]int{}
	for range maxPerClient + 2 {
		got[<-posted]++
	}
	if diff := cmp.Diff(map[string]int{"letter slow": maxPerClient, "letter quick": 1, "bell slow": 1}, got); diff != "" {
		t.Error(diff)
	}
	select {
	case more := <-posted:
		t.Errorf("one more is on its way: %s", more)
	default:
	}
	close(open)
	sending.Wait()
	if left := r.queue.left(); left != 2*maxLane {
		t.Errorf("%d left, want those that found no room", left)
	}
	for range 2 { // each time as many as there is room for
		r.now = r.now.Add(firstRetry)
		r.deliver()
	}
	if left := r.queue.left(); left != 0 {
		t.Errorf("%d left", left)
	}
}

// A process that is told to stop leaves the delivery to its lease; the next one sends it.
func TestStopped(t *testing.T) {
	sent, stop := 0, func() {}
	r := newRig(t, Kind{Name: "letter", Send: func(context.Context, oauth.Delivery) Result {
		sent++
		stop()
		return Result{Verdict: Done}
	}})
	r.add("one", "letter", "app")
	ctx, cancel := context.WithCancel(t.Context())
	stop = cancel
	if err := r.Deliver(ctx); err != nil || r.queue.left() != 1 {
		t.Fatalf("%v, %d left", err, r.queue.left())
	}
	if r.deliver(); sent != 1 {
		t.Errorf("within the lease: sent %d times", sent)
	}
	r.now = r.now.Add(lease)
	if r.deliver(); sent != 2 || r.queue.left() != 0 {
		t.Errorf("after it: sent %d times, %d left", sent, r.queue.left())
	}
}

// Run sends as soon as there is something, without waiting for its next turn.
func TestRun(t *testing.T) {
	sent := make(chan string, 1)
	r := newRig(t, Kind{Name: "letter", Send: func(_ context.Context, d oauth.Delivery) Result {
		sent <- d.ID
		return Result{Verdict: Done}
	}})
	ctx, cancel := context.WithCancel(t.Context())
	var running sync.WaitGroup
	running.Go(func() { r.Run(ctx, time.Hour) })
	for _, id := range []string{"one", "two"} {
		r.add(id, "letter", "app")
		r.Wake()
		r.Wake() // once more does no harm
		if got := <-sent; got != id {
			t.Errorf("sent %s, want %s", got, id)
		}
	}
	cancel()
	running.Wait()
}
