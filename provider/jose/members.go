package jose

import (
	"bytes"
	"encoding/json"
	"fmt"
	"strings"
	"unicode/utf8"
)

// maxDepth bounds the nesting of arrays and objects, maxMembers the members of one object.
const (
	maxDepth   = 16
	maxMembers = 256
)

// member is one name and value of a JSON object.
type member struct {
	name  string
	value json.RawMessage
}

// members reads a JSON object strictly: valid UTF-8, no name twice at any depth (RFC 7519 section 4,
// RFC 7515 section 4), bounded nesting. encoding/json alone would take the last of two equal names.
func members(raw []byte) ([]member, error) {
	if !utf8.Valid(raw) || !json.Valid(raw) {
		return nil, fmt.Errorf("%w: not JSON", ErrMalformed)
	}
	w := walker{rest: raw}
	w.space()
	if w.rest[0] != '{' {
		return nil, fmt.Errorf("%w: not a JSON object", ErrMalformed)
	}
	list := make([]member, 0, 12)
	if err := w.object(1, &list); err != nil {
		return nil, err
	}
	return list, nil
}

// headerMembers reads the header of a compact JWT.
func headerMembers(compact string) ([]member, error) {
	header, _, _ := strings.Cut(compact, ".")
	raw, err := decode(header)
	if err != nil {
		return nil, err
	}
	return members(raw)
}

// walker steps through text that json.Valid has accepted, so it need not check the grammar again.
type walker struct{ rest []byte }

func (w *walker) space() {
	for len(w.rest) > 0 && (w.rest[0] == ' ' || w.rest[0] == '\t' || w.rest[0] == '\n' || w.rest[0] == '\r') {
		w.rest = w.rest[1:]
	}
}

// value steps over one value; objects inside it are checked for repeated names.
func (w *walker) value(depth int) error {
	if depth > maxDepth {
		return fmt.Errorf("%w: nested too deeply", ErrMalformed)
	}
	switch w.rest[0] {
	case '{':
		return w.object(depth, nil)
	case '[':
		return w.array(depth)
	case '"':
		w.text()
	default:
		n := bytes.IndexAny(w.rest, ",]} \t\r\n")
		if n < 0 {
			n = len(w.rest)
		}
		w.rest = w.rest[n:]
	}
	return nil
}

func (w *walker) array(depth int) error {
	for w.rest = w.rest[1:]; ; w.rest = w.rest[1:] { // over '[' or ','
		w.space()
		if w.rest[0] == ']' {
			break
		}
		if err := w.value(depth + 1); err != nil {
			return err
		}
		w.space()
		if w.rest[0] == ']' {
			break
		}
	}
	w.rest = w.rest[1:]
	return nil
}

// object steps over an object. Its members are appended to list when list is not nil.
func (w *walker) object(depth int, list *[]member) error {
	var names nameSet
	for w.rest = w.rest[1:]; ; w.rest = w.rest[1:] { // over '{' or ','
		w.space()
		if w.rest[0] == '}' {
			break
		}
		name, err := unquote(w.text())
		if err != nil {
			return err
		}
		if err := names.add(name); err != nil {
			return err
		}
		w.space()
		w.rest = w.rest[1:] // ':'
		w.space()
		start := w.rest
		if err := w.value(depth + 1); err != nil {
			return err
		}
		if list != nil {
			n := len(start) - len(w.rest)
			*list = append(*list, member{name, json.RawMessage(start[:n:n])})
		}
		w.space()
		if w.rest[0] == '}' {
			break
		}
	}
	w.rest = w.rest[1:]
	return nil
}

// text steps over a string and returns it with its quotes.
func (w *walker) text() []byte {
	end := 1
	for ; w.rest[end] != '"'; end++ {
		if w.rest[end] == '\\' {
			end++
		}
	}
	quoted := w.rest[:end+1]
	w.rest = w.rest[end+1:]
	return quoted
}

// nameSet finds repeated names. Small objects, the usual ones, need no map.
type nameSet struct {
	few  [8]string
	n    int
	many map[string]bool
}

func (s *nameSet) add(name string) error {
	for _, seen := range s.few[:min(s.n, len(s.few))] {
		if seen == name {
			return fmt.Errorf("%w: a member appears twice", ErrMalformed)
		}
	}
	if s.n++; s.n <= len(s.few) {
		s.few[s.n-1] = name
		return nil
	}
	if s.n > maxMembers {
		return fmt.Errorf("%w: more than %d members", ErrMalformed, maxMembers)
	}
	if s.many[name] {
		return fmt.Errorf("%w: a member appears twice", ErrMalformed)
	}
	if s.many == nil {
		s.many = make(map[string]bool)
	}
	s.many[name] = true
	return nil
}

// unquote decodes a JSON string; what is no string, null included, is malformed.
func unquote(raw []byte) (string, error) {
	if len(raw) < 2 || raw[0] != '"' {
		return "", fmt.Errorf("%w: a string is expected", ErrMalformed)
	}
	if bytes.IndexByte(raw, '\\') < 0 {
		return string(raw[1 : len(raw)-1]), nil
	}
	var s string
	if err := json.Unmarshal(raw, &s); err != nil {
		return "", fmt.Errorf("%w: bad string", ErrMalformed)
	}
	return s, nil
}
