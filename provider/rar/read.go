package rar

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"strconv"
	"strings"
	"unicode/utf8"
)

// Limits of authorization_details. They are carried by codes, grants and tokens, and read by people.
const (
	MaxSize     = 16 << 10 // bytes of the whole array
	MaxElements = 16
	MaxDepth    = 10 // nested arrays and objects, the outermost array included
)

var (
	errSyntax = errors.New("it is not a JSON array of objects")
	errTwice  = errors.New("a member is there twice")
	errText   = errors.New("a text is not Unicode")
	errDepth  = errors.New("it is nested too deeply")
	errNumber = errors.New("a number is too long or too large")
)

// element is one element as sent and as read: numbers are json.Number, objects have no member twice.
type element struct {
	text   json.RawMessage
	object map[string]any
}

// read takes the array apart. Other programs will read the same text: whatever two readers could take for different
// things is refused.
func read(raw string) ([]element, error) {
	if len(raw) > MaxSize {
		return nil, errors.New("it is longer than " + strconv.Itoa(MaxSize) + " bytes")
	}
	if !utf8.ValidString(raw) {
		return nil, errors.New("it is not UTF-8")
	}
	var texts []json.RawMessage
	if err := json.Unmarshal([]byte(raw), &texts); err != nil {
		return nil, errSyntax
	}
	if len(texts) == 0 || len(texts) > MaxElements {
		return nil, errors.New("it must have 1 to " + strconv.Itoa(MaxElements) + " elements")
	}
	elements := make([]element, 0, len(texts))
	for _, text := range texts {
		object, err := readObject(text)
		if err != nil {
			return nil, err
		}
		var compact bytes.Buffer
		if err := json.Compact(&compact, text); err != nil {
			return nil, errSyntax
		}
		elements = append(elements, element{compact.Bytes(), object})
	}
	return elements, nil
}

// readObject reads one element.
func readObject(text []byte) (map[string]any, error) {
	decoder := json.NewDecoder(bytes.NewReader(text))
	decoder.UseNumber()
	value, err := readValue(decoder, 2)
	if err != nil {
		return nil, err
	}
	object, ok := value.(map[string]any)
	if !ok {
		return nil, errSyntax
	}
	if _, err := decoder.Token(); !errors.Is(err, io.EOF) {
		return nil, errSyntax
	}
	return object, nil
}

func readValue(decoder *json.Decoder, depth int) (any, error) {
	token, err := decoder.Token()
	if err != nil {
		return nil, errSyntax
	}
	switch v := token.(type) {
	case json.Delim:
		if depth > MaxDepth {
			return nil, errDepth
		}
		if v == '{' {
			return readMembers(decoder, depth)
		}
		return readList(decoder, depth)
	case string:
		if !isText(v) {
			return nil, errText
		}
	case json.Number:
		if !isModest(v.String()) {
			return nil, errNumber
		}
	}
	return token, nil
}

func readMembers(decoder *json.Decoder, depth int) (any, error) {
	object := map[string]any{}
	for decoder.More() {
		name, err := decoder.Token()
		if err != nil {
			return nil, errSyntax
		}
		key, ok := name.(string)
		if !ok {
			return nil, errSyntax
		}
		if !isText(key) {
			return nil, errText
		}
		if _, taken := object[key]; taken {
			return nil, errTwice
		}
		if object[key], err = readValue(decoder, depth+1); err != nil {
			return nil, err
		}
	}
	if _, err := decoder.Token(); err != nil { // the closing brace
		return nil, errSyntax
	}
	return object, nil
}

func readList(decoder *json.Decoder, depth int) (any, error) {
	list := []any{}
	for decoder.More() {
		value, err := readValue(decoder, depth+1)
		if err != nil {
			return nil, err
		}
		list = append(list, value)
	}
	if _, err := decoder.Token(); err != nil { // the closing bracket
		return nil, errSyntax
	}
	return list, nil
}

// isText refuses the replacement character: the decoder writes it for half a surrogate pair, which other programs
// read in other ways.
func isText(text string) bool { return !strings.ContainsRune(text, utf8.RuneError) }

// isModest bounds a number: a schema computes with it exactly, and 1e999999999 would take all memory.
func isModest(number string) bool {
	const maxLength, maxExponent = 40, 99
	if len(number) > maxLength {
		return false
	}
	i := strings.IndexAny(number, "eE")
	if i < 0 {
		return true
	}
	exponent, err := strconv.Atoi(number[i+1:])
	return err == nil && exponent >= -maxExponent && exponent <= maxExponent
}
