package store

import (
	"context"
	"errors"
)

// Why a copy is refused or does not hold. [ErrSchema] is one of the reasons, too.
var (
	// ErrColumns: a table has other columns than this program copies.
	ErrColumns = errors.New("store: unknown columns")
	// ErrNoDatabase: there is no database at the DSN to read from.
	ErrNoDatabase = errors.New("store: no database there")
	// ErrNotEmpty: the target has rows that are not from this copy.
	ErrNotEmpty = errors.New("store: the target is not empty")
	// ErrOtherCopy: the target has part of a copy of something else, or another copy into it is at work.
	ErrOtherCopy = errors.New("store: the target has part of another copy, or the source has changed since this one began")
	// ErrSourceChanged: something wrote to the source during the copy.
	ErrSourceChanged = errors.New("store: the source has changed during the copy")
	// ErrDiffers: the databases do not hold the same rows.
	ErrDiffers = errors.New("store: source and target differ")
)

// CopyOptions configure Copy and VerifyCopy. Clock is required, Random for MySQL; of the other Options only
// Log is used.
type CopyOptions struct {
	Options
	// DryRun reads the source and looks at the target; nothing is written.
	DryRun bool
	// Progress is called often, from one goroutine at a time; nil is fine.
	Progress func(CopyProgress)
}

// CopyProgress says how far a phase has come.
type CopyProgress struct {
	Phase       string // "reading", "copying" or "verifying"
	Table       string
	Done, Total int64 // rows of all tables, those of an earlier attempt too; Total is 0 while it is not known
}

// CopyReport is the outcome for each table.
type CopyReport struct {
	DryRun  bool         `json:"dry_run,omitempty"`
	Resumed bool         `json:"resumed,omitempty"` // it went on where an earlier copy had stopped
	Tables  []CopiedRows `json:"tables"`
}

// CopiedRows compares one table on both sides. A digest is hexadecimal, over all rows in the order of
// their key; the target's is empty where it was not read.
type CopiedRows struct {
	Table        string `json:"table"`
	Rows         int64  `json:"rows"`
	Copied       int64  `json:"copied"` // by this call
	TargetRows   int64  `json:"target_rows"`
	Digest       string `json:"digest"`
	TargetDigest string `json:"target_digest,omitempty"`
	OK           bool   `json:"ok"`
}

// Copy copies Signet's state from one database to another of any kind: every value exactly, seq included.
// The target is migrated first; it has to be empty, or to hold an unfinished copy of the same source, which
// is then continued. Each batch and the note of its progress, in the target's table copy_progress, are one
// transaction, so that Copy may be killed at any time. At the end both databases are read again and compared.
//
// The source must not change meanwhile: [ErrSourceChanged] reports that it did. The other errors: [ErrSchema],
// [ErrColumns], [ErrNoDatabase], [ErrNotEmpty], [ErrOtherCopy], [ErrDiffers], that of ctx, and the databases'
// own. After one of the last two the same call goes on.
func Copy(ctx context.Context, from, to string, opt CopyOptions) (report CopyReport, err error) {
	c, err := newCopier(ctx, from, to, opt)
	if err != nil {
		return report, err
	}
	defer func() { err = c.end(ctx, err) }()
	err = snapshot(ctx, c.source.conn, func() error {
		if err := c.readSource(ctx); err != nil {
			return err
		}
		if opt.DryRun {
			return c.lookAtTarget(ctx)
		}
		return c.copyMissing(ctx)
	})
	if err == nil && !opt.DryRun {
		err = c.verify(ctx)
	}
	if err == nil && !opt.DryRun {
		err = c.finish(ctx)
	}
	return c.report, err
}

// VerifyCopy compares two databases and writes to neither. Its errors are [ErrDiffers], [ErrSchema],
// [ErrColumns], [ErrNoDatabase], that of ctx, and the databases' own.
func VerifyCopy(ctx context.Context, from, to string, opt CopyOptions) (report CopyReport, err error) {
	c, err := newCopier(ctx, from, to, opt)
	if err != nil {
		return report, err
	}
	defer func() { err = c.end(ctx, err) }()
	err = c.verify(ctx)
	return c.report, err
}
