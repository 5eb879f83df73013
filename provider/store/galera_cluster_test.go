//go:build cluster

package store_test

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"signet/provider/oauth"
	"signet/provider/store"
	"signet/provider/store/dbtest"
	"signet/provider/store/storetest"
)

// TestGalera is the suite on a cluster of three: used through one node, through all of them at once, by
// several processes, and while nodes are killed.
func TestGalera(t *testing.T) {
	cl := dbtest.NewGalera(t, 3)
	t.Run("OneNode", func(t *testing.T) {
		storetest.Run(t, storetest.Network, func(t *testing.T) storetest.Backend { return openNode(t, cl.DSN(t), storetest.Clock) })
	})
	t.Run("AllNodes", func(t *testing.T) {
		before := written(t, cl)
		storetest.Run(t, storetest.Full, func(t *testing.T) storetest.Backend { return openSpread(t, cl.DSN(t), len(cl.Nodes)) })
		for i, after := range written(t, cl) {
			if after < before[i]+100 {
				t.Errorf("node %d has sent only %d transactions to the others", i, after-before[i])
			}
		}
	})
	t.Run("Processes", func(t *testing.T) { storetest.RunProcesses(t, storetest.Network, openBackend, cl.DSN) })
	t.Run("NodesKilled", func(t *testing.T) { testNodesKilled(t, cl) })
}

// written is how many transactions each node has sent to the others.
func written(t *testing.T, cl *dbtest.Cluster) []int {
	t.Helper()
	var counts []int
	for _, node := range cl.Nodes {
		count, err := strconv.Atoi(node.Query(t, "SELECT VARIABLE_VALUE FROM information_schema.GLOBAL_STATUS WHERE VARIABLE_NAME = 'wsrep_replicated'")[0])
		if err != nil {
			t.Fatal(err)
		}
		counts = append(counts, count)
	}
	return counts
}

// openNode opens a store that sees at once what others on the database do.
func openNode(t *testing.T, dsn string, clock oauth.Clock) *store.Store {
	t.Helper()
	return open(t, dsn, store.Options{Clock: clock, ClientMaxAge: -1})
}

// startingAt is dsn with its addresses turned, so that its node i is the first.
func startingAt(dsn string, i int) string {
	user, rest, _ := strings.Cut(dsn, "@")
	hosts, rest, _ := strings.Cut(rest, "/")
	addresses := strings.Split(hosts, ",")
	return user + "@" + strings.Join(append(addresses[i:], addresses[:i]...), ",") + "/" + rest
}

// spread is one store on several nodes: it reads at the first and commits at each in turn.
type spread struct {
	storetest.Backend
	nodes []*store.Store
	turn  atomic.Int64
}

func openSpread(t *testing.T, dsn string, nodes int) *spread {
	t.Helper()
	s := &spread{}
	for i := range nodes {
		s.nodes = append(s.nodes, openNode(t, startingAt(dsn, i), storetest.Clock))
	}
	s.Backend = s.nodes[0]
	return s
}

func (s *spread) next() *store.Store { return s.nodes[s.turn.Add(1)%int64(len(s.nodes))] }

func (s *spread) Commit(ctx context.Context, changes ...oauth.Change) error {
	return s.next().Commit(ctx, changes...)
}

func (s *spread) Sweep(ctx context.Context, batch int) (int, error) {
	return s.next().Sweep(ctx, batch)
}

func (s *spread) ClaimDeliveries(
	ctx context.Context, kinds []string, now time.Time, lease time.Duration, limit int,
) ([]oauth.Delivery, error) {
	return s.next().ClaimDeliveries(ctx, kinds, now, lease, limit)
}

func (s *spread) Close() error {
	var errs []error
	for _, node := range s.nodes {
		errs = append(errs, node.Close())
	}
	return errors.Join(errs...)
}

// clusterLoad commits single uses on every node all the time, and repeats what the store could not do.
type clusterLoad struct {
	stores []*store.Store
	stop   chan struct{}
	done   sync.WaitGroup

	mu           sync.Mutex
	acknowledged map[string]bool
	last         time.Time     // of an acknowledgement
	stall        time.Duration // the longest time without one
	unavailable  int
	faults       []error
}

func (l *clusterLoad) start(ctx context.Context) {
	l.last = time.Now()
	for i, s := range l.stores {
		for worker := range 4 {
			l.done.Go(func() {
				for n := 0; l.one(ctx, s, fmt.Sprintf("%d-%d-%d", i, worker, n)); n++ {
				}
			})
		}
	}
}

