package binding

import (
	"context"
	"crypto/x509"
	"net/http"
	"time"

	"signet/provider/dpop"
	"signet/provider/oauth"
)

// NonceStore shares DPoP nonces between the processes of a server.
type NonceStore interface {
	// Nonce returns until when a nonce of this server counts, or oauth.ErrNotFound.
	Nonce(ctx context.Context, nonce string) (until time.Time, err error)
	Commit(ctx context.Context, changes ...oauth.Change) error
}

// Deps are what a [Binder] works with. All are required, but ProofMaxAge and ProofAhead.
type Deps struct {
	Nonces NonceStore
	// RequireNonce refuses proofs without a nonce of this server (RFC 9449 section 8).
	RequireNonce bool
	// NonceLifetime is how long a nonce is handed out; it counts for twice as long.
	NonceLifetime time.Duration
	// ProofMaxAge is how old a proof's iat may be, ProofAhead how far in the future (RFC 9449 section 11.1); 0 = package
	// dpop's defaults. A proof is remembered until it is too old, so that it is used once.
	ProofMaxAge, ProofAhead time.Duration

	Clock  oauth.Clock
	Random oauth.Random
}

// Sender is what the sender of a request proved to hold, and what accepting the proof changes.
type Sender struct {
	Confirmation oauth.Confirmation
	Changes      []oauth.Change // oauth.UseProof, to be committed with the request
}

// Binder finds out what the sender of a request holds. It is safe for concurrent use.
type Binder struct {
	deps   Deps
	nonces *nonces
}

// New returns a Binder.
func New(deps Deps) *Binder { return &Binder{deps: deps, nonces: newNonces(deps)} }

// From returns what the sender proved to hold: the certificate (nil when none was presented) and the key of the
// request's DPoP proof, when it has one. urls are the endpoint's, at every door; algs are those that count. access
// is the access token that comes with the proof, "" at the endpoints of the authorization server. The errors are
// *[oauth.Error] with invalid_dpop_proof or use_dpop_nonce, or say that the store cannot answer. On w goes
// DPoP-Nonce when nonces are in use, for the next proof (RFC 9449 section 8.2).
func (b *Binder) From(w http.ResponseWriter, r *http.Request, leaf *x509.Certificate, urls, algs []string, access oauth.Secret) (Sender, error) {
	header, err := dpop.FromHeader(r.Header)
	if err != nil {
		return Sender{}, err
	}
	sender := Sender{Confirmation: From(leaf)}
	if header == "" {
		return sender, nil
	}
	proof, err := dpop.Verify(header, dpop.Options{
		Method: r.Method, URLs: urls, Now: b.deps.Clock(), Algs: algs, AccessToken: access,
		MaxAge: b.deps.ProofMaxAge, Ahead: b.deps.ProofAhead,
	})
	if err != nil {
		return Sender{}, err
	}
	if b.deps.RequireNonce {
		if err := b.checkNonce(w, r, proof.Nonce); err != nil {
			return Sender{}, err
		}
	}
	sender.Confirmation.JKT = proof.JKT
	sender.Changes = []oauth.Change{oauth.UseProof{Digest: proof.ID, Until: proof.Expires}}
	return sender, nil
}

// checkNonce looks for a nonce of this server and offers the present one either way.
func (b *Binder) checkNonce(w http.ResponseWriter, r *http.Request, nonce string) error {
	accepted, err := b.nonces.accept(r.Context(), nonce)
	if err != nil {
		return err
	}
	offer, err := b.nonces.offer(r.Context())
	if err != nil {
		return err
	}
	w.Header().Set("DPoP-Nonce", offer)
	if !accepted {
		return oauth.Errorf(oauth.UseDPoPNonce, "the DPoP proof needs the nonce of the DPoP-Nonce header (RFC 9449 section 8)")
	}
	return nil
}
