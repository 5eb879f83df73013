package main

import (
	"regexp"
	"strings"
	"testing"

	"signet/provider"
)

// TestWhatTheExampleLeavesOutIsGood takes each part that is commented out into the configuration.
func TestWhatTheExampleLeavesOutIsGood(t *testing.T) {
	raw, err := renderExample(defaultPorts())
	if err != nil {
		t.Fatal(err)
	}
	example := string(raw)
	parts := regexp.MustCompile(`(?m)^# [a-z_]+:.*\n(# .*\n)*`).FindAllString(example, -1)
	if len(parts) < 12 {
		t.Fatalf("only %d parts are commented out", len(parts))
	}
	for _, part := range parts {
		name, _, _ := strings.Cut(strings.TrimPrefix(part, "# "), ":")
		t.Run(name, func(t *testing.T) {
			taken := strings.Replace(example, part, regexp.MustCompile(`(?m)^# `).ReplaceAllString(part, ""), 1)
			if _, faults := provider.ParseConfig([]byte(taken), "/etc/signet"); len(faults) > 0 {
				t.Errorf("%v in\n%s", faults, part)
			}
		})
	}
}
