package provider_test

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"sync/atomic"
	"testing"

	"signet/provider/store/dbtest"
)

// nextMigration is what the next version of the program would bring: a table more, and one that everybody writes to
// gets a column more.
const nextMigration = `-- +goose Up
CREATE TABLE IF NOT EXISTS next_version (id BIGINT PRIMARY KEY, at BIGINT NOT NULL);
ALTER TABLE audit ADD COLUMN next_version BIGINT;
`

// nextProgram builds the program with a migration more.
func nextProgram(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	sql := filepath.Join(dir, "next.sql")
	must(t, os.WriteFile(sql, []byte(nextMigration), 0o600))
	migrations, err := filepath.Abs("store/migrations/mysql")
	must(t, err)
	overlay, err := json.Marshal(map[string]any{"Replace": map[string]string{filepath.Join(migrations, "90000_next.sql"): sql}})
	must(t, err)
	must(t, os.WriteFile(filepath.Join(dir, "overlay.json"), overlay, 0o600))
	build := exec.CommandContext(t.Context(), "go", "build", "-overlay", filepath.Join(dir, "overlay.json"), "-o", filepath.Join(dir, "signet"), "./cmd/signet")
	build.Dir = root
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("go build: %v\n%s", err, out)
	}
	return filepath.Join(dir, "signet")
}

// TestRollingUpgrade replaces two replicas behind HAProxy by the next version of the program, one after the other,
// after the next version has migrated the database that the old one serves. All the time clients work; one that
// repeats a failed request once sees no failure.
func TestRollingUpgrade(t *testing.T) {
	next := nextProgram(t)
	database := dbtest.MariaDB(t)
	s := prepareSite(t, 2, ground{database.DSN(t), embedded.keys}, "refresh_tokens: {retry_grace: 60s}\nproxy_protocol: {addresses: [127.0.0.1]}\n")
	b := s.behindHAProxy()
	s.start()
	b.awaitBoth(t)
	s.user("alice")
	s.register("app", nil)

	stop := make(chan struct{})
	var requests, repeated, failed atomic.Int64
	secrets := make(chan string, 1<<16) // what no log may have
	var done sync.WaitGroup
	for range 6 {
		client := s.http(nil)
		done.Go(func() {
			for {
				select {
				case <-stop:
					return
				default:
				}
				approvals, err := s.seed("app", 1, s.codeOf("app"))
				if err != nil {
					t.Error(err)
					return
				}
				c := &customer{app: &application{id: "app", token: b.main + "/token", edit: []func(*http.Request){basic("app")}}, seeded: approvals[0]}
				for i := range 4 {
					act := c.refresh
					if i == 0 {
						act = c.redeem
					}
					requests.Add(1)
					got, err := act(client)
					if err != nil {
						repeated.Add(1)
						if again, err := act(client); err != nil {
							failed.Add(1)
							t.Errorf("twice: first %d %s, then %v %d %s", got.Status, got.Body, err, again.Status, again.Body)
							return
						}
					}
					secrets <- c.token
				}
				secrets <- c.secret.Reveal()
			}
		})
	}
	await := func(n int64) { // progress under the present circumstances
		until := requests.Load() + n
		s.processes[0].await(t, func(context.Context) error {
			if got := requests.Load(); got < until {
				return fmt.Errorf("%d of %d requests", got, until)
			}
			return nil
		})
	}
	await(200)
	migrate := exec.CommandContext(t.Context(), next, "--config", s.processes[0].config, "migrate", "up")
	if out, err := migrate.CombinedOutput(); err != nil {
		t.Fatalf("migrating: %v\n%s", err, out)
	}
	await(200)
	for _, p := range s.processes {
		p.terminate()
		p.awaitEnd(t)
		p.binary = next
		p.start()
		p.awaitReady()
		await(200)
	}
	close(stop)
	done.Wait()
	close(secrets)
	all := []string{secretOf("app").Reveal()}
	for secret := range secrets {
		all = append(all, secret)
	}
	s.assertLogsAreClean(all)
	t.Logf("%d requests, %d repeated once, %d failed", requests.Load(), repeated.Load(), failed.Load())
	if columns := database.Query(t, "SELECT table_schema FROM information_schema.columns WHERE table_name = 'audit' AND column_name = 'next_version'"); len(columns) == 0 {
		t.Error("the migration did not take place")
	}
}
