package main

import (
	"reflect"
	"strings"
	"testing"

	"signet/provider"
)

// TestEveryKeyIsExplained holds the reference against the type that the file is read into: each key is there, with words,
// and with a type that somebody who writes YAML knows.
func TestEveryKeyIsExplained(t *testing.T) {
	docs, err := configReference(provider.ConfigSource()...)
	if err != nil {
		t.Fatal(err)
	}
	explained := map[string]keyDoc{}
	for _, d := range docs {
		explained[d.Key] = d
		if d.Text == "" {
			t.Errorf("%s has no words", d.Key)
		}
		if strings.Contains(d.Type, "mapping") && len(d.Children) == 0 {
			t.Errorf("%s is said to be a %s, but nothing is below it", d.Key, d.Type)
		}
	}
	var walk func(prefix string, of reflect.Type)
	walk = func(prefix string, of reflect.Type) {
		for of.Kind() == reflect.Slice || of.Kind() == reflect.Pointer {
			of = of.Elem()
		}
		if of.Kind() != reflect.Struct {
			return
		}
		for field := range of.Fields() {
			key := prefix + field.Tag.Get("yaml")
			if _, there := explained[key]; !there {
				t.Errorf("%s is not explained", key)
			}
			walk(key+".", field.Type)
		}
	}
	walk("", reflect.TypeFor[provider.Config]())
}
