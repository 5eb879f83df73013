package clientauth

import (
	"bytes"
	"context"
	"encoding/base64"
	"errors"
	"slices"
	"strings"
	"time"

	"signet/provider/assertion/saml"
	"signet/provider/oauth"
)

// selfIssued is an assertion that is redeemed (RFC 7521 section 4.1) and that the client says it has issued itself: proved,
// it says who calls as well as a client assertion would. Nothing in it is proved yet. One of the two is set.
type selfIssued struct {
	jwt  *assertion
	saml *saml.Document
}

// selfIssuedOf returns nil when the request has no such assertion, or brings another credential, or says that it comes
// from somebody else: then the assertion proves nothing about who calls.
func selfIssuedOf(r *Request) *selfIssued {
	raw := r.Params.Get("assertion")
	if raw == "" || r.credentials() > 0 {
		return nil
	}
	s := &selfIssued{}
	switch r.Params.Get("grant_type") {
	case oauth.GrantJWTBearer:
		var err error
		if s.jwt, err = readAssertion(raw); err != nil {
			return nil
		}
	case oauth.GrantSAML2Bearer:
		text, err := base64.RawURLEncoding.DecodeString(strings.TrimRight(raw, "="))
		if err != nil {
			return nil
		}
		if s.saml, err = saml.Parse(text); err != nil {
			return nil
		}
	default:
		return nil
	}
	if id := r.Params.Get("client_id"); s.issuer() == "" || id != "" && id != s.issuer() {
		return nil
	}
	return s
}

// issuer is who says that it made the assertion.
func (s *selfIssued) issuer() string {
	if s.saml != nil {
		return s.saml.ClaimedIssuer()
	}
	return s.jwt.claims.Issuer
}

// selfIssuedMethod is private_key_jwt by an assertion that is redeemed in the same request: a proof by the same keys, about
// the same endpoint, for as short a time.
type selfIssuedMethod struct {
	keys   *clientKeys
	issuer string
}

// Name implements Method.
func (selfIssuedMethod) Name() oauth.AuthMethod { return oauth.AuthPrivateKeyJWT }

// Presented implements Method.
func (selfIssuedMethod) Presented(r *Request) bool { return r.selfIssued != nil }

// Authenticate implements Method. It returns no changes: the grant that redeems the assertion uses it up, as a client
// assertion of the client. Whatever else fails of the request, nothing has been had for it.
func (m selfIssuedMethod) Authenticate(ctx context.Context, r *Request, c *oauth.Client, p oauth.Profile) ([]oauth.Change, error) {
	if r.selfIssued.saml != nil {
		return nil, m.saml(ctx, r, c, p)
	}
	return nil, m.jwt(ctx, r, c, p)
}

func (m selfIssuedMethod) jwt(ctx context.Context, r *Request, c *oauth.Client, p oauth.Profile) error {
	a := r.selfIssued.jwt
	v, err := m.keys.verify(ctx, c, a.compact, algorithms(p.SigningAlgs, c))
	if errors.Is(err, ErrSignature) {
		return failed(err)
	}
	if err != nil {
		return err
	}
	if !bytes.Equal(v.Payload, a.payload) {
		return failed(errAnotherPayload)
	}
	reason := a.judge(r, p, m.issuer)
	switch {
	case !validGrantType(v.Typ):
		reason = "is of another type"
	case a.claims.Issuer != c.ID || a.claims.Subject == "":
		reason = "must have the client_id as iss, and a sub"
	}
	return selfIssuedFault(reason)
}

// validGrantType refuses JWTs that say that they are something else (RFC 8725 section 3.11), client assertions among them.
func validGrantType(typ string) bool {
	return typ == "" || strings.EqualFold(typ, "JWT") || strings.EqualFold(typ, "authorization-grant+jwt")
}

func (m selfIssuedMethod) saml(ctx context.Context, r *Request, c *oauth.Client, p oauth.Profile) error {
	verified, err := m.keys.verifySAML(ctx, c, r.selfIssued.saml, algorithms(p.SigningAlgs, c), r.Now)
	if errors.Is(err, ErrSignature) {
		return failed(err)
	}
	if err != nil {
		return err
	}
	audiences := []string{m.issuer}
	if !p.AssertionAudienceIssuerOnly {
		audiences = append(audiences, r.Endpoints...)
	}
	_, err = verified.Check(saml.Expectation{
		Issuer: c.ID, Audiences: audiences, Recipients: r.Endpoints, Now: r.Now, MaxLifetime: maxLifetime, Early: futureLeeway, Late: Skew,
	})
	if fault := saml.Fault(""); errors.As(err, &fault) {
		return selfIssuedFault(string(fault))
	}
	return err
}

func selfIssuedFault(reason string) error {
	if reason == "" {
		return nil
	}
	return oauth.Errorf(oauth.InvalidClient, "the assertion %s", reason)
}

// implicit says whether the client is to be authenticated by the assertion that it redeems: at the token endpoint alone,
// where the owner lets it, and only in the place of a client assertion.
func (a *Authenticator) implicit(req *Request, c *oauth.Client) bool {
	return req.selfIssued != nil && req.selfIssued.issuer() == c.ID && c.AuthMethod == oauth.AuthPrivateKeyJWT &&
		c.Allows(req.Params.Get("grant_type"))
}

// readSelfIssued looks for the assertion where one counts.
func (a *Authenticator) readSelfIssued(req *Request) {
	if len(a.deps.SelfIssuedAt) > 0 && slices.Equal(req.Endpoints, a.deps.SelfIssuedAt) {
		req.selfIssued = selfIssuedOf(req)
	}
}

// VerifySAML checks the signature of a SAML assertion with the keys of the client's JWKS that have their certificate there
// (x5c, RFC 7517 section 4.7), each while it is valid. The errors are those of [Authenticator.VerifySigned].
func (a *Authenticator) VerifySAML(ctx context.Context, c *oauth.Client, d *saml.Document, algs []string, now time.Time) (saml.Assertion, error) {
	return a.deps.keys.verifySAML(ctx, c, d, algs, now)
}
