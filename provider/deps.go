package provider

import (
	"errors"
	"log/slog"

	"signet/provider/authorize"
	"signet/provider/binding"
	"signet/provider/ciba"
	"signet/provider/clientauth"
	"signet/provider/deliver"
	"signet/provider/device"
	"signet/provider/issue"
	"signet/provider/jose"
	"signet/provider/keys"
	"signet/provider/logout"
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
	token.DeviceStore
	token.NamedUsers
	device.Store
	token.Committer
	issue.TokenStore
	binding.NonceStore
	ciba.Store
	deliver.Store
	logout.Store
}

// Keys sign and decrypt, and publish the public halves.
type Keys interface {
	keys.Signer
	keys.Decrypter
	JWKS() []byte
	ArchivedJWKS() []byte
	KeySet() *jose.KeySet
	Algorithms() []string
}

// Fetcher reads what clients publish, and sends them what they are owed.
type Fetcher interface {
	clientauth.Fetcher
	authorize.Fetcher
	ciba.Poster
}

// Deps is what a provider works with. All but Device and Telemetry are required.
type Deps struct {
	Store   Store
	Keys    Keys
	Sealer  keys.Sealer
	Policy  token.Policy
	Anchors clientauth.Anchors
	Fetch   Fetcher
	// Device reaches the device service of the configuration, and nothing that clients name. Needed with ciba.device.
	Device ciba.Poster
	Audit  token.Auditor
	Clock  oauth.Clock
	Random oauth.Random
	Log    *slog.Logger
	// Telemetry measures the requests and the parts; nil = nobody looks.
	Telemetry *telemetry.Telemetry
}

func (d Deps) validate() error {
	if d.Store == nil || d.Keys == nil || d.Sealer == nil || d.Policy == nil || d.Anchors == nil || d.Fetch == nil ||
		d.Audit == nil || d.Clock == nil || d.Random == nil || d.Log == nil {
		return errors.New("provider: every field of Deps but Device and Telemetry is required")
	}
	return nil
}
