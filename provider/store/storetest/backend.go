package storetest

import (
	"context"
	"testing"
	"time"

	"signet/provider/oauth"
	"signet/provider/store"
)

// Backend is all that the features together ask of a store.
type Backend interface {
	Commit(ctx context.Context, changes ...oauth.Change) error
	Sweep(ctx context.Context, batch int) (removed int, err error)
	Run(ctx context.Context, every time.Duration)
	Subscribe(topic oauth.Topic, f func())
	Ping(ctx context.Context) error
	Close() error

	Client(ctx context.Context, id string) (*oauth.Client, error)
	Clients(ctx context.Context) ([]oauth.Client, error)
	User(ctx context.Context, id string) (oauth.User, error)
	UserByName(ctx context.Context, username string) (oauth.User, error)
	Users(ctx context.Context) ([]oauth.User, error)
	Grant(ctx context.Context, id string) (oauth.Grant, error)
	Grants(ctx context.Context, filter store.GrantFilter) ([]oauth.Grant, error)
	Code(ctx context.Context, digest oauth.Digest) (oauth.AuthorizationCode, error)
	RefreshToken(ctx context.Context, digest oauth.Digest) (oauth.RefreshToken, error)
	OpaqueToken(ctx context.Context, digest oauth.Digest) (oauth.OpaqueToken, error)
	Revoked(ctx context.Context, jti, grantID string) (bool, error)
	Session(ctx context.Context, digest oauth.Digest) (oauth.Session, error)
	SessionParticipations(ctx context.Context, sid string) ([]oauth.Participation, error)
	Interaction(ctx context.Context, digest oauth.Digest) (oauth.Interaction, error)
	Pushed(ctx context.Context, digest oauth.Digest) (oauth.PushedRequest, error)
	Nonce(ctx context.Context, nonce string) (until time.Time, err error)
	Backchannel(ctx context.Context, digest oauth.Digest) (oauth.Backchannel, error)
	BackchannelByID(ctx context.Context, id string) (oauth.Backchannel, error)
	PendingBackchannels(ctx context.Context, userID string, now time.Time) ([]oauth.Backchannel, error)
	DeviceRequest(ctx context.Context, digest oauth.Digest) (oauth.DeviceRequest, error)
	DeviceRequestByUserCode(ctx context.Context, userCode oauth.Digest) (oauth.DeviceRequest, error)
	ClaimDeliveries(
		ctx context.Context, kinds []string, now time.Time, lease time.Duration, limit int,
	) ([]oauth.Delivery, error)
	Consent(ctx context.Context, userID, clientID string) (oauth.Consent, error)
	AuditEntries(ctx context.Context, filter store.AuditFilter) ([]oauth.AuditEntry, error)
}

// now is the time at which the suite takes place.
var now = time.Date(2026, time.March, 4, 5, 6, 7, 891011000, time.UTC)

// Clock stands still. Backends under test are opened with it.
func Clock() time.Time { return now }

// Effort is how often the suite repeats what depends on chance: races, random sequences, kills.
type Effort struct {
	Races     int // rounds of each race
	Sequences int // random lives of a family of refresh tokens
	Kills     int // processes killed at work
}

// Full is for a database on this machine; Network for one that each statement is sent to.
var (
	Full    = Effort{Races: 20, Sequences: 100, Kills: 10}
	Network = Effort{Races: 8, Sequences: 20, Kills: 4}
)

// Run runs the suite. open returns an empty store, opened with Clock, that is closed by t.Cleanup.
func Run(t *testing.T, effort Effort, open func(t *testing.T) Backend) {
	tests := []struct {
		name string
		test func(*testing.T, Backend)
	}{
		{"Clients", testClients},
		{"Users", testUsers},
		{"Assertions", testAssertions},
		{"Proofs", testProofs},
		{"Nonces", testNonces},
		{"Pushed", testPushed},
		{"Codes", testCodes},
		{"Grants", testGrants},
		{"GrantsFiltered", testGrantsFiltered},
		{"GrantReplaced", testGrantReplaced},
		{"GrantChecked", testGrantChecked},
		{"GrantVersions", testGrantVersions},
		{"GrantMerges", testGrantMerges},
		{"GrantsDerived", testGrantsDerived},
		{"GrantsDerivedEnd", testGrantsDerivedEnd},
		{"GrantsDerivedAtOnce", effort.testGrantsDerivedAtOnce},
		{"GrantTrees", effort.testGrantTrees},
		{"GrantUsed", testGrantUsed},
		{"Revocation", testRevocation},
		{"Lineage", testLineage},
		{"RefreshFirst", testRefreshFirst},
		{"RefreshRotation", testRefreshRotation},
		{"RefreshGrace", testRefreshGrace},
		{"RefreshKept", testRefreshKept},
		{"RefreshSuperseded", testRefreshSuperseded},
		{"RefreshFamilies", effort.testRefreshFamilies},
		{"OpaqueTokens", testOpaqueTokens},
		{"Sessions", testSessions},
		{"Participations", testParticipations},
		{"SessionRevoked", testSessionRevoked},
		{"JoinedAtOnce", testJoinedAtOnce},
		{"Interactions", testInteractions},
		{"Backchannel", testBackchannel},
		{"BackchannelGrant", testBackchannelGrant},
		{"BackchannelPolls", testBackchannelPolls},
		{"BackchannelPending", testBackchannelPending},
		{"Device", testDevice},
		{"DeviceGrant", testDeviceGrant},
		{"DevicePolls", testDevicePolls},
		{"DeviceUserCodes", testDeviceUserCodes},
		{"Deliveries", testDeliveries},
		{"DeliveryKinds", testDeliveryKinds},
		{"DeliveryClaims", effort.testDeliveryClaims},
		{"Consent", testConsent},
		{"Audit", testAudit},
		{"AllOrNothing", testAllOrNothing},
		{"ConflictsWithinGroup", testConflictsWithinGroup},
		{"UnknownChange", testUnknownChange},
		{"Cancellation", testCancellation},
		{"ReplacedAtOnce", testReplacedAtOnce},
		{"Overlong", testOverlong},
		{"Announcements", testAnnouncements},
		{"Closing", testClosing},
		{"Ping", testPing},
		{"Races", effort.testRaces},
		{"InteractionRace", effort.testInteractionRace},
		{"Sweep", testSweep},
		{"SweepBatches", testSweepBatches},
		{"SweepDerived", testSweepDerived},
		{"SweepUnderLoad", testSweepUnderLoad},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) { tt.test(t, open(t)) })
	}
}
