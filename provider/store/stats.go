package store

import "sync/atomic"

// Stats are what a store has done since it was opened, and what waits.
type Stats struct {
	Commits      int64 // that succeeded
	Conflicts    int64 // commits that came second
	Transactions int64 // physical ones that committed; each holds one commit or more
	Retries      int64 // transactions executed again: deadlocks, conflicts within a cluster, lost connections
	Reconnects   int64 // connections opened in place of one that failed or became old
	ClientHits   int64 // clients found in memory
	ClientMisses int64
	Queue        int // commits that wait now
}

type counters struct {
	commits, conflicts, transactions, retries, reconnects, hits, misses atomic.Int64
}

// Stats returns the counts.
func (s *Store) Stats() Stats {
	c := &s.counts
	return Stats{
		Commits: c.commits.Load(), Conflicts: c.conflicts.Load(), Transactions: c.transactions.Load(),
		Retries: c.retries.Load(), Reconnects: c.reconnects.Load(),
		ClientHits: c.hits.Load(), ClientMisses: c.misses.Load(), Queue: len(s.queue),
	}
}
