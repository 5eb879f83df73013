package dbtest

import (
	"crypto/rand"
	"database/sql"
	"fmt"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"signet/certs"
)

// Cluster is a Galera cluster of MariaDB nodes: what one acknowledged, all have. Its clients use TLS as
// MariaDB's do; the nodes among themselves do not.
type Cluster struct {
	Nodes []*Server
}

// NewGalera starts a cluster of n synced nodes that ends with the test.
func NewGalera(t testing.TB, n int) *Cluster {
	t.Helper()
	ca, name := newCA(t), rand.Text() // clusters of other names do not mix
	peers := make([]string, n)
	for i := range peers {
		peers[i] = fmt.Sprintf("127.0.0.1:%d", freePort(t))
	}
	cl, group := &Cluster{}, strings.Join(peers, ",")
	for i, peer := range peers {
		node := newNode(t, ca, i, name, peer, group)
		t.Cleanup(node.remove)
		cl.Nodes = append(cl.Nodes, node)
		node.databases = cl.Nodes[0].databases
	}
	for i, node := range cl.Nodes {
		if i == 0 {
			node.launch(t, "--wsrep-new-cluster")
		} else {
			node.launch(t)
		}
		node.await(t) // one after the other: a donor serves one joiner
	}
	cl.AwaitSize(t, n)
	return cl
}

// newNode prepares node i. Its ports for replication and for both kinds of state transfer are its own, and
// a dead peer is noticed after two seconds.
func newNode(t testing.TB, ca *certs.CA, i int, name, peer, group string) *Server {
	t.Helper()
	s := prepareMariaDB(t, ca)
	options := []string{
		"base_host=127.0.0.1", "gmcast.listen_addr=tcp://" + peer, fmt.Sprintf("ist.recv_addr=127.0.0.1:%d", freePort(t)),
		"evs.keepalive_period=PT0.5S", "evs.inactive_check_period=PT0.5S", "evs.suspect_timeout=PT2S", "evs.inactive_timeout=PT5S",
		"evs.install_timeout=PT5S", "gmcast.peer_timeout=PT2S", "gcache.size=64M",
	}
	s.args = append(s.args, "--wsrep-on=ON", "--wsrep-provider="+galera(t), "--binlog-format=ROW", "--innodb-autoinc-lock-mode=2",
		"--wsrep-cluster-name="+name, "--wsrep-cluster-address=gcomm://"+group,
		fmt.Sprintf("--wsrep-node-name=node%d", i), "--wsrep-node-address=127.0.0.1", "--wsrep-slave-threads=2",
		"--wsrep-sst-method=rsync", fmt.Sprintf("--wsrep-sst-receive-address=127.0.0.1:%d", freePort(t)),
		"--wsrep-provider-options="+strings.Join(options, ";"))
	s.resume = s.recoveredPosition
	return s
}

// DSN creates an empty database with a user of its own, on a node that runs, and returns Signet's DSN for
// it, with the addresses of all nodes in their order.
func (cl *Cluster) DSN(t testing.TB) string {
	t.Helper()
	node := cl.running(t)[0]
	name, password := node.newDatabase(t, "")
	addresses := make([]string, len(cl.Nodes))
	for i, n := range cl.Nodes {
		addresses[i] = n.address
	}
	return dsn(name, strings.Join(addresses, ","), url.Values{"password_file": {password}, "ca": {node.CA()}})
}

// Start starts nodes that were killed or shut down, and waits until they answer. Nodes that all went down
// find each other again only when they start together.
func (cl *Cluster) Start(t testing.TB, nodes ...*Server) {
	t.Helper()
	for _, node := range nodes {
		node.launch(t)
	}
	for _, node := range nodes {
		node.await(t)
	}
}

// Bootstrap makes a node that runs without a majority, and what it still reaches, the cluster
// (pc.bootstrap).
func (cl *Cluster) Bootstrap(t testing.TB, node *Server) {
	t.Helper()
	node.Exec(t, "SET GLOBAL wsrep_provider_options='pc.bootstrap=1'")
}

// AwaitSize waits until each node that runs is synced in a primary component of n nodes.
func (cl *Cluster) AwaitSize(t testing.TB, n int) {
	t.Helper()
	cl.await(t, fmt.Sprintf("Primary %d Synced", n))
}

// AwaitNoMajority waits until each node that runs has noticed that it has no majority and refuses to work.
func (cl *Cluster) AwaitNoMajority(t testing.TB) {
	t.Helper()
	cl.await(t, "non-Primary")
}

func (cl *Cluster) await(t testing.TB, want string) {
	t.Helper()
	end := time.Now().Add(patience)
	for _, node := range cl.running(t) {
		db, err := node.root()
		if err != nil {
			t.Fatal(err)
		}
		for {
			got, err := node.state(t, db)
			if err == nil && strings.HasPrefix(got, want) {
				break
			}
			if time.Now().After(end) {
				t.Fatalf("%s is %q, %v; want %q\n%s", node.address, got, err, want, node.lastLog())
			}
			time.Sleep(100 * time.Millisecond)
		}
		_ = db.Close()
	}
}

// state is "Primary 3 Synced" of a node in a cluster of three.
func (s *Server) state(t testing.TB, db *sql.DB) (string, error) {
	t.Helper()
	column, err := firstColumn(t.Context(), db, `SELECT VARIABLE_VALUE FROM information_schema.GLOBAL_STATUS
		WHERE VARIABLE_NAME IN ('wsrep_cluster_status', 'wsrep_cluster_size', 'wsrep_local_state_comment')
		ORDER BY FIELD(VARIABLE_NAME, 'WSREP_CLUSTER_STATUS', 'WSREP_CLUSTER_SIZE', 'WSREP_LOCAL_STATE_COMMENT')`)
	return strings.Join(column, " "), err
}

// running are the nodes that were started and not ended.
func (cl *Cluster) running(t testing.TB) []*Server {
	t.Helper()
	nodes := slices.DeleteFunc(slices.Clone(cl.Nodes), func(s *Server) bool { return !s.runs() })
	if len(nodes) == 0 {
		t.Fatal("no node of the cluster runs")
	}
	return nodes
}

var recovered = regexp.MustCompile(`WSREP: Recovered position:? *([0-9a-f-]{36}:[0-9]+)`)

// recoveredPosition finds out how far a killed node had come, as MariaDB's own start script does, so that
// it fetches only what it missed (IST) instead of everything.
func (s *Server) recoveredPosition(t testing.TB) []string {
	t.Helper()
	if _, err := os.Stat(filepath.Join(s.data(), "grastate.dat")); err != nil {
		return nil // never was in the cluster
	}
	out := s.run(t, s.program, append(s.args[:len(s.args):len(s.args)], "--wsrep-recover")...)
	found := recovered.FindAllSubmatch(out, -1)
	if found == nil {
		return nil
	}
	return []string{"--wsrep-start-position=" + string(found[len(found)-1][1])}
}

// galera is the path of the replication library.
func galera(t testing.TB) string {
	t.Helper()
	for _, pattern := range []string{"/usr/lib/galera/libgalera_smm.so", "/usr/lib*/galera*/libgalera_smm.so"} {
		if found, err := filepath.Glob(pattern); err == nil && len(found) > 0 {
			return found[0]
		}
	}
	missing(t, "Galera's library")
	return ""
}