// one commits one single use until it knows that it was committed; false when the load is to end.
func (l *clusterLoad) one(ctx context.Context, s *store.Store, id string) bool {
	for attempt := 0; ; attempt++ {
		select {
		case <-l.stop:
			return false
		default:
		}
		err := s.Commit(ctx,
			oauth.UseAssertion{ClientID: "tpp", JTI: id, Until: time.Now().Add(time.Hour)},
			oauth.RecordAudit{Entry: oauth.AuditEntry{ID: id, At: time.Now(), Event: "token.issued", ClientID: "tpp"}})
		var conflict *oauth.Conflict
		switch again := errors.As(err, &conflict); {
		case err == nil, again && attempt > 0: // an attempt with an unknown outcome may have been committed
			l.acknowledge(id)
			return true
		case errors.Is(err, oauth.ErrUnavailable):
			l.mu.Lock()
			l.unavailable++
			l.mu.Unlock()
			time.Sleep(50 * time.Millisecond)
		default:
			l.mu.Lock()
			l.faults = append(l.faults, fmt.Errorf("%s, attempt %d: %w", id, attempt, err))
			l.mu.Unlock()
			return false
		}
	}
}

func (l *clusterLoad) acknowledge(id string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.acknowledged[id] = true
	l.stall = max(l.stall, time.Since(l.last))
	l.last = time.Now()
}

// progress waits until so many more are acknowledged and refused as unavailable.
func (l *clusterLoad) progress(t *testing.T, acknowledged, unavailable int) {
	t.Helper()
	counts := func() (int, int) {
		l.mu.Lock()
		defer l.mu.Unlock()
		if len(l.faults) > 0 {
			t.Fatal(errors.Join(l.faults...))
		}
		return len(l.acknowledged), l.unavailable
	}
	done, refused := counts()
	wantDone, wantRefused := done+acknowledged, refused+unavailable
	for end := time.Now().Add(2 * time.Minute); done < wantDone || refused < wantRefused; done, refused = counts() {
		if time.Now().After(end) {
			t.Fatalf("after two minutes %d are acknowledged and %d refused, want %d and %d", done, refused, wantDone, wantRefused)
		}
		time.Sleep(20 * time.Millisecond)
	}
}

func (l *clusterLoad) report(t *testing.T, what string) {
	t.Helper()
	l.mu.Lock()
	defer l.mu.Unlock()
	t.Logf("%s: %d acknowledged, %d refused as unavailable, longest time without an acknowledgement %v", what, len(l.acknowledged), l.unavailable, l.stall)
}

// testNodesKilled kills one node, brings it back, kills two, and makes the one left the cluster: what was
// acknowledged is there, and nothing but oauth.ErrUnavailable was the answer meanwhile.
func testNodesKilled(t *testing.T, cl *dbtest.Cluster) {
	dsn := cl.DSN(t)
	load := &clusterLoad{stop: make(chan struct{}), acknowledged: map[string]bool{}}
	for i := range cl.Nodes {
		load.stores = append(load.stores, openNode(t, startingAt(dsn, i), time.Now))
	}
	load.start(t.Context())
	end := sync.OnceFunc(func() { close(load.stop); load.done.Wait() })
	defer end()
	load.progress(t, 300, 0)

	cl.Nodes[0].Kill()
	load.progress(t, 300, 0)
	cl.AwaitSize(t, 2)
	cl.Start(t, cl.Nodes[0])
	cl.AwaitSize(t, 3)
	load.progress(t, 300, 0)
	load.report(t, "one node killed")

	cl.Nodes[0].Kill()
	cl.Nodes[1].Kill()
	cl.AwaitNoMajority(t)
	load.progress(t, 0, 10)
	cl.Bootstrap(t, cl.Nodes[2])
	cl.AwaitSize(t, 1)
	load.progress(t, 300, 0)
	cl.Start(t, cl.Nodes[0], cl.Nodes[1])
	cl.AwaitSize(t, 3)
	load.progress(t, 300, 0)

	end()
	if len(load.faults) > 0 {
		t.Error(errors.Join(load.faults...))
	}
	load.report(t, "two nodes killed")
	for i := range cl.Nodes {
		checkAcknowledged(t, openNode(t, startingAt(dsn, i), time.Now), load.acknowledged)
	}
}

func checkAcknowledged(t *testing.T, s *store.Store, acknowledged map[string]bool) {
	t.Helper()
	entries, err := s.AuditEntries(t.Context(), store.AuditFilter{Limit: 1e6})
	if err != nil {
		t.Fatal(err)
	}
	kept := map[string]bool{}
	for _, e := range entries {
		kept[e.ID] = true
	}
	lost := 0
	for id := range acknowledged {
		if !kept[id] {
			lost++
		}
	}
	if lost > 0 {
		t.Errorf("%d of %d acknowledged commits are lost", lost, len(acknowledged))
	}
}
