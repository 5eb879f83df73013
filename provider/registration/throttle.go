package registration

import (
	"container/list"
	"sync"
	"time"

	"signet/provider/oauth"
	"signet/provider/web"
)

// What strangers get is counted for an hour. maxBuckets bounds the memory; beyond it the address or client that was seen
// longest ago is forgotten. minOfAddress is what one of them has at least, of however little.
const (
	window       = time.Hour
	addressShare = 10 // of what all have together, one address or client has this part
	minOfAddress = 3
	maxBuckets   = 1 << 14
)

// throttle bounds registrations without an initial access token, and updates where there is none: attempts by address and
// by client, so that nobody makes Signet check and fetch without end, and clients made by all together, so that the store
// is not filled. It is kept in memory: several processes each allow as much.
type throttle struct {
	clock oauth.Clock
	most  int // clients of all addresses in an hour

	mu    sync.Mutex
	made  []time.Time // of the clients of the last hour, in order
	known map[string]*list.Element
	order *list.List // of *bucket, most recently touched first
}

// bucket leaks: what is in it is forgotten evenly, all of it in an hour.
type bucket struct {
	of    string // an address or a client
	level float64
	at    time.Time
}

func newThrottle(clock oauth.Clock, most int) *throttle {
	return &throttle{clock: clock, most: most, known: map[string]*list.Element{}, order: list.New()}
}

// attempt counts one try of the address. When it has none left, wait says for how long.
func (t *throttle) attempt(address string) (wait time.Duration) {
	return t.count(web.Subscriber(address))
}

// update counts one try of the address to change the client, of which no number of addresses has more.
func (t *throttle) update(address, clientID string) (wait time.Duration) {
	if wait := t.attempt(address); wait > 0 {
		return wait
	}
	return t.count("client " + clientID) // which no address is
}

func (t *throttle) count(of string) (wait time.Duration) {
	room := float64(max(t.most/addressShare, minOfAddress))
	t.mu.Lock()
	defer t.mu.Unlock()
	b := t.touch(of, room)
	if over := b.level + 1 - room; over > 1e-9 {
		return time.Duration(over / room * float64(window))
	}
	b.level++
	return 0
}

// touch returns the bucket as it is now, after what has leaked out.
func (t *throttle) touch(of string, room float64) *bucket {
	now := t.clock()
	found, ok := t.known[of]
	if !ok {
		if t.order.Len() >= maxBuckets {
			delete(t.known, t.order.Remove(t.order.Back()).(*bucket).of) //nolint:forcetypeassert // the list has nothing else
		}
		found = t.order.PushFront(&bucket{of: of, at: now})
		t.known[of] = found
	}
	t.order.MoveToFront(found)
	b := found.Value.(*bucket) //nolint:forcetypeassert // the list has nothing else
	if passed := now.Sub(b.at); passed > 0 {
		b.level = max(0, b.level-room*float64(passed)/float64(window))
		b.at = now
	}
	return b
}

// take counts a client that is about to be kept. When there have been too many in the last hour, wait says until when
// none is.
func (t *throttle) take() (wait time.Duration) {
	t.mu.Lock()
	defer t.mu.Unlock()
	now := t.clock()
	for len(t.made) > 0 && !now.Before(t.made[0].Add(window)) {
		t.made = t.made[1:]
	}
	if len(t.made) >= t.most {
		return t.made[0].Add(window).Sub(now)
	}
	t.made = append(t.made, now)
	return 0
}
