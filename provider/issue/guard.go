package issue

import (
	"cmp"
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
		// Active returns an *oauth.Error for a token that is good for nothing, whoever presents it.
		Active(ctx context.Context, token oauth.Secret) (*Held, error)
	}
	Bind interface {
		From(w http.ResponseWriter, r *http.Request, leaf *x509.Certificate, urls, algs []string, access oauth.Secret) (binding.Sender, error)
	}
	Floor oauth.Profile // that every client is held to
}

// Algs are those that count in DPoP proofs, for challenges; a token's client may be held to fewer.
func (g *Guard) Algs() []string { return g.Floor.SigningAlgs }

// Admit returns the verified token of a request to one of the endpoint's URLs, and what is to be committed before the
// answer: a DPoP proof is then used up. The token is judged first: a stranger without one does not choose what a proof
// costs to check. The error is for web.WriteBearerError.
func (g *Guard) Admit(w http.ResponseWriter, r *http.Request, urls []string) (*Held, []oauth.Change, error) {
	presented, fault := resource.PresentedToken(r)
	if fault != nil {
		return nil, nil, fault
	}
	leaf, err := g.leaf(r)
	if err != nil {
		return nil, nil, err
	}
	if presented.Scheme == resource.DPoP {
		if proof, err := dpop.FromHeader(r.Header); err != nil || proof == "" {
			return nil, nil, cmp.Or(err, dpop.Missing())
		}
	}
	token, err := g.Tokens.Active(r.Context(), presented.Token)
	if err != nil {
		return nil, nil, err
	}
	sender := binding.Sender{Confirmation: binding.From(leaf)}
	if presented.Scheme == resource.DPoP {
		// Under the Bearer scheme a proof proves nothing: the token's binding would be the client's to leave out.
		if sender, err = g.proved(w, r, leaf, urls, token, presented.Token); err != nil {
			return nil, nil, err
		}
	}
	if err := token.CheckSender(sender.Confirmation); err != nil {
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

// proved holds the proof to the profile of the token's client.
func (g *Guard) proved(w http.ResponseWriter, r *http.Request, leaf *x509.Certificate, urls []string, token *Held, access oauth.Secret) (binding.Sender, error) {
	profile, err := g.Profile(token)
	if err != nil {
		return binding.Sender{}, err
	}
	return g.Bind.From(w, r, leaf, urls, profile.SigningAlgs, access)
}

// Profile is what the token's client is held to. The error is invalid_token.
func (g *Guard) Profile(token *Held) (oauth.Profile, error) {
	profile, known := g.Floor.For(token.Client)
	if !known {
		return oauth.Profile{}, oauth.Errorf(oauth.InvalidToken, "the token's client is not usable")
	}
	return profile, nil
}
