package provider_test

import (
	"context"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509/pkix"
	"errors"
	"fmt"
	"io"
	"math/big"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"signet/certs"
	"signet/mtls"
	"signet/provider/oauth"
)

// parties are those whose certificates come through a balancer.
type parties struct {
	bank, deep, own, foreign, expired, revoked *certs.Leaf
	intermediate                               *certs.CA
}

// newParties registers the clients and puts the revocations on the site's lists. The processes must not run yet.
func (s *site) newParties() parties {
	t := s.t
	t.Helper()
	name := func(cn string) certs.Request { return certs.Request{Subject: pkix.Name{CommonName: cn}} }
	var p parties
	var err error
	p.intermediate, err = s.ca.Intermediate("Issuing CA")
	must(t, err)
	elsewhere, err := certs.NewCA(rand.Reader, time.Now(), "Elsewhere")
	must(t, err)
	p.bank, p.revoked = s.leaf(name("bank")), s.leaf(name("bank"))
	p.expired = s.leaf(certs.Request{Subject: pkix.Name{CommonName: "bank"}, NotBefore: time.Now().Add(-48 * time.Hour), NotAfter: time.Now().Add(-time.Hour)})
	p.deep, err = p.intermediate.Issue(name("bank"))
	must(t, err)
	p.foreign, err = elsewhere.Issue(name("bank"))
	must(t, err)
	p.own, err = certs.SelfSigned(rand.Reader, time.Now(), name("own"))
	must(t, err)
	rootList, err := s.ca.MakeCRL(certs.CRLRequest{Revoked: []*big.Int{p.revoked.Certificate.SerialNumber}})
	must(t, err)
	belowList, err := p.intermediate.MakeCRL(certs.CRLRequest{})
	must(t, err)
	must(t, os.WriteFile(filepath.Join(s.dir, "pki", "crl.pem"), append(rootList, belowList...), 0o600))

	s.register("app", nil)
	s.register("bank", func(c *oauth.Client) { c.AuthMethod, c.TLSSubjectDN = oauth.AuthTLS, "CN=bank" })
	s.register("own", func(c *oauth.Client) {
		c.AuthMethod, c.JWKS = oauth.AuthSelfSignedTLS, keyOf(t, p.own.Key, "own", p.own).jwks
	})
	return p
}

// TestPassThroughBalancers runs two replicas behind HAProxy and behind nginx, both of which pass TLS through and tell
// the client's address by the PROXY protocol.
func TestPassThroughBalancers(t *testing.T) {
	s := prepareSite(t, 2, embedded, "proxy_protocol: {addresses: [127.0.0.1/32]}\n")
	p := s.newParties()
	haproxy, nginx := s.behindHAProxy(), s.newBalancer("nginx", p.bank)
	nginx.nginx("passthrough.conf.template")
	s.start()
	for name, b := range map[string]*balancer{"HAProxy": haproxy, "nginx": nginx} {
		t.Run(name, func(t *testing.T) {
			b := b.with(t)
			b.awaitBoth(t)
			b.authenticates(p, true)
			b.forgeries(p)
			b.tellsTheClientsAddress()
			b.survives()
		})
	}
	t.Run("nobody else tells addresses", func(t *testing.T) {
		s := s.with(t)
		if r := s.get(s.from("127.0.0.9", nil), s.issuer+"/jwks"); r.Status != http.StatusOK {
			t.Errorf("a direct connection from elsewhere: %d", r.Status)
		}
		if _, err := s.http(nil).Get(s.issuer + "/jwks"); err == nil {
			t.Error("a connection from the proxy's address without a header was served")
		}
	})
}

// TestTerminatingBalancers runs two replicas behind HAProxy and behind nginx, both of which end TLS and pass the
// client's certificate on as RFC 9440 says. Signet knows them by their own certificates.
func TestTerminatingBalancers(t *testing.T) {
	s := prepareSite(t, 2, embedded, "")
	p := s.newParties()
	proxies := []*certs.Leaf{s.leaf(certs.Request{Subject: pkix.Name{CommonName: "haproxy"}}), s.leaf(certs.Request{Subject: pkix.Name{CommonName: "nginx"}})}
	for _, process := range s.processes {
		s.reconfigure(process, func(text string) string {
			return text + fmt.Sprintf("trusted_proxies: {thumbprints: [%q, %q]}\n", mtls.Thumbprint(proxies[0].Certificate), mtls.Thumbprint(proxies[1].Certificate))
		})
	}
	haproxy, nginx := s.newBalancer("haproxy", proxies[0]), s.newBalancer("nginx", proxies[1])
	haproxy.haproxy("terminate.cfg")
	nginx.nginx("terminate.conf.template")
	s.start()
	for name, b := range map[string]*balancer{"HAProxy": haproxy, "nginx": nginx} {
		t.Run(name, func(t *testing.T) {
			b := b.with(t)
			b.awaitBoth(t)
			b.authenticates(p, name == "HAProxy") // nginx has no words for the chain
			b.forgeries(p)
			b.rawForgeries(p)
			b.survives()
		})
	}
}

