package store

import (
	"sync"
	"time"

	"signet/provider/oauth"
)

// suspectFor is how long a server that failed is tried after the others.
const suspectFor = 10 * time.Second

// servers are the addresses of a DSN in its order, and which of them failed lately.
type servers struct {
	addresses []string
	clock     oauth.Clock

	mu     sync.Mutex
	failed []time.Time
}

func newServers(addresses []string, clock oauth.Clock) *servers {
	return &servers{addresses: addresses, clock: clock, failed: make([]time.Time, len(addresses))}
}

// order returns the indices of the addresses as they are to be tried: those that failed lately come last.
func (s *servers) order() []int {
	s.mu.Lock()
	defer s.mu.Unlock()
	now := s.clock()
	var good, bad []int
	for i, at := range s.failed {
		if age := now.Sub(at); !at.IsZero() && age >= 0 && age < suspectFor {
			bad = append(bad, i)
		} else {
			good = append(good, i)
		}
	}
	return append(good, bad...)
}

func (s *servers) suspect(i int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.failed[i] = s.clock()
}
