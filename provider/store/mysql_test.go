package store

import (
	"context"
	"database/sql/driver"
	"errors"
	"fmt"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"signet/provider/oauth"
	"signet/provider/store/dbtest"
)

// mysqlServers are the servers that the dialect is for.
var mysqlServers = []struct {
	name   string
	server func(testing.TB) *dbtest.Server
}{
	{"MariaDB", dbtest.MariaDB},
	{"MySQL8", dbtest.MySQL8},
}

// TestMySQLSession reads back what correctness rests on, whatever the server's own settings are.
func TestMySQLSession(t *testing.T) {
	for _, tt := range mysqlServers {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			s := openMySQL(t, tt.server(t).DSN(t), Options{})
			isolation := "SELECT @@transaction_isolation"
			if tt.name == "MariaDB" {
				isolation = "SELECT @@tx_isolation"
			}
			for _, want := range []struct {
				writes       bool
				query, value string
			}{
				{true, "SELECT @@autocommit", "0"},
				{false, "SELECT @@autocommit", "1"},
				{true, isolation, "READ-COMMITTED"},
				{false, isolation, "READ-COMMITTED"},
				{true, "SELECT @@time_zone", "+00:00"},
				{true, "SELECT @@sql_mode LIKE '%STRICT_ALL_TABLES%'", "1"},
				{true, "SELECT @@innodb_lock_wait_timeout", "3"},
				{true, "SELECT @@wait_timeout", "60"},
				{true, "SELECT @@collation_connection", "utf8mb4_bin"},
				{true, "SELECT COUNT(*) FROM information_schema.tables WHERE table_schema = DATABASE() AND engine <> 'InnoDB'", "0"},
			} {
				if got := mysqlValue(t, s, want.writes, want.query); got != want.value {
					t.Errorf("writes %v: %s is %q, want %q", want.writes, want.query, got, want.value)
				}
			}
			reader, err := s.readers.dialect.connect(t.Context(), false)
			if err != nil {
				t.Fatal(err)
			}
			defer func() { _ = reader.close() }()
			if _, err := reader.exec(deleteUser, values("u")); err == nil {
				t.Error("a reader can write")
			}
			if tt.name == "MariaDB" {
				if cipher := mysqlValue(t, s, true, "SHOW STATUS LIKE 'Ssl_version'"); cipher != "TLSv1.3" && cipher != "TLSv1.2" {
					t.Errorf("over TCP without TLS: %q", cipher)
				}
			}
		})
	}
}

func mysqlValue(t *testing.T, s *Store, writes bool, query string) string {
	t.Helper()
	c, err := s.readers.dialect.connect(t.Context(), writes)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = c.close() }()
	value, err := controlOf(c.raw).value(t.Context(), query)
	if err != nil {
		t.Fatalf("%s: %v", query, err)
	}
	return value
}

