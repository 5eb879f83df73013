package dpop

import (
	"encoding/json"
	"time"

	"signet/provider/jose"
	"signet/provider/oauth"
)

// Claim is what a client proves.
type Claim struct {
	Method string
	URL    string // without query and fragment
	Now    time.Time
	JTI    string
	// AccessToken is sent with the proof to a protected resource; "" at the authorization server.
	AccessToken oauth.Secret
	Nonce       string // from the server's DPoP-Nonce header; "" = none
}

// Prove makes a proof: what a client puts into its DPoP header (RFC 9449 section 4.2).
func Prove(key *jose.PrivateKey, c Claim) (string, error) {
	claims := map[string]any{"htm": c.Method, "htu": c.URL, "iat": c.Now.Unix(), "jti": c.JTI}
	if c.AccessToken != "" {
		claims["ath"] = Hash(c.AccessToken)
	}
	if c.Nonce != "" {
		claims["nonce"] = c.Nonce
	}
	payload, err := json.Marshal(claims)
	if err != nil {
		return "", err
	}
	return key.SignEmbedded(Type, payload)
}
