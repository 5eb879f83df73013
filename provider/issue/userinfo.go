package issue

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"

	"signet/provider/jose"
	"signet/provider/oauth"
)

// Userinfo makes a JWT of the claims about a user, sub among them, for the client alone: signed, encrypted or both, as
// it has registered (OpenID Connect Core section 5.3.2). It returns "" for a client that has registered neither: the
// claims then leave as they are. allowed are the algorithms of its profile. The JWT has no exp and no auth_time, so
// that it passes neither for an ID token nor for a hint.
func (i *Issuer) Userinfo(
	ctx context.Context, c *oauth.Client, allowed []string, claims map[string]any,
) (string, error) {
	if c.UserinfoAlg == "" && c.UserinfoEncAlg == "" {
		return "", nil
	}
	all := map[string]any{}
	maps.Copy(all, claims)
	all["iss"], all["aud"] = i.opt.Issuer, c.ID
	payload, err := json.Marshal(all)
	if err != nil {
		return "", fmt.Errorf("userinfo: %w", err)
	}
	if c.UserinfoAlg == "" {
		return i.encrypt(ctx, c, payload, jose.Encryption{Alg: c.UserinfoEncAlg, Enc: c.UserinfoEncEnc, Type: nested})
	}
	alg, err := i.alg(c.UserinfoAlg, allowed)
	if err != nil {
		return "", err
	}
	signed, err := i.opt.Signer.Sign(ctx, alg, "JWT", payload)
	if err != nil {
		return "", fmt.Errorf("signing userinfo: %w", err)
	}
	return i.Pack(ctx, c, signed, c.UserinfoEncAlg, c.UserinfoEncEnc)
}

// ClaimsFor returns the claims about a user that the scope, or one of the requests, asks for (OpenID Connect Core
// sections 5.4 and 5.5), as far as the client is still registered for the scope value that stands for them: what a
// registration has lost, older grants have lost, too. It is nil when nothing is asked for.
func ClaimsFor(
	user oauth.User, c *oauth.Client, scope oauth.Scope, requested map[string]oauth.ClaimRequest,
) map[string]any {
	if len(scope) == 0 && len(requested) == 0 {
		return nil
	}
	registered := c.Scopes()
	if len(requested) > 0 {
		requested = maps.Clone(requested)
		maps.DeleteFunc(requested, func(name string, _ oauth.ClaimRequest) bool {
			value, standard := oauth.StandardClaim(name)
			return !standard || !registered.Has(value)
		})
	}
	return user.ClaimsFor(scope.Intersect(registered), requested)
}
