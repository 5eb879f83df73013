package dbtest

import (
	"os"
	"sync"
	"testing"
)

// shared is a server that all tests of the binary use. It starts when the first one asks.
type shared struct {
	sync.Mutex
	server *Server
}

var mariaDB, mySQL8 shared

// MariaDB returns the binary's MariaDB and starts it first if need be. Tests kill only their own: see
// [NewMariaDB].
func MariaDB(t testing.TB) *Server {
	t.Helper()
	return mariaDB.get(t, newMariaDB)
}

// MySQL8 returns the binary's MySQL 8.0 and starts it first if need be. It listens on its socket alone.
func MySQL8(t testing.TB) *Server {
	t.Helper()
	return mySQL8.get(t, newMySQL8)
}

// NewMariaDB starts a MariaDB that ends with the test, for tests that kill it.
func NewMariaDB(t testing.TB) *Server {
	t.Helper()
	s := newMariaDB(t)
	t.Cleanup(s.remove)
	s.Start(t)
	return s
}

// Main runs the tests and then stops the shared servers; TestMain passes its result to os.Exit.
func Main(m *testing.M) int {
	defer Stop()
	return m.Run()
}

// Stop ends the shared servers and removes their data, for a TestMain that cannot use [Main].
func Stop() {
	for _, s := range []*shared{&mariaDB, &mySQL8} {
		s.Lock()
		if s.server != nil {
			s.server.remove()
			s.server = nil
		}
		s.Unlock()
	}
}

func (s *shared) get(t testing.TB, make func(testing.TB) *Server) *Server {
	t.Helper()
	s.Lock()
	defer s.Unlock()
	if s.server == nil {
		server := make(t)
		defer func() {
			if s.server == nil { // starting it ended the test
				server.remove()
			}
		}()
		server.Start(t)
		s.server = server
	}
	return s.server
}

// remove ends the server and deletes all that it had.
func (s *Server) remove() {
	s.Kill()
	_ = os.RemoveAll(s.folder)
}
