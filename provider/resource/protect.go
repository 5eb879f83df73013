package resource

import (
	"context"
	"net/http"

	"signet/mtls"
	"signet/provider/binding"
	"signet/provider/oauth"
	"signet/provider/web"
)

// Protect lets a request through to next when it carries an access token that has every token of scope
// (space-delimited; "" asks for none), presented by its holder, and answers any other as RFC 6750
// section 3 says. peer finds the request's client certificate, see [mtls.Proxies.Peer]. next reads the
// token with [TokenFrom].
func (v *Verifier) Protect(next http.Handler, scope string, peer func(*http.Request) (*mtls.Peer, error)) http.Handler {
	required, ok := oauth.ParseScope(scope)
	if !ok { // a misspelt requirement is met by no token
		required = oauth.Scope{scope}
	}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		token, err := v.admit(r, required, peer)
		if err != nil {
			web.WriteBearerError(w, r, v.o.Log, err)
			return
		}
		next.ServeHTTP(w, r.WithContext(context.WithValue(r.Context(), tokenKey{}, token)))
	})
}

func (v *Verifier) admit(r *http.Request, required oauth.Scope, peer func(*http.Request) (*mtls.Peer, error)) (*Token, error) {
	presented, bearerErr := BearerToken(r)
	if bearerErr != nil {
		return nil, bearerErr
	}
	sender, err := senderOf(r, peer)
	if err != nil {
		return nil, err
	}
	token, err := v.Verify(r.Context(), presented, sender)
	if err != nil {
		return nil, err
	}
	if !required.Within(token.Scope) {
		return nil, web.InsufficientScope(required.String())
	}
	return token, nil
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
