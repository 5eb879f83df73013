package interaction

import (
	"container/list"
	"strings"
	"sync"
	"time"

	"signet/provider/oauth"
)

// Failed logins fill two leaking buckets. A username's is small: it is what guessing a password meets. An
// address's is larger, since many people may share one: it is what trying many usernames meets.
const (
	usernameBurst = 8
	usernameLeak  = time.Minute // one more attempt per minute: 1,448 guesses on the first day
	addressBurst  = 60
	addressLeak   = 5 * time.Second
	// maxBuckets bounds the memory; beyond it the bucket that was touched longest ago is forgotten.
	maxBuckets = 1 << 16
)

// throttle counts failed logins. It is kept in memory: several processes each allow the burst.
type throttle struct {
	clock oauth.Clock
	mu    sync.Mutex
	known map[string]*list.Element
	order *list.List // of *bucket, most recently touched first
}

type bucket struct {
	key   string
	level float64 // attempts not yet forgiven
	at    time.Time
}

func newThrottle(clock oauth.Clock) *throttle {
	return &throttle{clock: clock, known: map[string]*list.Element{}, order: list.New()}
}

// attempt is one login being tried.
type attempt struct {
	throttle          *throttle
	username, address string // keys
}

// begin counts an attempt before it is judged, so that simultaneous ones cannot slip through. When ok is
// false nothing is counted, and wait says when to try again.
func (t *throttle) begin(username, address string) (a attempt, wait time.Duration, ok bool) {
	username = strings.TrimSpace(username)
	username = username[:min(len(username), MaxUsername)] // a bucket's key is kept
	a = attempt{t, "u:" + strings.ToLower(username), "a:" + address}
	t.mu.Lock()
	defer t.mu.Unlock()
	// A throttled address touches no username's bucket: it could push others out of memory.
	if wait = t.touch(a.address, addressLeak).wait(addressBurst, addressLeak); wait == 0 {
		wait = t.touch(a.username, usernameLeak).wait(usernameBurst, usernameLeak)
	}
	if wait > 0 {
		return a, wait, false
	}
	t.touch(a.username, usernameLeak).level++
	t.touch(a.address, addressLeak).level++
	return a, 0, true
}

// succeeded forgives the username everything, but the address only this attempt: who guesses passwords
// may well have one good account.
func (a attempt) succeeded() {
	a.throttle.mu.Lock()
	defer a.throttle.mu.Unlock()
	a.throttle.touch(a.username, usernameLeak).level = 0
	a.throttle.forgive(a.address, addressLeak)
}

// undecided takes the attempt back: nobody found out whether it was right.
func (a attempt) undecided() {
	a.throttle.mu.Lock()
	defer a.throttle.mu.Unlock()
	a.throttle.forgive(a.username, usernameLeak)
	a.throttle.forgive(a.address, addressLeak)
}

func (t *throttle) forgive(key string, leak time.Duration) {
	b := t.touch(key, leak)
	b.level = max(0, b.level-1)
}

// touch returns the bucket as it is now, after what has leaked out.
func (t *throttle) touch(key string, leak time.Duration) *bucket {
	now := t.clock()
	found, ok := t.known[key]
	if !ok {
		if t.order.Len() >= maxBuckets {
			oldest := t.order.Back()
			delete(t.known, t.order.Remove(oldest).(*bucket).key)
		}
		found = t.order.PushFront(&bucket{key: key, at: now})
		t.known[key] = found
	}
	t.order.MoveToFront(found)
	b := found.Value.(*bucket)
	if passed := now.Sub(b.at); passed > 0 {
		b.level = max(0, b.level-float64(passed)/float64(leak))
	}
	b.at = now
	return b
}

// wait returns how long it takes until the bucket has room for one more.
func (b *bucket) wait(burst int, leak time.Duration) time.Duration {
	over := b.level + 1 - float64(burst)
	if over <= 1e-9 {
		return 0
	}
	return time.Duration(over * float64(leak))
}
