package audit

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"signet/provider/oauth"
)

const childEnv = "SIGNET_AUDIT_TEST_CHILD"

// TestMain lets the test binary be the process that gets killed.
func TestMain(m *testing.M) {
	if dir := os.Getenv(childEnv); dir != "" {
		fmt.Fprintln(os.Stderr, writeUntilKilled(dir))
		os.Exit(1)
	}
	os.Exit(m.Run())
}

// folder is a sink that outlives its process: a file per entry, which appears whole or not at all. An id
// that is there is ignored, but must have come with the same content.
type folder struct {
	path              string
	deliveries, twice atomic.Int64
}

func (d *folder) Commit(_ context.Context, changes ...oauth.Change) error {
	for _, change := range changes {
		if err := d.keep(change.(oauth.RecordAudit).Entry); err != nil {
			return err
		}
	}
	return nil
}

func (d *folder) keep(entry oauth.AuditEntry) error {
	d.deliveries.Add(1)
	content, err := json.Marshal(entry)
	if err != nil {
		return err
	}
	draft := filepath.Join(filepath.Dir(d.path), fmt.Sprintf("draft-%d-%s", os.Getpid(), entry.ID))
	if err := os.WriteFile(draft, content, 0o600); err != nil {
		return err
	}
	final := filepath.Join(d.path, entry.ID)
	err = os.Link(draft, final)
	if errors.Is(err, fs.ErrExist) {
		d.twice.Add(1)
		var first []byte
		if first, err = os.ReadFile(final); err == nil && !bytes.Equal(first, content) { // #nosec G304 -- in the test's folder
			err = fmt.Errorf("two entries have the id %s", entry.ID)
		}
	}
	return errors.Join(err, os.Remove(draft))
}

// writeUntilKilled adds entries from several goroutines and prints each id once its Add has returned.
func writeUntilKilled(dir string) error {
	s, err := Open(filepath.Join(dir, "spool"), Options{
		Sink: &folder{path: filepath.Join(dir, "sink")}, Clock: time.Now, DrainEvery: 3 * time.Millisecond,
	})
	if err != nil {
		return err
	}
	failed := make(chan error)
	for w := range 4 {
		go func() {
			for i := 0; ; i++ {
				id := fmt.Sprintf("%d-%d-%d", os.Getpid(), w, i)
				if err := s.Add(context.Background(), newEntry(id)); err != nil {
					failed <- err
					return
				}
				if _, err := os.Stdout.WriteString(id + "\n"); err != nil {
					failed <- err
					return
				}
				time.Sleep(5 * time.Millisecond) // so that the process lives through many deliveries
			}
		}()
	}
	return <-failed
}

// runAndKill starts a child, lets it acknowledge some entries, kills it, and returns what it acknowledged.
func runAndKill(t *testing.T, dir string, atLeast int) []string {
	child := exec.Command(os.Args[0]) // #nosec G204 G702 -- this test binary
	child.Env = append(os.Environ(), childEnv+"="+dir)
	child.Stderr = os.Stderr
	out, err := child.StdoutPipe()
	if err != nil {
		t.Error(err)
		return nil
	}
	if err := child.Start(); err != nil {
		t.Error(err)
		return nil
	}
	var acknowledged []string
	lines := bufio.NewReader(out)
	for {
		line, err := lines.ReadString('\n')
		if err != nil { // end of the pipe; an unfinished line is no acknowledgement
			break
		}
		acknowledged = append(acknowledged, strings.TrimSpace(line))
		if len(acknowledged) == atLeast {
			if err := child.Process.Kill(); err != nil { // SIGKILL
				t.Error(err)
			}
		}
	}
	_ = child.Wait() // "signal: killed"
	if len(acknowledged) < atLeast {
		t.Errorf("the child ended after %d entries", len(acknowledged))
	}
	return acknowledged
}

// Entries whose Add returned are in the sink after a restart, each once, though their process was killed
// in the middle of writing and delivering, and though two processes shared the folder.
func TestKilledProcessesLoseNothing(t *testing.T) {
	dir := t.TempDir()
	sink := &folder{path: filepath.Join(dir, "sink")}
	if err := os.Mkdir(sink.path, 0o700); err != nil {
		t.Fatal(err)
	}
	var mu sync.Mutex
	var acknowledged []string
	for round := range 10 {
		var pair sync.WaitGroup
		for range 2 {
			pair.Go(func() {
				ids := runAndKill(t, dir, 40+40*round)
				mu.Lock()
				defer mu.Unlock()
				acknowledged = append(acknowledged, ids...)
			})
		}
		pair.Wait()
	}
	s := open(t, filepath.Join(dir, "spool"), Options{Sink: sink})
	if err := errors.Join(s.Flush(t.Context()), s.Close(t.Context())); err != nil {
		t.Fatal(err)
	}
	if left := files(t, filepath.Join(dir, "spool")); len(left) != 0 {
		t.Errorf("files left in the spool: %v", left)
	}
	lost := 0
	for _, id := range acknowledged {
		content, err := os.ReadFile(filepath.Join(sink.path, id)) // #nosec G304 -- in the test's folder
		if err != nil || !bytes.Contains(content, []byte(`"jti":"j-`+id+`"`)) {
			lost++
		}
	}
	if lost > 0 {
		t.Errorf("%d of %d acknowledged entries are lost", lost, len(acknowledged))
	}
	t.Logf("20 killed processes acknowledged %d entries; the sink has %d; the last start delivered %d, of which %d were there",
		len(acknowledged), len(files(t, sink.path)), sink.deliveries.Load(), sink.twice.Load())
}
