package provider

import (
	"context"
	"errors"
	"log/slog"

	"signet/provider/authorize"
	"signet/provider/clientauth"
	"signet/provider/issue"
	"signet/provider/jose"
	"signet/provider/keys"
	"signet/provider/oauth"
	"signet/provider/session"
	"signet/provider/telemetry"
	"signet/provider/token"
)

// Store is the features' small interfaces together. provider/store has implementations; storetest is the
// contract that each must pass.
type Store interface {
	clientauth.Clients
	authorize.Store
	session.Store
	token.CodeStore
	token.RefreshStore
	token.UserStore
	token.Committer
	issue.TokenStore
	UserByName(ctx context.Context, username string) (oauth.User, error)
}

// Keys sign, and publish the public halves.
type Keys interface {
	keys.Signer
	JWKS() []byte
	KeySet() *jose.KeySet
	Algorithms() []string
}

// Deps is what a provider works with. All but Telemetry are required.
type Deps struct {
	Store   Store
	Keys    Keys
	Sealer  keys.Sealer
	Policy  token.Policy
	Anchors clientauth.Anchors
	Fetch   clientauth.Fetcher
	Audit   token.Auditor
	Clock   oauth.Clock
	Random  oauth.Random
	Log     *slog.Logger
	// Telemetry measures the requests and the parts; nil = nobody looks.
	Telemetry *telemetry.Telemetry
}

func (d Deps) validate() error {
	if d.Store == nil || d.Keys == nil || d.Sealer == nil || d.Policy == nil || d.Anchors == nil || d.Fetch == nil ||
		d.Audit == nil || d.Clock == nil || d.Random == nil || d.Log == nil {
		return errors.New("provider: every field of Deps is required")
	}
	return nil
}
