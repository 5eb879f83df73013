package provider_test

import (
	"crypto/x509/pkix"
	"errors"
	"math/rand/v2"
	"net/http"
	"net/url"
	"sync"
	"sync/atomic"
	"testing"

	"signet/certs"
	"signet/provider/audit"
	"signet/provider/oauth"
)

const (
	crashes         = 20
	crashWorkers    = 3   // of each application
	crashCustomers  = 120 // of each application and life of the server: more than a life serves
	refreshesPerOne = 3
)

// TestNothingIsLostInACrash kills the server with SIGKILL in the middle of a load and holds what the clients
// know against what the next process does. A response lost in the kill leaves its client with a token that may
// be used up: strict rotation then wants a new login (decision 7). So the promise is tested where it is made:
// rotation with retry_grace, where that client repeats its request, and FAPI 2.0, where nothing rotates.
func TestNothingIsLostInACrash(t *testing.T) {
	s := newSite(t, 1, "refresh_tokens: {retry_grace: 60s}\n")
	s.user("alice")
	applications := s.applications()
	var everyone []*customer
	var met meetings
	for range crashes {
		var these []*customer
		for _, app := range applications {
			these = append(these, s.customers(app)...)
		}
		must(t, s.store.Close()) // so that the killed process was the database's only one
		s.loadUntilKilled(applications, these)
		s.processes[0].start()
		s.processes[0].awaitReady()
		s.openStore()
		met.add(s.met(these))
		s.verify(these)
		everyone = append(everyone, these...)
	}
	// Whatever a client received in any life of the server works after all the others.
	s.refreshAll(everyone)
	s.assertAudited(applications, everyone)
	t.Logf("%d kills met %+v", crashes, met)
	if met.LostCodes == 0 || met.LostRefreshes == 0 {
		t.Error("the kills met no request under way: the load is too small")
	}
}

// application is a client registration and how its instances reach the server.
type application struct {
	id, token string // client id, token endpoint
	leaf      *certs.Leaf
	edit      []func(*http.Request)
	extra     []string // form parameters of its authentication
}

// applications are a rotating client and one held to FAPI 2.0, which authenticates by its certificate.
func (s *site) applications() []*application {
	leaf := s.leaf(certs.Request{Subject: pkix.Name{CommonName: "fapi"}})
	s.register("rotating", nil)
	s.register("fapi", func(c *oauth.Client) {
		c.Profile, c.AuthMethod, c.TLSSubjectDN = oauth.ProfileFAPI2Security, oauth.AuthTLS, "CN=fapi"
	})
	return []*application{
		{id: "rotating", token: s.issuer + "/token", edit: []func(*http.Request){basic("rotating")}},
		{id: "fapi", token: s.mtls + "/token", leaf: leaf, extra: []string{"client_id", "fapi"}},
	}
}

func (a *application) send(client *http.Client, values url.Values) (reply, error) {
	for name, value := range form(a.extra...) {
		values[name] = value
	}
	return send(client, a.token, values, a.edit...)
}

// outcome is what an instance of a client knows about a request of its own.
type outcome int

const (
	unsent outcome = iota
	lost           // sent, and no complete response came back
	granted
)

// customer is one instance of a client with one user's approval. Its fields are what it received, no more.
type customer struct {
	app *application
	seeded
	replays  bool    // repeats its code after the crash, and so never refreshes
	redeemed outcome // its code
	token    string  // the last refresh token that it received
	unsure   bool    // the response to its last refresh was lost
	received int     // successful responses
}

func (s *site) customers(app *application) []*customer {
	all := make([]*customer, 0, crashCustomers)
	for i, one := range s.seedCodes(app.id, crashCustomers) {
		all = append(all, &customer{app: app, seeded: one, replays: i%3 == 0})
	}
	return all
}

var errRefused = errors.New("refused")

// redeem sends the code once and records what came back.
func (c *customer) redeem(client *http.Client) (reply, error) {
	c.redeemed = lost
	got, err := c.app.send(client, c.seeded.redeem())
	if err != nil {
		return got, err
	}
	if got.Status != http.StatusOK {
		return got, errRefused
	}
	c.redeemed, c.token = granted, got.text("refresh_token")
	c.received++
	return got, nil
}

// refresh uses the newest refresh token; one that comes back replaces it.
func (c *customer) refresh(client *http.Client) (reply, error) {
	c.unsure = true
	got, err := c.app.send(client, form("grant_type", "refresh_token", "refresh_token", c.token))
	if err != nil {
		return got, err
	}
	if got.Status != http.StatusOK {
		return got, errRefused
	}
	if next := got.text("refresh_token"); next != "" {
		c.token = next
	}
	c.unsure = false
	c.received++
	return got, nil
}

