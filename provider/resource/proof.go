package resource

import (
	"context"
	"errors"
	"net/http"
	"net/url"
	"slices"
	"strings"

	"signet/provider/dpop"
	"signet/provider/oauth"
)

// DPoPOptions configure how DPoP proofs are taken.
type DPoPOptions struct {
	// BaseURLs are the https addresses under which clients call the API, without path, query or fragment. A
	// proof's htu must be one of them with the request's path. Required: the Host header is the sender's.
	BaseURLs []string
	// Algs are the accepted signature algorithms; empty means those of FAPI 2.0 section 5.4.1.
	Algs []string
	// Replay remembers used proofs; nil means [NewRemembered].
	Replay Replay
	// Nonces, when not nil, are demanded of every proof (RFC 9449 section 9).
	Nonces *Nonces
}

func (o *DPoPOptions) prepare(clock oauth.Clock) (*DPoPOptions, error) {
	if o == nil {
		return nil, nil
	}
	if len(o.BaseURLs) == 0 {
		return nil, errors.New("resource: DPoPOptions.BaseURLs is required")
	}
	prepared := &DPoPOptions{Algs: slices.Clone(o.Algs), Replay: o.Replay, Nonces: o.Nonces}
	for _, base := range o.BaseURLs {
		u, err := url.Parse(base)
		if err != nil || u.Scheme != "https" || u.Host == "" || u.User != nil || strings.Trim(u.Path, "/") != "" || u.RawQuery != "" || u.Fragment != "" {
			return nil, errors.New("resource: DPoPOptions.BaseURLs: each is https and a host")
		}
		prepared.BaseURLs = append(prepared.BaseURLs, "https://"+u.Host)
	}
	if len(prepared.Algs) == 0 {
		prepared.Algs = oauth.Profiles[oauth.ProfileFAPI2Security].SigningAlgs
	}
	if prepared.Replay == nil {
		prepared.Replay = NewRemembered(clock)
	}
	return prepared, nil
}

// proofIn returns the proof of a token that came under the DPoP scheme, not looked at yet; "" under another.
func proofIn(r *http.Request, presented Presented) (string, error) {
	if presented.Scheme != DPoP {
		return "", nil
	}
	compact, err := dpop.FromHeader(r.Header)
	if err == nil && compact == "" {
		err = dpop.Missing()
	}
	return compact, err
}

// proofOf checks the proof of a token that came under the DPoP scheme (RFC 9449 section 7.1) and is bound to the key
// with the thumbprint.
func (v *Verifier) proofOf(r *http.Request, token oauth.Secret, compact, jkt string) (dpop.Proof, error) {
	if jkt == "" {
		return dpop.Proof{}, refuse("the access token is not bound to a DPoP key", nil)
	}
	o := v.o.DPoP
	path := r.URL.EscapedPath()
	urls := make([]string, len(o.BaseURLs))
	for i, base := range o.BaseURLs {
		urls[i] = base + path
	}
	proof, err := dpop.Verify(compact, dpop.Options{
		Method: r.Method, URLs: urls, Now: v.o.Clock(), Algs: o.Algs, AccessToken: token, JKT: jkt,
	})
	if errors.Is(err, dpop.ErrOtherKey) {
		return dpop.Proof{}, refuse("the access token is bound to another DPoP key", err)
	}
	if err != nil {
		return dpop.Proof{}, err
	}
	if o.Nonces != nil && !o.Nonces.Valid(proof.Nonce) {
		return dpop.Proof{}, oauth.Errorf(oauth.UseDPoPNonce, "the DPoP proof needs the nonce of the DPoP-Nonce header (RFC 9449 section 9)")
	}
	return proof, nil
}

// useProof comes last, when all else about the request has been found good: a refused request uses nothing up.
func (v *Verifier) useProof(ctx context.Context, proof dpop.Proof) error {
	fresh, err := v.o.DPoP.Replay.Use(ctx, proof.ID, proof.Expires)
	if err != nil {
		return unavailable(err)
	}
	if !fresh {
		return oauth.Errorf(oauth.InvalidDPoPProof, "the DPoP proof has been used before (RFC 9449 section 11.1)")
	}
	return nil
}
