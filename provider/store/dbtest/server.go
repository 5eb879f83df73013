package dbtest

import (
	"database/sql"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"signet/certs"
	"signet/provider/processtest"
)

// patience is how long a server may take to answer, on a busy machine.
const patience = 2 * time.Minute

// Server is one database server and its data. Its methods are safe for concurrent use, but Start and
// Shutdown only from the goroutine of the test.
type Server struct {
	program string
	args    []string
	folder  string // private to the server's user; holds data, socket, log, certificates
	address string // "" without TCP
	ca      *certs.CA

	resume func(testing.TB) []string // more arguments for the next start; nil without

	databases *atomic.Int64 // created so far, in a cluster by all nodes

	mu      sync.Mutex
	process *process // nil while it does not run
}

type process struct {
	cmd   *exec.Cmd
	ended chan struct{}
}

// Address is host:port of the TLS listener, or "" for MySQL 8. It stays when the server restarts.
func (s *Server) Address() string { return s.address }

// Socket is the path of the unix socket.
func (s *Server) Socket() string { return filepath.Join(s.folder, "socket") }

// CA is the path of the certificate of the authority that issued the server's certificate, which is for
// 127.0.0.1 and localhost. MySQL 8 has none.
func (s *Server) CA() string { return filepath.Join(s.folder, "ca.pem") }

// Start starts a server that is not running, on the data that it has, and waits until it answers.
func (s *Server) Start(t testing.TB) {
	t.Helper()
	s.launch(t)
	s.await(t)
}

func (s *Server) launch(t testing.TB, more ...string) {
	t.Helper()
	if s.runs() {
		t.Fatalf("%s already runs", s.program)
	}
	if s.resume != nil {
		more = append(more, s.resume(t)...)
	}
	cmd := command(s.program, append(s.args[:len(s.args):len(s.args)], more...)...)
	cmd.Dir = s.folder
	log, err := os.OpenFile(s.log(), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = log.Close() }()
	cmd.Stdout, cmd.Stderr = log, log
	if err := cmd.Start(); err != nil {
		t.Fatalf("starting the database server: %v", err)
	}
	p := &process{cmd: cmd, ended: make(chan struct{})}
	go func() {
		_ = cmd.Wait() // a killed server has no success to report
		close(p.ended)
	}()
	s.mu.Lock()
	defer s.mu.Unlock()
	s.process = p
}

// runs tells whether the server was started and not ended.
func (s *Server) runs() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.process != nil
}

// await returns when the server answers root.
func (s *Server) await(t testing.TB) {
	t.Helper()
	s.mu.Lock()
	p := s.process
	s.mu.Unlock()
	db, err := s.root()
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = db.Close() }()
	for end := time.Now().Add(patience); ; {
		if err = db.PingContext(t.Context()); err == nil {
			return
		}
		select {
		case <-p.ended:
			t.Fatalf("the database server ended: %v\n%s", p.cmd.ProcessState, s.lastLog())
		case <-time.After(50 * time.Millisecond):
		}
		if time.Now().After(end) {
			t.Fatalf("the database server does not answer: %v\n%s", err, s.lastLog())
		}
	}
}

// Kill ends the server as a crash does: at once, with SIGKILL. Killing one that does not run is no error.
func (s *Server) Kill() { s.end(syscall.SIGKILL) }

// Shutdown ends the server in an orderly way.
func (s *Server) Shutdown(t testing.TB) {
	t.Helper()
	if !s.end(syscall.SIGTERM) {
		t.Fatalf("the database server does not stop\n%s", s.lastLog())
	}
}

// Pause makes the server hang, with its connections open, until Resume. All of it hangs when Pause returns.
func (s *Server) Pause(t testing.TB) {
	t.Helper()
	s.signal(syscall.SIGSTOP)
	deadline := time.Now().Add(time.Minute)
	for !processtest.Paused(s.pid()) {
		if time.Now().After(deadline) {
			t.Fatal("the database server does not stop in its tracks")
		}
		time.Sleep(time.Millisecond)
	}
}

func (s *Server) pid() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.process == nil {
		return 0
	}
	return s.process.cmd.Process.Pid
}

// Resume ends a Pause.
func (s *Server) Resume() { s.signal(syscall.SIGCONT) }

func (s *Server) signal(sig syscall.Signal) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.process != nil {
		_ = s.process.cmd.Process.Signal(sig) // it may have ended by itself
	}
}

// end sends sig, and SIGKILL if that does not help in time, and tells whether sig was enough.
func (s *Server) end(sig syscall.Signal) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.process == nil {
		return true
	}
	p := s.process
	s.process = nil
	if sig != syscall.SIGKILL {
		_ = p.cmd.Process.Signal(sig)
		select {
		case <-p.ended:
			return true
		case <-time.After(patience):
		}
	}
	killGroup(p.cmd)
	<-p.ended
	return sig == syscall.SIGKILL
}

func (s *Server) log() string { return filepath.Join(s.folder, "log") }

// lastLog is the end of the server's log.
func (s *Server) lastLog() string {
	text, err := os.ReadFile(s.log())
	if err != nil {
		return err.Error()
	}
	lines := strings.Split(strings.TrimSpace(string(text)), "\n")
	return strings.Join(lines[max(0, len(lines)-40):], "\n")
}

// root opens a pool of root's connections, over the socket. The folder keeps others away from that.
func (s *Server) root() (*sql.DB, error) {
	return sql.Open("mysql", fmt.Sprintf("root@unix(%s)/?multiStatements=true", s.Socket()))
}

// Exec runs statements as root, over the socket.
func (s *Server) Exec(t testing.TB, statements string) {
	t.Helper()
	db, err := s.root()
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = db.Close() }()
	if _, err := db.ExecContext(t.Context(), statements); err != nil {
		t.Fatalf("%v\n%s", err, statements)
	}
}

// Query runs a query as root, over the socket, and returns the first column of its rows, NULL as "".
func (s *Server) Query(t testing.TB, query string, args ...any) []string {
	t.Helper()
	db, err := s.root()
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = db.Close() }()
	column, err := firstColumn(t.Context(), db, query, args...)
	if err != nil {
		t.Fatalf("%v\n%s", err, query)
	}
	return column
}
