package store

import (
	"context"
	"database/sql/driver"
	"errors"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"signet/provider/oauth"
)

// TestCopySQLite copies a file, looks at it first, and compares.
func TestCopySQLite(t *testing.T) {
	from, to := newDatabase(t, sqliteFile(t)), sqliteFile(t)
	fill(t, from, 1100)

	opt := testCopyOptions()
	opt.DryRun = true
	planned, err := Copy(t.Context(), from, to, opt)
	if err != nil || !planned.DryRun || planned.Tables[0].Rows != 1100 || planned.Tables[0].Copied != 0 {
		t.Errorf("dry run: %+v, %v", planned, err)
	}
	if _, err := os.Stat(strings.TrimPrefix(to, "sqlite:")); err == nil {
		t.Error("a dry run made the target")
	}

	opt = testCopyOptions()
	var phases []string
	last := CopyProgress{}
	opt.Progress = func(p CopyProgress) {
		if p.Phase != last.Phase {
			phases = append(phases, p.Phase)
		} else if p.Done < last.Done {
			t.Errorf("progress went back: %+v after %+v", p, last)
		}
		if p.Phase != "reading" && p.Done > p.Total {
			t.Errorf("more than all: %+v", p)
		}
		last = p
	}
	report, err := Copy(t.Context(), from, to, opt)
	if err != nil || report.Resumed {
		t.Fatalf("Copy: %+v, %v", report, err)
	}
	if diff := cmp.Diff([]string{"reading", "copying", "verifying"}, phases); diff != "" {
		t.Errorf("phases (-want +got):\n%s", diff)
	}
	for i, row := range report.Tables {
		want := int64(1100 + 17*i)
		if row.Rows != want || row.Copied != want || row.TargetRows != want || !row.OK || row.Digest != row.TargetDigest || row.Digest != planned.Tables[i].Digest {
			t.Errorf("%+v, want %d rows", row, want)
		}
	}
	checkIdentical(t, from, to)

	// It is a database like any other: what is written next follows what was copied.
	s := serve(t, to)
	if err := s.Commit(t.Context(), oauth.StoreClient{Client: oauth.Client{ID: "next"}, New: true}); err != nil {
		t.Fatal(err)
	}
	if _, err := VerifyCopy(t.Context(), from, to, testCopyOptions()); !errors.Is(err, ErrDiffers) {
		t.Errorf("VerifyCopy of what has changed: %v", err)
	}
}

// TestCopyEmpty copies a database that nobody has used.
func TestCopyEmpty(t *testing.T) {
	from, to := newDatabase(t, sqliteFile(t)), sqliteFile(t)
	for range 2 { // and again: nothing there is nothing to overwrite
		if _, err := Copy(t.Context(), from, to, testCopyOptions()); err != nil {
			t.Fatal(err)
		}
	}
}

// TestVerifyCopy tells what differs, and changes nothing.
func TestVerifyCopy(t *testing.T) {
	from, to := newDatabase(t, sqliteFile(t)), sqliteFile(t)
	fill(t, from, 50)
	if _, err := Copy(t.Context(), from, to, testCopyOptions()); err != nil {
		t.Fatal(err)
	}
	if report, err := VerifyCopy(t.Context(), from, to, testCopyOptions()); err != nil || len(report.Tables) != len(copyTables) {
		t.Errorf("VerifyCopy: %+v, %v", report, err)
	}
	if _, err := connectTo(t, to).exec("UPDATE users SET data = data || ' ' WHERE user_id = 'a'", nil); err != nil {
		t.Fatal(err)
	}
	report, err := VerifyCopy(t.Context(), from, to, testCopyOptions())
	if !errors.Is(err, ErrDiffers) {
		t.Errorf("VerifyCopy: %v", err)
	}
	for _, row := range report.Tables {
		if row.OK != (row.Table != "users") || row.Rows != row.TargetRows {
			t.Errorf("%+v", row)
		}
	}
}

