package main

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	"github.com/jedib0t/go-pretty/v6/table"
)

// decodedJWT is a JWT's readable parts. Nothing of it has been verified.
type decodedJWT struct {
	Header map[string]any `json:"header"`
	Claims map[string]any `json:"claims"`
}

// decodeJWT reads header and claims without checking the signature: it is for looking, not for deciding.
func decodeJWT(token string) (decodedJWT, error) {
	parts := strings.Split(token, ".")
	if len(parts) != 3 {
		return decodedJWT{}, errors.New("not a JWT: want three parts separated by dots (an opaque token has nothing to decode)")
	}
	var d decodedJWT
	for i, into := range []*map[string]any{&d.Header, &d.Claims} {
		raw, err := base64.RawURLEncoding.DecodeString(parts[i])
		if err != nil {
			return d, fmt.Errorf("not a JWT: part %d is not base64url", i+1)
		}
		decoder := json.NewDecoder(bytes.NewReader(raw))
		decoder.UseNumber()
		if err := decoder.Decode(into); err != nil {
			return d, fmt.Errorf("not a JWT: part %d is not a JSON object", i+1)
		}
	}
	return d, nil
}

// rows are the table's: header first, then claims, each sorted by name.
func (d decodedJWT) rows() []table.Row {
	var rows []table.Row
	for _, part := range []struct {
		name   string
		values map[string]any
	}{{"header", d.Header}, {"claim", d.Claims}} {
		names := make([]string, 0, len(part.values))
		for name := range part.values {
			names = append(names, name)
		}
		slices.Sort(names)
		for _, name := range names {
			rows = append(rows, table.Row{part.name, name, claimText(name, part.values[name])})
		}
	}
	return rows
}

func claimText(name string, value any) string {
	if text, ok := value.(string); ok {
		return text
	}
	if number, ok := value.(json.Number); ok && slices.Contains([]string{"exp", "iat", "nbf", "auth_time"}, name) {
		if seconds, err := number.Int64(); err == nil {
			return fmt.Sprintf("%s (%s)", number, when(time.Unix(seconds, 0)))
		}
	}
	raw, err := json.Marshal(value)
	if err != nil {
		return fmt.Sprint(value)
	}
	return string(raw)
}

// tokenIn finds the token in what somebody pipes in: a JWT, or a whole token response.
func tokenIn(r io.Reader) (string, error) {
	raw, err := io.ReadAll(io.LimitReader(r, 1<<20))
	if err != nil {
		return "", err
	}
	text := strings.TrimSpace(string(raw))
	if !strings.HasPrefix(text, "{") {
		return text, nil
	}
	var response struct {
		AccessToken string `json:"access_token"`
		Error       string `json:"error"`
		Description string `json:"error_description"`
	}
	if err := json.Unmarshal(raw, &response); err != nil {
		return "", fmt.Errorf("neither a JWT nor a token response: %w", err)
	}
	if response.Error != "" {
		return "", fmt.Errorf("the provider refused: %s: %s", response.Error, response.Description)
	}
	if response.AccessToken == "" {
		return "", errors.New("the JSON has no access_token")
	}
	return response.AccessToken, nil
}
