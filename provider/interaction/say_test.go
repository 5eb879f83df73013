package interaction

import (
	"strings"
	"testing"
	"time"
)

// tongue is a language as it is embedded.
func tongue(t *testing.T, tag string) *language {
	t.Helper()
	all, err := readLanguages(nil)
	if err != nil {
		t.Fatal(err)
	}
	found := all.lookup([]string{tag})
	if found == nil || found.tag != tag {
		t.Fatalf("there is no %s", tag)
	}
	return found
}

func TestDurations(t *testing.T) {
	in := tongue(t, "en")
	for d, want := range map[time.Duration]string{
		time.Second: "1 second", 90 * time.Second: "90 seconds", 5 * time.Minute: "5 minutes", time.Hour: "1 hour",
		8 * time.Hour: "8 hours", 24 * time.Hour: "1 day", 720 * time.Hour: "30 days", 0: "1 second",
	} {
		if got := in.duration("lasts", d); got != want {
			t.Errorf("%v: %q, want %q", d, got, want)
		}
	}
}

// A number's noun has the ending that its place in the sentence asks for.
func TestDurationsInEachLanguage(t *testing.T) {
	for _, c := range []struct {
		tag, use string
		d        time.Duration
		want     string
	}{
		{"en", "wait", 5 * time.Minute, "in 5 minutes"},
		{"de", "lasts", 48 * time.Hour, "2 Tage"},
		{"de", "lasts", 24 * time.Hour, "1 Tag"},
		{"de", "wait", 48 * time.Hour, "in 2 Tagen"},
		{"de", "ago", time.Minute, "Vor 1 Minute"},
		{"fi", "lasts", 24 * time.Hour, "1 päivän"},
		{"fi", "lasts", 48 * time.Hour, "2 päivää"},
		{"fi", "wait", 5 * time.Minute, "5 minuutin kuluttua"},
		{"fi", "ago", time.Minute, "1 minuutti sitten"},
		{"fi", "left", 2 * time.Minute, "2 minuuttia"},
		{"pt", "lasts", time.Hour, "1 hora"},
		{"pt", "ago", 3 * time.Hour, "Há 3 horas"},
	} {
		if got := tongue(t, c.tag).duration(c.use, c.d); got != c.want {
			t.Errorf("%s, %s, %v: %q, want %q", c.tag, c.use, c.d, got, c.want)
		}
	}
	if got := tongue(t, "fi").ago(4 * time.Second); got != "Juuri nyt" {
		t.Errorf("4 seconds: %q", got)
	}
}

func TestSay(t *testing.T) {
	in := &language{tag: "xx", messages: map[string]message{}}
	m, err := makeMessage(in, forms{other: "{who} asks {whom}."})
	if err != nil {
		t.Fatal(err)
	}
	in.messages["m"] = m
	parts, err := in.say("m", "who", strong("<App>", "id-1"), "whom", "you")
	if err != nil || len(parts) != 5 {
		t.Fatalf("%v %v", parts, err)
	}
	if parts[1] != (part{"<App>", true, "id-1"}) || parts[3] != (part{Text: "you"}) {
		t.Errorf("%+v", parts)
	}
	if text := in.text("m", "who", "A", "whom", "B"); text != "A asks B." {
		t.Error(text)
	}
	for name, args := range map[string][]any{
		"no such message": {"n"}, "a value is missing": {"m", "who", "A"}, "half a pair": {"m", "who"}, "not a text": {"m", "who", 1.5, "whom", "B"},
	} {
		if parts, err := in.say(args[0].(string), args[1:]...); err == nil {
			t.Errorf("%s: %v", name, parts)
		}
	}
	for _, bad := range []forms{{}, {"one": "x"}, {other: ""}, {other: "{"}, {other: "{Who}"}, {other: "a } b"}, {other: "x", "dual": "y"}} {
		if _, err := makeMessage(in, bad); err == nil {
			t.Errorf("%v was taken", bad)
		}
	}
}

// The rules are CLDR's own, for languages that are harder than ours.
func TestPlurals(t *testing.T) {
	for language, c := range map[string]struct {
		rules map[string]string
		want  map[string][]int
	}{
		"Polish": {
			map[string]string{
				"one":  "i = 1 and v = 0 @integer 1",
				"few":  "v = 0 and i % 10 = 2..4 and i % 100 != 12..14 @integer 2~4, 22~24",
				"many": "v = 0 and i != 1 and i % 10 = 0..1 or v = 0 and i % 10 = 5..9 or v = 0 and i % 100 = 12..14",
			},
			map[string][]int{"one": {1}, "few": {2, 4, 22, 104}, "many": {0, 5, 11, 12, 14, 21, 112}},
		},
		"Arabic": {
			map[string]string{"zero": "n = 0", "one": "n = 1", "two": "n = 2", "few": "n % 100 = 3..10", "many": "n % 100 = 11..99"},
			map[string][]int{"zero": {0}, "one": {1}, "two": {2}, "few": {3, 110}, "many": {11, 99, 111}, other: {100, 102}},
		},
		"Latvian":  {map[string]string{"zero": "n % 10 = 0 or n % 100 = 11..19 or v = 2 and f % 100 = 11..19"}, map[string][]int{"zero": {0, 11, 30}, other: {1, 21}}},
		"French":   {map[string]string{"one": "i = 0,1"}, map[string][]int{"one": {0, 1}, other: {2, 100}}},
		"Japanese": {map[string]string{}, map[string][]int{other: {0, 1, 2}}},
	} {
		rules, err := parsePlurals(c.rules)
		if err != nil {
			t.Fatalf("%s: %v", language, err)
		}
		for want, numbers := range c.want {
			for _, n := range numbers {
				if got := rules.of(n); got != want {
					t.Errorf("%s, %d: %s, want %s", language, n, got, want)
				}
			}
		}
	}
	for _, bad := range []string{"", "n", "n = ", "n = x", "n % 0 = 1", "n is 1", "n = 1 and", "x = 1", "n = 1..", "n = 12345678901234567890", "n = 1 or "} {
		if rules, err := parsePlurals(map[string]string{"one": bad}); err == nil {
			t.Errorf("%q: %v", bad, rules)
		}
	}
	if _, err := parsePlurals(map[string]string{"dual": "n = 2"}); err == nil || !strings.Contains(err.Error(), "dual") {
		t.Error(err)
	}
}