// TestCopyRefuses tries what must not be copied; the target stays as it was.
func TestCopyRefuses(t *testing.T) {
	source := newDatabase(t, sqliteFile(t))
	fill(t, source, 20)
	unmigrated := sqliteFile(t)
	if err := createPrivate(strings.TrimPrefix(unmigrated, "sqlite:")); err != nil {
		t.Fatal(err)
	}
	altered := newDatabase(t, sqliteFile(t))
	if _, err := connectTo(t, altered).exec("ALTER TABLE users ADD COLUMN shoe_size INTEGER", nil); err != nil {
		t.Fatal(err)
	}
	used := newDatabase(t, sqliteFile(t))
	if err := serve(t, used).Commit(t.Context(), oauth.StoreClient{Client: oauth.Client{ID: "mine"}, New: true}); err != nil {
		t.Fatal(err)
	}
	begun, other := sqliteFile(t), newDatabase(t, sqliteFile(t))
	interrupt(t, source, begun, 1)
	fill(t, other, 21)
	foreign := sqliteFile(t)
	interrupt(t, source, foreign, 1)
	if _, err := connectTo(t, foreign).exec(insertAssertion, values("sweeper", "jti", int64(1))); err != nil {
		t.Fatal(err)
	}
	missing := sqliteFile(t)

	for _, tt := range []struct {
		name, from, to string
		want           error
	}{
		{"no source", missing, sqliteFile(t), ErrNoDatabase},
		{"source not migrated", unmigrated, sqliteFile(t), ErrSchema},
		{"a column that nobody knows", altered, sqliteFile(t), ErrColumns},
		{"the same on the other side", source, altered, ErrColumns},
		{"target in use", source, used, ErrNotEmpty},
		{"onto itself", source, source, ErrNotEmpty},
		{"half a copy of another", other, begun, ErrOtherCopy},
		{"from half a copy", begun, sqliteFile(t), ErrOtherCopy},
		{"somebody wrote between", source, foreign, ErrNotEmpty},
	} {
		t.Run(tt.name, func(t *testing.T) {
			for _, dry := range []bool{true, false} {
				opt := testCopyOptions()
				opt.DryRun = dry
				if _, err := Copy(t.Context(), tt.from, tt.to, opt); !errors.Is(err, tt.want) {
					t.Errorf("Copy (dry run: %v): %v, want %v", dry, err, tt.want)
				}
			}
		})
	}
	if _, err := os.Stat(strings.TrimPrefix(missing, "sqlite:")); err == nil {
		t.Error("the missing source was made")
	}
	if clients := contents(t, used)["clients"]; len(clients) != 1 {
		t.Errorf("a refused target has clients %v", clients)
	}
	if _, err := Copy(t.Context(), source, begun, testCopyOptions()); err != nil {
		t.Errorf("going on after refusals: %v", err)
	}
	checkIdentical(t, source, begun)
}

// interrupt copies until so many batches are written.
func interrupt(t *testing.T, from, to string, batches int) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	opt := testCopyOptions()
	opt.Progress = func(p CopyProgress) {
		if p.Phase == "copying" {
			if batches--; batches == 0 {
				cancel()
			}
		}
	}
	if _, err := Copy(ctx, from, to, opt); !errors.Is(err, context.Canceled) {
		t.Fatalf("Copy, interrupted: %v", err)
	}
}