// TestMySQLConnects uses what a DSN can say, and refuses what is wrong without repeating secrets.
func TestMySQLConnects(t *testing.T) {
	t.Parallel()
	server := dbtest.MariaDB(t)
	tcp := server.DSN(t)
	wrong := filepath.Join(t.TempDir(), "password")
	if err := os.WriteFile(wrong, []byte("hunter2\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	certificate := server.CertificateDSN(t)
	for name, tt := range map[string]struct{ dsn, want string }{
		"tcp":                     {tcp, ""},
		"socket":                  {server.SocketDSN(t), ""},
		"certificate":             {certificate, ""},
		"without the certificate": {with(t, with(t, certificate, "cert", ""), "key", ""), "denied"},
		"server's name":           {with(t, tcp, "server_name", "127.0.0.1"), ""},
		"another name":            {with(t, tcp, "server_name", "db.example"), "certificate"},
		"no CA":                   {with(t, tcp, "ca", ""), "certificate"},
		"no CA in the file":       {with(t, tcp, "ca", wrong), "no certificate"},
		"wrong password":          {with(t, tcp, "password_file", wrong), "denied"},
		"no password":             {with(t, tcp, "password_file", ""), "denied"},
		"no password file":        {with(t, tcp, "password_file", wrong+".none"), "no such file"},
		"another database":        {strings.Replace(tcp, "/signet_", "/signet_x", 1), "denied"},
		"nobody there":            {strings.Replace(tcp, server.Address(), "127.0.0.1:1", 1), "refused"},
		"somebody at the second":  {strings.Replace(tcp, server.Address(), "127.0.0.1:1,"+server.Address(), 1), ""},
	} {
		t.Run(name, func(t *testing.T) {
			s, err := Open(t.Context(), tt.dsn, Options{Clock: time.Now, Random: zeroes{}})
			switch {
			case err == nil:
				err = s.Ping(t.Context())
				if closing := s.Close(); tt.want != "" || err != nil || closing != nil {
					t.Errorf("opened: %v, %v", err, closing)
				}
			case tt.want == "" || !strings.Contains(err.Error(), tt.want):
				t.Errorf("%v, want %q", err, tt.want)
			case !errors.Is(err, oauth.ErrUnavailable) || strings.Contains(err.Error(), "hunter2"):
				t.Errorf("not an error to show: %v", err)
			}
		})
	}
}

// zeroes is randomness for stores that open one connection after the other.
type zeroes struct{}

func (zeroes) Read(p []byte) (int, error) { return len(p), nil }

// with changes an option of a DSN; "" removes it.
func with(t *testing.T, dsn, name, value string) string {
	t.Helper()
	place, query, _ := strings.Cut(dsn, "?")
	options, err := url.ParseQuery(query)
	if err != nil {
		t.Fatal(err)
	}
	options.Set(name, value)
	if value == "" {
		options.Del(name)
	}
	return place + "?" + options.Encode()
}

// TestDeadlocks has commits of two processes take the same rows in opposite orders: all succeed.
func TestDeadlocks(t *testing.T) {
	for _, tt := range mysqlServers {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			dsn := tt.server(t).DSN(t)
			stores := []*Store{openMySQL(t, dsn, Options{}), openMySQL(t, dsn, Options{})}
			grant := func(id string) oauth.Change {
				return oauth.StoreGrant{Grant: oauth.Grant{ID: id, ExpiresAt: testTime}}
			}
			if err := stores[0].Commit(t.Context(), grant("a"), grant("b")); err != nil {
				t.Fatal(err)
			}
			retries := func() int64 { return stores[0].Stats().Retries + stores[1].Stats().Retries }
			// Chance decides who meets whom: on until it happened.
			for round := 0; retries() == 0; round++ {
				if round == 300 {
					t.Fatal("no deadlock could be provoked")
				}
				var wg sync.WaitGroup
				for i := range 16 {
					wg.Go(func() {
						at := testTime.Add(time.Duration(round*16+i) * time.Second)
						changes := []oauth.Change{oauth.ExtendGrant{GrantID: "a", ExpiresAt: at}, oauth.ExtendGrant{GrantID: "b", ExpiresAt: at}}
						if i%2 == 1 {
							changes[0], changes[1] = changes[1], changes[0]
						}
						if err := stores[i/8].Commit(t.Context(), changes...); err != nil {
							t.Errorf("Commit: %v", err)
						}
					})
				}
				wg.Wait()
			}
		})
	}
}

