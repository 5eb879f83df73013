package main

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/url"
	"os"
	"strings"

	"github.com/yaronf/httpsign"

	"signet/provider/jose"
	"signet/provider/oauth"
	"signet/provider/web"
)

const (
	signatureLabel = "sig"
	responseTag    = "fapi-2-response"
	// maxDigestedBytes bounds a body that is read for its Content-Digest.
	maxDigestedBytes = 64 << 10
)

// responseSigner signs every answer and ties it to the request that it answers (FAPI 2.0 HTTP Signatures, RFC 9421):
// status, content and interaction id of the one, method, URL, content and signature of the other. The signatures of
// requests are not judged here, only covered.
type responseSigner struct {
	signer *httpsign.Signer
	jwks   []byte
	hosts  []string // as clients name this server
	log    *slog.Logger
}

// newResponseSigner reads the key, EC P-256 or Ed25519 in PKCS #8; its keyid is its thumbprint (RFC 7638).
func newResponseSigner(o options) (*responseSigner, error) {
	text, err := os.ReadFile(o.signKey) // #nosec G304 -- the operator's own choice
	if err != nil {
		return nil, err
	}
	public, err := jose.ReadPrivateKey(text, "")
	if err != nil {
		return nil, fmt.Errorf("%s: %w", o.signKey, err)
	}
	jwks, err := jose.MarshalKeySet([]jose.PublicKey{{Alg: public.Alg(), Kid: public.Kid(), Public: public.Public()}})
	if err != nil {
		return nil, err
	}
	signer, err := httpSigner(text, public.Kid())
	if err != nil {
		return nil, fmt.Errorf("%s: %w", o.signKey, err)
	}
	s := &responseSigner{signer: signer, jwks: jwks, log: o.log}
	for _, base := range o.baseURLs {
		s.hosts = append(s.hosts, strings.TrimPrefix(base, "https://"))
	}
	return s, nil
}

func httpSigner(text []byte, kid string) (*httpsign.Signer, error) {
	block, _ := pem.Decode(text)
	if block == nil {
		return nil, errors.New("it is not PEM")
	}
	key, err := x509.ParsePKCS8PrivateKey(block.Bytes)
	if err != nil {
		return nil, err
	}
	// The algorithm follows from the key; saying it again would only give a verifier something to trip over.
	config := httpsign.NewSignConfig().SignAlg(false).SetTag(responseTag).SetKeyID(kid)
	switch key := key.(type) {
	case *ecdsa.PrivateKey:
		return httpsign.NewP256Signer(*key, config, covered())
	case ed25519.PrivateKey:
		return httpsign.NewEd25519Signer(key, config, covered())
	default:
		return nil, errors.New("answers are signed with an EC P-256 or Ed25519 key")
	}
}

// covered lists what a signature is over. Optional fields are covered when they are there.
func covered() httpsign.Fields {
	fields := httpsign.NewFields().AddHeader("@status").
		AddHeaderOptional("content-digest").AddHeaderOptional("content-type").AddHeaderOptional(interactionHeader)
	for _, name := range []string{"@method", "@target-uri"} {
		fields.AddHeaderExt(name, false, false, true, false)
	}
	for _, name := range []string{"content-digest", "signature-input", "signature"} {
		fields.AddHeaderExt(name, true, false, true, false)
	}
	return *fields
}

// keys publishes the public key.
func (s *responseSigner) keys(w http.ResponseWriter, _ *http.Request) {
	w.Header().Set("Content-Type", "application/jwk-set+json")
	_, _ = w.Write(s.jwks)
}

// wrap signs what next answers. The answers of this API are small: they are held back until they are signed.
func (s *responseSigner) wrap(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if _, err := url.ParseQuery(r.URL.RawQuery); err != nil { // nothing that names such a URL can be verified
			next.ServeHTTP(w, r)
			return
		}
		received := s.received(r)
		held := &heldResponse{header: w.Header(), status: http.StatusOK}
		next.ServeHTTP(held, r)
		if err := s.sign(held, received); err != nil {
			s.log.ErrorContext(r.Context(), "an answer cannot be signed", slog.Any("error", err))
			clear(held.header)
			http.Error(w, "", http.StatusInternalServerError)
			return
		}
		w.WriteHeader(held.status)
		_, _ = w.Write(held.body.Bytes()) // the client is gone: nobody is left to tell
	})
}

// received is the request as its sender knows it; httpsign writes into what it is given. The Host header chooses
// among the names of this server; a proxy that changes it leaves the first.
func (s *responseSigner) received(r *http.Request) *http.Request {
	host := s.hosts[0]
	for _, known := range s.hosts {
		if strings.EqualFold(strings.TrimSuffix(r.Host, ":443"), strings.TrimSuffix(known, ":443")) {
			host = known
			break
		}
	}
	target := *r.URL
	target.Scheme, target.Host = "https", host
	return &http.Request{Method: r.Method, URL: &target, Host: host, Header: r.Header.Clone()}
}

func (s *responseSigner) sign(held *heldResponse, received *http.Request) error {
	if held.body.Len() > 0 && received.Method != http.MethodHead {
		body := io.NopCloser(bytes.NewReader(held.body.Bytes()))
		digest, err := httpsign.GenerateContentDigestHeader(&body, []string{httpsign.DigestSha256})
		if err != nil {
			return err
		}
		held.header.Set("Content-Digest", digest)
	}
	input, signature, err := httpsign.SignResponse(signatureLabel, *s.signer, &http.Response{StatusCode: held.status, Header: held.header}, received)
	if err != nil {
		return err
	}
	held.header.Set("Signature-Input", input)
	held.header.Set("Signature", signature)
	return nil
}

// checkDigest refuses what a signature could not tell the truth about: a body that is not its Content-Digest's
// (RFC 9530 section 2), and a query that is none.
func checkDigest(next http.Handler, log *slog.Logger) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if err := digestFault(w, r); err != nil {
			web.WriteError(w, r, log, err)
			return
		}
		next.ServeHTTP(w, r)
	})
}

func digestFault(w http.ResponseWriter, r *http.Request) error {
	if _, err := url.ParseQuery(r.URL.RawQuery); err != nil {
		return oauth.Errorf(oauth.InvalidRequest, "the query is malformed").Because(err)
	}
	sent := r.Header.Values("Content-Digest")
	if len(sent) == 0 {
		return nil
	}
	r.Body = http.MaxBytesReader(w, r.Body, maxDigestedBytes)
	err := httpsign.ValidateContentDigestHeader(sent, &r.Body, []string{httpsign.DigestSha256, httpsign.DigestSha512})
	if err == nil || errors.As(err, new(*http.MaxBytesError)) {
		return err
	}
	return oauth.Errorf(oauth.InvalidRequest, "the body does not match its Content-Digest").Because(err)
}

// heldResponse keeps an answer.
type heldResponse struct {
	header http.Header
	status int
	sent   bool
	body   bytes.Buffer
}

func (h *heldResponse) Header() http.Header { return h.header }

func (h *heldResponse) WriteHeader(status int) {
	if !h.sent {
		h.status, h.sent = status, true
	}
}

func (h *heldResponse) Write(p []byte) (int, error) {
	h.sent = true
	return h.body.Write(p)
}
