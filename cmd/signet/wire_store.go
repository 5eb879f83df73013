package main

import (
	"context"
	"errors"
	"fmt"
	"time"

	"signet/provider/store"
)

// copying is a copy to be made, or only looked at.
type copying struct {
	from, to           string
	dryRun, verifyOnly bool
}

type (
	copyReport   = store.CopyReport
	copyProgress = store.CopyProgress
)

// copyStore copies a database, or with verifyOnly compares two. The report holds what is known also when it fails.
func (c *console) copyStore(ctx context.Context, q copying, progress func(copyProgress)) (copyReport, error) {
	opt := store.CopyOptions{Options: c.storeOptions(), DryRun: q.dryRun, Progress: progress}
	do := store.Copy
	if q.verifyOnly {
		do = store.VerifyCopy
	}
	report, err := do(ctx, q.from, q.to, opt)
	if err == nil {
		return report, nil
	}
	return report, next(err, "%s", copyStep(err, q))
}

// copyStep says what to do after a copy has failed.
func copyStep(err error, q copying) string {
	switch {
	case errors.Is(err, store.ErrNoDatabase):
		return "check the DSN of that side"
	case errors.Is(err, store.ErrSchema):
		return "signet migrate up --dsn DSN, with the DSN of that side"
	case errors.Is(err, store.ErrColumns):
		return "use the signet that last migrated it"
	case errors.Is(err, store.ErrNotEmpty):
		return "copy into an empty database; a finished copy is compared with --verify-only"
	case errors.Is(err, store.ErrOtherCopy), errors.Is(err, store.ErrSourceChanged), errors.Is(err, store.ErrDiffers):
		return "stop what writes to either, empty the target (drop and create the database, or remove the file) and copy again"
	case q.dryRun || q.verifyOnly:
		return "run the same command again when the cause is gone"
	case errors.Is(err, context.Canceled):
		return "run the same command again: it goes on where it stopped"
	}
	return "run the same command again when the cause is gone: it goes on where it stopped"
}

// migration is one step of the schema's history.
type migration struct {
	Version   int64      `json:"version"`
	Name      string     `json:"name"`
	Applied   bool       `json:"applied"`
	AppliedAt *time.Time `json:"applied_at,omitempty"`
}

// migrations lists all that this program knows, in their order.
func (c *console) migrations(ctx context.Context, dsn string) ([]migration, error) {
	return migrationsOf(store.MigrationStatus(ctx, dsn, c.storeOptions()))
}

// migrateUp applies what is pending and lists that.
func (c *console) migrateUp(ctx context.Context, dsn string) ([]migration, error) {
	return migrationsOf(store.Migrate(ctx, dsn, c.storeOptions()))
}

func (c *console) storeOptions() store.Options {
	return store.Options{Clock: c.clock, Random: c.random, Log: c.quietLog()}
}

func migrationsOf(list []store.Migration, err error) ([]migration, error) {
	all := make([]migration, 0, len(list))
	for _, m := range list {
		one := migration{Version: m.Version, Name: m.Name, Applied: m.Applied}
		if at := m.At.UTC(); m.Applied && !m.At.IsZero() {
			one.AppliedAt = &at
		}
		all = append(all, one)
	}
	if err != nil {
		return all, next(fmt.Errorf("migrating: %w", err), "check the DSN, and that its user may change the schema")
	}
	return all, nil
}
