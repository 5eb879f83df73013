package resource

import (
	"context"
	"errors"
	"sync"
	"time"

	"signet/provider/oauth"
)

// Replay remembers used DPoP proofs (RFC 9449 section 11.1).
type Replay interface {
	// Use marks the proof as used until then and says whether this was the first time; of concurrent calls
	// exactly one is. An error means that nobody could say, and the proof must not count.
	Use(ctx context.Context, id oauth.Digest, until time.Time) (fresh bool, err error)
}

const (
	maxRememberedProofs = 1 << 17 // about 15 MB
	forgetEvery         = 10 * time.Second
)

var errReplayFull = errors.New("too many DPoP proofs are in use to remember another")

// Remembered is a Replay in memory, for a resource server of one process; several processes share one of their own.
// Its bound cannot be filled by strangers: a proof is remembered only once its token has been verified.
type Remembered struct {
	clock oauth.Clock
	limit int

	mu     sync.Mutex
	used   map[oauth.Digest]time.Time
	forget time.Time // when what has expired is looked for next
}

// NewRemembered makes a Remembered.
func NewRemembered(clock oauth.Clock) *Remembered {
	return &Remembered{clock: clock, limit: maxRememberedProofs, used: map[oauth.Digest]time.Time{}}
}

// Use implements Replay. When more proofs are alive than it can hold, it answers with an error: forgetting one
// would let it be used again.
func (m *Remembered) Use(_ context.Context, id oauth.Digest, until time.Time) (bool, error) {
	now := m.clock()
	m.mu.Lock()
	defer m.mu.Unlock()
	if !now.Before(m.forget) {
		for used, expiry := range m.used {
			if !now.Before(expiry) {
				delete(m.used, used)
			}
		}
		m.forget = now.Add(forgetEvery)
	}
	if expiry, known := m.used[id]; known && now.Before(expiry) {
		return false, nil
	}
	if len(m.used) >= m.limit {
		return false, errReplayFull
	}
	m.used[id] = until
	return true, nil
}
