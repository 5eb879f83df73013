package store

import (
	"bytes"
	"crypto/rand"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

func TestMySQLDSN(t *testing.T) {
	for dsn, want := range map[string]mysqlDSN{
		"signet@db/signet": {user: "signet", database: "signet", network: "tcp", addresses: []string{"db:3306"}, pool: 16},
		"a%40b@db1,db2:3307,[::1],[::1]:5/s?pool=8": {
			user: "a@b", database: "s", network: "tcp", addresses: []string{"db1:3306", "db2:3307", "[::1]:3306", "[::1]:5"}, pool: 8,
		},
		"u@10.0.0.1/d?password_file=/p%20w&ca=ca&cert=c&key=k&server_name=n&pool=2": {
			user: "u", database: "d", network: "tcp", addresses: []string{"10.0.0.1:3306"},
			passwordFile: "/p w", ca: "ca", cert: "c", key: "k", serverName: "n", pool: 2,
		},
		"u@unix(/run/my sql/s@ock)/d?password_file=p": {
			user: "u", database: "d", network: "unix", addresses: []string{"/run/my sql/s@ock"}, passwordFile: "p", pool: 16,
		},
	} {
		got, err := parseMySQL(dsn)
		if err != nil {
			t.Errorf("%s: %v", dsn, err)
		} else if diff := cmp.Diff(want, *got, cmp.AllowUnexported(mysqlDSN{})); diff != "" {
			t.Errorf("%s (-want +got):\n%s", dsn, diff)
		}
	}
}

func TestMySQLDSNRefuses(t *testing.T) {
	for dsn, want := range map[string]string{
		"":                                 "has no user",
		"db/signet":                        "has no user",
		"@db/signet":                       "has no user",
		"u:hunter2@db/d":                   "password_file",
		"u:hunter2@db:3306/d?password=x":   "password_file",
		"u@db":                             "no database",
		"u@db/":                            "no database",
		"u@db/a.b":                         "no database",
		"u@/d":                             "malformed address",
		"u@db:0/d":                         "malformed address",
		"u@db:hunter2/d":                   "malformed address",
		"u@db,/d":                          "malformed address",
		"u@tcp(db:3306)/d":                 "malformed address",
		"u@::1/d":                          "", // an address without a port
		"u@a:b:c/d":                        "malformed address",
		"u@unix()/d":                       "malformed socket",
		"u@unix(/s/d":                      "malformed socket",
		"u@db/d?password=hunter2":          `unknown option "password"`,
		"u@db/d?tls=false":                 `unknown option "tls"`,
		"u@db/d?hunter2":                   "malformed name",
		"u@db/d?%zz":                       "malformed options",
		"u@db/d?ca=a&ca=b":                 `one value for the option "ca"`,
		"u@db/d?ca=":                       `one value for the option "ca"`,
		"u@db/d?pool=1":                    "pool",
		"u@db/d?pool=hunter2":              "pool",
		"u@db/d?cert=c":                    "both cert and key",
		"u@unix(/s)/d?ca=c":                "unix socket",
		"u@db/d?password_file=f&x=hunter2": `unknown option "x"`,
	} {
		_, err := parseMySQL(dsn)
		switch {
		case want == "" && err != nil:
			t.Errorf("%s: %v", dsn, err)
		case want != "" && (err == nil || !strings.Contains(err.Error(), want)):
			t.Errorf("%s: %v, want %q", dsn, err, want)
		case err != nil && strings.Contains(err.Error(), "hunter2"):
			t.Errorf("%s: the error repeats what may be a secret: %v", dsn, err)
		}
	}
}

func FuzzMySQLDSN(f *testing.F) {
	f.Add("u@db:1,[::1]/d?pool=3")
	f.Add("u@unix(/s)/d?password_file=f")
	f.Fuzz(func(t *testing.T, dsn string) {
		d, err := parseMySQL(dsn)
		if err == nil && (d.user == "" || d.database == "" || len(d.addresses) == 0 || d.pool < 2) {
			t.Errorf("%q is read as %+v", dsn, d)
		}
	})
}

// TestMySQLSecretFiles warns about files that others can read.
func TestMySQLSecretFiles(t *testing.T) {
	var log bytes.Buffer
	file := filepath.Join(t.TempDir(), "password")
	if err := os.WriteFile(file, []byte("x\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	opt := Options{Clock: time.Now, Random: rand.Reader, Log: slog.New(slog.NewTextHandler(&log, nil))}
	for _, mode := range []os.FileMode{0o600, 0o640} {
		log.Reset()
		if err := os.Chmod(file, mode); err != nil {
			t.Fatal(err)
		}
		if _, err := prepare("mysql:u@127.0.0.1/d?password_file="+file, &opt); err != nil {
			t.Fatal(err)
		}
		if warned := strings.Contains(log.String(), "chmod 600"); warned != (mode != 0o600) {
			t.Errorf("mode %v: %s", mode, &log)
		}
	}
	opt.Random = nil
	if _, err := prepare("mysql:u@127.0.0.1/d", &opt); err == nil {
		t.Error("opened without randomness")
	}
}

// TestServerOrder tries the servers in their order, those that failed lately last.
func TestServerOrder(t *testing.T) {
	now := testTime
	s := newServers([]string{"a", "b", "c"}, func() time.Time { return now })
	for _, step := range []struct {
		suspect int
		wait    time.Duration
		want    []int
	}{
		{-1, 0, []int{0, 1, 2}},
		{0, 0, []int{1, 2, 0}},
		{1, 5 * time.Second, []int{2, 0, 1}},
		{-1, 5 * time.Second, []int{2, 0, 1}},
		{-1, 5 * time.Second, []int{0, 1, 2}},
		{0, -time.Hour, []int{0, 1, 2}}, // a clock set back forgives
	} {
		if step.suspect >= 0 {
			s.suspect(step.suspect)
		}
		if step.wait < 0 {
			now = now.Add(step.wait)
		}
		if diff := cmp.Diff(step.want, s.order()); diff != "" {
			t.Errorf("%+v: %s", step, diff)
		}
		if step.wait > 0 {
			now = now.Add(step.wait)
		}
	}
}
