package ciba

import (
	"sync"
	"time"

	"signet/provider/oauth"
)

// How often a client may ask for one user, and for users that do not exist. A request that its user approves costs
// nothing, one that is refused before the user hears of it neither; a denied one costs askDenied more than one that
// the user let expire.
const (
	askBurst, askLeak, askDenied = 16, time.Minute, 3
	unknownBurst, unknownLeak    = 30, 10 * time.Second
	// maxBuckets bounds the memory: between it and twice as many are kept, the rest of those not touched for longest
	// is forgotten.
	maxBuckets = 1 << 15
)

// buckets are leaking buckets by name. They are kept in memory: several processes each allow the burst.
type buckets struct {
	clock oauth.Clock
	burst float64
	leak  time.Duration // until there is room for one more

	mu         sync.Mutex
	young, old map[string]*bucket
}

type bucket struct {
	level float64
	at    time.Time
}

func newBuckets(clock oauth.Clock, burst float64, leak time.Duration) *buckets {
	return &buckets{clock: clock, burst: burst, leak: leak, young: map[string]*bucket{}}
}

// take adds one if there is room for it. It does so before anything is judged, so that simultaneous requests cannot
// slip through.
func (b *buckets) take(name string) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	one := b.touch(name)
	if one.level+1 > b.burst+1e-9 {
		return false
	}
	one.level++
	return true
}

// add fills the bucket, over its edge if need be, or takes something back.
func (b *buckets) add(name string, n float64) {
	b.mu.Lock()
	defer b.mu.Unlock()
	one := b.touch(name)
	one.level = min(max(0, one.level+n), 2*b.burst)
}

// touch returns the bucket as it is now, after what has leaked out.
func (b *buckets) touch(name string) *bucket {
	now := b.clock()
	one, ok := b.young[name]
	if !ok {
		if one = b.old[name]; one == nil {
			one = &bucket{at: now}
		}
		if len(b.young) >= maxBuckets {
			b.young, b.old = map[string]*bucket{}, b.young
		}
		b.young[name] = one
	}
	if passed := now.Sub(one.at); passed > 0 {
		one.level = max(0, one.level-float64(passed)/float64(b.leak))
	}
	one.at = now
	return one
}

// pair names a client's bucket for one user.
func pair(clientID, userID string) string { return clientID + " " + userID }
