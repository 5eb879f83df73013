package main

import (
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/pires/go-proxyproto"

	"signet/certs"
	"signet/mtls"
)

// door is a TLS server behind relays, whose handler says from where a request came and whose certificate is
// believed to be the client's.
type door struct {
	t       testing.TB
	address string
	ca      *certs.CA
}

const here = "127.0.0.1" // from where the tests come

func newDoor(t testing.TB, relayAddresses []string, trusted mtls.ProxiesConfig) *door {
	t.Helper()
	d := &door{t: t}
	var err error
	d.ca, err = certs.NewCA(rand.Reader, time.Now(), "Test CA")
	ok(t, err)
	leaf := d.leaf(certs.Request{Subject: pkix.Name{CommonName: "localhost"}, DNSNames: []string{"localhost"}, EKU: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth}})
	certificate := leaf.TLSCertificate()
	proxies, err := mtls.NewProxies(trusted)
	ok(t, err)
	server := newServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		peer, err := proxies.Peer(r)
		name := "nobody"
		if err != nil {
			name = err.Error()
		} else if peer != nil {
			name = peer.Leaf.Subject.CommonName
		}
		_, _ = fmt.Fprintf(w, "%s %s", r.RemoteAddr, name)
	}), slog.New(slog.DiscardHandler))
	server.TLSConfig = mtls.ServerConfig(func(*tls.ClientHelloInfo) (*tls.Certificate, error) { return &certificate, nil }, true)
	server.ConnContext = markRelayed
	listener, err := net.Listen("tcp", here+":0")
	ok(t, err)
	d.address = listener.Addr().String()
	wrap, err := relays(relayAddresses, 300*time.Millisecond)
	ok(t, err)
	go func() { _ = server.ServeTLS(wrap(listener), "", "") }()
	t.Cleanup(func() { _ = server.Close() })
	return d
}

func ok(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func (d *door) leaf(request certs.Request) *certs.Leaf {
	d.t.Helper()
	leaf, err := d.ca.Issue(request)
	ok(d.t, err)
	return leaf
}

// ask sends the preamble and then, over TLS, one request; the answer is what the handler saw.
func (d *door) ask(preamble []byte, own, claimed *certs.Leaf) (string, error) {
	d.t.Helper()
	conn, err := net.Dial("tcp", d.address)
	ok(d.t, err)
	defer conn.Close()
	ok(d.t, conn.SetDeadline(time.Now().Add(time.Minute)))
	if _, err := conn.Write(preamble); err != nil {
		return "", err
	}
	config := &tls.Config{RootCAs: d.ca.Pool(), ServerName: "localhost"}
	if own != nil {
		config.Certificates = []tls.Certificate{own.TLSCertificate()}
	}
	secure := tls.Client(conn, config)
	request := "GET / HTTP/1.0\r\n"
	if claimed != nil {
		request += "Client-Cert: :" + base64.StdEncoding.EncodeToString(claimed.Certificate.Raw) + ":\r\n"
	}
	if _, err := io.WriteString(secure, request+"\r\n"); err != nil {
		return "", err
	}
	answer, err := io.ReadAll(secure)
	if err != nil {
		return "", err
	}
	_, body, _ := strings.Cut(string(answer), "\r\n\r\n")
	return body, nil
}

func header(version byte, command proxyproto.ProtocolVersionAndCommand, source net.Addr, kind proxyproto.AddressFamilyAndProtocol) []byte {
	h := proxyproto.Header{Version: version, Command: command, TransportProtocol: kind, SourceAddr: source, DestinationAddr: source}
	raw, err := h.Format()
	if err != nil {
		panic(err)
	}
	return raw
}

func tcp(address string) net.Addr {
	resolved, err := net.ResolveTCPAddr("tcp", address)
	if err != nil {
		panic(err)
	}
	return resolved
}

// TestProxyProtocol is the PROXY header: read from the relays and nobody else, and what comes of each kind.
func TestProxyProtocol(t *testing.T) {
	relayed := newDoor(t, []string{here + "/32"}, mtls.ProxiesConfig{})
	direct := newDoor(t, []string{"192.0.2.0/24", "2001:db8::/32"}, mtls.ProxiesConfig{})
	none := newDoor(t, nil, mtls.ProxiesConfig{})
	v1 := header(1, proxyproto.PROXY, tcp("198.51.100.7:4711"), proxyproto.TCPv4)
	v2 := header(2, proxyproto.PROXY, tcp("198.51.100.7:4711"), proxyproto.TCPv4)
	for _, c := range []struct {
		name     string
		at       *door
		preamble []byte
		want     string // the start of the remote address; "" = the connection fails
	}{
		{"version 1", relayed, v1, "198.51.100.7:4711 "},
		{"version 2", relayed, v2, "198.51.100.7:4711 "},
		{"version 1, IPv6", relayed, header(1, proxyproto.PROXY, tcp("[2001:db8::7]:4711"), proxyproto.TCPv6), "[2001:db8::7]:4711 "},
		{"version 2, IPv6", relayed, header(2, proxyproto.PROXY, tcp("[2001:db8::7]:4711"), proxyproto.TCPv6), "[2001:db8::7]:4711 "},
		{"a relay's own check", relayed, header(2, proxyproto.LOCAL, nil, proxyproto.UNSPEC), here + ":"},
		{"an origin that the relay does not know", relayed, []byte("PROXY UNKNOWN\r\n"), here + ":"},
		{"no header from a relay", relayed, nil, ""},
		{"two headers", relayed, append(append([]byte{}, v1...), v1...), ""},
		{"a datagram's", relayed, header(2, proxyproto.PROXY, &net.UDPAddr{IP: net.IPv4(198, 51, 100, 7), Port: 1}, proxyproto.UDPv4), ""},
		{"a local socket's", relayed, header(2, proxyproto.PROXY, &net.UnixAddr{Name: "/x", Net: "unix"}, proxyproto.UnixStream), ""},
		{"not an address", relayed, []byte("PROXY TCP4 alice bob 1 2\r\n"), ""},
		{"longer than any", relayed, []byte("PROXY " + strings.Repeat("A", 4096) + "\r\n"), ""},
		{"of another version", relayed, append(append([]byte{}, v2[:12]...), 0x31, 0x11, 0, 0), ""},
		{"from elsewhere, none", direct, nil, here + ":"},
		{"from elsewhere, version 1", direct, v1, ""},
		{"from elsewhere, version 2", direct, v2, ""},
		{"no relays, none", none, nil, here + ":"},
		{"no relays, version 1", none, v1, ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			got, err := c.at.ask(c.preamble, nil, nil)
			if c.want == "" && err == nil || c.want != "" && (err != nil || !strings.HasPrefix(got, c.want)) {
				t.Errorf("%q, %v; want %q", got, err, c.want)
			}
		})
	}
	for name, part := range map[string][]byte{"nothing": nil, "half of version 1": v1[:8], "half of version 2": v2[:14]} {
		t.Run("slow: "+name, func(t *testing.T) {
			conn, err := net.Dial("tcp", relayed.address)
			ok(t, err)
			defer conn.Close()
			_, err = conn.Write(part)
			ok(t, err)
			ok(t, conn.SetReadDeadline(time.Now().Add(time.Minute)))
			if n, err := conn.Read(make([]byte, 1)); n > 0 || err == nil || isTimeout(err) {
				t.Errorf("%d bytes, %v; want a closed connection", n, err)
			}
		})
	}
	if _, err := relays([]string{"0.0.0.0/0"}, time.Second); err == nil {
		t.Error("every address is a relay's")
	}
}

