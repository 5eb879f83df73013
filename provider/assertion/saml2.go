package assertion

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"strings"
	"time"

	"signet/provider/assertion/saml"
	"signet/provider/oauth"
)

// SAML judges a SAML 2.0 assertion (RFC 7522 section 3), base64url, that the client presents for the use, a grant type. The
// error is an *[oauth.Error], invalid_grant, or temporarily_unavailable when it cannot be judged now; any other is the
// store's.
func (r *Reader) SAML(ctx context.Context, client *oauth.Client, raw, use string, now time.Time) (Asserted, error) {
	document, err := ReadSAML(raw)
	if err != nil {
		return Asserted{}, refuse("is no SAML assertion that is read here", err)
	}
	s, err := r.find(client, document.ClaimedIssuer(), use)
	if err != nil {
		return Asserted{}, err
	}
	verified, err := r.verifySAML(ctx, s, document, now)
	if err != nil {
		return Asserted{}, blamed(err)
	}
	audiences, _ := r.audiences(s)
	until, err := verified.Check(saml.Expectation{
		Issuer: document.ClaimedIssuer(), Audiences: audiences, Recipients: r.deps.Endpoints, Now: now,
		MaxLifetime: s.maxLifetime(), Early: Early, Late: Late,
	})
	if fault := saml.Fault(""); errors.As(err, &fault) {
		return Asserted{}, refuse(string(fault), nil)
	}
	if err != nil {
		return Asserted{}, err
	}
	attributes, err := json.Marshal(verified.Attributes)
	if err != nil {
		return Asserted{}, err
	}
	login := Asserted{
		Issuer: verified.Issuer, ACR: verified.ACR, AuthTime: loggedIn(verified, now), Claims: attributes,
		ExpiresAt: until, SessionEnds: verified.SessionEnds,
	}
	if !login.SessionEnds.IsZero() && login.SessionEnds.Before(until) {
		login.ExpiresAt = login.SessionEnds
	}
	login.Changes = used(verified.Issuer, verified.ID, until)
	if s.issuer == nil {
		login.Changes = usedByClient(client, verified.ID, until)
	}
	return r.about(ctx, s, verified.Subject, login)
}

// ReadSAML takes the assertion parameter of a request (RFC 7522 section 2.1) apart: base64url, for which padding is not
// needed. Errors wrap those of [saml.Parse].
func ReadSAML(raw string) (*saml.Document, error) {
	if len(raw) > base64.URLEncoding.EncodedLen(saml.MaxSize) {
		return nil, saml.ErrMalformed
	}
	text, err := base64.RawURLEncoding.Strict().DecodeString(strings.TrimRight(raw, "="))
	if err != nil || strings.ContainsAny(raw, "\r\n") {
		return nil, errors.Join(saml.ErrMalformed, err)
	}
	return saml.Parse(text)
}

func (r *Reader) verifySAML(ctx context.Context, s source, document *saml.Document, now time.Time) (saml.Assertion, error) {
	if s.issuer == nil {
		return r.deps.Clients.VerifySAML(ctx, s.client, document, s.profile.SigningAlgs, now)
	}
	return document.Verify(s.issuer.Certificates, s.algorithms(saml.Algorithms()), now)
}

// loggedIn is when the user logged in at the issuer, or else when the assertion was issued.
func loggedIn(a saml.Assertion, now time.Time) time.Time {
	at := a.AuthTime
	if at.IsZero() {
		at = a.IssuedAt
	}
	if at.After(now) {
		return now
	}
	return at
}
