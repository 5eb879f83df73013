package dbtest

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"

	"signet/certs"
)

// settings are what all servers have in common. Nothing acknowledged is lost when the process is killed:
// the log is written at each commit, and not synced, as a kill leaves the kernel's cache alone.
var settings = []string{
	"--innodb-flush-log-at-trx-commit=1", "--innodb-flush-method=nosync", "--innodb-buffer-pool-size=32M",
	"--performance-schema=OFF", "--skip-log-bin", "--max-connections=400",
	"--default-time-zone=+05:45", "--character-set-server=utf8mb4", "--collation-server=utf8mb4_general_ci",
}

// newMariaDB prepares a MariaDB: its folder, certificate and system tables.
func newMariaDB(t testing.TB) *Server {
	t.Helper()
	return prepareMariaDB(t, newCA(t))
}

func prepareMariaDB(t testing.TB, ca *certs.CA, more ...string) *Server {
	t.Helper()
	s := newServer(t)
	s.program = tool(t, "mariadbd")
	s.ca = ca
	port := freePort(t)
	s.address = fmt.Sprintf("127.0.0.1:%d", port)
	s.writeCertificate(t)
	s.run(t, tool(t, "mariadb-install-db"), "--no-defaults", "--auth-root-authentication-method=normal", "--skip-test-db", "--datadir="+s.data())
	// Root is for the socket alone, which its folder protects.
	s.write(t, "init.sql", []byte("DELETE FROM mysql.global_priv WHERE User='root' AND Host<>'localhost';\nFLUSH PRIVILEGES;\n"))
	s.args = append(append(append([]string{"--no-defaults"}, settings...), s.places()...), more...)
	s.args = append(s.args, "--init-file="+filepath.Join(s.folder, "init.sql"),
		"--bind-address=127.0.0.1", fmt.Sprintf("--port=%d", port), "--skip-name-resolve", "--require-secure-transport=ON",
		"--ssl-ca="+s.CA(), "--ssl-cert="+filepath.Join(s.folder, "server.pem"), "--ssl-key="+filepath.Join(s.folder, "server-key.pem"))
	return s
}

// newMySQL8 prepares a MySQL 8. Its TLS library is too old for today's clients, so it has the socket alone.
func newMySQL8(t testing.TB) *Server {
	t.Helper()
	script := filepath.Join(moduleRoot(t), ".ci", "mysql8")
	cmd := exec.Command(script)
	var problem strings.Builder
	cmd.Stderr = &problem
	unpacked, err := cmd.Output()
	if err != nil {
		t.Fatalf("%s, which unpacks the server: %v\n%s", script, err, &problem)
	}
	s := newServer(t)
	// The server's user may not be able to reach the module's folder.
	home := filepath.Join(s.folder, "mysql")
	if err := os.CopyFS(home, os.DirFS(strings.TrimSpace(string(unpacked)))); err != nil {
		t.Fatal(err)
	}
	own(t, home)
	s.program = filepath.Join(home, "bin", "mysqld")
	basics := []string{"--no-defaults", "--basedir=" + home, "--datadir=" + s.data()}
	s.run(t, s.program, append(basics, "--initialize-insecure")...)
	s.args = append(append(append(basics, settings...), s.places()...), "--skip-networking", "--mysqlx=OFF")
	return s
}

// newServer makes the folder of a server; "data" in it is left to the server to create.
func newServer(t testing.TB) *Server {
	t.Helper()
	folder, err := os.MkdirTemp("", "signet-db-") // not t.TempDir: another user needs it, and its path is to be short
	if err != nil {
		t.Fatal(err)
	}
	if err := os.Mkdir(filepath.Join(folder, "tmp"), 0o700); err != nil {
		t.Fatal(err)
	}
	own(t, folder)
	return &Server{folder: folder, databases: new(atomic.Int64)}
}

func (s *Server) data() string { return filepath.Join(s.folder, "data") }

// places keeps all that the server makes in its folder.
func (s *Server) places() []string {
	return []string{"--datadir=" + s.data(), "--socket=" + s.Socket(), "--pid-file=" + filepath.Join(s.folder, "pid"), "--tmpdir=" + filepath.Join(s.folder, "tmp")}
}

// run runs a program that prepares the server, as the server's user, and returns what it printed.
func (s *Server) run(t testing.TB, program string, args ...string) []byte {
	t.Helper()
	cmd := command(program, args...)
	cmd.Dir = s.folder
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("%s: %v\n%s", program, err, out)
	}
	return out
}

// write makes a file for the server's user.
func (s *Server) write(t testing.TB, name string, data []byte) {
	t.Helper()
	path := filepath.Join(s.folder, name)
	write(t, path, data)
	own(t, path)
}

// tool finds a program that .ci/need installs. Servers are often outside an ordinary user's PATH.
func tool(t testing.TB, name string) string {
	t.Helper()
	for _, path := range []string{name, "/usr/sbin/" + name, "/usr/local/sbin/" + name, "/usr/local/bin/" + name} {
		if found, err := exec.LookPath(path); err == nil {
			return found
		}
	}
	missing(t, name)
	return ""
}

func missing(t testing.TB, name string) {
	t.Helper()
	t.Fatalf("%s is missing; this installs it: %s mariadbd galera rsync", name, filepath.Join(moduleRoot(t), ".ci", "need"))
}

// moduleRoot is the folder above the working directory that has go.mod.
func moduleRoot(t testing.TB) string {
	t.Helper()
	folder, err := os.Getwd()
	if err != nil {
		t.Fatal(err)
	}
	for {
		if _, err := os.Stat(filepath.Join(folder, "go.mod")); err == nil {
			return folder
		} else if !errors.Is(err, os.ErrNotExist) || folder == filepath.Dir(folder) {
			t.Fatalf("no go.mod above the working directory: %v", err)
		}
		folder = filepath.Dir(folder)
	}
}
