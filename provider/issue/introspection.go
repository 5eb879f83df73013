package issue

import (
	"context"
	"encoding/json"
	"fmt"
	"time"

	"signet/provider/oauth"
)

// TypeIntrospection is the JWT header type of a signed introspection response (RFC 9701 section 5).
const TypeIntrospection = "token-introspection+jwt"

// Introspection signs the answer to an introspection request, for the client that asked (RFC 9701 section 5), and
// encrypts it where the client has registered that (RFC 9701 section 6). allowed are the algorithms of its profile.
func (i *Issuer) Introspection(ctx context.Context, client *oauth.Client, allowed []string, now time.Time, answer map[string]any) (string, error) {
	alg, err := i.alg(client.IntrospectionAlg, allowed)
	if err != nil {
		return "", err
	}
	// Neither sub nor exp: nothing that could pass as an access token (RFC 9701 section 8.1).
	payload, err := json.Marshal(map[string]any{
		"iss": i.opt.Issuer, "aud": client.ID, "iat": now.Unix(), "token_introspection": answer,
	})
	if err != nil {
		return "", err
	}
	compact, err := i.opt.Signer.Sign(ctx, alg, TypeIntrospection, payload)
	if err != nil {
		return "", fmt.Errorf("signing an introspection response: %w", err)
	}
	return i.Pack(ctx, client, compact, client.IntrospectionEncAlg, client.IntrospectionEncEnc)
}
