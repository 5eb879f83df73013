package conformance

import (
	"context"
	"fmt"
	"strings"
	"time"
)

// How often a waiting module is looked at. Long polls end at once when the module does, so this costs no time.
const (
	glance = 500 * time.Millisecond
	// grace is for how long a module may stay CONFIGURED before it is told to start.
	grace = 2 * time.Second
	// stranded is for how long the suite's browser may be at a page of the provider's before it is clear that it
	// will not come back by itself.
	stranded = 25 * time.Second
	// atRest is for how long a page must have been quiet before its picture is taken: a module that only allows for
	// a page would take the picture for an answer.
	atRest = 3 * time.Second
	// reading is how far apart a waiting module's log is read: the suite's database has to find it each time.
	reading = 2 * time.Second
)

// watch follows one module to its end.
type watch struct {
	runner     *Runner
	run        Run
	module, id string
	status     string
	taken      int // pictures
	started    bool
	configured time.Time // since when it is CONFIGURED
	quiet      time.Time // since when its log is as it is
	entries    int       // of the log, at that time
	read       time.Time // when the log was read last
	pictured   map[string]bool
}

// untilItEnds returns nil when the module has ended by itself.
func (w *watch) untilItEnds(ctx context.Context) error {
	w.pictured = map[string]bool{}
	w.quiet = w.runner.Clock()
	for {
		status, err := w.next(ctx)
		if err != nil {
			return err
		}
		switch status {
		case StatusFinished, StatusInterrupted:
			return nil
		case StatusConfigured:
			err = w.start(ctx)
		case StatusWaiting:
			err = w.waiting(ctx)
		}
		if err != nil {
			return err
		}
	}
}

// next waits for the end, or for something to look at. "" means that nothing has come for a while.
func (w *watch) next(ctx context.Context) (string, error) {
	suite := w.runner.Suite
	if w.status == StatusWaiting || w.status == StatusConfigured {
		// The status may stay, and would be answered at once: so only the end is awaited, for a moment.
		status, err := suite.Await(ctx, w.id, glance, StatusFinished, StatusInterrupted)
		if err != nil || status != "" {
			return w.changed(status), err
		}
		outcome, err := suite.Outcome(ctx, w.id)
		return w.changed(outcome.Status), err
	}
	status, err := suite.Await(ctx, w.id, longPoll, StatusFinished, StatusInterrupted, StatusWaiting, StatusConfigured)
	return w.changed(status), err
}

func (w *watch) changed(status string) string {
	if status != "" && status != w.status {
		w.status = status
		w.configured = time.Time{}
		w.runner.Events.ModuleChanged(w.run, w.module, status)
	}
	return status
}

// start starts a module that does not do so by itself.
func (w *watch) start(ctx context.Context) error {
	now := w.runner.Clock()
	if w.configured.IsZero() {
		w.configured = now
	}
	if w.started || now.Sub(w.configured) < grace {
		return nil
	}
	w.started = true
	if prepare := w.runner.Prepare[w.module]; prepare.Do != nil {
		if err := prepare.Do(ctx, w.run); err != nil {
			return fmt.Errorf("what it waits for was not done: %w", err)
		}
	}
	return w.runner.Suite.Start(ctx, w.id)
}

// waiting takes the pictures that the module wants, and finds out whether it waits in vain.
func (w *watch) waiting(ctx context.Context) error {
	now := w.runner.Clock()
	if now.Sub(w.read) < reading {
		return nil
	}
	w.read = now
	entries, err := w.runner.Suite.Log(ctx, w.id)
	if err != nil {
		return err
	}
	if len(entries) != w.entries {
		w.entries, w.quiet = len(entries), now
	}
	silent := now.Sub(w.quiet)
	if err := w.look(ctx, entries, silent); err != nil {
		return err
	}
	if silent >= w.runner.Quiet {
		return fmt.Errorf("it was left %s for %.0f s with nothing in its log", StatusWaiting, silent.Seconds())
	}
	return nil
}

// look takes the pictures that are due. A page of the provider's is pictured where the browser rests at it; one that only
// a session leads to is known from the log, wherever the browser has gone since.
func (w *watch) look(ctx context.Context, entries []Entry, silent time.Duration) error {
	at, used := lastVisit(entries)
	elsewhere := used && at.at != "" && !strings.HasPrefix(at.at, w.runner.Suite.URL())
	known := used && ofSession(w.module) && at.shown.HTML != ""
	if !elsewhere && !known {
		return nil
	}
	busy, err := w.runner.Suite.BrowserBusy(ctx, w.id)
	if err != nil {
		return err
	}
	page, rests := at.opened, !busy && silent >= atRest
	switch {
	case known && rests:
		page = at.shown
	case elsewhere && (rests || silent > stranded):
	default:
		return nil
	}
	wanted, err := w.pictures(ctx, page)
	if err != nil {
		return err
	}
	// With its picture, the module goes on by itself, at its leisure.
	if elsewhere && !wanted && w.taken == 0 && silent >= stranded {
		return fmt.Errorf("the browser was left at %s, which says: %s", at.at, at.says)
	}
	return nil
}

// pictures fills the places for pictures with that of the page. It says whether there were any.
func (w *watch) pictures(ctx context.Context, page Page) (wanted bool, err error) {
	images, err := w.runner.Suite.Images(ctx, w.id)
	if err != nil {
		return false, err
	}
	for _, e := range images {
		if e.Upload == "" {
			continue
		}
		wanted = true
		if w.pictured[e.Upload] {
			continue
		}
		png, err := w.runner.Camera.Shoot(ctx, page)
		if err != nil {
			return true, fmt.Errorf("no picture of %s: %w", page.URL, err)
		}
		if err := w.runner.Suite.Upload(ctx, w.id, e.Upload, png); err != nil {
			return true, err
		}
		w.pictured[e.Upload] = true
		w.taken++
	}
	return wanted, nil
}
