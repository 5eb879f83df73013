package saml

import (
	"slices"
	"time"
)

// Bearer is the confirmation method of what anybody may present who has it (SAML Profiles section 3.3).
const Bearer = "urn:oasis:names:tc:SAML:2.0:cm:bearer" //nolint:gosec // a name that SAML gives, no credential

// Fault is why a verified assertion does not count. Its text is for the client's developer, and goes on from "the
// assertion".
type Fault string

// Error implements error.
func (f Fault) Error() string { return "the assertion " + string(f) }

// Expectation is what an assertion must meet. All fields are required.
type Expectation struct {
	Issuer string
	// Audiences are the names of this server of which those of the assertion must all be.
	Audiences []string
	// Recipients are the URLs of the token endpoint.
	Recipients []string
	Now        time.Time
	// MaxLifetime is how far from now, or from when it was issued, its end may be.
	MaxLifetime time.Duration
	// Early and Late are how much too early and too late it may be.
	Early, Late time.Duration
}

// Check judges a verified assertion by RFC 7522 section 3, and returns when it ends. The error is a [Fault].
func (a Assertion) Check(e Expectation) (until time.Time, err error) {
	if a.Issuer != e.Issuer {
		return time.Time{}, Fault("is of another issuer")
	}
	if len(a.Audiences) == 0 {
		return time.Time{}, Fault("has no AudienceRestriction")
	}
	for _, restriction := range a.Audiences {
		// One that is for others, too, could be replayed there, or come from there.
		if len(restriction) == 0 || slices.ContainsFunc(restriction, func(aud string) bool { return !slices.Contains(e.Audiences, aud) }) {
			return time.Time{}, Fault("has another audience")
		}
	}
	until, fault := a.confirmed(e)
	if fault != "" {
		return time.Time{}, fault
	}
	until = earliest(until, a.NotOnOrAfter)
	switch {
	case until.IsZero():
		return time.Time{}, Fault("has no NotOnOrAfter")
	case !e.Now.Before(until.Add(e.Late)):
		return time.Time{}, Fault("has expired")
	case until.After(e.Now.Add(e.MaxLifetime+e.Early)) || until.After(a.IssuedAt.Add(e.MaxLifetime)):
		return time.Time{}, Fault("lives too long")
	case a.NotBefore.After(e.Now.Add(e.Early)) || a.IssuedAt.After(e.Now.Add(e.Early)) || a.AuthTime.After(e.Now.Add(e.Early)):
		return time.Time{}, Fault("is not valid yet")
	case !a.SessionEnds.IsZero() && !e.Now.Before(a.SessionEnds):
		return time.Time{}, Fault("is about a session that has ended")
	}
	return until, nil
}

// confirmed finds the first bearer confirmation that holds here and now, and returns its own end; zero when only the
// conditions have one. Where they have none, it must (RFC 7522 section 3 item 5).
func (a Assertion) confirmed(e Expectation) (until time.Time, fault Fault) {
	fault = "has no bearer SubjectConfirmation"
	for _, c := range a.Confirmations {
		switch {
		case c.Method != Bearer:
			continue
		case !c.Data && a.NotOnOrAfter.IsZero():
			fault = "has no NotOnOrAfter"
		case !c.Data:
			return time.Time{}, ""
		case !slices.Contains(e.Recipients, c.Recipient):
			fault = "has another Recipient than the token endpoint"
		case c.NotOnOrAfter.IsZero():
			fault = "has no NotOnOrAfter"
		case !e.Now.Before(c.NotOnOrAfter.Add(e.Late)):
			fault = "has expired"
		case c.NotBefore.After(e.Now.Add(e.Early)):
			fault = "is not valid yet"
		case c.InResponseTo != "":
			fault = "answers a request that was not made here"
		default:
			return c.NotOnOrAfter, ""
		}
	}
	return time.Time{}, fault
}

// earliest returns the earlier of two times, of which zero is none.
func earliest(a, b time.Time) time.Time {
	if a.IsZero() || !b.IsZero() && b.Before(a) {
		return b
	}
	return a
}
