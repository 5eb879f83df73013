package interaction

import (
	"errors"
	"fmt"
	"html/template"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"
)

// part is a piece of a sentence. What is filled in may be strong, and have an id.
type part struct {
	Text   string
	Strong bool
	ID     string
}

// strong makes a part that stands out.
func strong(text string, id ...string) part {
	return part{Text: text, Strong: true, ID: strings.Join(id, "")}
}

// segment is a piece of a message: text, or the name of what is filled in.
type segment struct{ text, name string }

// message is what a page says, in one language.
type message struct {
	of    *language // whose rules choose among the forms
	forms map[string][]segment
}

var blank = regexp.MustCompile(`\{([a-z]+)\}`)

func makeMessage(of *language, texts forms) (message, error) {
	m := message{of: of, forms: map[string][]segment{}}
	for category, text := range texts {
		if category != other && !slices.Contains(categories, category) {
			return m, fmt.Errorf("%q is no plural category", category)
		}
		segments, err := split(text)
		if err != nil {
			return m, err
		}
		m.forms[category] = segments
	}
	if m.forms[other] == nil {
		return m, errors.New("the form other is missing")
	}
	return m, nil
}

func split(text string) ([]segment, error) {
	var segments []segment
	rest := text
	for _, at := range blank.FindAllStringSubmatchIndex(text, -1) {
		done := len(text) - len(rest)
		segments = append(segments, segment{text: text[done:at[0]]}, segment{name: text[at[2]:at[3]]})
		rest = text[at[1]:]
	}
	segments = append(segments, segment{text: rest})
	if text == "" || slices.ContainsFunc(segments, func(s segment) bool { return strings.ContainsAny(s.text, "{}") }) {
		return nil, fmt.Errorf("%q is empty, or its braces are not right", text)
	}
	return segments, nil
}

// blanks are the names of what is filled in, sorted.
func (m message) blanks() []string {
	var names []string
	for _, segments := range m.forms {
		for _, s := range segments {
			if s.name != "" {
				names = append(names, s.name)
			}
		}
	}
	slices.Sort(names)
	return slices.Compact(names)
}

// within says what is wrong with the message if there is none of its name among all, or if it wants something filled in
// that the one there does not.
func (m message) within(all map[string]message, name string) error {
	reference, known := all[name]
	if !known {
		return errors.New("there is none of this name")
	}
	names := reference.blanks()
	for _, name := range m.blanks() {
		if !slices.Contains(names, name) {
			return fmt.Errorf("{%s} is never filled in here", name)
		}
	}
	return nil
}

// say returns a message in pieces. args are names and values by turns: a text, a [part], or a whole number, which
// chooses the form. It is an error when there is no such message or when a value is missing.
func (l *language) say(name string, args ...any) ([]part, error) {
	m, known := l.messages[name]
	if !known || len(args)%2 != 0 {
		return nil, fmt.Errorf("no message %q for %d arguments", name, len(args))
	}
	values, form := map[string]part{}, other
	for pair := range slices.Chunk(args, 2) {
		value := part{}
		switch v := pair[1].(type) {
		case part:
			value = v
		case string:
			value.Text = v
		case int:
			value.Text, form = strconv.Itoa(v), m.of.rules.of(v)
		default:
			return nil, fmt.Errorf("message %q: %T cannot be filled in", name, v)
		}
		values[fmt.Sprint(pair[0])] = value
	}
	segments, there := m.forms[form]
	if !there {
		segments = m.forms[other]
	}
	parts := make([]part, 0, len(segments))
	for _, s := range segments {
		value := part{Text: s.text}
		if s.name != "" {
			if value, there = values[s.name]; !there {
				return nil, fmt.Errorf("message %q: {%s} is missing", name, s.name)
			}
		}
		parts = append(parts, value)
	}
	return parts, nil
}

// plain is say as one text.
func (l *language) plain(name string, args ...any) (string, error) {
	parts, err := l.say(name, args...)
	var text strings.Builder
	for _, p := range parts {
		text.WriteString(p.Text)
	}
	return text.String(), err
}

// text is plain for our own code, whose messages exist: a test sees to it. If one did not, its name would be said.
func (l *language) text(name string, args ...any) string {
	text, err := l.plain(name, args...)
	if err != nil {
		return name
	}
	return text
}

// has says whether there is a message of this name.
func (l *language) has(name string) bool {
	_, there := l.messages[name]
	return there
}

// own translates what the configuration says in its own words.
func (l *language) own(text string) string {
	if translation := l.words[text]; translation != "" {
		return translation
	}
	return text
}

// duration says a duration, in its largest fitting unit and rounded to the nearest, for one use: lasts, wait, ago or
// left. Languages need to know which: the number's noun has another ending.
func (l *language) duration(use string, d time.Duration) string {
	for _, unit := range []struct {
		size time.Duration
		name string
	}{{24 * time.Hour, "day"}, {time.Hour, "hour"}, {time.Minute, "minute"}} {
		if d >= 2*unit.size || d == unit.size {
			return l.text("duration."+use+"."+unit.name, "n", int(d.Round(unit.size)/unit.size))
		}
	}
	return l.text("duration."+use+".second", "n", max(1, int(d.Round(time.Second)/time.Second)))
}

// ago says how long ago something was.
func (l *language) ago(d time.Duration) string {
	if d < 5*time.Second {
		return l.text("duration.ago.now")
	}
	return l.duration("ago", d)
}

// functions are what templates speak with.
func (l *language) functions() template.FuncMap {
	return template.FuncMap{"say": l.say, "text": l.plain, "own": l.own, "strong": strong}
}
