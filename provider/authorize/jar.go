package authorize

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"slices"
	"strings"
	"time"
	"unicode"

	"signet/provider/clientauth"
	"signet/provider/jose"
	"signet/provider/oauth"
)

// How far a client's clock may differ from ours: backwards for exp, forwards for nbf and iat, of which at least
// 10 s must pass (FAPI 2.0 section 5.3.2.1).
const (
	skewBack  = 10 * time.Second
	skewAhead = 30 * time.Second
)

// inquiry is an authorization request whose parameters have one source: the query or form, or a request object.
type inquiry struct {
	party
	params oauth.Params
	signed bool // params are those of a verified request object
	pushed bool // the client has authenticated
}

// open replaces the parameters by those of the request object, if there is one: none outside of it counts (RFC 9101
// section 6.3). One that is refused leaves behind what it claims, which may direct the error and nothing else: the
// destination has to be registered whoever names it.
func (e *Endpoint) open(ctx context.Context, from *inquiry) error {
	compact := from.params.Get("request")
	if compact == "" {
		return nil
	}
	claims, err := e.verified(ctx, from.party, compact)
	if err != nil {
		from.params = claimed(from.params, compact)
		return err
	}
	params, fault := objectParams(claims.Raw)
	if fault != nil {
		from.params = claimed(from.params, compact)
		return fault
	}
	from.params, from.signed = params, true
	return e.checkObject(from.party, claims, params)
}

// verified checks the signature of a request object (RFC 9101 section 6.2).
func (e *Endpoint) verified(ctx context.Context, who party, compact string) (jose.Claims, error) {
	algs := who.profile.SigningAlgs
	if only := who.client.RequestObjectAlg; only != "" {
		algs = who.profile.Algorithms([]string{only})
	}
	v, err := e.deps.Authenticate.VerifySigned(ctx, who.client, compact, algs)
	var keyless *oauth.Error
	switch {
	case errors.Is(err, clientauth.ErrSignature), errors.As(err, &keyless) && keyless.Code == oauth.InvalidClient:
		return jose.Claims{}, badObject("the request object is not signed by the client with an algorithm that is allowed").Because(err)
	case err != nil:
		return jose.Claims{}, err
	case !objectType(v.Typ):
		return jose.Claims{}, badObject("the request object has another typ (RFC 9101 section 10.8)")
	}
	claims, err := jose.ParseClaims(v.Payload)
	if err != nil {
		return jose.Claims{}, badObject("the request object is malformed").Because(err)
	}
	return claims, nil
}

// objectType refuses JWTs that say that they are something else (RFC 9101 section 10.8.1).
func objectType(typ string) bool {
	typ = strings.TrimPrefix(strings.ToLower(typ), "application/") // it may be left out (RFC 7515 section 4.1.9)
	return typ == "" || typ == "jwt" || typ == "oauth-authz-req+jwt"
}

func badObject(text string) *oauth.Error { return oauth.Errorf(oauth.InvalidRequestObject, "%s", text) }

// checkObject judges what a signed request object says about itself (RFC 9101 sections 4, 5 and 10).
func (e *Endpoint) checkObject(who party, claims jose.Claims, params oauth.Params) error {
	id, strict := who.client.ID, who.profile.SignedRequest
	switch {
	case params.Has("request"), params.Has("request_uri"): // RFC 9101 section 4
		return badObject("the request object must not have request or request_uri in it")
	case params.Has("client_id") && params.Get("client_id") != id, claims.Issuer != "" && claims.Issuer != id:
		return badObject("the request object is another client's")
	case !params.Has("client_id") && claims.Issuer == "":
		return badObject("the request object names no client")
	case len(claims.Audience) == 0 && strict: // FAPI 1.0 Advanced section 5.2.2 item 15, FAPI 2.0 Message Signing section 5.3.1
		return badObject("the request object has no aud")
	case len(claims.Audience) > 0 && !slices.Contains(claims.Audience, e.deps.Issuer):
		return badObject("the request object is meant for another server: its aud must be the issuer")
	}
	return checkObjectTimes(claims, who.profile, e.deps.Clock())
}

