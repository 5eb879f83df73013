package dpop

import (
	"crypto/sha256"
	"crypto/subtle"
	"encoding/base64"
	"encoding/json"
	"errors"
	"net/http"
	"time"

	"signet/provider/jose"
	"signet/provider/oauth"
)

// Default limits of [Options]. A proof is made for one request, so that its age is that of the request.
const (
	DefaultMaxAge = 60 * time.Second
	DefaultAhead  = 30 * time.Second
)

// Limits on a proof, in bytes.
const (
	MaxSize = 8 << 10
	maxJTI  = 256
)

// Type is the JWT header type of a proof (RFC 9449 section 4.2).
const Type = "dpop+jwt"

// ErrOtherKey is among the causes of the error for a proof with another key than [Options.JKT]. Its signature has not
// been looked at.
var ErrOtherKey = errors.New("another key")

// Options are what a proof is checked against.
type Options struct {
	Method string   // of the request: htm
	URLs   []string // of the endpoint, any of them: htu
	Now    time.Time
	// MaxAge is how old iat may be, Ahead how far in the future; 0 = the defaults.
	MaxAge, Ahead time.Duration
	Algs          []string // JWS algorithms that count
	// AccessToken is the token that the proof comes with: its hash must be ath. "" = ath is not looked at.
	AccessToken oauth.Secret
	JKT         string // thumbprint that the proof's key must have; "" = any key
}

// Proof is a checked proof.
type Proof struct {
	JKT     string       // the key's SHA-256 thumbprint (RFC 7638)
	ID      oauth.Digest // over key and jti: to be used once
	Nonce   string       // "" when the proof has none
	Expires time.Time    // from then on the proof is refused anyway, and need not be remembered
}

// FromHeader returns the one DPoP header of a request, "" when there is none. More than one, or an empty one, is an
// *[oauth.Error] with invalid_dpop_proof (RFC 9449 section 4.3 item 1).
func FromHeader(h http.Header) (string, error) {
	values := h["Dpop"] // the canonical form
	switch {
	case len(values) == 0:
		return "", nil
	case len(values) > 1:
		return "", refuse("there is more than one", nil)
	case values[0] == "":
		return "", refuse("is empty", nil)
	default:
		return values[0], nil
	}
}

// Verify checks a proof (RFC 9449 section 4.3). Every error is an *[oauth.Error] with invalid_dpop_proof.
func Verify(proof string, o Options) (Proof, error) {
	if len(proof) > MaxSize {
		return Proof{}, refuse("is too long", nil)
	}
	verified, err := jose.VerifyEmbedded(proof, o.Algs, o.JKT)
	if errors.Is(err, jose.ErrUnknownKey) {
		err = errors.Join(ErrOtherKey, err)
	}
	if err != nil {
		return Proof{}, refuse(words(err), err)
	}
	if verified.Typ != Type {
		return Proof{}, refuse("must have the typ dpop+jwt", nil)
	}
	claims, err := jose.ParseClaims(verified.Payload)
	if err != nil {
		return Proof{}, refuse("is malformed", err)
	}
	if err := checkRequest(claims, o); err != nil {
		return Proof{}, err
	}
	expires, err := checkTime(claims, o)
	if err != nil {
		return Proof{}, err
	}
	nonce, err := text(claims, "nonce")
	if err != nil {
		return Proof{}, err
	}
	return Proof{
		JKT: verified.Thumbprint, ID: oauth.Secret(verified.Thumbprint + "." + claims.ID).Digest(),
		Nonce: nonce, Expires: expires,
	}, nil
}

// words tells a client's developer what was wrong, and nothing of the proof.
func words(err error) string {
	switch {
	case errors.Is(err, jose.ErrAlgorithm):
		return "is signed with an algorithm that is not accepted, or that does not fit its key"
	case errors.Is(err, ErrOtherKey):
		return "is signed with another key than the one that is expected"
	case errors.Is(err, jose.ErrSignature):
		return "does not match its signature"
	default:
		return "is not a JWT with a public key in its header"
	}
}

// checkRequest holds the proof against the request that it came with.
func checkRequest(claims jose.Claims, o Options) error {
	method, err := text(claims, "htm")
	if err != nil {
		return err
	}
	target, err := text(claims, "htu")
	if err != nil {
		return err
	}
	switch {
	case claims.ID == "" || len(claims.ID) > maxJTI:
		return refuse("needs a jti of 1 to 256 bytes", nil)
	case method == "" || method != o.Method:
		return refuse("is for another method (htm)", nil)
	case !matches(target, o.URLs):
		return refuse("is for another URL (htu)", nil)
	case o.AccessToken == "":
		return nil
	}
	hash, err := text(claims, "ath")
	if err != nil {
		return err
	}
	if subtle.ConstantTimeCompare([]byte(hash), []byte(Hash(o.AccessToken))) == 0 {
		return refuse("is for another access token (ath)", nil)
	}
	return nil
}

// checkTime returns when the proof is over. exp and nbf need not be there (RFC 9449 section 4.2), but say what they
// say when they are.
func checkTime(claims jose.Claims, o Options) (time.Time, error) {
	if o.MaxAge == 0 {
		o.MaxAge = DefaultMaxAge
	}
	if o.Ahead == 0 {
		o.Ahead = DefaultAhead
	}
	expires := claims.IssuedAt.Add(o.MaxAge)
	if !claims.Expiry.IsZero() && claims.Expiry.Before(expires) {
		expires = claims.Expiry
	}
	switch latest := o.Now.Add(o.Ahead); {
	case claims.IssuedAt.IsZero():
		return time.Time{}, refuse("has no iat", nil)
	case claims.IssuedAt.After(latest):
		return time.Time{}, refuse("was made in the future (iat)", nil)
	case claims.NotBefore.After(latest):
		return time.Time{}, refuse("is not valid yet (nbf)", nil)
	case !o.Now.Before(expires):
		return time.Time{}, refuse("is too old (iat, exp)", nil)
	}
	return expires, nil
}

// text reads a claim that has to be a string when it is there.
func text(claims jose.Claims, name string) (string, error) {
	raw, ok := claims.Raw[name]
	if !ok {
		return "", nil
	}
	var value string
	if raw[0] != '"' || json.Unmarshal(raw, &value) != nil {
		return "", refuse("is malformed: "+name, nil)
	}
	return value, nil
}

// Hash is the ath of an access token (RFC 9449 section 4.2).
func Hash(access oauth.Secret) string {
	sum := sha256.Sum256([]byte(access.Reveal()))
	return base64.RawURLEncoding.EncodeToString(sum[:])
}

// Missing is the error for a request under the DPoP scheme without a proof (RFC 9449 section 7.1).
func Missing() error {
	return oauth.Errorf(oauth.InvalidDPoPProof, "a DPoP proof is required (RFC 9449 section 7.1)")
}

func refuse(what string, cause error) error {
	return oauth.Errorf(oauth.InvalidDPoPProof, "the DPoP proof %s (RFC 9449 section 4.3)", what).Because(cause)
}
