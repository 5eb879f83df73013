package main

import (
	"fmt"
	"io"
	"log/slog"
	"time"

	"signet/provider/oauth"
)

// progress prints one line per step of a start: what is under way, and how long it took. A step that ends
// at once costs one line and no waiting.
type progress struct {
	out   io.Writer
	clock oauth.Clock
	log   *slog.Logger // instead of out, where the output is a log for programs
}

// step runs do and prints a line for it. do may return a remark ("3 clients") for the end of the line.
func (p progress) step(what string, do func() (remark string, err error)) error {
	begin := p.clock()
	if p.log != nil {
		p.log.Info("starting", "step", what)
		remark, err := do()
		if err == nil {
			p.log.Info("started", "step", what, "result", remark, "seconds", p.clock().Sub(begin).Seconds())
		}
		return err
	}
	_, _ = fmt.Fprintf(p.out, "  %-52s ", what+" ...")
	remark, err := do()
	if err != nil {
		_, _ = fmt.Fprintln(p.out, "failed")
		return err
	}
	if remark == "" {
		remark = "ok"
	}
	took := ""
	if d := p.clock().Sub(begin); d > 100*time.Millisecond {
		took = fmt.Sprintf(" (%.1f s)", d.Seconds())
	}
	_, _ = fmt.Fprintf(p.out, "%s%s\n", remark, took)
	return nil
}
