package jose

import (
	"encoding/json"
	"fmt"
	"math"
	"strconv"
	"time"
)

// maxNumericDate is the last second of the year 9999: what RFC 3339 can still write.
const maxNumericDate = 253402300799

// Claims are a JWT's claims set (RFC 7519 section 4). Registered claims have been checked for their type,
// not for their value: what is expired or meant for somebody else is the caller's to judge.
type Claims struct {
	Issuer   string // iss
	Subject  string // sub
	ID       string // jti
	Audience []string
	// AudienceIsString: aud was a single string, not an array (FAPI 2.0 section 5.3.2.1 item 8 asks for it).
	AudienceIsString bool
	// Absent times are zero (time.Time.IsZero).
	Expiry, IssuedAt, NotBefore time.Time
	// Raw has every claim, the registered ones included, as it was sent.
	Raw map[string]json.RawMessage
}

// ParseClaims reads a claims set strictly: an object, no member twice, registered claims of the right type,
// times finite and between 1970 and 9999. The error wraps [ErrMalformed] and names the claim.
func ParseClaims(payload []byte) (Claims, error) {
	list, err := members(payload)
	if err != nil {
		return Claims{}, err
	}
	c := Claims{Raw: make(map[string]json.RawMessage, len(list))}
	for _, m := range list {
		c.Raw[m.name] = m.value
		if err := c.set(m); err != nil {
			return Claims{}, fmt.Errorf("claim %s: %w", m.name, err)
		}
	}
	return c, nil
}

// set returns an error only for registered claims, so that no foreign name gets into the error's text.
func (c *Claims) set(m member) (err error) {
	switch m.name {
	case "iss":
		c.Issuer, err = unquote(m.value)
	case "sub":
		c.Subject, err = unquote(m.value)
	case "jti":
		c.ID, err = unquote(m.value)
	case "aud":
		c.Audience, c.AudienceIsString, err = audience(m.value)
	case "exp":
		c.Expiry, err = numericDate(m.value)
	case "iat":
		c.IssuedAt, err = numericDate(m.value)
	case "nbf":
		c.NotBefore, err = numericDate(m.value)
	}
	return err
}

// audience reads a string or an array of strings (RFC 7519 section 4.1.3).
func audience(raw json.RawMessage) (list []string, single bool, err error) {
	if raw[0] == '"' {
		s, err := unquote(raw)
		return []string{s}, true, err
	}
	var items []json.RawMessage
	if raw[0] != '[' || json.Unmarshal(raw, &items) != nil {
		return nil, false, fmt.Errorf("%w: a string or an array of strings is expected", ErrMalformed)
	}
	for _, item := range items {
		s, err := unquote(item)
		if err != nil {
			return nil, false, err
		}
		list = append(list, s)
	}
	return list, false, nil
}

// numericDate reads seconds since 1970, which may have a fraction (RFC 7519 section 2).
func numericDate(raw json.RawMessage) (time.Time, error) {
	text := string(raw)
	if seconds, err := strconv.ParseInt(text, 10, 64); err == nil {
		if seconds < 0 || seconds > maxNumericDate {
			return time.Time{}, fmt.Errorf("%w: time out of range", ErrMalformed)
		}
		return time.Unix(seconds, 0).UTC(), nil
	}
	if c := text[0]; c != '-' && (c < '0' || c > '9') {
		return time.Time{}, fmt.Errorf("%w: a number is expected", ErrMalformed)
	}
	seconds, err := strconv.ParseFloat(text, 64)
	if err != nil || !(seconds >= 0 && seconds <= maxNumericDate) {
		return time.Time{}, fmt.Errorf("%w: time out of range", ErrMalformed)
	}
	whole, fraction := math.Modf(seconds)
	return time.Unix(int64(whole), int64(fraction*1e9)).UTC(), nil
}
