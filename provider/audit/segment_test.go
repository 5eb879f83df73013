package audit

import (
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

func TestASegmentTooLongToRememberIsReadBack(t *testing.T) {
	sink := &memory{}
	s := open(t, t.TempDir(), Options{Sink: sink, DrainEvery: time.Hour})
	var want []string
	for i := range recallBytes/(maxEntryBytes/2) + 10 {
		entry := newEntry(fmt.Sprint(i))
		entry.Subject = strings.Repeat("x", maxEntryBytes/2)
		want = append(want, entry.ID)
		if err := s.Add(t.Context(), entry); err != nil {
			t.Fatal(err)
		}
	}
	if s.active.recalled || s.active.recent != nil {
		t.Error("the segment is kept in memory")
	}
	if err := s.Flush(t.Context()); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(want, sink.ids()); diff != "" {
		t.Errorf("entries (-want +got):\n%s", diff)
	}
}

// A sink that takes some batches of a segment and then fails is given the rest later, and only that.
func TestDeliveryGoesOnWhereItStopped(t *testing.T) {
	for _, recalled := range []bool{true, false} {
		t.Run(fmt.Sprintf("recalled=%v", recalled), func(t *testing.T) {
			sink := &memory{failAfter: 2}
			s := open(t, t.TempDir(), Options{Sink: sink, DrainEvery: time.Hour})
			for i := range 4*batchEntries + 7 {
				mustAdd(t, s, fmt.Sprint(i))
			}
			s.active.recalled = recalled
			if s.Flush(t.Context()) == nil {
				t.Fatal("Flush succeeded although the sink fails")
			}
			sink.failAfter = 0
			if err := s.Flush(t.Context()); err != nil {
				t.Fatal(err)
			}
			if got := len(sink.ids()); got != 4*batchEntries+7 || sink.again != 0 || s.bytes != 0 {
				t.Errorf("%d entries, %d twice, %d bytes left", got, sink.again, s.bytes)
			}
		})
	}
}

func TestDamageIsReportedAndKeptAndTheRestDelivered(t *testing.T) {
	dir, away, sink := t.TempDir(), &memory{}, &memory{}
	away.fail(errors.New("away"))
	first := open(t, dir, Options{Sink: away})
	mustAdd(t, first, "1", "2", "3")
	_ = first.Close(t.Context())
	logs, err := filepath.Glob(filepath.Join(dir, "*"+segmentSuffix))
	if err != nil || len(logs) != 1 {
		t.Fatalf("segments: %v %v", logs, err)
	}
	raw, err := os.ReadFile(logs[0])
	if err != nil {
		t.Fatal(err)
	}
	lines := strings.SplitAfter(string(raw), "\n")
	lines[1] = strings.Replace(lines[1], `"j-2"`, `"j-9"`, 1)
	torn := lines[0][:len(lines[0])/2]
	if err := os.WriteFile(logs[0], []byte(strings.Join(lines, "")+torn), 0o600); err != nil { // #nosec G703 -- in the test's folder
		t.Fatal(err)
	}
	var said strings.Builder
	second := open(t, dir, Options{Sink: sink, Log: slog.New(slog.NewTextHandler(&said, nil))})
	if err := errors.Join(second.Flush(t.Context()), second.Close(t.Context())); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]string{"1", "3"}, sink.ids()); diff != "" {
		t.Errorf("entries (-want +got):\n%s", diff)
	}
	if left := files(t, dir); len(left) != 1 || !strings.HasSuffix(left[0], ".damaged") {
		t.Errorf("files left: %v, want the damaged one", left)
	}
	for _, want := range []string{"cannot be read; its file is kept", "incomplete audit entry dropped"} {
		if !strings.Contains(said.String(), want) {
			t.Errorf("the log lacks %q:\n%s", want, said.String())
		}
	}
}

func FuzzLine(f *testing.F) {
	line, err := encodeLine(newEntry("seed"))
	if err != nil {
		f.Fatal(err)
	}
	f.Add(line[:len(line)-1])
	f.Add([]byte("00000000 {}"))
	f.Add([]byte(""))
	f.Fuzz(func(t *testing.T, line []byte) {
		entry, err := decodeLine(line)
		if err != nil {
			if !errors.Is(err, errDamaged) {
				t.Errorf("unexpected kind of error: %v", err)
			}
			return
		}
		if _, err := encodeLine(entry); err != nil {
			t.Errorf("an entry that was read cannot be written: %v", err)
		}
	})
}
