package audit

import (
	"crypto/rand"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"signet/provider/oauth"
)

func TestRecorder(t *testing.T) {
	at := time.Date(2026, 1, 2, 3, 4, 5, 678_901_234, time.FixedZone("CET", 3600))
	r := NewRecorder(func() time.Time { return at }, rand.Reader)
	got, err := r.Change(LoginFailed, oauth.AuditEntry{RequestID: "r", Subject: "u"})
	if err != nil {
		t.Fatal(err)
	}
	if len(got.Entry.ID) != 22 {
		t.Errorf("id %q is not of 128 bits", got.Entry.ID)
	}
	want := oauth.AuditEntry{
		ID: got.Entry.ID, At: time.Date(2026, 1, 2, 2, 4, 5, 678_901_000, time.UTC), Event: "login.failed", RequestID: "r", Subject: "u",
	}
	if diff := cmp.Diff(want, got.Entry); diff != "" {
		t.Errorf("entry (-want +got):\n%s", diff)
	}
	if _, err := NewRecorder(testClock, strings.NewReader("short")).Entry(TokenIssued, oauth.AuditEntry{}); err == nil {
		t.Error("an entry without randomness")
	}
}

func TestEventsAreDistinctAndWellFormed(t *testing.T) {
	seen := map[Event]bool{}
	for _, e := range Events() {
		what, happened, found := strings.Cut(string(e), ".")
		if !found || what == "" || happened == "" || seen[e] {
			t.Errorf("event %q is malformed or twice in the list", e)
		}
		seen[e] = true
	}
}