func (b *balancer) with(t testing.TB) *balancer {
	copied := *b
	copied.site = b.site.with(t)
	return &copied
}

// token asks for one: as "app" with its secret, as any other client by certificate.
func (b *balancer) token(client *http.Client, door, id string, edit ...func(*http.Request)) reply {
	b.site.t.Helper()
	values := form(clientCredentials...)
	if id == "app" {
		edit = append(edit, basic("app"))
	} else {
		values.Set("client_id", id)
	}
	return b.site.post(client, door+"/token", values, edit...)
}

// authenticates holds each kind of certificate to the judgement that it gets without a balancer. chain says whether
// what a client sends beside its own certificate comes through.
func (b *balancer) authenticates(p parties, chain bool) {
	t := b.site.t
	t.Helper()
	for _, c := range []struct {
		name, id string
		leaf     *certs.Leaf
		refused  bool
	}{
		{"tls_client_auth", "bank", p.bank, false},
		{"an intermediate authority's", "bank", p.deep, !chain},
		{"self_signed_tls_client_auth", "own", p.own, false},
		{"another's self-signed", "own", p.bank, true},
		{"of a foreign authority", "bank", p.foreign, true},
		{"revoked", "bank", p.revoked, true},
		{"expired", "bank", p.expired, true},
		{"none", "bank", nil, true},
		{"beside a secret", "app", p.bank, false},
		{"self-signed, beside a secret", "app", p.own, false},
		{"of a foreign authority, beside a secret", "app", p.foreign, false},
		{"none, beside a secret", "app", nil, false},
	} {
		want := ""
		if c.leaf != nil {
			want = mtls.Thumbprint(c.leaf.Certificate)
		}
		clients := []*http.Client{b.site.http(c.leaf), b.site.resuming(c.leaf), b.site.http(c.leaf)}
		clients[2].Transport.(*http.Transport).ForceAttemptHTTP2 = true
		for i, client := range clients {
			for range 2 {
				got := b.token(client, b.mtls, c.id)
				switch {
				case c.refused && (got.Status == http.StatusUnauthorized || c.leaf == p.expired && got.Status == http.StatusBadRequest):
				case c.refused || got.Status != http.StatusOK:
					t.Errorf("%s (client %d): %d %s", c.name, i, got.Status, got.Body)
				case thumbprintOf(t, got.text("access_token")) != want:
					t.Errorf("%s (client %d): not bound to %q: %s", c.name, i, want, got.Body)
				}
			}
			client.CloseIdleConnections()
		}
	}
	if got := b.token(b.site.http(p.bank), b.main, "app"); got.Status != http.StatusOK || thumbprintOf(t, got.text("access_token")) != "" {
		t.Errorf("a certificate at the main door: %d %s", got.Status, got.Body)
	}
}

// forgeries has clients bring somebody else's certificate in header fields.
func (b *balancer) forgeries(p parties) {
	t := b.site.t
	t.Helper()
	names := append([]string{"CLIENT-CERT", "cLIENT-cERT", "Client_Cert", "client_cert", "Client-Cert_", "Client-Cert-Chain"}, forgeries...)
	for _, sender := range []struct {
		door string
		leaf *certs.Leaf
		h2   bool
	}{{b.main, nil, false}, {b.mtls, nil, false}, {b.mtls, p.own, false}, {b.main, nil, true}, {b.mtls, nil, true}, {b.mtls, p.own, true}} {
		client, want := b.site.http(sender.leaf), ""
		defer client.CloseIdleConnections()
		client.Transport.(*http.Transport).ForceAttemptHTTP2 = sender.h2
		if sender.leaf != nil {
			want = mtls.Thumbprint(sender.leaf.Certificate)
		}
		for _, name := range names {
			for _, more := range []map[string][]string{nil, {"Connection": {"Client-Cert, " + name}}} {
				if sender.h2 && more != nil {
					continue // there are no such fields
				}
				forge := func(r *http.Request) {
					r.Header[name] = []string{field(p.bank.Certificate), field(p.bank.Certificate)}
					for key, values := range more {
						r.Header[key] = values
					}
				}
				if got := b.token(client, sender.door, "app", forge); got.Status != http.StatusOK || thumbprintOf(t, got.text("access_token")) != want {
					t.Errorf("%s %v: bound to something else than %q: %d %s", name, sender, want, got.Status, got.Body)
				}
				if got := b.token(client, sender.door, "bank", forge); got.Status != http.StatusUnauthorized || got.text("error") != "invalid_client" {
					t.Errorf("%s %v: %d %s", name, sender, got.Status, got.Body)
				}
			}
		}
	}
}

