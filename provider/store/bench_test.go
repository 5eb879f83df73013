package store_test

import (
	"fmt"
	"strconv"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"signet/provider/oauth"
	"signet/provider/store"
)

// cpuTime is what this process has used, in user and system mode.
func cpuTime() time.Duration {
	var usage syscall.Rusage
	_ = syscall.Getrusage(syscall.RUSAGE_SELF, &usage)
	return time.Duration(usage.Utime.Nano() + usage.Stime.Nano())
}

// measure reports CPU time per operation beside the elapsed time that b reports.
func measure(b *testing.B, run func()) {
	b.ReportAllocs()
	b.ResetTimer()
	before := cpuTime()
	run()
	b.ReportMetric(float64((cpuTime()-before).Nanoseconds())/1e3/float64(b.N), "cpu-µs/op")
	b.StopTimer()
}

// commits is what a token request commits, by the kind of request.
var commits = []struct {
	name    string
	prepare func(b *testing.B, s *store.Store, n int)
	changes func(i int) []oauth.Change
}{
	{"assertion", nil, func(i int) []oauth.Change {
		return []oauth.Change{oauth.UseAssertion{ClientID: "demo-private-key-jwt", JTI: oauth.Secret(strconv.Itoa(i)).Digest().String(), Until: time.Now().Add(time.Minute)}}
	}},
	{"assertion+audit", nil, func(i int) []oauth.Change {
		return []oauth.Change{
			oauth.UseAssertion{ClientID: "demo-private-key-jwt", JTI: oauth.Secret(strconv.Itoa(i)).Digest().String(), Until: time.Now().Add(time.Minute)},
			auditEntry(i),
		}
	}},
	{"rotation+audit", prepareFamilies, func(i int) []oauth.Change {
		return []oauth.Change{
			oauth.UseAssertion{ClientID: "demo-private-key-jwt", JTI: oauth.Secret(strconv.Itoa(i)).Digest().String(), Until: time.Now().Add(time.Minute)},
			oauth.ReplaceRefresh{Old: oauth.Secret(fmt.Sprint("old-", i)).Digest(), New: refreshToken(fmt.Sprint("new-", i), i), At: time.Now()},
			auditEntry(i),
		}
	}},
}

func auditEntry(i int) oauth.RecordAudit {
	id := oauth.Secret(fmt.Sprint("audit-", i)).Digest().String()[:22]
	return oauth.RecordAudit{Entry: oauth.AuditEntry{
		ID: id, At: time.Now(), Event: "token.issued", RequestID: id, ClientID: "demo-private-key-jwt",
		Subject: "demo-private-key-jwt", JTI: id, DecisionID: id, Detail: map[string]any{"scope": "accounts payments", "grant_type": "client_credentials"},
	}}
}

func refreshToken(name string, i int) oauth.RefreshToken {
	return oauth.RefreshToken{
		Digest: oauth.Secret(name).Digest(), ClientID: "demo-private-key-jwt", GrantID: grantID(i), User: oauth.EndUser{ID: "u", AuthTime: time.Now()},
		Scope: oauth.Scope{"openid", "accounts"}, IssuedAt: time.Now(), ExpiresAt: time.Now().Add(time.Hour),
	}
}

func grantID(i int) string { return oauth.Secret(fmt.Sprint("grant-", i)).Digest().String()[:22] }

func prepareFamilies(b *testing.B, s *store.Store, n int) {
	var changes []oauth.Change
	for i := range n {
		changes = append(changes,
			oauth.StoreGrant{Grant: oauth.Grant{ID: grantID(i), ClientID: "demo-private-key-jwt", UserID: "u", ExpiresAt: time.Now().Add(time.Hour)}},
			oauth.StoreRefresh{Token: refreshToken(fmt.Sprint("old-", i), i)})
		if len(changes) >= 1000 || i == n-1 {
			if err := s.Commit(b.Context(), changes...); err != nil {
				b.Fatal(err)
			}
			changes = changes[:0]
		}
	}
}

// BenchmarkCommit measures commits one after the other, and by 16 concurrent requests.
func BenchmarkCommit(b *testing.B) {
	for _, c := range commits {
		for _, requests := range []int{1, 16} {
			b.Run(fmt.Sprintf("%s/requests=%d", c.name, requests), func(b *testing.B) {
				s := open(b, sqliteDSN(b), store.Options{Clock: time.Now})
				if c.prepare != nil {
					c.prepare(b, s, b.N)
				}
				var next atomic.Int64
				measure(b, func() {
					parallel(b.N, requests, func() {
						if err := s.Commit(b.Context(), c.changes(int(next.Add(1)-1))...); err != nil {
							b.Error(err)
						}
					})
				})
			})
		}
	}
}

// parallel calls f n times by so many goroutines.
func parallel(n, goroutines int, f func()) {
	var left atomic.Int64
	left.Store(int64(n))
	var wg sync.WaitGroup
	for range goroutines {
		wg.Go(func() {
			for left.Add(-1) >= 0 {
				f()
			}
		})
	}
	wg.Wait()
}

// BenchmarkRead measures the reads of the token path by 16 concurrent requests.
func BenchmarkRead(b *testing.B) {
	s := open(b, sqliteDSN(b), store.Options{Clock: time.Now})
	uncached := open(b, sqliteDSN(b), store.Options{Clock: time.Now, ClientMaxAge: -1})
	client := oauth.Client{ID: "demo", JWKS: []byte(`{"keys":[{"kty":"EC","crv":"P-256","x":"AAAA","y":"BBBB"}]}`), GrantTypes: []string{"client_credentials"}, Scope: "accounts"}
	for _, s := range []*store.Store{s, uncached} {
		if err := s.Commit(b.Context(), oauth.StoreClient{Client: client}); err != nil {
			b.Fatal(err)
		}
	}
	prepareFamilies(b, s, 1000)
	var n atomic.Int64
	reads := []struct {
		name string
		read func() error
	}{
		{"client", func() error { _, err := s.Client(b.Context(), "demo"); return err }},
		{"client, uncached", func() error { _, err := uncached.Client(b.Context(), "demo"); return err }},
		{"refresh token", func() error {
			_, err := s.RefreshToken(b.Context(), oauth.Secret(fmt.Sprint("old-", n.Add(1)%1000)).Digest())
			return err
		}},
		{"revoked", func() error { _, err := s.Revoked(b.Context(), "jti", grantID(int(n.Add(1)%1000))); return err }},
	}
	for _, r := range reads {
		b.Run(r.name, func(b *testing.B) {
			measure(b, func() {
				parallel(b.N, 16, func() {
					if err := r.read(); err != nil {
						b.Error(err)
					}
				})
			})
		})
	}
}
