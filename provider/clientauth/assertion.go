package clientauth

import (
	"bytes"
	"encoding/base64"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"signet/provider/jose"
	"signet/provider/oauth"
)

// Limits on an assertion's claims.
const (
	// Skew is how long after exp an assertion is still accepted: the difference between two clocks.
	Skew = 10 * time.Second
	// futureLeeway is how far ahead iat and nbf may be: at least 10 s must pass, more than 60 s must not
	// (FAPI 2.0 section 5.3.2.1).
	futureLeeway = 30 * time.Second
	// maxLifetime bounds how far ahead exp may be, and so how long a jti is remembered.
	maxLifetime = time.Hour
	maxJTI      = 256 // bytes
)

// assertion is a client_assertion whose claims are read but not proved. Until its signature is verified
// they only say which client's keys to try.
type assertion struct {
	compact string
	payload []byte
	claims  jose.Claims
}

// assertionOf returns nil when the request has no assertion.
func assertionOf(params oauth.Params) (*assertion, error) {
	compact, kind := params.Get("client_assertion"), params.Get("client_assertion_type")
	switch {
	case compact == "" && kind == "":
		return nil, nil
	case compact == "" || kind == "":
		return nil, oauth.Errorf(oauth.InvalidRequest, "client_assertion and client_assertion_type belong together")
	case kind != oauth.AssertionTypeJWT:
		return nil, oauth.Errorf(oauth.InvalidClient, "the client_assertion_type is not supported")
	}
	a, err := readAssertion(compact)
	if err != nil {
		return nil, malformed(err)
	}
	if a.claims.Subject == "" {
		return nil, oauth.Errorf(oauth.InvalidClient, "the client_assertion has no sub")
	}
	return a, nil
}

// readAssertion takes a JWT apart, of which nothing is proved.
func readAssertion(compact string) (*assertion, error) {
	_, rest, _ := strings.Cut(compact, ".")
	body, _, ok := strings.Cut(rest, ".")
	if !ok || len(compact) > jose.MaxTokenSize {
		return nil, jose.ErrMalformed
	}
	payload, err := base64.RawURLEncoding.DecodeString(body)
	if err != nil {
		return nil, err
	}
	claims, err := jose.ParseClaims(payload)
	if err != nil {
		return nil, err
	}
	return &assertion{compact, payload, claims}, nil
}

func malformed(cause error) *oauth.Error {
	return oauth.Errorf(oauth.InvalidClient, "the client_assertion is malformed").Because(cause)
}

// verified judges an assertion whose signature has been checked. Its holder has the client's key, so that
// the answers may be exact. The change makes the jti single use (RFC 7523 section 3 item 7).
func (a *assertion) verified(v jose.Verified, r *Request, c *oauth.Client, p oauth.Profile, issuer string) ([]oauth.Change, error) {
	if !bytes.Equal(v.Payload, a.payload) {
		return nil, failed(errAnotherPayload)
	}
	reason := ""
	switch {
	case !validType(v.Typ):
		reason = "is of another type"
	case a.claims.Issuer != c.ID || a.claims.Subject != c.ID:
		reason = "must have the client_id as iss and sub"
	default:
		reason = a.judge(r, p, issuer)
	}
	if reason != "" {
		return nil, oauth.Errorf(oauth.InvalidClient, "the client_assertion %s", reason)
	}
	return []oauth.Change{oauth.UseAssertion{ClientID: c.ID, JTI: a.claims.ID, Until: a.claims.Expiry.Add(Skew)}}, nil
}

var errAnotherPayload = errors.New("the verified payload is not the one that was read")

// judge returns why what every assertion of a client must say is not so; "" = it is (RFC 7523 section 3).
func (a *assertion) judge(r *Request, p oauth.Profile, issuer string) string {
	claims := &a.claims
	switch {
	case isRequest(claims):
		return "is a request object"
	case !validAudience(claims, p, issuer, r.Endpoints):
		if p.AssertionAudienceIssuerOnly {
			return "must have the issuer as its aud, as a single string"
		}
		return "has another audience"
	case claims.Expiry.IsZero():
		return "has no exp"
	case !r.Now.Before(claims.Expiry.Add(Skew)):
		return "has expired"
	case claims.Expiry.After(r.Now.Add(maxLifetime)):
		return "lives too long"
	case claims.IssuedAt.After(r.Now.Add(futureLeeway)):
		return "was issued in the future"
	case claims.NotBefore.After(r.Now.Add(futureLeeway)):
		return "is not valid yet"
	case claims.ID == "" || len(claims.ID) > maxJTI:
		return fmt.Sprintf("needs a jti of 1 to %d bytes", maxJTI)
	}
	return ""
}

// validAudience applies RFC 7523 section 3 item 3. Under a FAPI profile only the issuer as a single string
// will do. Otherwise the endpoint will, too, and an array, but nobody else in it: what another server
// may also accept could be replayed there, or come from there.
func validAudience(claims *jose.Claims, p oauth.Profile, issuer string, endpoints []string) bool {
	if p.AssertionAudienceIssuerOnly {
		return claims.AudienceIsString && claims.Audience[0] == issuer
	}
	for _, aud := range claims.Audience {
		if aud != issuer && !slices.Contains(endpoints, aud) {
			return false
		}
	}
	return len(claims.Audience) > 0
}

// validType refuses JWTs that say that they are something else (RFC 8725 section 3.11).
func validType(typ string) bool {
	return typ == "" || strings.EqualFold(typ, "JWT") || strings.EqualFold(typ, "client-authentication+jwt")
}

// isRequest tells request objects, which may have the look of an assertion otherwise (RFC 9101 section 10.8): each has
// one of these, those of backchannel authentication one of the hints (CIBA Core section 7.1).
func isRequest(claims *jose.Claims) bool {
	return slices.ContainsFunc([]string{"response_type", "redirect_uri", "request_uri", "login_hint", "login_hint_token", "id_token_hint"},
		func(name string) bool { _, sent := claims.Raw[name]; return sent })
}

// algorithms returns the allowed ones, or of those the one that the client is registered with.
func algorithms(allowed []string, c *oauth.Client) []string {
	if c.AuthSigningAlg == "" {
		return allowed
	}
	if i := slices.Index(allowed, c.AuthSigningAlg); i >= 0 {
		return allowed[i : i+1]
	}
	return nil
}
