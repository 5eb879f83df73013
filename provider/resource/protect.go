package resource

import (
	"context"
	"net/http"
	"slices"
	"time"

	"signet/mtls"
	"signet/provider/binding"
	"signet/provider/dpop"
	"signet/provider/oauth"
	"signet/provider/web"
)

// Requirement is what a resource asks of an access token beyond being genuine and rightfully held. The zero value
// asks for nothing more.
type Requirement struct {
	Scope string // space-delimited; the token must have every part
	// ACR are the authentication contexts of which the token's must be one; MaxAge is how long ago the user may
	// have logged in, to the second. A token that says nothing of a login meets neither (RFC 9470 section 3).
	ACR    []string
	MaxAge time.Duration
}

// Protect lets a request through to next when it carries an access token that meets the requirement, presented by
// its holder, and answers any other as RFC 6750 section 3, RFC 9449 section 7.1 and RFC 9470 section 3 say. peer
// finds the request's client certificate, see [mtls.Proxies.Peer]. next reads the token with [TokenFrom].
func (v *Verifier) Protect(next http.Handler, required Requirement, peer func(*http.Request) (*mtls.Peer, error)) http.Handler {
	scope, ok := oauth.ParseScope(required.Scope)
	if !ok { // a misspelt requirement is met by no token
		scope = oauth.Scope{required.Scope}
	}
	required.ACR = slices.Clone(required.ACR)
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if v.o.DPoP != nil && v.o.DPoP.Nonces != nil {
			w.Header().Set("DPoP-Nonce", v.o.DPoP.Nonces.Current())
		}
		token, err := v.admit(r, scope, required, peer)
		if err != nil {
			v.Refuse(w, r, err)
			return
		}
		next.ServeHTTP(w, r.WithContext(context.WithValue(r.Context(), tokenKey{}, token)))
	})
}

// Refuse answers as Protect does; for a handler that finds out by itself that the token is not enough.
func (v *Verifier) Refuse(w http.ResponseWriter, r *http.Request, err error) {
	var algs []string
	if v.o.DPoP != nil {
		algs = v.o.DPoP.Algs
	}
	web.WriteBearerError(w, r, v.o.Log, err, algs...)
}

func (v *Verifier) admit(r *http.Request, scope oauth.Scope, required Requirement, peer func(*http.Request) (*mtls.Peer, error)) (*Token, error) {
	presented, fault := v.presented(r)
	if fault != nil {
		return nil, fault
	}
	sender, err := senderOf(r, peer)
	if err != nil {
		return nil, err
	}
	compact, err := proofIn(r, presented)
	if err != nil {
		return nil, err
	}
	// The token comes first: a stranger without one does not choose what a proof costs to check.
	token, err := v.Read(r.Context(), presented.Token.Reveal())
	if err != nil {
		return nil, err
	}
	var proof dpop.Proof
	if presented.Scheme == DPoP {
		if proof, err = v.proofOf(r, presented.Token, compact, token.Confirmation.JKT); err != nil {
			return nil, err
		}
		sender.JKT = proof.JKT
	}
	if err := v.checkSender(token, sender); err != nil {
		return nil, err
	}
	if !scope.Within(token.Scope) {
		return nil, web.InsufficientScope(scope.String())
	}
	if err := v.checkLogin(token, required); err != nil {
		return nil, err
	}
	if presented.Scheme == DPoP {
		if err := v.useProof(r.Context(), proof); err != nil {
			return nil, err
		}
	}
	return token, nil
}

// presented is PresentedToken for the schemes that this verifier takes.
func (v *Verifier) presented(r *http.Request) (Presented, *oauth.Error) {
	presented, fault := PresentedToken(r)
	if fault == nil && presented.Scheme == DPoP && v.o.DPoP == nil {
		return Presented{}, noToken()
	}
	return presented, fault
}

// checkLogin compares how and when the user logged in with what is required (RFC 9470 section 3).
func (v *Verifier) checkLogin(t *Token, required Requirement) error {
	switch {
	case len(required.ACR) > 0 && !slices.Contains(required.ACR, t.ACR):
		return web.InsufficientAuthentication("another kind of login is needed", required.ACR, required.MaxAge)
	case required.MaxAge > 0 && (t.AuthTime.IsZero() || v.o.Clock().After(t.AuthTime.Add(required.MaxAge+v.o.Leeway))):
		return web.InsufficientAuthentication("a more recent login is needed", required.ACR, required.MaxAge)
	}
	return nil
}

func senderOf(r *http.Request, peer func(*http.Request) (*mtls.Peer, error)) (oauth.Confirmation, error) {
	p, err := peer(r)
	if err != nil {
		return oauth.Confirmation{}, oauth.Errorf(oauth.InvalidRequest, "the client certificate cannot be read").Because(err)
	}
	if p == nil {
		return oauth.Confirmation{}, nil
	}
	return binding.From(p.Leaf), nil
}
