package resource

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"time"

	"signet/provider/jose"
	"signet/provider/oauth"
)

// DefaultLeeway is how far this server's clock and the issuer's may differ.
const DefaultLeeway = 10 * time.Second

// KeySource gives the issuer's public keys. [Remote] fetches them, [LocalKeys] has them at hand.
type KeySource interface {
	// KeySet returns the present keys; it may answer from a cache.
	KeySet(ctx context.Context) (*jose.KeySet, error)
	// Refresh returns keys that are newer than the cache if it can: a token named one that KeySet lacks.
	// It limits by itself how often it asks, because any stranger can send such tokens.
	Refresh(ctx context.Context) (*jose.KeySet, error)
}

// Introspector asks the issuer about a token that cannot be verified locally.
type Introspector interface {
	// Introspect returns the claims of an active access token as a JSON object (RFC 7662 section 2.2).
	// [ErrInactive] means that the issuer does not vouch for it; any other error, that nobody could say.
	Introspect(ctx context.Context, token string) ([]byte, error)
}

// ErrInactive says that the issuer does not know the token as an active access token.
var ErrInactive = errors.New("token is not active")

// Options configure a Verifier.
type Options struct {
	// Issuer is the only accepted "iss", compared exactly. Required.
	Issuer string
	// Audience must be among the token's "aud" (RFC 9068 section 4). Empty accepts any audience: that is
	// right only at the issuer's own endpoints.
	Audience string
	// Keys verify JWT access tokens. Required.
	Keys KeySource
	// Clock tells the time. Required.
	Clock oauth.Clock
	// Leeway is the accepted clock difference; 0 means [DefaultLeeway].
	Leeway time.Duration
	// Algs are the accepted signature algorithms; empty means all that Signet signs with.
	Algs []string
	// RequireBound refuses plain bearer tokens (FAPI 2.0 section 5.3.4: sender-constrained tokens only).
	RequireBound bool
	// Introspect resolves opaque tokens; nil refuses them.
	Introspect Introspector
	// IntrospectAlways asks Introspect about JWTs too, once they have verified, so that a revocation counts
	// at once and not when the token expires.
	IntrospectAlways bool
	// DPoP takes DPoP-bound tokens; nil refuses them.
	DPoP *DPoPOptions
	// Log receives the private cause of each refusal; nil discards them.
	Log *slog.Logger
}

// Verifier verifies access tokens. It is safe for concurrent use.
type Verifier struct{ o Options }

// New makes a Verifier. It fails when an option without which nothing can be verified is missing.
func New(o Options) (*Verifier, error) {
	switch {
	case o.Issuer == "":
		return nil, errors.New("resource: Options.Issuer is required")
	case o.Keys == nil:
		return nil, errors.New("resource: Options.Keys is required")
	case o.Clock == nil:
		return nil, errors.New("resource: Options.Clock is required")
	case o.Leeway < 0:
		return nil, errors.New("resource: Options.Leeway is negative")
	case o.IntrospectAlways && o.Introspect == nil:
		return nil, errors.New("resource: Options.IntrospectAlways needs Options.Introspect")
	}
	if o.Leeway == 0 {
		o.Leeway = DefaultLeeway
	}
	if len(o.Algs) == 0 {
		o.Algs = oauth.Profiles[oauth.ProfileOpenID].SigningAlgs
	}
	o.Algs = slices.Clone(o.Algs)
	var err error
	if o.DPoP, err = o.DPoP.prepare(o.Clock); err != nil {
		return nil, err
	}
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	return &Verifier{o}, nil
}

// Verify returns what an access token says, provided that it may be used here and now by a sender who
// proved sender, whose JKT is set exactly when the token came under the DPoP scheme. The error is an [*oauth.Error]: invalid_token for every fault of the token,
// temporarily_unavailable when keys or introspection cannot be reached.
func (v *Verifier) Verify(ctx context.Context, token string, sender oauth.Confirmation) (*Token, error) {
	t, err := v.Read(ctx, token)
	if err != nil {
		return nil, err
	}
	if err := v.checkSender(t, sender); err != nil {
		return nil, err
	}
	return t, nil
}

// Read is Verify without the question who presents the token: for an issuer that introspects or revokes.
// A protected resource must use Verify.
func (v *Verifier) Read(ctx context.Context, token string) (*Token, error) {
	t, err := v.read(ctx, token)
	if err != nil {
		return nil, err
	}
	if err := v.checkClaims(t); err != nil {
		return nil, err
	}
	return t, nil
}

// read authenticates the token and parses its claims: locally when it is a JWT, else by asking.
func (v *Verifier) read(ctx context.Context, token string) (*Token, error) {
	if strings.Count(token, ".") != 2 {
		if v.o.Introspect == nil {
			return nil, refuse("the access token is not a JWT access token", nil)
		}
		return v.introspect(ctx, token)
	}
	t, err := v.readJWT(ctx, token)
	if err != nil || !v.o.IntrospectAlways {
		return t, err
	}
	if err := v.checkSameAs(ctx, t, token); err != nil {
		return nil, err
	}
	return t, nil
}

