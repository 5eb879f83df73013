package audit

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"os"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"signet/provider/oauth"
)

// memory is a sink that keeps entries by id, as the store does, and can be told to fail.
type memory struct {
	mu      sync.Mutex
	entries map[string]oauth.AuditEntry
	order   []string
	batches []int
	again   int // deliveries of an id that was there
	err     error

	failAfter int // batches; 0 = never
}

func (m *memory) Commit(ctx context.Context, changes ...oauth.Change) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.err != nil {
		return m.err
	}
	if m.failAfter > 0 && len(m.batches) == m.failAfter {
		return errors.New("enough for now")
	}
	if err := ctx.Err(); err != nil {
		return err
	}
	if m.entries == nil {
		m.entries = map[string]oauth.AuditEntry{}
	}
	m.batches = append(m.batches, len(changes))
	for _, change := range changes {
		entry := change.(oauth.RecordAudit).Entry
		if _, there := m.entries[entry.ID]; there {
			m.again++
			continue
		}
		m.entries[entry.ID] = entry
		m.order = append(m.order, entry.ID)
	}
	return nil
}

func (m *memory) fail(err error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.err = err
}

func (m *memory) ids() []string {
	m.mu.Lock()
	defer m.mu.Unlock()
	return slices.Clone(m.order)
}

var testTime = time.Date(2026, 3, 4, 5, 6, 7, 0, time.UTC)

func testClock() time.Time { return testTime }

func newEntry(id string) oauth.AuditEntry {
	return oauth.AuditEntry{ID: id, At: testTime, Event: string(TokenIssued), ClientID: "demo-tls", JTI: "j-" + id}
}

func open(t *testing.T, dir string, o Options) *Spool {
	t.Helper()
	o.Clock = testClock
	s, err := Open(dir, o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.Close(t.Context()) })
	return s
}

func mustAdd(t *testing.T, s *Spool, ids ...string) {
	t.Helper()
	for _, id := range ids {
		if err := s.Add(t.Context(), newEntry(id)); err != nil {
			t.Fatalf("Add(%s): %v", id, err)
		}
	}
}

func files(t *testing.T, dir string) []string {
	t.Helper()
	found, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, f := range found {
		names = append(names, f.Name())
	}
	return names
}

func TestEntriesReachTheSinkUnchangedAndInOrder(t *testing.T) {
	sink, dir := &memory{}, t.TempDir()
	s := open(t, dir, Options{Sink: sink})
	want := oauth.AuditEntry{
		ID: "full", At: testTime.Add(123456 * time.Microsecond), Event: string(TokenRefused), RequestID: "r", ClientID: "c",
		Subject: "s", GrantID: "g", JTI: "j", DecisionID: "d", Detail: map[string]any{"text": "line\nbreak \u2028 ü", "flag": true},
	}
	if err := s.Add(t.Context(), want); err != nil {
		t.Fatal(err)
	}
	mustAdd(t, s, "b", "a", "c")
	if err := s.Flush(t.Context()); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]string{"full", "b", "a", "c"}, sink.ids()); diff != "" {
		t.Errorf("order (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff(want, sink.entries["full"]); diff != "" {
		t.Errorf("entry (-want +got):\n%s", diff)
	}
	if err := s.Close(t.Context()); err != nil {
		t.Fatal(err)
	}
	if left := files(t, dir); len(left) != 0 {
		t.Errorf("files left after Close: %v", left)
	}
}

func TestEntriesAreDeliveredInTheBackgroundInBatches(t *testing.T) {
	sink := &memory{}
	s := open(t, t.TempDir(), Options{Sink: sink, DrainEvery: 50 * time.Millisecond})
	for i := range 600 {
		mustAdd(t, s, fmt.Sprint(i))
	}
	for range 200 {
		if len(sink.ids()) == 600 {
			break
		}
		time.Sleep(10 * time.Millisecond)
	}
	if got := len(sink.ids()); got != 600 {
		t.Fatalf("%d of 600 entries arrived", got)
	}
	if largest := slices.Max(sink.batches); largest > batchEntries {
		t.Errorf("a batch had %d entries, at most %d are allowed", largest, batchEntries)
	}
}