// checkObjectTimes applies RFC 7519 sections 4.1.4 to 4.1.6 and, where requests must be signed, FAPI 1.0 Advanced
// section 5.2.2 items 13 and 17 and FAPI 2.0 Message Signing section 5.3.1.
func checkObjectTimes(claims jose.Claims, profile oauth.Profile, now time.Time) error {
	exp, nbf := claims.Expiry, claims.NotBefore
	switch {
	case !exp.IsZero() && !now.Before(exp.Add(skewBack)):
		return badObject("the request object has expired")
	case nbf.After(now.Add(skewAhead)):
		return badObject("the request object is not valid yet")
	case claims.IssuedAt.After(now.Add(skewAhead)):
		return badObject("the request object was issued in the future")
	case !profile.SignedRequest:
		return nil
	case exp.IsZero(), nbf.IsZero():
		return badObject("the request object needs exp and nbf")
	case exp.Sub(nbf) > profile.MaxRequestObject:
		return badObject("the request object lives too long")
	case now.Sub(nbf) > profile.MaxRequestObject:
		return badObject("the nbf of the request object is too long ago")
	}
	return nil
}

// jwtClaims are about the request object itself, not about the request.
var jwtClaims = []string{"iss", "sub", "aud", "exp", "nbf", "iat", "jti"}

// objectParams reads parameters from a request object's claims (RFC 9101 section 4): strings as they are, numbers,
// objects and arrays as their JSON, and resource as the list that it may be. null is as good as absent.
func objectParams(claims map[string]json.RawMessage) (oauth.Params, *oauth.Error) {
	values := make(map[string][]string, len(claims))
	for name, raw := range claims {
		if slices.Contains(jwtClaims, name) || len(raw) == 0 || string(raw) == "null" {
			continue
		}
		list := []json.RawMessage{raw}
		if name == "resource" && raw[0] == '[' {
			if err := json.Unmarshal(raw, &list); err != nil {
				return oauth.Params{}, badObject("the request object's resource is malformed").Because(err)
			}
		}
		for _, item := range list {
			text, ok := textOf(item)
			if !ok {
				return oauth.Params{}, badObject("a parameter in the request object has control characters or is malformed")
			}
			if text != "" { // omitted (RFC 6749 section 3.1)
				values[name] = append(values[name], text)
			}
		}
	}
	return oauth.NewParams(values), nil
}

// textOf returns the parameter that a JSON value stands for. ok is false for what could not be sent in a form.
func textOf(raw json.RawMessage) (text string, ok bool) {
	text = string(raw)
	if strings.HasPrefix(text, `"`) && json.Unmarshal(raw, &text) != nil {
		return "", false
	}
	return text, !strings.ContainsFunc(text, func(c rune) bool {
		return unicode.IsControl(c) && c != '\t' && c != '\r' && c != '\n'
	})
}

// claimed returns the request's parameters with those of an unverified request object laid over them that say
// where an answer is to go, and how.
func claimed(outside oauth.Params, compact string) oauth.Params {
	values := map[string][]string{}
	directing := []string{"redirect_uri", "response_type", "response_mode", "state"}
	for _, name := range directing {
		if outside.Has(name) {
			values[name] = outside.All(name)
		}
	}
	parts := strings.Split(compact, ".")
	if len(parts) < 2 || len(compact) > jose.MaxTokenSize {
		return oauth.NewParams(values)
	}
	payload, err := base64.RawURLEncoding.DecodeString(parts[1])
	if err != nil {
		return oauth.NewParams(values)
	}
	claims, err := jose.ParseClaims(payload)
	if err != nil {
		return oauth.NewParams(values)
	}
	for _, name := range directing {
		if text, ok := textOf(claims.Raw[name]); ok && text != "" {
			values[name] = []string{text}
		}
	}
	return oauth.NewParams(values)
}
