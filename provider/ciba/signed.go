package ciba

import (
	"context"
	"time"

	"signet/provider/clientauth"
	"signet/provider/jar"
	"signet/provider/oauth"
)

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
	object, err := s.readObject(ctx, caller, compact, now)
	if err != nil {
		return oauth.Params{}, nil, err
	}
	// In a name space of its own, so that a client may number its assertions and requests alike.
	used := oauth.UseAssertion{
		ClientID: caller.Client.ID, JTI: "backchannel:" + oauth.Secret(object.ID).Digest().String(), Until: object.Until,
	}
	return object.Params, []oauth.Change{used}, nil
}

// readObject verifies a request object with the client's keys and reads it by the rules of CIBA Core section 7.1.1,
// with the time limits of FAPI-CIBA section 5.2.2.
func (s *Service) readObject(ctx context.Context, caller oauth.ClientAuthentication, compact string, now time.Time) (jar.Object, error) {
	rules := jar.Rules{
		Code: oauth.InvalidRequest, Client: caller.Client.ID, Issuer: s.deps.Issuer, Now: now,
		Needs: []string{"iss", "aud", "exp", "iat", "nbf", "jti"}, Life: caller.Profile.MaxRequestObject,
	}
	algs := jar.Algorithms(caller.Profile, caller.Client.BackchannelAlg)
	v, err := s.deps.Authenticate.VerifySigned(ctx, caller.Client, compact, algs)
	if err != nil {
		return jar.Object{}, rules.Unsigned(err, clientauth.ErrSignature)
	}
	object, fault := rules.Read(v)
	if fault != nil {
		return jar.Object{}, fault
	}
	return object, nil
}
