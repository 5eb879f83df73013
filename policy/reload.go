package policy

import (
	"context"
	"errors"
	"fmt"
	"time"
)

// Reload compiles what is on disk, tries it on sample inputs and, if all is well, puts it in force between
// two decisions. Otherwise it returns why, the rules in force stay, and Health says so. changed is true
// when other rules decide than before. A bundle that was refused already is not compiled again.
func (e *Engine) Reload(ctx context.Context) (changed bool, err error) { return e.reload(ctx, "") }

// reload does nothing when the files are not those of the wanted revision ("" = any).
func (e *Engine) reload(ctx context.Context, wanted string) (changed bool, err error) {
	e.reloading.Lock()
	defer e.reloading.Unlock()
	source, err := readSource(e.options.Directory)
	if err != nil {
		return false, e.refuse("", err)
	}
	if wanted != "" && source.revision != wanted {
		return false, nil
	}
	if source.revision == e.Revision() {
		e.fault.Store(nil)
		return false, nil
	}
	if f := e.fault.Load(); f != nil && f.revision == source.revision {
		return false, f.err
	}
	rules, err := e.build(ctx, source)
	if ctx.Err() != nil { // the caller gave up: nothing is known about the bundle
		return false, fmt.Errorf("policy: reload: %w", ctx.Err())
	}
	if err != nil {
		return false, e.refuse(source.revision, err)
	}
	e.live.Store(rules)
	e.fault.Store(nil)
	return true, nil
}

func (e *Engine) refuse(revision string, err error) error {
	f := &fault{revision: revision, since: e.options.Clock(), err: err}
	if old := e.fault.Load(); old != nil {
		f.since = old.since
	}
	e.fault.Store(f)
	return f.err
}

// Watch reloads when the owner's files change, until ctx ends. A change counts once two looks, every
// apart, have found the same files, so that a folder half copied is not put in force. report is told of
// each bundle put in force (nil) and once of each reason for which one was refused.
func (e *Engine) Watch(ctx context.Context, every time.Duration, report func(error)) {
	if every <= 0 {
		report(errors.New("policy: not watching: the interval must be positive"))
		return
	}
	ticker := time.NewTicker(every)
	defer ticker.Stop()
	var pending, reported string
	for {
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
		}
		seen := e.look()
		if seen != pending {
			pending = seen
			continue
		}
		changed, err := e.reload(ctx, seen)
		switch {
		case ctx.Err() != nil:
			return
		case changed:
			reported = ""
			report(nil)
		case err == nil:
			reported = ""
		case err.Error() != reported:
			reported = err.Error()
			report(err)
		}
	}
}

// look identifies what is on disk, readable or not.
func (e *Engine) look() string {
	source, err := readSource(e.options.Directory)
	if err != nil {
		return "unreadable: " + err.Error()
	}
	return source.revision
}
