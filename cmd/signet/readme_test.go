package main

import (
	"os"
	"regexp"
	"strings"
	"testing"
)

// TestReadmeWalksTheExample holds README.md to the configuration that the program prints: every YAML block
// there is a part of it, and every top-level key is walked through.
func TestReadmeWalksTheExample(t *testing.T) {
	raw, err := os.ReadFile("../../README.md")
	if err != nil {
		t.Fatal(err)
	}
	example, err := renderExample(defaultPorts())
	if err != nil {
		t.Fatal(err)
	}
	withoutRemarks := regexp.MustCompile(`(?m)^# [A-Z].*\n`).ReplaceAllString(string(example), "")
	walked := ""
	for _, block := range regexp.MustCompile("(?s)```yaml\n(.*?)```").FindAllStringSubmatch(string(raw), -1) {
		if !strings.Contains(withoutRemarks, block[1]) {
			t.Errorf("README.md has what \"signet config example\" does not print:\n%s", block[1])
		}
		walked += block[1]
	}
	for _, key := range regexp.MustCompile(`(?m)^(# )?[a-z_]+:`).FindAllString(withoutRemarks, -1) {
		if !strings.Contains(walked, key) {
			t.Errorf("README.md does not walk through %s", key)
		}
	}
}