func TestAFullSpoolRefusesAndRecovers(t *testing.T) {
	sink := &memory{}
	sink.fail(errors.New("database is away"))
	s := open(t, t.TempDir(), Options{Sink: sink, MaxBytes: 2000})
	accepted := 0
	var refusal error
	for refusal == nil && accepted < 100 {
		if refusal = s.Add(t.Context(), newEntry(fmt.Sprint(accepted))); refusal == nil {
			accepted++
		}
	}
	if !errors.Is(refusal, ErrFull) {
		t.Fatalf("Add = %v after %d entries, want ErrFull", refusal, accepted)
	}
	var public *oauth.Error
	if !errors.As(refusal, &public) || public.Code != oauth.TemporarilyUnavailable {
		t.Errorf("Add = %v, want temporarily_unavailable", refusal)
	}
	if err := s.Flush(t.Context()); err == nil {
		t.Error("Flush succeeded although the sink fails")
	}
	if err := s.Health(); err == nil || !strings.Contains(err.Error(), "database is away") {
		t.Errorf("Health = %v, want the sink's error", err)
	}
	sink.fail(nil)
	if err := s.Flush(t.Context()); err != nil {
		t.Fatal(err)
	}
	mustAdd(t, s, "afterwards")
	if err := s.Flush(t.Context()); err != nil {
		t.Fatal(err)
	}
	if got := len(sink.ids()); got != accepted+1 || sink.again != 0 {
		t.Errorf("sink has %d entries, %d twice; want %d, none twice", got, sink.again, accepted+1)
	}
	if err := s.Health(); err != nil {
		t.Errorf("Health = %v", err)
	}
}

func TestWhileTheSinkFailsFewFilesAreOpen(t *testing.T) {
	sink, dir := &memory{}, t.TempDir()
	sink.fail(errors.New("away"))
	s := open(t, dir, Options{Sink: sink})
	for i := range 20 {
		mustAdd(t, s, fmt.Sprint(i))
		if s.Flush(t.Context()) == nil {
			t.Fatal("Flush succeeded although the sink fails")
		}
	}
	if got := files(t, dir); len(got) > 3 {
		t.Errorf("%d files for 20 entries: %v", len(got), got)
	}
	sink.fail(nil)
	if err := s.Flush(t.Context()); err != nil || len(sink.ids()) != 20 {
		t.Errorf("Flush = %v, sink has %d entries, want 20", err, len(sink.ids()))
	}
}

func TestWhatCloseCannotDeliverIsDeliveredByTheNext(t *testing.T) {
	dir, dead := t.TempDir(), &memory{}
	dead.fail(errors.New("away"))
	first := open(t, dir, Options{Sink: dead})
	mustAdd(t, first, "1", "2", "3")
	if err := first.Close(t.Context()); err == nil {
		t.Error("Close says nothing of the entries that stay")
	}
	if err := first.Add(t.Context(), newEntry("4")); !errors.Is(err, ErrClosed) {
		t.Errorf("Add after Close = %v, want ErrClosed", err)
	}
	sink := &memory{}
	second := open(t, dir, Options{Sink: sink})
	if err := second.Flush(t.Context()); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]string{"1", "2", "3"}, sink.ids()); diff != "" {
		t.Errorf("entries (-want +got):\n%s", diff)
	}
	if err := second.Close(t.Context()); err != nil || len(files(t, dir)) != 0 {
		t.Errorf("Close = %v, files left: %v", err, files(t, dir))
	}
}

func TestTheLivingAreNotRobbed(t *testing.T) {
	dir, away, sink := t.TempDir(), &memory{}, &memory{}
	away.fail(errors.New("away"))
	living := open(t, dir, Options{Sink: away})
	mustAdd(t, living, "mine")
	other := open(t, dir, Options{Sink: sink})
	if err := errors.Join(other.adopt(), other.Flush(t.Context())); err != nil {
		t.Fatal(err)
	}
	if got := sink.ids(); len(got) != 0 {
		t.Errorf("the other spool took %v", got)
	}
	away.fail(nil)
	if err := living.Flush(t.Context()); err != nil || len(away.ids()) != 1 {
		t.Errorf("Flush = %v, delivered %v", err, away.ids())
	}
}

