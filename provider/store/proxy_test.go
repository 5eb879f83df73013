package store

import (
	"bytes"
	"errors"
	"io"
	"net"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"signet/provider/store/dbtest"
)

// cut is what a proxy does with the next COMMIT that it sees.
type cut int

const (
	pass        cut = iota
	beforeIt        // it never reaches the server
	afterIt         // the server executes it, the answer is lost
	leaveItOpen     // it does not reach the server, which learns of the end only when release is called
)

// proxy passes connections on to a server and loses some at will. It reads the client's packets, so it
// stands in for a unix socket, where there is no TLS; the TCP one only closes.
type proxy struct {
	t        testing.TB
	network  string
	address  string
	server   string
	release  chan struct{} // closed: servers learn of ends that leaveItOpen kept from them
	finished sync.WaitGroup

	mu       sync.Mutex
	listener net.Listener
	next     cut
	refuse   bool // connections, from the next cut on
	conns    map[net.Conn]bool
	accepted int
}

// newProxy makes a proxy for a MariaDB's socket.
func newProxy(t testing.TB, network, server string) *proxy {
	t.Helper()
	p := &proxy{t: t, network: network, server: server, release: make(chan struct{}), conns: map[net.Conn]bool{}}
	p.address = "127.0.0.1:0"
	if network == "unix" {
		p.address = filepath.Join(t.TempDir(), "s")
	}
	p.start()
	t.Cleanup(func() {
		p.stop()
		p.finished.Wait()
	})
	return p
}

func (p *proxy) start() {
	p.t.Helper()
	l, err := net.Listen(p.network, p.address)
	if err != nil {
		p.t.Fatal(err)
	}
	p.mu.Lock()
	p.listener, p.address = l, l.Addr().String()
	p.mu.Unlock()
	p.finished.Go(func() {
		for {
			client, err := l.Accept()
			if err != nil {
				return
			}
			p.finished.Go(func() { p.serve(client) })
		}
	})
}

// stop refuses connections and closes those that there are.
func (p *proxy) stop() {
	p.mu.Lock()
	defer p.mu.Unlock()
	_ = p.listener.Close()
	for c := range p.conns {
		_ = c.Close()
	}
}

func (p *proxy) cutNext(c cut, refuse bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.next, p.refuse = c, refuse
}

func (p *proxy) connections() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.accepted
}

func (p *proxy) track(c net.Conn) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.conns[c] = true
}

func (p *proxy) serve(client net.Conn) {
	server, err := net.Dial(p.network, p.server)
	if err != nil {
		_ = client.Close()
		return
	}
	p.track(client)
	p.track(server)
	p.mu.Lock()
	p.accepted++
	p.mu.Unlock()
	defer func() { _ = errors.Join(client.Close(), server.Close()) }()

	var lose sync.Once
	lost := make(chan struct{})
	p.finished.Go(func() { // answers
		defer func() { _ = client.Close() }()
		buffer := make([]byte, 64<<10)
		for {
			n, err := server.Read(buffer)
			if err != nil {
				return
			}
			select {
			case <-lost: // this is the answer to COMMIT
				return
			default:
			}
			if _, err := client.Write(buffer[:n]); err != nil {
				return
			}
		}
	})
	if p.network == "tcp" {
		_, _ = io.Copy(server, client)
		return
	}
	header := make([]byte, 4)
	for {
		if _, err := io.ReadFull(client, header); err != nil {
			return
		}
		body := make([]byte, int(header[0])|int(header[1])<<8|int(header[2])<<16)
		if _, err := io.ReadFull(client, body); err != nil {
			return
		}
		does := pass
		if bytes.Equal(body, []byte("\x03COMMIT")) { // COM_QUERY
			p.mu.Lock()
			does, p.next = p.next, pass
			if does != pass && p.refuse {
				_ = p.listener.Close()
			}
			p.mu.Unlock()
		}
		switch does {
		case beforeIt:
			return
		case leaveItOpen:
			_ = client.Close()
			<-p.release
			return
		case afterIt:
			lose.Do(func() { close(lost) })
		}
		if _, err := server.Write(append(bytes.Clone(header), body...)); err != nil {
			return
		}
	}
}

// throughProxy is a database of the shared MariaDB, reached through a proxy of the test's own.
func throughProxy(t *testing.T) (*proxy, string) {
	t.Helper()
	server := dbtest.MariaDB(t)
	p := newProxy(t, "unix", server.Socket())
	return p, strings.Replace(server.SocketDSN(t), server.Socket(), p.address, 1)
}
