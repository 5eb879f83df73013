package registration

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"slices"
	"strings"
	"time"

	"signet/policy"
	"signet/provider/jose"
	"signet/provider/oauth"
)

// The errors about software statements (RFC 7591 section 3.2.2).
const (
	invalidStatement    oauth.Code = "invalid_software_statement"
	unapprovedStatement oauth.Code = "unapproved_software_statement"
)

// skew is how far the clock of a statement's issuer may be from ours.
const skew = 30 * time.Second

// Statements say whose software statements are believed (RFC 7591 section 2.3).
type Statements struct {
	Issuers  []StatementIssuer // none = statements are ignored
	Required bool              // no registration without one
	// Audience is what a statement that is for somebody must be for: this server's issuer identifier.
	Audience string
}

// StatementIssuer signs software statements.
type StatementIssuer struct {
	Issuer string // the "iss" of its statements
	Algs   []string
	// Keys are its public keys. Fresh, if it is not nil, reads them again when a statement's key is not among them.
	Keys, Fresh func(ctx context.Context) (*jose.KeySet, error)
}

// errNoKeys: it cannot be judged now who signed.
var errNoKeys = errors.New("no keys at present")

// believe puts what the software statement says in the place of what the client says itself: the statement's values
// come first (RFC 7591 section 2.3). The result is nil when there is no statement.
func (e *endpoint) believe(ctx context.Context, given members) (*policy.SoftwareStatement, error) {
	if len(e.Statements.Issuers) == 0 {
		delete(given, statementMember) // RFC 7591 section 2.3: ignored where they are not supported
		return nil, nil                //nolint:nilnil // no statement is a fact, not an error
	}
	raw, there := given[statementMember]
	if !there {
		if e.Statements.Required {
			return nil, refuse([]Fault{{statementMember, "is required (RFC 7591 section 2.3)"}})
		}
		return nil, nil //nolint:nilnil // as above
	}
	compact, ok := text(raw)
	if !ok {
		return nil, refuse([]Fault{{statementMember, "is of the wrong type"}})
	}
	issuer, ok := e.statementIssuer(compact)
	if !ok {
		return nil, oauth.Errorf(unapprovedStatement, "the software statement is not from an issuer that is known here")
	}
	claims, payload, err := e.readStatement(ctx, issuer, compact)
	if err != nil {
		return nil, err
	}
	for _, name := range metadata {
		if value, said := claims.Raw[name]; said && string(value) != "null" {
			given[name] = value
		}
	}
	given[statementMember] = raw // a statement says nothing of another
	return &policy.SoftwareStatement{Issuer: issuer.Issuer, Claims: payload}, nil
}

// readStatement returns what the issuer has signed.
func (e *endpoint) readStatement(ctx context.Context, issuer StatementIssuer, compact string) (jose.Claims, json.RawMessage, error) {
	refuse := func(words string, cause error) (jose.Claims, json.RawMessage, error) {
		return jose.Claims{}, nil, oauth.Errorf(invalidStatement, "the software statement %s", words).Because(cause)
	}
	verified, err := issuer.verify(ctx, compact)
	if errors.Is(err, errNoKeys) {
		return jose.Claims{}, nil, oauth.Errorf(oauth.TemporarilyUnavailable, "the keys of the software statement's issuer cannot be had at present").Because(err)
	}
	if err != nil {
		return refuse("is not signed by its issuer", err)
	}
	claims, err := jose.ParseClaims(verified.Payload)
	now := e.Clock()
	_, addressed := claims.Raw["aud"]
	switch {
	case err != nil || claims.Issuer != issuer.Issuer:
		return refuse("is malformed", err)
	case verified.Typ != "" && !strings.EqualFold(verified.Typ, "JWT"): // RFC 8725 section 3.11: nothing else that it signs
		return refuse("is of another type", nil)
	case addressed && !slices.Contains(claims.Audience, e.Statements.Audience):
		return refuse("is for another audience", nil)
	case claims.NotBefore.After(now.Add(skew)) || claims.IssuedAt.After(now.Add(skew)):
		return refuse("is not valid yet", nil)
	case !claims.Expiry.IsZero() && !now.Before(claims.Expiry.Add(skew)):
		return refuse("has expired", nil)
	}
	return claims, verified.Payload, nil
}

// verify reads the issuer's keys again when the statement's is not among those known.
func (s StatementIssuer) verify(ctx context.Context, compact string) (jose.Verified, error) {
	keys, err := s.Keys(ctx)
	if err != nil {
		return jose.Verified{}, errors.Join(errNoKeys, err)
	}
	verified, err := jose.Verify(compact, keys, s.Algs)
	if !errors.Is(err, jose.ErrUnknownKey) || s.Fresh == nil {
		return verified, err
	}
	if keys, err = s.Fresh(ctx); err != nil {
		return jose.Verified{}, errors.Join(errNoKeys, err)
	}
	return jose.Verify(compact, keys, s.Algs)
}

// statementIssuer reads, unproved, who says that it made the statement: it only tells which keys to try.
func (e *endpoint) statementIssuer(compact string) (StatementIssuer, bool) {
	_, rest, _ := strings.Cut(compact, ".")
	body, _, _ := strings.Cut(rest, ".")
	if len(compact) > jose.MaxTokenSize {
		return StatementIssuer{}, false
	}
	payload, err := base64.RawURLEncoding.DecodeString(body)
	if err != nil {
		return StatementIssuer{}, false
	}
	claims, err := jose.ParseClaims(payload)
	at := slices.IndexFunc(e.Statements.Issuers, func(s StatementIssuer) bool { return s.Issuer == claims.Issuer })
	if err != nil || at < 0 {
		return StatementIssuer{}, false
	}
	return e.Statements.Issuers[at], true
}