// TestCopySourceChanges writes to the source while it is copied, and between two attempts.
func TestCopySourceChanges(t *testing.T) {
	change := func(t *testing.T, dsn, jti string) {
		s := serve(t, dsn)
		if err := s.Commit(t.Context(), oauth.UseAssertion{ClientID: "c", JTI: jti, Until: copyClock()}); err != nil {
			t.Error(err)
		}
	}
	for _, phase := range []string{"reading", "copying", "verifying"} {
		t.Run(phase, func(t *testing.T) {
			from, to := newDatabase(t, sqliteFile(t)), sqliteFile(t)
			fill(t, from, 30)
			opt := testCopyOptions()
			opt.Progress = func(p CopyProgress) {
				if p.Phase == phase && p.Table == "clients" {
					change(t, from, "during")
				}
			}
			_, err := Copy(t.Context(), from, to, opt)
			if phase == "reading" || phase == "copying" {
				if !errors.Is(err, ErrSourceChanged) {
					t.Errorf("Copy: %v", err)
				}
			} else if err != nil && !errors.Is(err, ErrSourceChanged) { // the source is read again at that time
				t.Errorf("Copy: %v", err)
			}
		})
	}
	t.Run("between", func(t *testing.T) {
		from, to := newDatabase(t, sqliteFile(t)), sqliteFile(t)
		fill(t, from, 30)
		interrupt(t, from, to, 2)
		change(t, from, "between")
		if _, err := Copy(t.Context(), from, to, testCopyOptions()); !errors.Is(err, ErrOtherCopy) {
			t.Errorf("Copy: %v", err)
		}
	})
}

// TestCopyTwice lets a second copy take a table forward under a first one: the first gives up, and
// nothing is there twice.
func TestCopyTwice(t *testing.T) {
	from, to := newDatabase(t, sqliteFile(t)), sqliteFile(t)
	fill(t, from, 1100)
	once := true
	opt := testCopyOptions()
	opt.Progress = func(p CopyProgress) {
		if p.Phase == "copying" && once {
			once = false
			if _, err := Copy(t.Context(), from, to, testCopyOptions()); err != nil {
				t.Errorf("the second copy: %v", err)
			}
		}
	}
	if _, err := Copy(t.Context(), from, to, opt); err == nil {
		t.Error("the first copy does not notice that another was at work")
	}
	checkIdentical(t, from, to)
}

// TestCopyTablesAreAll holds the list of tables against the schema: a new table has to be copied, or to be
// named here with the reason why not.
func TestCopyTablesAreAll(t *testing.T) {
	left := []string{
		"liveness",         // what this database's readiness check writes to
		"goose_db_version", // this database's migrations
		"sqlite_sequence",  // SQLite's own
		"versions",         // announcements between the processes of one database
		"commit_marks",     // by which a retried commit of this database is recognised
	}
	c := connectTo(t, newDatabase(t, sqliteFile(t)))
	err := c.query(t.Context(), "SELECT name FROM sqlite_master WHERE type = 'table'", nil, func(row []driver.Value) error {
		name := text(row[0])
		if tableNamed(name) == nil && !slices.Contains(left, name) {
			t.Errorf("table %s is neither copied nor left out", name)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}

// TestCanonical: the canonical form of a key reads back, and different keys have different forms.
func TestCanonical(t *testing.T) {
	table := newCopyTable("t", 3, "a text, b int, c blob")
	key := rapid.Custom(func(t *rapid.T) []driver.Value {
		odd := rapid.OneOf(rapid.SampledFrom(oddTexts), rapid.String())
		return []driver.Value{odd.Draw(t, "a"), rapid.Int64().Draw(t, "b"), []byte(odd.Draw(t, "c"))}
	})
	rapid.Check(t, func(t *rapid.T) {
		one, other := key.Draw(t, "one"), key.Draw(t, "other")
		read, err := table.parseKey(canonical(nil, one))
		if err != nil || !cmp.Equal(one, read) {
			t.Fatalf("%q became %q, %v", one, read, err)
		}
		if slices.Equal(canonical(nil, one), canonical(nil, other)) != cmp.Equal(one, other) {
			t.Fatalf("%q and %q have one form", one, other)
		}
		form := canonical(nil, one)
		if key, err := table.parseKey(form[:rapid.IntRange(0, len(form)-1).Draw(t, "cut")]); err == nil {
			t.Fatalf("half a form became %q", key)
		}
	})
}
