package authorize

import (
	"context"
	"errors"
	"slices"

	"signet/provider/clientauth"
	"signet/provider/jar"
	"signet/provider/jose"
	"signet/provider/oauth"
)

// inquiry is an authorization request in parameters: those of the query or form, of a request object, or of both.
type inquiry struct {
	party
	params  oauth.Params
	signed  bool // all of params are those of a signed request object that keeps all rules
	pushed  bool // the client has authenticated
	fetched bool // the request object was got from the client just now
}

// merges says whether what a request object leaves out may stand beside it (OpenID Connect Core section 6.1). Of
// whoever is held to more than OpenID Connect, has to sign or pushes, nothing outside counts (RFC 9101 section 6.3).
func (from inquiry) merges() bool {
	return from.profile.Name == oauth.ProfileOpenID && !from.client.RequireSignedRequest && !from.pushed
}

// mayBeUnsigned says whether the request object may be of alg none: where it may be replaced by a query, and the client
// is not registered for a signature (OpenID Connect Registration section 2, request_object_signing_alg).
func (from inquiry) mayBeUnsigned() bool {
	alg := from.client.RequestObjectAlg
	return from.merges() && (alg == "" || alg == oauth.AlgNone)
}

// open replaces the parameters by those of the request object, if there is one. One that is refused leaves behind what
// it claims, which may direct the error and nothing else: the destination has to be registered whoever names it.
func (e *Endpoint) open(ctx context.Context, from *inquiry) error {
	outside := from.params
	compact, err := e.passed(ctx, from)
	if err != nil || compact == "" {
		return err
	}
	if compact, err = e.decrypted(ctx, *from, compact); err != nil {
		return err
	}
	inside, signed, err := e.readObject(ctx, *from, compact)
	if err != nil {
		from.params = claimed(outside, compact)
		return err
	}
	from.params, from.signed = inside, signed
	if !from.merges() {
		return nil
	}
	all, covered := merged(inside, outside)
	from.params, from.signed = all, signed && covered
	if inside.Has("response_type") && outside.Has("response_type") && responseType(inside) != responseType(outside) {
		return oauth.Errorf(oauth.InvalidRequest, "response_type is not that of the request object (OpenID Connect Core section 6.1)")
	}
	return nil
}

// passed returns the request object, passed by value or by reference; "" when there is none.
func (e *Endpoint) passed(ctx context.Context, from *inquiry) (string, error) {
	reference := from.params.Get("request_uri")
	if reference == "" {
		return from.params.Get("request"), nil
	}
	from.fetched = true
	return e.fetch(ctx, from.client, reference)
}

// decrypted opens a request object that is encrypted (OpenID Connect Core section 6.1, RFC 9101 section 6.1): in it is
// another JWT, signed or not. The key's work, which may be another machine's, is not to be had by strangers: the client
// has to be registered for it, or to have authenticated.
func (e *Endpoint) decrypted(ctx context.Context, from inquiry, compact string) (string, error) {
	switch {
	case !jose.IsEncrypted(compact):
		return compact, nil
	case e.deps.Decrypt == nil:
		return "", oauth.Errorf(oauth.InvalidRequestObject, "encrypted request objects are not supported")
	case from.client.RequestObjectEncAlg == "" && (!from.pushed || from.client.Public()):
		return "", unreadable(errNoEncryption)
	}
	payload, err := e.deps.Decrypt.Decrypt(ctx, compact)
	if err == nil {
		return string(payload), nil
	}
	// One text for whatever is wrong with it: nobody learns here what the key makes of a message (RFC 7516 section 11.5).
	if slices.ContainsFunc([]error{jose.ErrMalformed, jose.ErrAlgorithm, jose.ErrUnknownKey, jose.ErrDecryption}, func(fault error) bool {
		return errors.Is(err, fault)
	}) {
		return "", unreadable(err)
	}
	return "", oauth.Errorf(oauth.TemporarilyUnavailable, "request objects cannot be decrypted at present").Because(err)
}

// errNoEncryption is a hint for the log.
var errNoEncryption = errors.New("the client is registered without request_object_encryption_alg, and has not pushed the request")

func unreadable(cause error) *oauth.Error {
	const text = "the request object is not encrypted to a key of this server with an algorithm that it has"
	return oauth.Errorf(oauth.InvalidRequestObject, text).Because(cause)
}

// readObject verifies a request object with the client's keys (RFC 9101 section 6.2), if it may not be unsigned, and
// reads it.
func (e *Endpoint) readObject(ctx context.Context, from inquiry, compact string) (params oauth.Params, signed bool, err error) {
	rules := e.objectRules(from)
	if jar.IsUnsigned(compact) && from.mayBeUnsigned() {
		object, fault := rules.ReadUnsigned(compact)
		if fault != nil {
			return oauth.Params{}, false, fault
		}
		return object.Params, false, nil
	}
	algs := jar.Algorithms(from.profile, from.client.RequestObjectAlg)
	v, err := e.deps.Authenticate.VerifySigned(ctx, from.client, compact, algs)
	if err != nil {
		return oauth.Params{}, false, rules.Unsigned(err, clientauth.ErrSignature)
	}
	object, fault := rules.Read(v)
	if fault != nil {
		return oauth.Params{}, false, fault
	}
	return object.Params, true, nil
}

// objectRules are strict where requests must be signed: FAPI 1.0 Advanced section 5.2.2 items 13, 15 and 17, FAPI 2.0
// Message Signing section 5.3.1. Elsewhere what a browser brings must expire; what comes from the client itself, pushed
// or fetched, is of the present anyhow.
func (e *Endpoint) objectRules(from inquiry) jar.Rules {
	rules := jar.Rules{Code: oauth.InvalidRequestObject, Client: from.client.ID, Issuer: e.deps.Issuer, Now: e.deps.Clock()}
	switch {
	case from.profile.SignedRequest || from.client.RequireSignedRequest:
		rules.Needs, rules.Life = []string{"aud", "exp", "nbf"}, from.profile.MaxRequestObject
	case !from.pushed && !from.fetched:
		rules.Needs = []string{"exp"}
	}
	return rules
}

// merged are a request object's parameters with those beside it that it lacks (OpenID Connect Core section 6.1).
// covered says that it lacks none, but for client_id: there is nothing then that its signature does not vouch for.
func merged(inside, outside oauth.Params) (params oauth.Params, covered bool) {
	values := map[string][]string{}
	for _, name := range inside.Names() {
		values[name] = inside.All(name)
	}
	covered = true
	for _, name := range outside.Names() {
		if inside.Has(name) || !outside.Has(name) || name == "request" || name == "request_uri" {
			continue
		}
		values[name] = outside.All(name)
		covered = covered && name == "client_id"
	}
	return oauth.NewParams(values), covered
}

// claimed returns those of the request's parameters that say where an answer is to go, and how, with those of an
// unverified request object laid over them.
func claimed(outside oauth.Params, compact string) oauth.Params {
	directing := []string{"redirect_uri", "response_type", "response_mode", "state"}
	inside, values := jar.Claimed(compact, directing...), map[string][]string{}
	for _, name := range directing {
		if inside.Has(name) {
			values[name] = inside.All(name)
		} else if outside.Has(name) {
			values[name] = outside.All(name)
		}
	}
	return oauth.NewParams(values)
}
