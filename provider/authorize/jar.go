package authorize

import (
	"context"

	"signet/provider/clientauth"
	"signet/provider/jar"
	"signet/provider/oauth"
)

// inquiry is an authorization request whose parameters have one source: the query or form, or a request object.
type inquiry struct {
	party
	params oauth.Params
	signed bool // params are those of a request object that keeps all rules
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
	object, err := e.readObject(ctx, *from, compact)
	if err != nil {
		from.params = claimed(from.params, compact)
		return err
	}
	from.params, from.signed = object.Params, true
	return nil
}

// readObject verifies a request object with the client's keys (RFC 9101 section 6.2) and reads it.
func (e *Endpoint) readObject(ctx context.Context, from inquiry, compact string) (jar.Object, error) {
	rules := e.objectRules(from)
	algs := jar.Algorithms(from.profile, from.client.RequestObjectAlg)
	v, err := e.deps.Authenticate.VerifySigned(ctx, from.client, compact, algs)
	if err != nil {
		return jar.Object{}, rules.Unsigned(err, clientauth.ErrSignature)
	}
	object, fault := rules.Read(v)
	if fault != nil {
		return jar.Object{}, fault
	}
	return object, nil
}

// objectRules are strict where requests must be signed: FAPI 1.0 Advanced section 5.2.2 items 13, 15 and 17, FAPI 2.0
// Message Signing section 5.3.1. Elsewhere what a browser brings must expire; what the client pushes does so anyhow.
func (e *Endpoint) objectRules(from inquiry) jar.Rules {
	rules := jar.Rules{Code: oauth.InvalidRequestObject, Client: from.client.ID, Issuer: e.deps.Issuer, Now: e.deps.Clock()}
	switch {
	case from.profile.SignedRequest || from.client.RequireSignedRequest:
		rules.Needs, rules.Life = []string{"aud", "exp", "nbf"}, from.profile.MaxRequestObject
	case !from.pushed:
		rules.Needs = []string{"exp"}
	}
	return rules
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