// rawForgeries are requests that no HTTP library would send.
func (b *balancer) rawForgeries(p parties) {
	t := b.site.t
	t.Helper()
	body := form(append(clientCredentials, "client_id", "bank")...).Encode()
	value := field(p.bank.Certificate)
	for name, lines := range map[string]string{
		"space before the colon": "Client-Cert : " + value, "tab before the colon": "Client-Cert\t: " + value,
		"folded": "X: a\r\n Client-Cert: " + value, "folded value": "Client-Cert:\r\n " + value, "bare line feed": "X: a\nClient-Cert: " + value,
		"bare carriage return": "X: a\rClient-Cert: " + value, "leading space": " Client-Cert: " + value,
		"nul":                      "Client-Cert\x00: " + value,
		"in a trailer":             "Trailer: Client-Cert",
		"two lengths":              "Content-Length: 0\r\nClient-Cert: " + value,
		"upgrade":                  "Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABkAAQAAP__\r\nClient-Cert: " + value,
		"absolute after the other": "Client-Cert-Chain: " + value + "\r\nClient-Cert: " + value,
	} {
		conn, err := tls.Dial("tcp", strings.TrimPrefix(b.mtls, "https://"), &tls.Config{RootCAs: b.site.ca.Pool(), ServerName: "localhost"})
		must(t, err)
		must(t, conn.SetDeadline(time.Now().Add(patience)))
		_, err = fmt.Fprintf(conn, "POST /token HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\nContent-Type: application/x-www-form-urlencoded\r\nContent-Length: %d\r\n%s\r\n\r\n%s", len(body), lines, body)
		must(t, err)
		answer, err := io.ReadAll(conn)
		_ = conn.Close()
		if strings.Contains(string(answer), "access_token") || err == nil && !strings.Contains(string(answer), "HTTP/1.1 40") {
			t.Errorf("%s: %v %s", name, err, answer)
		}
	}
}

// tellsTheClientsAddress looks for the client's address, not the proxy's, in Signet's log.
func (b *balancer) tellsTheClientsAddress() {
	t := b.site.t
	t.Helper()
	for _, door := range []string{b.main, b.mtls} {
		address := fmt.Sprintf("127.0.0.%d", 20+freePort(t)%200)
		if r := b.site.get(b.site.from(address, nil), door+"/jwks"); r.Status != http.StatusOK {
			t.Fatalf("%d %s", r.Status, r.Body)
		}
		b.await(t, func(ctx context.Context) error {
			for _, p := range b.site.processes {
				if text, _ := os.ReadFile(p.log); strings.Contains(string(text), "remote="+address+" ") {
					return nil
				}
			}
			return errors.New("no log knows " + address)
		})
	}
}

// survives stops a replica and then kills one, each under load: a client that repeats a request once, a moment
// later and over a new connection, gets every token.
func (b *balancer) survives() {
	t := b.site.t
	t.Helper()
	for _, blow := range []struct {
		name   string
		strike func(*process)
	}{
		{"told to stop", func(p *process) { must(t, p.cmd.Process.Signal(syscall.SIGTERM)); p.awaitEnd(t) }},
		{"killed", func(p *process) { p.kill() }},
	} {
		before := b.served()
		stop := make(chan struct{})
		var load sync.WaitGroup
		var mu sync.Mutex
		asked, repeated := 0, 0
		for i := range 4 {
			client := b.site.http(nil)
			client.Transport.(*http.Transport).DisableKeepAlives = i%2 == 0
			load.Go(func() {
				defer client.CloseIdleConnections()
				for {
					select {
					case <-stop:
						return
					default:
					}
					first := b.once(client)
					var second error
					if first != nil {
						client.CloseIdleConnections()
						time.Sleep(500 * time.Millisecond) // a process that is killed loses its sockets one by one
						second = b.once(client)
					}
					mu.Lock()
					asked, repeated = asked+1, repeated+count(first != nil)
					if second != nil {
						t.Errorf("%s: %v, and repeated: %v", blow.name, first, second)
					}
					mu.Unlock()
				}
			})
		}
		busy := func(processes ...int) {
			start := b.served()
			b.await(t, func(context.Context) error {
				for _, i := range processes {
					if b.served()[i] < start[i]+20 {
						return errors.New("no load")
					}
				}
				return nil
			})
		}
		busy(0, 1)
		victim := b.site.processes[1]
		blow.strike(victim)
		busy(0)
		close(stop)
		load.Wait()
		victim.start()
		victim.awaitReady()
		b.awaitBoth(t)
		t.Logf("%s: %d tokens, %d of them at the second attempt; served by each: %v before, %v after", blow.name, asked, repeated, before, b.served())
	}
}

// once is one attempt at a token.
func (b *balancer) once(client *http.Client) error {
	got, err := send(client, b.main+"/token", form(clientCredentials...), basic("app"))
	if err != nil {
		return err
	}
	if got.Status != http.StatusOK {
		return fmt.Errorf("%d %s", got.Status, got.Body)
	}
	return nil
}
