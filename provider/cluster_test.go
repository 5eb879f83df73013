//go:build cluster

package provider_test

import (
	"crypto/x509/pkix"
	"errors"
	"fmt"
	"net/http"
	"os"
	"sync"
	"sync/atomic"
	"testing"
	"text/tabwriter"
	"time"

	"signet/certs"
	"signet/provider/audit"
	"signet/provider/keys/vaulttest"
	"signet/provider/oauth"
	"signet/provider/store/dbtest"
)

// The drill's course. Between two blows everything has time to come back.
const (
	clusterNodes    = 3
	clusterWorkers  = 4 // of each application
	clusterRefresh  = 4 // by each customer, after its code
	betweenBlows    = 8 * time.Second
	timeUntilMended = 4 * time.Second
)

// TestCluster is the drill: two replicas on three Galera nodes and a Vault, behind HAProxy. Under load a replica is
// killed, then a database node, then Vault is restarted. After it all no code has been redeemed twice, no refresh
// token that a client received is lost, and whatever a client saw fail was worth a repetition.
func TestCluster(t *testing.T) {
	v := vaulttest.Start(t)
	nodes := dbtest.NewGalera(t, clusterNodes)
	s := prepareSite(t, 2, inVault(v, "transit", nodes.DSN(t)), "refresh_tokens: {retry_grace: 60s}\nproxy_protocol: {addresses: [127.0.0.1]}\n")
	balancer := s.behindHAProxy()
	s.setUpVault(v)
	s.start()
	balancer.awaitBoth(t)
	s.user("alice")
	leaf := s.leaf(certs.Request{Subject: pkix.Name{CommonName: "fapi"}})
	applications := []*application{
		{id: "rotating", token: balancer.main + "/token", edit: []func(*http.Request){basic("rotating")}},
		{id: "fapi", token: balancer.mtls + "/token", leaf: leaf, extra: []string{"client_id", "fapi"}},
	}
	s.register("rotating", nil)
	s.register("fapi", func(c *oauth.Client) {
		c.Profile, c.AuthMethod, c.TLSSubjectDN = oauth.ProfileFAPI2Security, oauth.AuthTLS, "CN=fapi"
	})
	d := &drill{site: s, stop: make(chan struct{})}
	d.begin("before")
	load := d.load(applications)

	time.Sleep(betweenBlows)
	d.begin("a replica is killed")
	s.processes[0].kill()
	time.Sleep(timeUntilMended)
	s.rewrap()
	s.processes[0].start()
	s.processes[0].awaitReady()
	time.Sleep(betweenBlows)

	d.begin("a database node is killed")
	nodes.Nodes[0].Kill()
	time.Sleep(timeUntilMended)
	nodes.Start(t, nodes.Nodes[0])
	nodes.AwaitSize(t, clusterNodes)
	time.Sleep(betweenBlows)

	d.begin("Vault is restarted")
	v.Kill()
	time.Sleep(timeUntilMended)
	v.Start(t)
	time.Sleep(betweenBlows)

	d.begin("after")
	time.Sleep(betweenBlows)
	close(d.stop)
	load.Wait()
	d.judge(applications)
	d.report()
}

// drill is the load and what it met, by part of the course.
type drill struct {
	*site
	stop  chan struct{}
	now   atomic.Pointer[chapter]
	book  []*chapter
	mu    sync.Mutex
	all   []*customer
	taken []string // secrets that clients received
}

// chapter is one part of the course: what clients saw in it.
type chapter struct {
	name                             string
	began                            time.Time
	answered, comeAgain, lost, wrong atomic.Int64
	longest                          atomic.Int64 // between two answers, in ns
	last                             atomic.Int64
}

func (d *drill) begin(name string) {
	c := &chapter{name: name, began: time.Now()}
	c.last.Store(c.began.UnixNano())
	d.book = append(d.book, c)
	d.now.Store(c)
}

// load lets customers of each application come until stop.
func (d *drill) load(applications []*application) *sync.WaitGroup {
	var done sync.WaitGroup
	for _, app := range applications {
		for range clusterWorkers {
			client := d.http(app.leaf)
			client.Timeout = 15 * time.Second
			done.Go(func() {
				for {
					select {
					case <-d.stop:
						return
					default:
						d.serve(app, client)
					}
				}
			})
		}
	}
	return &done
}