// TestSharedLocks has a commit that relies on a grant not being revoked meet its revocation: the later one
// waits for the earlier one to commit, although the earlier one only reads the grant.
func TestSharedLocks(t *testing.T) {
	for _, tt := range mysqlServers {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			s := openMySQL(t, tt.server(t).DSN(t), Options{})
			digest := oauth.Secret("x").Digest()
			if err := s.Commit(t.Context(),
				oauth.StoreGrant{Grant: oauth.Grant{ID: "g", ExpiresAt: testTime}},
				oauth.StoreCode{Code: oauth.AuthorizationCode{Digest: digest, GrantID: "g", ExpiresAt: testTime}},
				oauth.StoreRefresh{Token: oauth.RefreshToken{Digest: digest, GrantID: "g", ExpiresAt: testTime}},
				oauth.StoreBackchannel{Request: oauth.Backchannel{Digest: digest, ID: "q", Status: oauth.BackchannelPending}},
				oauth.AnswerBackchannel{Request: oauth.Backchannel{Digest: digest, ID: "q", Status: oauth.BackchannelApproved, GrantID: "g"}},
				oauth.DeriveGrant{Grant: oauth.Grant{ID: "derived", ParentID: "g", ExpiresAt: testTime}},
				oauth.StoreDevice{Request: oauth.DeviceRequest{Digest: digest, UserCode: digest, Status: oauth.DevicePending}},
				oauth.AnswerDevice{Request: oauth.DeviceRequest{Digest: digest, Status: oauth.DeviceApproved, GrantID: "g"}}); err != nil {
				t.Fatal(err)
			}
			connect := func() *conn {
				c, err := s.readers.dialect.connect(t.Context(), true)
				if err != nil {
					t.Fatal(err)
				}
				t.Cleanup(func() { _ = c.close() })
				return c
			}
			earlier, later := connect(), connect()
			if err := later.control("SET innodb_lock_wait_timeout = 1"); err != nil {
				t.Fatal(err)
			}
			for _, change := range []oauth.Change{
				oauth.RedeemCode{Digest: digest, GrantID: "g", At: testTime},
				oauth.UseRefresh{Digest: digest, GrantID: "g"},
				oauth.RedeemBackchannel{Digest: digest, At: testTime},
				oauth.RedeemDevice{Digest: digest, At: testTime},
				oauth.UseGrant{GrantID: "g"},
				oauth.DeriveGrant{Grant: oauth.Grant{ID: "next", ParentID: "g"}},
			} {
				p, err := newPlan([]oauth.Change{change})
				if err != nil {
					t.Fatal(err)
				}
				if _, conflict, err := (&writer{conn: earlier}).execute(&p.ops[0]); err != nil || conflict {
					t.Fatalf("%T: %v, conflict %v", change, err, conflict)
				}
				_, err = later.exec(revokeGrant, values(int64(1), "g"))
				if kind, ok := faultOf(err); !ok || kind != blocked {
					t.Errorf("%T: revoked in between: %v", change, err)
				}
				for _, c := range []*conn{earlier, later} {
					if err := c.control("ROLLBACK"); err != nil {
						t.Fatal(err)
					}
				}
			}
		})
	}
}

// TestHungServer stops a server in its tracks: what asks it is answered in bounded time, and goes on when it
// does.
func TestHungServer(t *testing.T) {
	t.Parallel()
	server := dbtest.NewMariaDB(t)
	s := openMySQL(t, server.DSN(t)+"&pool=2", Options{ClientMaxAge: -1})
	if err := s.Commit(t.Context(), storeClient("c")); err != nil {
		t.Fatal(err)
	}
	if _, err := s.Client(t.Context(), "c"); err != nil {
		t.Fatal(err)
	}
	server.Pause(t)
	const bound = time.Minute
	began := time.Now()
	var wg sync.WaitGroup
	wg.Go(func() {
		if err := s.Commit(t.Context(), useOnce("hung")); !errors.Is(err, oauth.ErrUnavailable) {
			t.Errorf("Commit: %v", err)
		}
	})
	wg.Go(func() {
		if _, err := s.Client(t.Context(), "c"); !errors.Is(err, oauth.ErrUnavailable) {
			t.Errorf("Client: %v", err)
		}
	})
	wg.Wait()
	if waited := time.Since(began); waited > bound {
		t.Errorf("it took %v", waited)
	}
	server.Resume()
	if err := s.Commit(t.Context(), useOnce("after")); err != nil {
		t.Errorf("when the server goes on: %v", err)
	}
	if err := s.Commit(t.Context(), useOnce("hung")); err != nil {
		t.Errorf("what was not committed: %v", err)
	}
}