// loadUntilKilled lets the customers work and kills the server after a number of responses that differs each
// time; the other requests are then under way, in whatever state.
func (s *site) loadUntilKilled(applications []*application, customers []*customer) {
	s.t.Helper()
	var responses atomic.Int64
	killAt := 20 + rand.Int64N(100)
	reached := make(chan struct{})
	respond := func() {
		if responses.Add(1) == killAt {
			close(reached)
		}
	}
	var done sync.WaitGroup
	for _, app := range applications {
		queue := make(chan *customer, len(customers))
		for _, c := range customers {
			if c.app == app {
				queue <- c
			}
		}
		close(queue)
		for range crashWorkers {
			client := s.http(app.leaf)
			done.Go(func() { s.work(client, queue, respond) })
		}
	}
	idle := make(chan struct{})
	go func() { done.Wait(); close(idle) }()
	select {
	case <-reached:
	case <-idle:
	}
	s.processes[0].kill()
	<-idle
	if responses.Load() < killAt {
		s.t.Fatalf("the load ended by itself after %d responses", responses.Load())
	}
}

// work serves customers until the server is gone: a broken connection is what the test is about, a refusal is
// a failure.
func (s *site) work(client *http.Client, queue <-chan *customer, responded func()) {
	for c := range queue {
		got, err := c.redeem(client)
		for i := 0; err == nil && !c.replays && i < refreshesPerOne; i++ {
			responded()
			got, err = c.refresh(client)
		}
		if errors.Is(err, errRefused) {
			s.t.Errorf("%s under load: %d %s", c.app.id, got.Status, got.Body)
		}
		if err != nil {
			return
		}
		responded()
	}
}

// verify asks the restarted server about everything that its predecessor answered or failed to answer.
func (s *site) verify(customers []*customer) {
	s.t.Helper()
	s.refreshAll(customers)
	clients := s.clientsOf(customers)
	for _, c := range customers {
		if c.redeemed == lost || c.redeemed == granted && c.replays {
			s.replay(c, clients[c.app])
		}
	}
}

// replay repeats a code twice. It works at most once over both lives of the server, and exactly once when the
// kill came before its first redemption was committed.
func (s *site) replay(c *customer, client *http.Client) {
	s.t.Helper()
	stored, err := s.store.Code(s.t.Context(), c.secret.Digest())
	must(s.t, err)
	if c.redeemed == granted && !stored.Used {
		s.t.Errorf("%s: a code that was redeemed is unused after the crash", c.app.id)
	}
	want := []int{http.StatusBadRequest, http.StatusBadRequest}
	if !stored.Used {
		want[0] = http.StatusOK
	}
	for i, status := range want {
		got, err := c.app.send(client, c.seeded.redeem())
		must(s.t, err)
		if got.Status != status || status != http.StatusOK && got.text("error") != "invalid_grant" {
			s.t.Errorf("%s: repetition %d of a code that was %v (used: %v): %d %s", c.app.id, i+1, c.redeemed, stored.Used, got.Status, got.Body)
		}
	}
	c.token = "" // the reuse has ended what the code began
}

// refreshAll uses the newest refresh token that each customer received, after a lost response the one that
// the customer still has.
func (s *site) refreshAll(customers []*customer) {
	s.t.Helper()
	clients := s.clientsOf(customers)
	for _, c := range customers {
		if c.token == "" || c.replays {
			continue
		}
		unsure := c.unsure
		if got, err := c.refresh(clients[c.app]); err != nil {
			s.t.Errorf("%s: a refresh token that the client received (its last response lost: %v): %v %d %s", c.app.id, unsure, err, got.Status, got.Body)
		}
	}
}

func (s *site) clientsOf(customers []*customer) map[*application]*http.Client {
	clients := map[*application]*http.Client{}
	for _, c := range customers {
		if clients[c.app] == nil {
			clients[c.app] = s.http(c.app.leaf)
		}
	}
	return clients
}

// assertAudited holds the audit log against the responses: each was recorded before it was sent.
func (s *site) assertAudited(applications []*application, customers []*customer) {
	s.t.Helper()
	for _, app := range applications {
		issued := map[string]int{}
		for _, entry := range s.audited(audit.TokenIssued, app.id) {
			issued[entry.GrantID]++
		}
		for _, c := range customers {
			if c.app == app && issued[c.grantID] < c.received {
				s.t.Errorf("%s: %d responses of a grant, %d audit entries", app.id, c.received, issued[c.grantID])
			}
		}
	}
}

// meetings counts what the kills met; Committed were answered in the database and not on the wire.
type meetings struct{ Received, LostCodes, CommittedCodes, LostRefreshes, CommittedRefreshes int }

func (m *meetings) add(n meetings) {
	m.Received += n.Received
	m.LostCodes += n.LostCodes
	m.CommittedCodes += n.CommittedCodes
	m.LostRefreshes += n.LostRefreshes
	m.CommittedRefreshes += n.CommittedRefreshes
}

// met looks into the database before anybody repeats a request.
func (s *site) met(customers []*customer) (m meetings) {
	s.t.Helper()
	for _, c := range customers {
		m.Received += c.received
		if c.redeemed == lost {
			m.LostCodes++
			code, err := s.store.Code(s.t.Context(), c.secret.Digest())
			must(s.t, err)
			m.CommittedCodes += count(code.Used)
		}
		if c.unsure {
			m.LostRefreshes++
			token, err := s.store.RefreshToken(s.t.Context(), oauth.Secret(c.token).Digest())
			must(s.t, err)
			m.CommittedRefreshes += count(!token.RotatedAt.IsZero())
		}
	}
	return m
}

func count(b bool) int {
	if b {
		return 1
	}
	return 0
}
