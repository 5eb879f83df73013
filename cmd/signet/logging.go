package main

import (
	"fmt"
	"io"
	"log/slog"

	"github.com/spf13/cobra"
)

// logOptions are --log-format and --log-level.
type logOptions struct{ format, level string }

func (o *logOptions) flags(cmd *cobra.Command, format, level string) {
	cmd.Flags().StringVar(&o.format, "log-format", format, "json or text")
	cmd.Flags().StringVar(&o.level, "log-level", level, "debug, info, warn or error")
}

// logger writes to w. Secrets redact themselves (oauth.Secret), so no filter is needed here.
func (o *logOptions) logger(w io.Writer) (*slog.Logger, error) {
	var level slog.Level
	if err := level.UnmarshalText([]byte(o.level)); err != nil {
		return nil, fmt.Errorf("--log-level: want debug, info, warn or error, not %q", o.level)
	}
	options := &slog.HandlerOptions{Level: level}
	switch o.format {
	case "json":
		return slog.New(slog.NewJSONHandler(w, options)), nil
	case "text":
		return slog.New(slog.NewTextHandler(w, options)), nil
	}
	return nil, fmt.Errorf("--log-format: want json or text, not %q", o.format)
}
