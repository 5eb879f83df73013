package jar

import (
	"errors"
	"slices"
	"strings"
	"time"

	"signet/provider/jose"
	"signet/provider/oauth"
)

// How far a client's clock may differ from ours: backwards for exp, forwards for nbf and iat, of which at least
// 10 s must pass (FAPI 2.0 section 5.3.2.1).
const (
	skewBack  = 10 * time.Second
	skewAhead = 30 * time.Second
)

const maxJTI = 256 // bytes

// Rules are what a request object is held against, and what the specifications ask of it differently.
type Rules struct {
	Code   oauth.Code // of every refusal
	Client string     // whose object it has to be
	Issuer string     // this server, as aud
	Now    time.Time
	// Needs are the claims that must be there, of iss, aud, exp, iat, nbf and jti. Those that are there are checked
	// whether needed or not.
	Needs []string
	// Life bounds, if it is not zero, exp after nbf and nbf's age. exp and nbf are needed then.
	Life time.Duration

	nameless bool // it need not name its client
}

// Object is a request object that keeps the rules.
type Object struct {
	Params oauth.Params
	ID     string    // jti; may be empty unless needed
	Until  time.Time // when it has expired for certain; zero without exp
}

// Algorithms are those that a request object may be signed with: the profile's, or of these the one that the client
// has registered; "" is none.
func Algorithms(profile oauth.Profile, registered string) []string {
	if registered == "" {
		return profile.SigningAlgs
	}
	return profile.Algorithms([]string{registered})
}

// Unsigned is the answer when the signature could not be verified because of err, which wraps forged if the client
// did not make it, and is invalid_client if the client has no keys. Otherwise the keys cannot be had now.
func (r Rules) Unsigned(err, forged error) *oauth.Error {
	var fault *oauth.Error
	if errors.Is(err, forged) || errors.As(err, &fault) && fault.Code == oauth.InvalidClient {
		return r.refuse("is not signed by the client with an algorithm that is allowed").Because(err)
	}
	return oauth.Errorf(oauth.TemporarilyUnavailable, "the client's keys cannot be had at present").Because(err)
}

// IsUnsigned says whether a request object has no signature, which only an unsecured JWT may lack (RFC 7519 section 6).
func IsUnsigned(compact string) bool { return strings.HasSuffix(compact, ".") }

// ReadUnsigned reads a request object of alg none (OpenID Connect Core section 6.1). It is no more than parameters in
// another spelling, of which anybody can be the author: it needs neither to name its client nor to expire, but what it
// says of itself has to be true. Errors have the rules' code.
func (r Rules) ReadUnsigned(compact string) (Object, *oauth.Error) {
	payload, err := jose.ReadUnsigned(compact)
	if err != nil {
		return Object{}, r.refuse("is neither signed nor well-formed with alg none").Because(err)
	}
	r.Needs, r.Life, r.nameless = nil, 0, true
	return r.Read(jose.Verified{Payload: payload})
}

// Read checks what a request object, whose signature has been verified, says about itself, and takes the parameters
// out of it (RFC 9101 sections 4 to 6). Errors have the rules' code.
func (r Rules) Read(v jose.Verified) (Object, *oauth.Error) {
	if !validType(v.Typ) {
		return Object{}, r.refuse("has another typ (RFC 9101 section 10.8)")
	}
	claims, err := jose.ParseClaims(v.Payload)
	if err != nil {
		return Object{}, r.refuse("is malformed").Because(err)
	}
	params, ok := paramsOf(claims.Raw)
	if !ok {
		return Object{}, r.refuse("has a parameter with control characters, or a malformed one")
	}
	for _, check := range []func(jose.Claims, oauth.Params) *oauth.Error{r.checkNeeds, r.checkParties, r.checkTimes} {
		if fault := check(claims, params); fault != nil {
			return Object{}, fault
		}
	}
	object := Object{Params: params, ID: claims.ID}
	if !claims.Expiry.IsZero() {
		object.Until = claims.Expiry.Add(skewBack)
	}
	return object, nil
}

func (r Rules) refuse(text string) *oauth.Error {
	return oauth.Errorf(r.Code, "the request object %s", text)
}

// validType refuses JWTs that say that they are something else (RFC 9101 section 10.8.1).
func validType(typ string) bool {
	typ = strings.TrimPrefix(strings.ToLower(typ), "application/") // it may be left out (RFC 7515 section 4.1.9)
	return typ == "" || typ == "jwt" || typ == "oauth-authz-req+jwt"
}

func (r Rules) checkNeeds(claims jose.Claims, _ oauth.Params) *oauth.Error {
	for _, name := range r.Needs {
		if !has(claims, name) {
			return r.refuse("has no " + name)
		}
	}
	return nil
}

// checkParties: from this client, to this server, and not fit to be anything else.
func (r Rules) checkParties(claims jose.Claims, params oauth.Params) *oauth.Error {
	switch {
	case has(claims, "request"), has(claims, "request_uri"): // RFC 9101 section 4
		return r.refuse("must not have request or request_uri in it")
	case has(claims, "iss") && claims.Issuer != r.Client, params.Has("client_id") && params.Get("client_id") != r.Client:
		return r.refuse("is another client's")
	case !r.nameless && !has(claims, "iss") && !params.Has("client_id"):
		return r.refuse("names no client")
	case claims.Subject == r.Client: // RFC 9101 section 10.8
		return r.refuse("must not have the client_id as sub: it could be taken for a client assertion")
	case has(claims, "aud") && !slices.Contains(claims.Audience, r.Issuer):
		return r.refuse("is meant for another server: its aud must be the issuer")
	case has(claims, "jti") && (claims.ID == "" || len(claims.ID) > maxJTI):
		return r.refuse("needs a jti of 1 to 256 bytes")
	}
	return nil
}

// checkTimes applies RFC 7519 sections 4.1.4 to 4.1.6, and the profiles' limits.
func (r Rules) checkTimes(claims jose.Claims, _ oauth.Params) *oauth.Error {
	exp, nbf := claims.Expiry, claims.NotBefore
	switch {
	case !exp.IsZero() && !r.Now.Before(exp.Add(skewBack)):
		return r.refuse("has expired")
	case nbf.After(r.Now.Add(skewAhead)):
		return r.refuse("is not valid yet")
	case claims.IssuedAt.After(r.Now.Add(skewAhead)):
		return r.refuse("was issued in the future")
	case r.Life == 0:
		return nil
	case exp.IsZero(), nbf.IsZero():
		return r.refuse("needs exp and nbf")
	case exp.Sub(nbf) > r.Life:
		return r.refuse("lives too long")
	case r.Now.Sub(nbf) > r.Life:
		return r.refuse("has an nbf that is too long ago")
	}
	return nil
}

func has(claims jose.Claims, name string) bool {
	_, sent := claims.Raw[name]
	return sent
}
