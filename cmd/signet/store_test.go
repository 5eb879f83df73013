package main

import (
	"bytes"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// TestMeter: nothing for what is short, then a line a second, by the phase's own pace.
func TestMeter(t *testing.T) {
	var out bytes.Buffer
	now := time.Date(2026, time.March, 4, 5, 6, 7, 0, time.UTC)
	m := meter{out: &out, clock: func() time.Time { return now }, begin: now}
	for _, at := range []struct {
		after time.Duration
		p     copyProgress
	}{
		{0, copyProgress{Phase: "reading", Table: "clients", Done: 1000}},
		{1500 * time.Millisecond, copyProgress{Phase: "reading", Table: "users", Done: 4000}},
		{2000 * time.Millisecond, copyProgress{Phase: "reading", Table: "audit", Done: 2_001_000}},
		{2500 * time.Millisecond, copyProgress{Phase: "copying", Table: "clients", Done: 500_000, Total: 2_001_000}},
		{3500 * time.Millisecond, copyProgress{Phase: "copying", Table: "grants", Done: 600_000, Total: 2_001_000}},
		{4400 * time.Millisecond, copyProgress{Phase: "copying", Table: "grants", Done: 700_000, Total: 2_001_000}},
		{4500 * time.Millisecond, copyProgress{Phase: "copying", Table: "audit", Done: 2_001_000, Total: 2_001_000}},
	} {
		now = m.begin.Add(at.after)
		m.show(at.p)
	}
	want := `  reading   audit          2,001,000 rows, 1,000,000 rows/s
  copying   grants         600,000 of 2,001,000 rows, 100,000 rows/s, 14 s left
  copying   audit          2,001,000 of 2,001,000 rows, 750,500 rows/s, 0 s left
`
	if diff := cmp.Diff(want, out.String()); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}
