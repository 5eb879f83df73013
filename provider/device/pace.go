package device

import (
	"sync"
	"time"

	"signet/provider/oauth"
)

// How many requests one address may make for public clients: many devices can share one, and each asks again when its
// code has expired.
const (
	addressBurst = 60
	addressLeak  = 5 * time.Second
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

func newBuckets(clock oauth.Clock, burst int, leak time.Duration) *buckets {
	return &buckets{clock: clock, burst: float64(burst), leak: leak, young: map[string]*bucket{}}
}

// take adds one if there is room for it.
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