func isTimeout(err error) bool {
	var timeout net.Error
	return errors.As(err, &timeout) && timeout.Timeout()
}

// TestRelayedHeaderIsBelievedByThumbprintOnly: neither the relay's own address, which every client shares, nor the one
// that the PROXY header tells makes anybody a trusted proxy.
func TestRelayedHeaderIsBelievedByThumbprintOnly(t *testing.T) {
	const told = "198.51.100.7"
	preamble := header(2, proxyproto.PROXY, tcp(told+":4711"), proxyproto.TCPv4)
	for _, c := range []struct {
		name      string
		relays    []string
		preamble  []byte
		addresses []string
		pinned    bool
		want      string
	}{
		{name: "direct, by address", addresses: []string{here}, want: "victim"},
		{name: "direct, by address, relays elsewhere", relays: []string{"192.0.2.1"}, addresses: []string{here}, want: "victim"},
		{name: "relayed, by the relay's address", relays: []string{here}, preamble: preamble, addresses: []string{here}, want: "own"},
		{name: "relayed, by the address told", relays: []string{here}, preamble: preamble, addresses: []string{told}, want: "own"},
		{name: "relayed, told nothing", relays: []string{here}, preamble: []byte("PROXY UNKNOWN\r\n"), addresses: []string{here}, want: "own"},
		{name: "relayed, by thumbprint", relays: []string{here}, preamble: preamble, pinned: true, want: "victim"},
		{name: "relayed, by both", relays: []string{here}, preamble: preamble, addresses: []string{here, told}, pinned: true, want: "own"},
	} {
		t.Run(c.name, func(t *testing.T) {
			ca, err := certs.NewCA(rand.Reader, time.Now(), "Clients")
			ok(t, err)
			own, err := ca.Issue(certs.Request{Subject: pkix.Name{CommonName: "own"}})
			ok(t, err)
			victim, err := ca.Issue(certs.Request{Subject: pkix.Name{CommonName: "victim"}})
			ok(t, err)
			trusted := mtls.ProxiesConfig{Addresses: c.addresses}
			if c.pinned {
				trusted.Thumbprints = []string{mtls.Thumbprint(own.Certificate)}
			}
			got, err := newDoor(t, c.relays, trusted).ask(c.preamble, own, victim)
			ok(t, err)
			if _, who, _ := strings.Cut(got, " "); who != c.want {
				t.Errorf("the client is %q, want %q", who, c.want)
			}
		})
	}
}