func TestWhatIsLeftBehindCountsAgainstTheLimit(t *testing.T) {
	dir, away := t.TempDir(), &memory{}
	away.fail(errors.New("away"))
	first := open(t, dir, Options{Sink: away, MaxBytes: 1000})
	for i := 0; first.Add(t.Context(), newEntry(fmt.Sprint(i))) == nil; i++ {
		continue
	}
	_ = first.Close(t.Context())
	second := open(t, dir, Options{Sink: away, MaxBytes: 1000})
	if err := second.Add(t.Context(), newEntry("x")); !errors.Is(err, ErrFull) {
		t.Errorf("Add = %v, want ErrFull: a process that restarts in a loop must not fill the disk", err)
	}
}

func TestAddRefuses(t *testing.T) {
	ended, cancel := context.WithCancel(t.Context())
	cancel()
	tests := map[string]struct {
		ctx   context.Context
		entry oauth.AuditEntry
	}{
		"no id":          {t.Context(), oauth.AuditEntry{Event: "x"}},
		"too large":      {t.Context(), oauth.AuditEntry{ID: "x", Subject: strings.Repeat("x", maxEntryBytes)}},
		"cannot be JSON": {t.Context(), oauth.AuditEntry{ID: "x", Detail: map[string]any{"f": func() {}}}},
		"request ended":  {ended, newEntry("x")},
	}
	sink := &memory{}
	s := open(t, t.TempDir(), Options{Sink: sink})
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			if err := s.Add(test.ctx, test.entry); err == nil {
				t.Error("accepted")
			}
		})
	}
	if err := s.Flush(t.Context()); err != nil || len(sink.ids()) != 0 {
		t.Errorf("Flush = %v, sink has %v", err, sink.ids())
	}
}

func TestManyWritersWaitingForTheDisk(t *testing.T) {
	for _, wait := range []bool{false, true} {
		t.Run(fmt.Sprintf("WaitSync=%v", wait), func(t *testing.T) {
			sink := &memory{}
			s := open(t, t.TempDir(), Options{Sink: sink, WaitSync: wait, DrainEvery: 5 * time.Millisecond})
			var writers sync.WaitGroup
			want := map[string]bool{}
			for w := range 8 {
				for i := range 50 {
					want[fmt.Sprintf("%d-%d", w, i)] = true
				}
				writers.Go(func() {
					for i := range 50 {
						if err := s.Add(t.Context(), newEntry(fmt.Sprintf("%d-%d", w, i))); err != nil {
							t.Error(err)
						}
					}
				})
			}
			writers.Wait()
			if err := s.Close(t.Context()); err != nil {
				t.Fatal(err)
			}
			got := sink.ids()
			slices.Sort(got)
			if diff := cmp.Diff(slices.Sorted(maps.Keys(want)), got); diff != "" {
				t.Errorf("entries (-want +got):\n%s", diff)
			}
			if sink.again != 0 {
				t.Errorf("%d entries came twice without a crash", sink.again)
			}
		})
	}
}

func TestAFailedDiskStopsTheSpoolUntilAllIsInTheSink(t *testing.T) {
	sink := &memory{}
	sink.fail(errors.New("away"))
	s := open(t, t.TempDir(), Options{Sink: sink, DrainEvery: time.Hour})
	mustAdd(t, s, "1")
	s.syncFinished(1, errors.New("input/output error"))
	if err := s.Add(t.Context(), newEntry("2")); err == nil {
		t.Error("Add succeeded on a disk that fails")
	}
	if s.Health() == nil {
		t.Error("Health says nothing of the disk")
	}
	sink.fail(nil)
	if err := s.Flush(t.Context()); err != nil {
		t.Fatal(err)
	}
	mustAdd(t, s, "3")
}

func BenchmarkAdd(b *testing.B) {
	s, err := Open(b.TempDir(), Options{Sink: &memory{}, Clock: testClock})
	if err != nil {
		b.Fatal(err)
	}
	b.ReportAllocs()
	b.RunParallel(func(pb *testing.PB) {
		for i := 0; pb.Next(); i++ {
			if err := s.Add(b.Context(), newEntry("benchmark")); err != nil {
				b.Error(err)
				return
			}
		}
	})
	if err := s.Close(context.Background()); err != nil {
		b.Error(err)
	}
}
