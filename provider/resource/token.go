package resource

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"signet/provider/jose"
	"signet/provider/oauth"
)

// Token is a verified access token.
type Token struct {
	Issuer       string
	Subject      string // how the token's client knows the user; another client may know the same user by another name
	ClientID     string
	JTI          string
	Audience     []string
	Scope        oauth.Scope
	Confirmation oauth.Confirmation // what it is bound to; zero for a plain bearer token
	Expiry       time.Time
	IssuedAt     time.Time
	NotBefore    time.Time     // zero when absent
	AuthTime     time.Time     // when the user logged in; zero when absent (RFC 9068 section 2.2.1)
	ACR          string        // how well; "" when absent
	Details      oauth.Details // authorization_details (RFC 9396 section 9.1); nil when absent
	// Claims are all claims as they came, numbers as [json.Number]. They are shared: do not change them.
	Claims map[string]any
}

type tokenKey struct{}

// TokenFrom returns the token of a request that passed [Verifier.Protect], nil for any other.
func TokenFrom(ctx context.Context) *Token {
	t, _ := ctx.Value(tokenKey{}).(*Token)
	return t
}

// parseToken reads the claims of a JWT access token or of an introspection response.
func parseToken(payload []byte) (*Token, error) {
	standard, err := jose.ParseClaims(payload)
	if err != nil {
		return nil, err
	}
	t := &Token{
		Issuer:    standard.Issuer,
		Subject:   standard.Subject,
		JTI:       standard.ID,
		Audience:  standard.Audience,
		Expiry:    standard.Expiry,
		IssuedAt:  standard.IssuedAt,
		NotBefore: standard.NotBefore,
	}
	decoder := json.NewDecoder(bytes.NewReader(payload))
	decoder.UseNumber()
	if err := decoder.Decode(&t.Claims); err != nil {
		return nil, err
	}
	if err := t.readExtensions(); err != nil {
		return nil, err
	}
	if raw, present := standard.Raw["authorization_details"]; present {
		if err := json.Unmarshal(raw, &t.Details); err != nil {
			return nil, err
		}
		if t.Details == nil { // null: whoever wrote that meant something else
			return nil, errors.New("authorization_details is not an array")
		}
	}
	return t, nil
}

// readExtensions reads what the registered JWT claims do not cover. A claim of the wrong type is an
// error: ignoring a malformed cnf would turn a bound token into a bearer token.
func (t *Token) readExtensions() error {
	var err error
	if t.ClientID, err = t.text("client_id"); err != nil {
		return err
	}
	if t.ACR, err = t.text("acr"); err != nil {
		return err
	}
	if t.Scope, err = t.scope(); err != nil {
		return err
	}
	if t.AuthTime, err = t.seconds("auth_time"); err != nil {
		return err
	}
	t.Confirmation, err = t.confirmation()
	return err
}

// confirmation reads "cnf" (RFC 7800 section 3.1). One that names nothing we can check is an error.
func (t *Token) confirmation() (oauth.Confirmation, error) {
	raw, present := t.Claims["cnf"]
	if !present {
		return oauth.Confirmation{}, nil
	}
	members, ok := raw.(map[string]any)
	if !ok {
		return oauth.Confirmation{}, errors.New("cnf is not an object")
	}
	var c oauth.Confirmation
	for name, target := range map[string]*string{"x5t#S256": &c.X5TS256, "jkt": &c.JKT} {
		value, present := members[name]
		if !present {
			continue
		}
		if *target, ok = value.(string); !ok || *target == "" {
			return oauth.Confirmation{}, fmt.Errorf("cnf member %s is not a string", name)
		}
	}
	if c.IsZero() {
		return c, errors.New("cnf names no confirmation method that is known here")
	}
	return c, nil
}

func (t *Token) text(name string) (string, error) {
	raw, present := t.Claims[name]
	if !present {
		return "", nil
	}
	value, ok := raw.(string)
	if !ok {
		return "", fmt.Errorf("%s is not a string", name)
	}
	return value, nil
}

// scope reads the scope: text (RFC 9068 section 2.2.3), or a list of scope tokens, as other layouts have it.
func (t *Token) scope() (oauth.Scope, error) {
	list, isList := t.Claims["scope"].([]any)
	if !isList {
		text, err := t.text("scope")
		if err != nil {
			return nil, err
		}
		if scope, ok := oauth.ParseScope(text); ok {
			return scope, nil
		}
		return nil, errors.New("scope is malformed")
	}
	var all oauth.Scope
	for _, value := range list {
		text, _ := value.(string)
		one, ok := oauth.ParseScope(text)
		if !ok || len(one) != 1 || all.Has(one[0]) {
			return nil, errors.New("scope is malformed")
		}
		all = append(all, one[0])
	}
	return all, nil
}

// seconds reads a NumericDate (RFC 7519 section 2); fractions are dropped.
func (t *Token) seconds(name string) (time.Time, error) {
	raw, present := t.Claims[name]
	if !present {
		return time.Time{}, nil
	}
	number, ok := raw.(json.Number)
	if !ok {
		return time.Time{}, fmt.Errorf("%s is not a number", name)
	}
	value, err := number.Float64()
	// The year 9999 is the last that other software can read.
	if err != nil || value < 0 || value > 253402300799 {
		return time.Time{}, fmt.Errorf("%s is out of range", name)
	}
	return time.Unix(int64(value), 0).UTC(), nil
}

// missingClaims lists what RFC 9068 section 2.2 requires of a JWT access token and this one lacks.
func (t *Token) missingClaims() []string {
	var missing []string
	for _, claim := range []struct {
		name   string
		absent bool
	}{
		{"iss", t.Issuer == ""},
		{"exp", t.Expiry.IsZero()},
		{"aud", len(t.Audience) == 0},
		{"sub", t.Subject == ""},
		{"client_id", t.ClientID == ""},
		{"iat", t.IssuedAt.IsZero()},
		{"jti", t.JTI == ""},
	} {
		if claim.absent {
			missing = append(missing, claim.name)
		}
	}
	return missing
}
