//go:build cluster

package dbtest_test

import (
	"fmt"
	"testing"

	"signet/provider/store/dbtest"
)

// TestGalera: a row that one node acknowledged outlives that node, the loss of the majority and the loss
// of all nodes.
func TestGalera(t *testing.T) {
	cl := dbtest.NewGalera(t, 3)
	exec(t, connect(t, cl.DSN(t)), "CREATE TABLE t (id INT PRIMARY KEY)")
	rows := 0
	insert := func(node *dbtest.Server) {
		t.Helper()
		node.Exec(t, fmt.Sprintf("INSERT INTO signet_1.t VALUES (%d)", rows))
		rows++
	}
	check := func(nodes ...*dbtest.Server) {
		t.Helper()
		for _, node := range nodes {
			if got := node.Query(t, "SET wsrep_sync_wait=1; SELECT COUNT(*) FROM signet_1.t"); len(got) != 1 || got[0] != fmt.Sprint(rows) {
				t.Fatalf("%s has %v rows, want %d", node.Address(), got, rows)
			}
		}
	}
	first, second, third := cl.Nodes[0], cl.Nodes[1], cl.Nodes[2]

	insert(first)
	first.Kill()
	cl.AwaitSize(t, 2)
	check(second, third)
	insert(second)

	cl.Start(t, first)
	cl.AwaitSize(t, 3)
	check(cl.Nodes...)

	first.Kill()
	second.Kill()
	cl.AwaitNoMajority(t)
	cl.Bootstrap(t, third)
	cl.AwaitSize(t, 1)
	insert(third)
	check(third)
	cl.Start(t, first, second)
	cl.AwaitSize(t, 3)
	check(cl.Nodes...)

	for _, node := range cl.Nodes {
		node.Kill()
	}
	cl.Start(t, cl.Nodes...)
	cl.AwaitSize(t, 3)
	check(cl.Nodes...)

	second.Shutdown(t)
	cl.AwaitSize(t, 2)
	insert(third)
	cl.Start(t, second)
	cl.AwaitSize(t, 3)
	check(cl.Nodes...)
}
