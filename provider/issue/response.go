package issue

import (
	"context"
	"encoding/json"
	"fmt"
	"net/url"
	"time"

	"signet/provider/oauth"
)

// Response issues a JWT-secured authorization response (JARM section 2.1): the answer's parameters, for the client
// and for lifetime only, encrypted where it has registered that (JARM section 3). allowed are the algorithms of the
// client's profile.
func (i *Issuer) Response(ctx context.Context, client *oauth.Client, allowed []string, answer url.Values, now time.Time, lifetime time.Duration) (string, error) {
	alg, err := i.alg(client.ResponseAlg, allowed)
	if err != nil {
		return "", err
	}
	claims := make(map[string]any, len(answer)+4)
	for name := range answer {
		claims[name] = answer.Get(name)
	}
	claims["iss"], claims["aud"] = i.opt.Issuer, client.ID
	claims["iat"], claims["exp"] = now.Unix(), now.Add(lifetime).Unix()
	payload, err := json.Marshal(claims)
	if err != nil {
		return "", fmt.Errorf("authorization response: %w", err)
	}
	compact, err := i.opt.Signer.Sign(ctx, alg, "JWT", payload)
	if err != nil {
		return "", fmt.Errorf("signing an authorization response: %w", err)
	}
	return i.Pack(ctx, client, compact, client.ResponseEncAlg, client.ResponseEncEnc)
}
