package storetest

import (
	"bytes"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"signet/provider/oauth"
)

// testReplacedAtOnce has many replace, or make, the same thing at once: none fails, one of them stays.
func testReplacedAtOnce(t *testing.T, b Backend) {
	for _, tt := range []struct {
		name    string
		replace func(key string, i int) oauth.Change
		kept    func(key string) error
	}{
		{"client", func(key string, i int) oauth.Change {
			c := client(key)
			c.Name = fmt.Sprint(i)
			return oauth.StoreClient{Client: c}
		}, func(key string) error { _, err := b.Client(t.Context(), key); return err }},
		{"session", func(key string, i int) oauth.Change {
			user := endUser()
			user.SessionID = fmt.Sprint(i)
			return oauth.StoreSession{Session: oauth.Session{Digest: digest(key), User: user, ExpiresAt: now.Add(time.Hour)}}
		}, func(key string) error { _, err := b.Session(t.Context(), digest(key)); return err }},
		{"interaction", func(key string, i int) oauth.Change {
			return oauth.StoreInteraction{Interaction: oauth.Interaction{Digest: digest(key), RequestID: fmt.Sprint(i), ExpiresAt: now.Add(time.Hour)}}
		}, func(key string) error { _, err := b.Interaction(t.Context(), digest(key)); return err }},
	} {
		t.Run(tt.name, func(t *testing.T) {
			for round := range 4 { // the first makes it, the others replace it
				key := fmt.Sprintf("%s-%d", tt.name, round/2)
				var wg sync.WaitGroup
				for i := range 12 {
					wg.Go(func() {
						if err := b.Commit(t.Context(), tt.replace(key, i), oauth.RecordAudit{Entry: entry(fmt.Sprint(key, round, i))}); err != nil {
							t.Errorf("replacing %s: %v", key, err)
						}
					})
				}
				wg.Wait()
				if err := tt.kept(key); err != nil {
					t.Errorf("%s: %v", key, err)
				}
			}
		})
	}
}

// testOverlong stores identifiers of the greatest length, which come back whole, and of one byte more,
// which are refused without harm to others and not as something that may pass.
func testOverlong(t *testing.T, b Backend) {
	name := func(n int) string { return strings.Repeat("é", n/2) + strings.Repeat("x", n%2) }
	ascii := func(n int) string { return strings.Repeat("x", n) }
	for _, tt := range []struct {
		name   string
		most   int
		change func(n int) oauth.Change
	}{
		{"client id", 255, func(n int) oauth.Change { return oauth.StoreClient{Client: client(ascii(n)), New: true} }},
		{"user id", 255, func(n int) oauth.Change { return oauth.StoreUser{User: user(ascii(n), ascii(n%7)), New: true} }},
		{"username", 256, func(n int) oauth.Change { return oauth.StoreUser{User: user(ascii(n%9), name(n)), New: true} }},
		{"grant id", 128, func(n int) oauth.Change { return oauth.StoreGrant{Grant: grant(ascii(n))} }},
		{"jti", 256, func(n int) oauth.Change { return assertion(name(n)) }},
		{"access token's jti", 256, func(n int) oauth.Change { return oauth.RevokeAccessToken{JTI: ascii(n), Until: now} }},
		{"nonce", 128, func(n int) oauth.Change { return oauth.StoreNonce{Nonce: ascii(n), Until: now} }},
		{"backchannel request id", 128, func(n int) oauth.Change {
			r := backchannel(ascii(n))
			r.UserID, r.GrantID = ascii(255), ascii(128)
			return oauth.StoreBackchannel{Request: r}
		}},
		{"approved grant id", 128, func(n int) oauth.Change {
			return answered(backchannel(ascii(128)), oauth.BackchannelApproved, ascii(n))
		}},
		{"device's grant id", 128, func(n int) oauth.Change {
			r := device("d")
			r.GrantID = ascii(n)
			return oauth.StoreDevice{Request: r}
		}},
		{"approved device's grant id", 128, func(n int) oauth.Change {
			return deviceAnswer(device("d"), oauth.DeviceApproved, ascii(n))
		}},
		{"derived grant id", 128, func(n int) oauth.Change { return derived(ascii(n-1)+"d", "", "j") }},
		{"parent grant id", 128, func(n int) oauth.Change { return derived("e", ascii(n), "") }},
		{"parent jti", 256, func(n int) oauth.Change { return derived("f", "", ascii(n-1)+"j") }},
		{"delivery id", 128, func(n int) oauth.Change { return oauth.StoreDelivery{Delivery: delivery(ascii(n), now)} }},
		{"delivery's kind", 64, func(n int) oauth.Change {
			d := delivery("kind", now)
			d.Kind = ascii(n)
			return oauth.StoreDelivery{Delivery: d}
		}},
		{"sid of a participation", 128, func(n int) oauth.Change {
			return oauth.JoinSession{Participation: participation(name(n), ascii(255), ascii(128))}
		}},
		{"client of a participation", 255, func(n int) oauth.Change {
			return oauth.JoinSession{Participation: participation("s", ascii(n), "g")}
		}},
		{"grant of a participation", 128, func(n int) oauth.Change {
			return oauth.JoinSession{Participation: participation("s", "c", ascii(n))}
		}},
		{"scope", 2048, func(n int) oauth.Change {
			return agrees(ascii(255), ascii(255), now, oauth.Agreed{Scope: ascii(n), Until: now})
		}},
		{"scope and resource", 2048, func(n int) oauth.Change {
			return agrees("u", "c", now, oauth.Agreed{Scope: "s", Resource: ascii(n - 2), Until: now})
		}},
		{"event", 128, func(n int) oauth.Change {
			return oauth.RecordAudit{Entry: oauth.AuditEntry{ID: "e", At: now, Event: ascii(n)}}
		}},
		{"request id", 128, func(n int) oauth.Change {
			return oauth.RecordAudit{Entry: oauth.AuditEntry{ID: "r", At: now, RequestID: ascii(n)}}
		}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			commit(t, b, tt.change(tt.most))
			var conflict *oauth.Conflict
			err := b.Commit(t.Context(), tt.change(tt.most+1))
			if err == nil || errors.As(err, &conflict) || errors.Is(err, oauth.ErrUnavailable) {
				t.Errorf("one byte more: %v", err)
			}
		})
	}
	got, err := b.UserByName(t.Context(), name(256))
	if err != nil || got.Username != name(256) {
		t.Errorf("the longest username came back as %q, %v", got.Username, err)
	}
	commitConflicts(t, b, oauth.UseAssertion{}, assertion(name(256)))
	kept, err := b.Consent(t.Context(), ascii(255), ascii(255))
	if err != nil || len(kept.Agreed) != 1 || kept.Agreed[0].Scope != ascii(2048) {
		t.Errorf("the longest scope came back as %v, %v", kept.Agreed, err)
	}
	joined, err := b.SessionParticipations(t.Context(), name(128))
	same(t, joined, err, []oauth.Participation{participation(name(128), ascii(255), ascii(128))})
	if err := b.Commit(t.Context(), assertion("")); err == nil {
		t.Error("an assertion without a jti was accepted")
	}
	large := client("large")
	large.JWKS = []byte(`"` + ascii(3<<20) + `"`)
	commit(t, b, oauth.StoreClient{Client: large})
	read, err := b.Client(t.Context(), "large")
	if err != nil || !bytes.Equal(read.JWKS, large.JWKS) {
		t.Errorf("a large client came back otherwise: %v", err)
	}
}
