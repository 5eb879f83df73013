package oauth

import (
	"bytes"
	"encoding/json"
	"errors"
)

// Detail is one element of authorization_details (RFC 9396 section 2): a JSON object with a type. JSON is compact,
// otherwise as the client sent it.
type Detail struct {
	Type string
	JSON json.RawMessage
}

// MarshalJSON implements json.Marshaler.
func (d Detail) MarshalJSON() ([]byte, error) { return d.JSON, nil }

// UnmarshalJSON implements json.Unmarshaler. An object without a type is an error.
func (d *Detail) UnmarshalJSON(text []byte) error {
	var members map[string]json.RawMessage // a struct would take "Type" for "type"
	if err := json.Unmarshal(text, &members); err != nil {
		return err
	}
	var name string
	if err := json.Unmarshal(members["type"], &name); err != nil || name == "" {
		return errors.New("authorization_details: an element has no type")
	}
	var compact bytes.Buffer
	if err := json.Compact(&compact, text); err != nil {
		return err
	}
	d.Type, d.JSON = name, compact.Bytes()
	return nil
}

// Details are the elements of authorization_details, in their order.
type Details []Detail

// Types returns the types that occur, each once.
func (d Details) Types() []string {
	var types []string
	seen := map[string]bool{}
	for _, detail := range d {
		if !seen[detail.Type] {
			seen[detail.Type], types = true, append(types, detail.Type)
		}
	}
	return types
}
