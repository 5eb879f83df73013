package ciba

import (
	"context"
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

// skew is how far the client's clock may be from ours.
const skew = 30 * time.Second

// maxJTI bounds a request object's jti, in bytes.
const maxJTI = 256

// requestParameters are those of CIBA Core section 7.1 and the extensions that are served here.
var requestParameters = []string{
	"scope", "client_notification_token", "acr_values", "login_hint_token", "id_token_hint", "login_hint",
	"binding_message", "user_code", "requested_expiry", "resource", "authorization_details",
}

// parameters returns the request's parameters: those of the form or, when the client has signed them, those of the
// request object and no others (CIBA Core section 7.1.1). The changes make the request object single use.
func (s *Service) parameters(ctx context.Context, caller oauth.ClientAuthentication, form oauth.Params, now time.Time) (oauth.Params, []oauth.Change, error) {
	compact := form.Get("request")
	if compact == "" {
		switch {
		case form.Has("request_uri"):
			return oauth.Params{}, nil, oauth.Errorf(oauth.InvalidRequest, "request_uri is not for backchannel authentication")
		case caller.Profile.SignedBackchannel:
			return oauth.Params{}, nil, oauth.Errorf(oauth.InvalidRequest, "the authentication request must be signed (FAPI-CIBA section 5.2.2)")
		case caller.Client.BackchannelAlg != "":
			return oauth.Params{}, nil, oauth.Errorf(oauth.InvalidRequest, "this client is registered to sign its authentication requests (CIBA Core section 4)")
		}
		return form, nil, nil
	}
	for _, name := range requestParameters {
		if form.Has(name) {
			return oauth.Params{}, nil, oauth.Errorf(oauth.InvalidRequest, "beside a signed request there must be no other request parameters (CIBA Core section 7.1.1)")
		}
	}
	claims, err := s.verify(ctx, caller, compact)
	if err != nil {
		return oauth.Params{}, nil, err
	}
	if fault := s.checkClaims(caller, claims, now); fault != nil {
		return oauth.Params{}, nil, fault
	}
	params, fault := paramsOf(claims)
	if fault != nil {
		return oauth.Params{}, nil, fault
	}
	// In a name space of its own, so that a client may number its assertions and requests alike.
	used := oauth.UseAssertion{
		ClientID: caller.Client.ID, JTI: "backchannel:" + oauth.Secret(claims.ID).Digest().String(), Until: claims.Expiry.Add(skew),
	}
	return params, []oauth.Change{used}, nil
}

// verify checks the signature with the client's keys. The registered algorithm, if there is one, is the only one.
func (s *Service) verify(ctx context.Context, caller oauth.ClientAuthentication, compact string) (jose.Claims, error) {
	algs := caller.Profile.SigningAlgs
	if registered := caller.Client.BackchannelAlg; registered != "" {
		algs = caller.Profile.Algorithms([]string{registered})
	}
	verified, err := s.deps.Authenticate.VerifySigned(ctx, caller.Client, compact, algs)
	if errors.Is(err, clientauth.ErrSignature) {
		return jose.Claims{}, invalid("is not signed with an allowed algorithm and one of the client's keys").Because(err)
	}
	if known := (*oauth.Error)(nil); errors.As(err, &known) { // the client has no keys
		return jose.Claims{}, invalid("cannot be checked: the client has no keys").Because(err)
	}
	if err != nil {
		return jose.Claims{}, oauth.Errorf(oauth.TemporarilyUnavailable, "the client's keys cannot be had at present").Because(err)
	}
	switch strings.TrimPrefix(strings.ToLower(verified.Typ), "application/") {
	case "", "jwt", "oauth-authz-req+jwt": // RFC 9101 section 4
	default:
		return jose.Claims{}, invalid("is of another type")
	}
	claims, err := jose.ParseClaims(verified.Payload)
	if err != nil {
		return jose.Claims{}, invalid("is malformed").Because(err)
	}
	return claims, nil
}

// checkClaims applies CIBA Core section 7.1.1, and the time limits of FAPI-CIBA section 5.2.2.
func (s *Service) checkClaims(caller oauth.ClientAuthentication, claims jose.Claims, now time.Time) *oauth.Error {
	most := caller.Profile.MaxRequestObject
	switch {
	case claims.Issuer != caller.Client.ID:
		return invalid("must have the client_id as iss")
	case !slices.Contains(claims.Audience, s.deps.Issuer):
		return invalid("must have the issuer as aud")
	case claims.Expiry.IsZero() || claims.IssuedAt.IsZero() || claims.NotBefore.IsZero():
		return invalid("needs exp, iat and nbf")
	case claims.ID == "" || len(claims.ID) > maxJTI:
		return invalid("needs a jti of at most 256 bytes")
	case !now.Before(claims.Expiry.Add(skew)):
		return invalid("has expired")
	case claims.NotBefore.After(now.Add(skew)) || claims.IssuedAt.After(now.Add(skew)):
		return invalid("is not valid yet")
	case claims.NotBefore.Before(now.Add(-most - skew)):
		return invalid("has an nbf too long ago")
	case claims.Expiry.After(claims.NotBefore.Add(most + skew)):
		return invalid("lives too long")
	}
	return nil
}

func invalid(text string) *oauth.Error {
	return oauth.Errorf(oauth.InvalidRequest, "the request object %s", text)
}

// paramsOf turns claims into parameters, so that what is signed meets the same rules as what is not. Numbers keep
// their spelling: requested_expiry may be a string or a number (CIBA Core section 7.1.1).
func paramsOf(claims jose.Claims) (oauth.Params, *oauth.Error) {
	for _, name := range []string{"request", "request_uri"} {
		if _, nested := claims.Raw[name]; nested {
			return oauth.Params{}, invalid("has another request inside")
		}
	}
	if raw, sent := claims.Raw["client_id"]; sent {
		var id string
		if json.Unmarshal(raw, &id) != nil || id != claims.Issuer {
			return oauth.Params{}, invalid("names another client_id")
		}
	}
	values := map[string][]string{}
	for _, name := range requestParameters {
		raw, sent := claims.Raw[name]
		if !sent {
			continue
		}
		list, ok := valuesOf(name, raw)
		if !ok {
			return oauth.Params{}, oauth.Errorf(oauth.InvalidRequest, "the request object's %s is of the wrong type", name)
		}
		values[name] = list
	}
	return oauth.NewParams(values), nil
}

func valuesOf(name string, raw json.RawMessage) (list []string, ok bool) {
	var text string
	if raw[0] == '"' {
		err := json.Unmarshal(raw, &text)
		return []string{text}, err == nil && !strings.ContainsFunc(text, unicode.IsControl)
	}
	switch name {
	case "authorization_details":
		return []string{string(raw)}, raw[0] == '['
	case "resource":
		return list, raw[0] == '[' && json.Unmarshal(raw, &list) == nil
	case "requested_expiry":
		return []string{string(raw)}, raw[0] >= '0' && raw[0] <= '9'
	}
	return nil, false
}