// serve is the life of one customer: a code, then refreshes.
func (d *drill) serve(app *application, client *http.Client) {
	approvals, err := d.seed(app.id, 1, d.codeOf(app.id))
	if err != nil {
		time.Sleep(100 * time.Millisecond) // the test's own connection to the database is in the same storm
		return
	}
	c := &customer{app: app, seeded: approvals[0]}
	d.mu.Lock()
	d.all = append(d.all, c)
	d.mu.Unlock()
	if !d.persist(func() (reply, error) { return c.redeem(client) }, true) {
		return
	}
	for range clusterRefresh {
		if !d.persist(func() (reply, error) { return c.refresh(client) }, false) {
			return
		}
	}
}

// persist repeats a request as a careful client does: after a 503 it comes again, and after a connection that
// broke, too. A repeated code may then meet its own first redemption, whose answer was lost: that customer gives up.
func (d *drill) persist(send func() (reply, error), code bool) bool {
	broken := false
	for range 600 {
		got, err := send()
		c := d.now.Load()
		switch {
		case err == nil:
			c.answered.Add(1)
			now := time.Now().UnixNano()
			if gap := now - c.last.Swap(now); gap > c.longest.Load() {
				c.longest.Store(gap)
			}
			d.keep(got)
			return true
		case errors.Is(err, errRefused) && unavailable(got, nil) == nil:
			c.comeAgain.Add(1)
		case errors.Is(err, errRefused) && code && broken && got.text("error") == "invalid_grant":
			return false
		case errors.Is(err, errRefused):
			c.wrong.Add(1)
			d.t.Errorf("%s: %d %s", c.name, got.Status, got.Body)
			return false
		default:
			c.lost.Add(1)
			broken = true
		}
		time.Sleep(100 * time.Millisecond)
	}
	d.t.Error("a request did not get through in a minute")
	return false
}

// keep remembers what no log may have.
func (d *drill) keep(got reply) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if len(d.taken) < 2000 {
		for _, name := range []string{"access_token", "refresh_token"} {
			if secret := got.text(name); secret != "" {
				d.taken = append(d.taken, secret)
			}
		}
	}
}

// judge holds what the clients know against what is there after it all.
func (d *drill) judge(applications []*application) {
	d.refreshAll(d.all)
	d.assertAudited(applications, d.all)
	redeemed := map[string]int{}
	for _, app := range applications {
		for _, entry := range d.audited(audit.TokenIssued, app.id) {
			if entry.Detail["grant_type"] == oauth.GrantAuthorizationCode {
				redeemed[entry.GrantID]++
			}
		}
	}
	for _, c := range d.all {
		if redeemed[c.grantID] > 1 {
			d.t.Errorf("%s: a code was redeemed %d times", c.app.id, redeemed[c.grantID])
		}
		if c.redeemed == granted && redeemed[c.grantID] != 1 {
			d.t.Errorf("%s: a client has an answer that the audit log does not know", c.app.id)
		}
	}
	d.assertLogsAreClean(append(d.taken, secretOf("rotating").Reveal()))
}

// report prints the audit of the drill.
func (d *drill) report() {
	w := tabwriter.NewWriter(os.Stdout, 0, 0, 2, ' ', tabwriter.AlignRight)
	_, _ = fmt.Fprintln(w, "part\tanswered\tcome again (503)\tbroken connections\twrong\tlongest pause\t")
	for _, c := range d.book {
		_, _ = fmt.Fprintf(w, "%s\t%d\t%d\t%d\t%d\t%v\t\n", c.name, c.answered.Load(), c.comeAgain.Load(), c.lost.Load(), c.wrong.Load(),
			time.Duration(c.longest.Load()).Round(10*time.Millisecond))
	}
	_ = w.Flush()
	received, kept := 0, 0
	for _, c := range d.all {
		received += c.received
		kept += count(c.token != "")
	}
	fmt.Printf("%d customers received %d answers; of each the code was looked up in the audit log, and of %d the last refresh token was tried\n", len(d.all), received, kept)
	if d.t.Failed() {
		fmt.Println("FAILED: something was used twice or lost, or failed in a way that is not worth repeating; see above")
		return
	}
	fmt.Println("no code was redeemed twice, no refresh token that a client received is lost, no log has a secret")
}
