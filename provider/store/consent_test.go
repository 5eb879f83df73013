package store

import (
	"database/sql/driver"
	"path/filepath"
	"testing"
	"time"

	"signet/provider/oauth"
)

// TestEarlierConsent has rows of the previous version of the program, which wrote scopes and resources apart: they count
// for nothing, and stay what that version reads while it still runs.
func TestEarlierConsent(t *testing.T) {
	s := openFile(t, filepath.Join(t.TempDir(), "signet.db"), Options{})
	at := time.Unix(1_800_000_000, 0).UTC()
	var earlier plan
	for _, row := range [][2]string{{"consent", ""}, {"scope", "read"}, {"resource", "https://a"}} {
		earlier.do(nil, knownKey, insertConsent, "u", "c", row[0], row[1], micros(at))
	}
	if _, err := s.submit(t.Context(), earlier); err != nil {
		t.Fatal(err)
	}
	consent, err := s.Consent(t.Context(), "u", "c")
	if err != nil || len(consent.Agreed) != 0 || !consent.At.Equal(at) {
		t.Errorf("%+v, %v", consent, err)
	}
	given := oauth.Agreement(oauth.Scope{"write"}, []string{"https://b"}, at.Add(time.Hour))
	err = s.Commit(t.Context(), oauth.RememberConsent{Consent: oauth.Consent{UserID: "u", ClientID: "c", Agreed: given, At: at}})
	if err != nil {
		t.Fatal(err)
	}
	consent, err = s.Consent(t.Context(), "u", "c")
	if err != nil || !consent.Covers(oauth.Scope{"write"}, []string{"https://b"}, at) || consent.Covers(oauth.Scope{"read"}, []string{"https://a"}, at) {
		t.Errorf("%+v, %v", consent, err)
	}
	rows := map[string]bool{}
	err = s.readers.few(t.Context(), selectConsent, values("u", "c"), func(row []driver.Value) error {
		rows[text(row[0])+" "+text(row[1])] = true
		return nil
	})
	if err != nil || !rows["scope read"] || !rows["resource https://a"] || len(rows) != 5 {
		t.Errorf("rows %v, %v", rows, err)
	}
}
