package store

import (
	"context"
	"database/sql/driver"
	"encoding/hex"
	"errors"
	"fmt"

	"golang.org/x/sync/errgroup"
)

// copier is a copy at work.
type copier struct {
	opt            CopyOptions
	source, target copySide
	read           []chain // the source's tables as they were at the start; nil when only comparing
	total          int64   // their rows
	report         CopyReport
}

func newCopier(ctx context.Context, from, to string, opt CopyOptions) (c *copier, err error) {
	if opt.Progress == nil {
		opt.Progress = func(CopyProgress) {}
	}
	c = &copier{opt: opt, source: copySide{name: "the source"}, target: copySide{name: "the target"}}
	c.report.DryRun = opt.DryRun
	if c.source.dialect, err = prepare(from, &c.opt.Options); err != nil {
		return nil, fmt.Errorf("the source: %w", err)
	}
	if c.target.dialect, err = prepare(to, &c.opt.Options); err != nil {
		return nil, fmt.Errorf("the target: %w", err)
	}
	if err := c.source.open(ctx, false); err != nil {
		return nil, err
	}
	if _, unfinished, err := readProgress(ctx, c.source.conn); err != nil || unfinished {
		if err == nil {
			err = fmt.Errorf("%w: it is itself an unfinished copy", ErrOtherCopy)
		}
		return nil, errors.Join(fmt.Errorf("the source: %w", err), c.source.close())
	}
	return c, nil
}

// end closes both sides. What a driver says about an interrupted statement is not worth reading.
func (c *copier) end(ctx context.Context, err error) error {
	if ctx.Err() != nil && err != nil {
		err = ctx.Err()
	}
	for _, side := range []*copySide{&c.source, &c.target} {
		if failed := side.close(); err == nil {
			err = failed
		}
	}
	return err
}

// digests reads all tables of one side. Without a phase it makes no progress known.
func (c *copier) digests(ctx context.Context, side *conn, phase string) (sums []chain, err error) {
	var done int64
	for i := range copyTables {
		t := &copyTables[i]
		sum, err := t.digest(ctx, side, func(rows int) {
			if done += int64(rows); phase != "" {
				c.opt.Progress(CopyProgress{Phase: phase, Table: t.name, Done: done, Total: c.total})
			}
		})
		if err != nil {
			return nil, err
		}
		sums = append(sums, sum)
	}
	return sums, nil
}

// readSource learns what there is to copy.
func (c *copier) readSource(ctx context.Context) (err error) {
	if c.read, err = c.digests(ctx, c.source.conn, "reading"); err != nil {
		return fmt.Errorf("the source: %w", err)
	}
	for i, sum := range c.read {
		c.total += sum.rows
		c.report.Tables = append(c.report.Tables, CopiedRows{
			Table: copyTables[i].name, Rows: sum.rows, Digest: hex.EncodeToString(sum.sum[:]),
		})
	}
	return nil
}

// fingerprint identifies the source by all that it holds.
func (c *copier) fingerprint() string {
	var all chain
	for i, sum := range c.read {
		all.add([]driver.Value{copyTables[i].name, sum.rows, sum.sum[:]})
	}
	return hex.EncodeToString(all.sum[:])
}

// lookAtTarget fills a dry run's report with what an earlier copy has left; a target that is not there yet,
// or not migrated, has nothing.
func (c *copier) lookAtTarget(ctx context.Context) error {
	err := c.target.open(ctx, false)
	if errors.Is(err, ErrNoDatabase) || errors.Is(err, ErrSchema) {
		return nil
	}
	if err != nil {
		return err
	}
	at, resumed, err := findProgress(ctx, c.target.conn, c.fingerprint())
	if err != nil {
		return err
	}
	c.report.Resumed = resumed
	for i := range copyTables {
		c.report.Tables[i].TargetRows = at[copyTables[i].name].chain.rows
	}
	return nil
}

// copyMissing brings the target's schema up to date and copies what is missing.
func (c *copier) copyMissing(ctx context.Context) error {
	if _, err := migrate(ctx, c.target.dialect, c.opt.Clock); err != nil {
		return fmt.Errorf("the target: %w", err)
	}
	if err := c.target.open(ctx, true); err != nil {
		return err
	}
	fingerprint := c.fingerprint()
	at, resumed, err := findProgress(ctx, c.target.conn, fingerprint)
	if err == nil && !resumed {
		err = beginProgress(ctx, c.target.conn, fingerprint)
	}
	if err != nil {
		return err
	}
	c.report.Resumed = resumed
	var done int64
	for _, p := range at {
		done += p.chain.rows
	}
	for i := range copyTables {
		t, row := &copyTables[i], &c.report.Tables[i]
		end, err := t.copyRows(ctx, c.source.conn, c.target.conn, at[t.name], fingerprint, func(rows int) {
			done += int64(rows)
			row.Copied += int64(rows)
			c.opt.Progress(CopyProgress{Phase: "copying", Table: t.name, Done: done, Total: c.total})
		})
		if err != nil {
			return err
		}
		row.TargetRows = end.chain.rows
		if !end.chain.equal(c.read[i]) {
			return fmt.Errorf("%w: what the target has noted of %s is not what the source holds", ErrOtherCopy, t.name)
		}
	}
	return c.target.close()
}

// finish removes the notes from a complete target.
func (c *copier) finish(ctx context.Context) error {
	if err := c.target.open(ctx, true); err != nil {
		return err
	}
	_, err := c.target.conn.exec(dropProgress, nil)
	return err
}

// verify reads both sides afresh, each in one state of its database, and compares.
func (c *copier) verify(ctx context.Context) error {
	if err := c.target.open(ctx, false); err != nil {
		return err
	}
	var source, target []chain
	g, gctx := errgroup.WithContext(ctx)
	g.Go(func() error {
		return snapshot(gctx, c.source.conn, func() (err error) {
			source, err = c.digests(gctx, c.source.conn, "")
			return err
		})
	})
	g.Go(func() error {
		return snapshot(gctx, c.target.conn, func() (err error) {
			target, err = c.digests(gctx, c.target.conn, "verifying")
			return err
		})
	})
	if err := g.Wait(); err != nil {
		return err
	}
	if err := c.compare(source, target); err != nil {
		return err
	}
	return c.target.close()
}

func (c *copier) compare(source, target []chain) error {
	if c.report.Tables == nil {
		c.report.Tables = make([]CopiedRows, len(copyTables))
	}
	var differ, changed bool
	for i := range copyTables {
		row := &c.report.Tables[i]
		row.Table, row.Rows, row.TargetRows = copyTables[i].name, source[i].rows, target[i].rows
		row.Digest, row.TargetDigest = hex.EncodeToString(source[i].sum[:]), hex.EncodeToString(target[i].sum[:])
		row.OK = source[i].equal(target[i])
		differ = differ || !row.OK
		changed = changed || c.read != nil && !source[i].equal(c.read[i])
	}
	switch {
	case changed:
		return ErrSourceChanged
	case differ:
		return ErrDiffers
	}
	return nil
}