// TestReadOnlyServer treats a server that is made read-only like one that is down.
func TestReadOnlyServer(t *testing.T) {
	t.Parallel()
	server := dbtest.NewMariaDB(t)
	dsn := server.DSN(t)
	s := openMySQL(t, dsn, Options{})
	if err := s.Ping(t.Context()); err != nil {
		t.Fatal(err)
	}
	server.Exec(t, "SET GLOBAL read_only = 1")
	var wg sync.WaitGroup
	wg.Go(func() { // waits, since this may be over soon
		if err := s.Commit(t.Context(), useOnce("jti")); err != nil {
			t.Errorf("Commit: %v", err)
		}
	})
	if _, err := Open(t.Context(), dsn, Options{Clock: time.Now, Random: zeroes{}}); !errors.Is(err, errReadOnlyServer) || !errors.Is(err, oauth.ErrUnavailable) {
		t.Errorf("Open: %v", err)
	}
	server.Exec(t, "SET GLOBAL read_only = 0")
	wg.Wait()
}

// TestMySQLPlans fills the tables and has the servers explain each statement of a request and of the sweep:
// none reads a whole table or sorts.
func TestMySQLPlans(t *testing.T) {
	for _, tt := range mysqlServers {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			server := tt.server(t)
			dsn := server.SocketDSN(t)
			s := openMySQL(t, dsn, Options{})
			fillTables(t, s)
			database := dsn[strings.LastIndex(dsn[:strings.Index(dsn, "?")], "/")+1 : strings.Index(dsn, "?")]
			for _, table := range []string{"clients", "users", "grants", "codes", "refresh_tokens", "opaque_tokens", "revoked_tokens",
				"sessions", "participations", "interactions", "consents", "assertions", "pushed_requests", "dpop_proofs",
				"dpop_nonces", "backchannel_requests", "device_requests", "grant_origins", "deliveries", "audit", "commit_marks", "versions", "liveness"} {
				server.Exec(t, "ANALYZE TABLE "+database+"."+table)
			}
			for _, statement := range append(requestStatements(), removeMarks, insertMark, selectMark) {
				explain(t, s, statement)
			}
		})
	}
}

