package issue

import (
	"context"
	"crypto/x509"
	"net/http"

	"signet/mtls"
	"signet/provider/binding"
	"signet/provider/dpop"
	"signet/provider/oauth"
	"signet/provider/resource"
)

// Guard lets in who presents one of the provider's own access tokens and holds what it is bound to: at the provider's
// own protected resources. All fields are required.
type Guard struct {
	Peer   func(*http.Request) (*mtls.Peer, error)
	Tokens interface {
		// Verify returns an *oauth.Error; what the token is bound to must have been proved.
		Verify(ctx context.Context, token oauth.Secret, sender oauth.Confirmation) (*resource.Token, error)
	}
	Bind interface {
		From(w http.ResponseWriter, r *http.Request, leaf *x509.Certificate, urls, algs []string, access oauth.Secret) (binding.Sender, error)
	}
	Algs []string // that count in DPoP proofs
}

// Admit returns the verified token of a request to one of the endpoint's URLs, and what is to be committed before the
// answer: a DPoP proof is then used up. The error is for web.WriteBearerError.
func (g *Guard) Admit(w http.ResponseWriter, r *http.Request, urls []string) (*resource.Token, []oauth.Change, error) {
	presented, fault := resource.PresentedToken(r)
	if fault != nil {
		return nil, nil, fault
	}
	leaf, err := g.leaf(r)
	if err != nil {
		return nil, nil, err
	}
	sender := binding.Sender{Confirmation: binding.From(leaf)}
	if presented.Scheme == resource.DPoP {
		// Under the Bearer scheme a proof proves nothing: the token's binding would be the client's to leave out.
		if sender, err = g.proved(w, r, leaf, urls, presented.Token); err != nil {
			return nil, nil, err
		}
	}
	token, err := g.Tokens.Verify(r.Context(), presented.Token, sender.Confirmation)
	if err != nil {
		return nil, nil, err
	}
	return token, sender.Changes, nil
}

func (g *Guard) leaf(r *http.Request) (*x509.Certificate, error) {
	peer, err := g.Peer(r)
	if err != nil {
		return nil, oauth.Errorf(oauth.InvalidRequest, "the client certificate cannot be read").Because(err)
	}
	if peer == nil {
		return nil, nil //nolint:nilnil // no certificate is a fact, not an error
	}
	return peer.Leaf, nil
}

func (g *Guard) proved(w http.ResponseWriter, r *http.Request, leaf *x509.Certificate, urls []string, token oauth.Secret) (binding.Sender, error) {
	sender, err := g.Bind.From(w, r, leaf, urls, g.Algs, token)
	if err == nil && sender.Confirmation.JKT == "" {
		err = dpop.Missing()
	}
	return sender, err
}
