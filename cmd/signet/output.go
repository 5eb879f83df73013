package main

import (
	"encoding/json"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/jedib0t/go-pretty/v6/table"
)

// show prints rows as a table, or value as JSON with --json.
func (c *console) show(value any, header table.Row, rows []table.Row) error {
	if c.json {
		return writeJSON(c.out, value)
	}
	if len(rows) == 0 {
		_, err := fmt.Fprintln(c.out, "none")
		return err
	}
	t := table.NewWriter()
	t.SetStyle(table.StyleLight)
	t.Style().Options.SeparateRows = false
	t.AppendHeader(header)
	t.AppendRows(rows)
	_, err := fmt.Fprintln(c.out, t.Render())
	return err
}

// showPairs prints one thing as a two-column table, or value as JSON. Empty values are left out.
func (c *console) showPairs(value any, pairs ...[2]string) error {
	if c.json {
		return writeJSON(c.out, value)
	}
	t := table.NewWriter()
	t.SetStyle(table.StyleLight)
	t.SetColumnConfigs([]table.ColumnConfig{{Number: 2, WidthMax: 96}})
	for _, pair := range pairs {
		if pair[1] != "" {
			t.AppendRow(table.Row{pair[0], pair[1]})
		}
	}
	_, err := fmt.Fprintln(c.out, t.Render())
	return err
}

// done says that a change was made: a sentence, or value as JSON.
func (c *console) done(value any, format string, args ...any) error {
	if c.json {
		return writeJSON(c.out, value)
	}
	_, err := fmt.Fprintf(c.out, format+"\n", args...)
	return err
}

// note prints a line for people on standard error, where it does not disturb a program that reads.
func (c *console) note(format string, args ...any) {
	_, _ = fmt.Fprintf(c.err, format+"\n", args...)
}

func writeJSON(w io.Writer, value any) error {
	encoder := json.NewEncoder(w)
	encoder.SetIndent("", "  ")
	encoder.SetEscapeHTML(false)
	return encoder.Encode(value)
}

func when(t time.Time) string {
	if t.IsZero() {
		return ""
	}
	return t.UTC().Format("2006-01-02 15:04:05Z")
}

func yesNo(b bool) string {
	if b {
		return "yes"
	}
	return "no"
}

// wrapWords lays a paragraph out in lines of at most width characters.
func wrapWords(text string, width int) []string {
	var lines []string
	line := ""
	for word := range strings.FieldsSeq(text) {
		switch {
		case line == "":
			line = word
		case len(line)+1+len(word) > width:
			lines = append(lines, line)
			line = word
		default:
			line += " " + word
		}
	}
	if line != "" {
		lines = append(lines, line)
	}
	return lines
}