func fillTables(t *testing.T, s *Store) {
	t.Helper()
	var changes []oauth.Change
	for i := range 2000 {
		id := fmt.Sprint("id-", i)
		digest := oauth.Secret(id).Digest()
		end := testTime.Add(time.Duration(i) * time.Second)
		changes = append(changes,
			oauth.StoreGrant{Grant: oauth.Grant{ID: id, ClientID: fmt.Sprint("c-", i%50), UserID: fmt.Sprint("u-", i%500), ExpiresAt: end}},
			oauth.DeriveGrant{Grant: oauth.Grant{ID: "of-" + id, ParentID: id, ParentJTI: id + ".a~b", ExpiresAt: end}},
			oauth.StoreCode{Code: oauth.AuthorizationCode{Digest: digest, GrantID: id, ExpiresAt: end}},
			oauth.StoreRefresh{Token: oauth.RefreshToken{Digest: digest, GrantID: id, ExpiresAt: end}},
			oauth.StoreOpaque{Token: oauth.OpaqueToken{Digest: digest, ExpiresAt: end}},
			oauth.RevokeAccessToken{JTI: id, Until: end},
			oauth.StoreSession{Session: oauth.Session{Digest: digest, User: oauth.EndUser{SessionID: id}, ExpiresAt: end}},
			oauth.JoinSession{Participation: oauth.Participation{
				SessionID: fmt.Sprint("id-", i/4*4), ClientID: fmt.Sprint("c-", i%50), GrantID: id, Until: end,
			}},
			oauth.StoreInteraction{Interaction: oauth.Interaction{Digest: digest, ExpiresAt: end}},
			oauth.RememberConsent{Consent: oauth.Consent{UserID: fmt.Sprint("u-", i%500), ClientID: id, At: end}},
			oauth.UseAssertion{ClientID: fmt.Sprint("c-", i%50), JTI: id, Until: end},
			oauth.UseProof{Digest: digest, Until: end},
			oauth.StoreNonce{Nonce: id, Until: end},
			oauth.StorePushed{Pushed: oauth.PushedRequest{Digest: digest, ExpiresAt: end}},
			oauth.StoreBackchannel{Request: oauth.Backchannel{Digest: digest, ID: id, UserID: fmt.Sprint("u-", i%500), Status: oauth.BackchannelPending, ExpiresAt: end}},
			oauth.StoreDevice{Request: oauth.DeviceRequest{Digest: digest, UserCode: digest, Status: oauth.DevicePending, ExpiresAt: end}},
			oauth.StoreDelivery{Delivery: oauth.Delivery{ID: id, Kind: fmt.Sprint("k-", i%5), NextAt: end, ExpiresAt: end}},
			oauth.RecordAudit{Entry: oauth.AuditEntry{ID: id, At: end}})
		if i%10 == 0 {
			changes = append(changes, oauth.StoreUser{User: oauth.User{ID: id, Username: id}}, oauth.StoreClient{Client: oauth.Client{ID: id}})
		}
		if i%100 == 99 {
			if err := s.Commit(t.Context(), changes...); err != nil {
				t.Fatal(err)
			}
			changes = nil
		}
	}
	w, m := s.writers[0], mark{}
	for i := range 500 {
		if _, err := w.conn.exec(insertMark, values(int64(i), m.id[:], int64(0))); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.conn.control("COMMIT"); err != nil {
		t.Fatal(err)
	}
}

// explain gives each parameter a value that occurs, by the column before it.
func explain(t *testing.T, s *Store, statement string) {
	t.Helper()
	digest := oauth.Secret("id-1000").Digest()
	text := ""
	for i, part := range strings.Split(s.readers.dialect.form(statement), "?") {
		if i > 0 {
			text += literal(text, digest)
		}
		text += part
	}
	c, err := s.readers.dialect.connect(t.Context(), true)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = c.close() }()
	rows, err := c.raw.(driver.QueryerContext).QueryContext(context.Background(), "EXPLAIN "+text, nil)
	if err != nil {
		t.Errorf("%s: %v", text, err)
		return
	}
	defer func() { _ = rows.Close() }()
	row := make([]driver.Value, len(rows.Columns()))
	for rows.Next(row) == nil {
		of := map[string]string{}
		for i, name := range rows.Columns() {
			of[name] = fmt.Sprintf("%s", row[i])
		}
		access, extra := of["type"], of["Extra"]
		if strings.HasPrefix(statement, "INSERT") && access == "ALL" && strings.Contains(fmt.Sprint(of["select_type"], extra), "INSERT") || of["table"] == "liveness" || of["table"] == "versions" {
			continue // an insertion is said to be of type ALL
		}
		if access == "ALL" || access == "index" && !strings.Contains(statement, "LIMIT") || strings.Contains(extra, "filesort") || strings.Contains(extra, "temporary") {
			t.Errorf("%s\n%v", text, of)
		}
	}
}

// literal is a value for the parameter that follows the text.
func literal(before string, digest oauth.Digest) string {
	words := strings.FieldsFunc(before, func(r rune) bool { return strings.ContainsRune(" (,=<>\n\t", r) })
	last := words[len(words)-1]
	switch last[strings.LastIndex(last, ".")+1:] {
	case "client_id":
		return "'c-10'"
	case "user_id":
		return "'u-10'"
	case "digest", "user_code", "refresh_current", "refresh_previous":
		return fmt.Sprintf("X'%x'", digest[:])
	case "kind":
		return "'k-1'"
	case "sid", "grant_id", "jti", "id", "username", "topic", "nonce", "request_id", "delivery_id":
		return "'id-1000'"
	case "IN", "'id-1000'": // the first of a list, and the others
		return "'id-1000'"
	case "LIMIT":
		return "100"
	case "expires_at", "at", "seq", "used_at", "next_at", "next_poll", "updated_at":
		return fmt.Sprint(micros(testTime.Add(10 * time.Second)))
	default:
		return "1"
	}
}