// checkSameAs asks the issuer whether a verified JWT is still active.
func (v *Verifier) checkSameAs(ctx context.Context, t *Token, token string) error {
	live, err := v.introspect(ctx, token)
	if err != nil {
		return err
	}
	if live.JTI != "" && live.JTI != t.JTI {
		return refuse("the access token is not valid", errors.New("introspection answered for another jti"))
	}
	return nil
}

// readJWT applies RFC 9068 section 4 as far as it concerns header, signature and required claims.
func (v *Verifier) readJWT(ctx context.Context, token string) (*Token, error) {
	verified, err := v.verifySignature(ctx, token)
	if err != nil {
		return nil, err
	}
	// Anything else signed by the same keys (an ID token, a logout token) must not pass as an access token.
	if typ := strings.ToLower(verified.Typ); typ != "at+jwt" && typ != "application/at+jwt" {
		return nil, refuse("the token is not a JWT access token", fmt.Errorf("typ is %q", verified.Typ))
	}
	t, err := parseToken(verified.Payload)
	if err != nil {
		return nil, refuse("the access token is malformed", err)
	}
	if missing := t.missingClaims(); len(missing) > 0 {
		return nil, refuse("the access token lacks required claims", fmt.Errorf("missing %v", missing))
	}
	return t, nil
}

func (v *Verifier) verifySignature(ctx context.Context, token string) (jose.Verified, error) {
	keys, err := v.o.Keys.KeySet(ctx)
	if err != nil {
		return jose.Verified{}, unavailable(fmt.Errorf("issuer's keys: %w", err))
	}
	verified, err := jose.Verify(token, keys, v.o.Algs)
	if errors.Is(err, jose.ErrUnknownKey) {
		// The key may be newer than the cache. A failure to look is the stranger's problem, not an outage.
		fresh, refreshErr := v.o.Keys.Refresh(ctx)
		if refreshErr != nil {
			return jose.Verified{}, refuse("the access token's key is unknown", errors.Join(err, refreshErr))
		}
		verified, err = jose.Verify(token, fresh, v.o.Algs)
	}
	if err != nil {
		return jose.Verified{}, refuse("the access token's signature is not valid", err)
	}
	return verified, nil
}

func (v *Verifier) introspect(ctx context.Context, token string) (*Token, error) {
	claims, err := v.o.Introspect.Introspect(ctx, token)
	if errors.Is(err, ErrInactive) {
		return nil, refuse("the access token is not active", err)
	}
	if err != nil {
		return nil, unavailable(fmt.Errorf("introspection: %w", err))
	}
	t, err := parseToken(claims)
	if err != nil {
		return nil, unavailable(fmt.Errorf("introspection response: %w", err))
	}
	if t.Issuer == "" { // optional in RFC 7662; the answer came from the issuer itself
		t.Issuer = v.o.Issuer
	}
	return t, nil
}

func (v *Verifier) checkClaims(t *Token) error {
	now := v.o.Clock()
	switch {
	case t.Issuer != v.o.Issuer:
		return refuse("the access token is from another issuer", nil)
	case v.o.Audience != "" && !slices.Contains(t.Audience, v.o.Audience):
		return refuse("the access token is for another audience", nil)
	case t.Expiry.IsZero() || !now.Before(t.Expiry.Add(v.o.Leeway)):
		return refuse("the access token has expired", nil)
	case t.NotBefore.After(now.Add(v.o.Leeway)) || t.IssuedAt.After(now.Add(v.o.Leeway)):
		return refuse("the access token is not valid yet", nil)
	}
	return nil
}

func (v *Verifier) checkSender(t *Token, sender oauth.Confirmation) error {
	if t.Confirmation.IsZero() && v.o.RequireBound {
		return refuse("the access token is not bound to a certificate or a DPoP key", nil)
	}
	return t.CheckSender(sender)
}

// CheckSender applies RFC 8705 section 3 and RFC 9449 section 7: what a token is bound to must have been proved.
// sender's JKT is set exactly when the token came under the DPoP scheme. A DPoP-bound token that comes as a bearer
// token has no proof (section 7.2), and a token that is not bound to a key gains nothing from one: it was not issued
// for the DPoP scheme. The error is an [*oauth.Error] with invalid_token.
func (t *Token) CheckSender(sender oauth.Confirmation) error {
	bound := t.Confirmation
	switch {
	case bound.JKT == "" && sender.JKT != "":
		return refuse("the access token is not bound to a DPoP key", nil)
	case bound.JKT != "" && sender.JKT == "":
		return refuse("the access token is bound to a DPoP key, and did not come under the DPoP scheme", nil)
	case bound.JKT != sender.JKT:
		return refuse("the access token is bound to another DPoP key", nil)
	case !bound.HeldBy(sender) && sender.X5TS256 == "":
		return refuse("the access token is bound to a certificate, and none was presented", nil)
	case !bound.HeldBy(sender):
		return refuse("the access token is bound to another certificate", nil)
	}
	return nil
}

func refuse(description string, cause error) error {
	return oauth.Errorf(oauth.InvalidToken, "%s", description).Because(cause)
}

func unavailable(cause error) error {
	return oauth.Errorf(oauth.TemporarilyUnavailable, "the access token cannot be checked at the moment").Because(cause)
}
