package oauth

import (
	"strings"
	"time"
)

// Change is one state change. A request collects its changes and commits them together, last; the
// sum is closed, and a store applies each kind by one statement. A change marked conditional makes the
// whole commit fail with [*Conflict] when another request was first.
type Change interface{ isChange() }

// UseAssertion marks a client's assertion jti as used until it can no longer be accepted. Conditional:
// conflicts when the client has used the jti before (RFC 7523 section 3 item 7).
type UseAssertion struct {
	ClientID string // or, of an assertion by somebody else, UsedByIssuer and who that is
	JTI      string
	Until    time.Time
}

// UsedByIssuer is what the ClientID of a [UseAssertion] begins with that is about an assertion of another issuer.
const UsedByIssuer = "assertion:"

// UseProof marks a DPoP proof as used until it can no longer be accepted. Conditional: conflicts when it was used
// before (RFC 9449 section 11.1). Digest covers the key and the jti.
type UseProof struct {
	Digest Digest
	Until  time.Time
}

// StoreNonce keeps a DPoP nonce of this server, so that each of its processes knows it (RFC 9449 section 8).
type StoreNonce struct {
	Nonce string
	Until time.Time
}

// StorePushed keeps a pushed authorization request.
type StorePushed struct{ Pushed PushedRequest }

// UsePushed marks a pushed request as answered. Conditional: conflicts when it was answered before, or is gone.
type UsePushed struct {
	Digest Digest
	At     time.Time
}

// StoreCode keeps a new authorization code.
type StoreCode struct{ Code AuthorizationCode }

// RedeemCode marks a code as used. Conditional: conflicts unless the code exists, is unused, and its
// grant is not revoked.
type RedeemCode struct {
	Digest  Digest
	GrantID string
	At      time.Time
}

// BurnCode marks a code as used whether or not it was.
type BurnCode struct {
	Digest Digest
	At     time.Time
}

// StoreGrant keeps a new grant.
type StoreGrant struct{ Grant Grant }

// ReplaceGrant puts a merged or replaced grant (Grant Management section 6.2) in the place of the one with its id.
// Its creation time and revocation stay. Conditional: conflicts when the grant is gone or revoked, or has changed
// since Seen (its UpdatedAt as it was read).
type ReplaceGrant struct {
	Grant Grant
	Seen  time.Time
}

// CheckGrant asserts, without changing anything, that a managed grant is still the one that was read. Conditional:
// conflicts when the grant is gone or revoked, or has changed since Seen (its UpdatedAt as it was read).
type CheckGrant struct {
	GrantID string
	Seen    time.Time
}

// ExtendGrant moves a grant's expiry further out, never closer.
type ExtendGrant struct {
	GrantID   string
	ExpiresAt time.Time
}

// RevokeGrant ends a grant and everything made from it, grants that were derived from it among them (see [DeriveGrant]).
// Revoking twice is no conflict.
type RevokeGrant struct {
	GrantID string
	At      time.Time
}

// StoreRefresh keeps a grant's first refresh token. Conditional: conflicts when the grant is revoked.
type StoreRefresh struct{ Token RefreshToken }

// SupersedeRefresh keeps a refresh token in the place of whichever the grant has, if any. That one is then unknown:
// its use is no reuse; that of tokens rotated before it still is. The grant counts as changed (see [CheckGrant]), so
// that a refresh at the same time loses to the change and not to a reuse. Conditional: conflicts when the grant is
// gone or revoked.
type SupersedeRefresh struct{ Token RefreshToken }

// ReplaceRefresh rotates Old to New. Conditional: conflicts unless the grant is not revoked and either Old
// is unrotated, or it was rotated no longer than Grace before At and its successor is still unused; in
// that case the successor is removed: a later use of it counts as reuse.
type ReplaceRefresh struct {
	Old   Digest
	New   RefreshToken
	At    time.Time
	Grace time.Duration
}

// UseRefresh asserts, without changing anything, that a refresh token that stays valid (no rotation) is
// still usable at commit. Conditional: conflicts when its grant is revoked or the token is gone.
type UseRefresh struct {
	Digest  Digest
	GrantID string
}

// StoreOpaque keeps an access token by reference.
type StoreOpaque struct{ Token OpaqueToken }

// RevokeAccessToken makes an access token inactive by its jti, until it would have expired, and with it all that was made
// from it: tokens (see [Lineage]) and grants.
type RevokeAccessToken struct {
	JTI   string
	Until time.Time
}

// StoreInteraction keeps or replaces a waiting authorization request.
type StoreInteraction struct{ Interaction Interaction }

// UpdateInteraction replaces a waiting authorization request. Conditional: conflicts when it is gone, so that
// a finished request never waits again.
type UpdateInteraction struct{ Interaction Interaction }

// FinishInteraction removes a waiting authorization request. Conditional: conflicts when it is gone.
type FinishInteraction struct{ Digest Digest }

// StoreSession keeps a browser session.
type StoreSession struct{ Session Session }

// JoinSession notes that a grant was made in a browser session, so that its logout finds it.
type JoinSession struct{ Participation Participation }

// ProlongSession moves the end of all that is noted of a session further out, never closer.
type ProlongSession struct {
	SessionID string
	Until     time.Time
}

// LeaveSession forgets what was noted about a session: nothing of it is to be logged out any more.
type LeaveSession struct{ SessionID string }

// EndSession removes a browser session, if it is there. With Present set it is conditional: conflicts when the session
// is not there any more.
type EndSession struct {
	Digest  Digest
	Present bool
}

// RememberConsent adds to what a user has agreed to. The end of an agreement moves further out, never closer; where
// the user agreed to less than before, ForgetConsent goes first.
type RememberConsent struct{ Consent Consent }

// ForgetConsent removes all that a user has agreed to let a client have: the next request asks again.
type ForgetConsent struct{ UserID, ClientID string }

// StoreClient adds or replaces a client. With New set it is conditional: conflicts when the id is taken.
type StoreClient struct {
	Client Client
	New    bool
}

// ReplaceClient puts a changed registration in the place of Seen, the same client as it was read. Conditional:
// conflicts when the client is gone or anything of it has changed since, so that no change of an operator's is undone.
type ReplaceClient struct{ Client, Seen Client }

// StoreUser adds or replaces an account. With New set it is conditional: conflicts when the id or the
// username is taken.
type StoreUser struct {
	User User
	New  bool
}

// RecordAudit adds one entry to the audit log.
type RecordAudit struct{ Entry AuditEntry }

// StoreBackchannel keeps a new backchannel authentication request (CIBA Core section 7).
type StoreBackchannel struct{ Request Backchannel }

// AnswerBackchannel records the user's answer. Conditional: conflicts unless the request is still pending.
type AnswerBackchannel struct{ Request Backchannel }

// PollBackchannel remembers when a client may poll next. Conditional: conflicts when another poll was recorded
// since Seen.
type PollBackchannel struct {
	Digest   Digest
	Seen     time.Time // NextPoll as it was read
	NextPoll time.Time
	Interval int // seconds
}

// RedeemBackchannel marks an approved request as used. Conditional: conflicts unless it is approved and unused.
type RedeemBackchannel struct {
	Digest Digest
	At     time.Time
}

// StoreDevice keeps a new device authorization request. Conditional: conflicts when the user code is another waiting
// request's.
type StoreDevice struct{ Request DeviceRequest }

// AnswerDevice records the user's answer. Conditional: conflicts unless the request is still pending.
type AnswerDevice struct{ Request DeviceRequest }

// PollDevice remembers when a client may poll next. Conditional: conflicts when another poll was recorded since Seen.
type PollDevice struct {
	Digest   Digest
	Seen     time.Time // NextPoll as it was read
	NextPoll time.Time
	Interval int // seconds
}

// RedeemDevice marks an approved request as used. Conditional: conflicts unless it is approved and unused.
type RedeemDevice struct {
	Digest Digest
	At     time.Time
}

// DeriveGrant keeps a grant that is made from a token of another: its ParentID and ParentJTI say which. Conditional:
// conflicts when that grant, or that token or one that it was made from, is revoked.
type DeriveGrant struct{ Grant Grant }

// UseGrant asserts, without changing anything, that a grant is alive. Conditional: conflicts when it is gone or revoked.
type UseGrant struct{ GrantID string }

// RevokeSession ends the grants that were made in a browser session and are not for offline access.
type RevokeSession struct {
	SessionID string
	At        time.Time
}

// StoreDelivery queues a message that this server owes somebody.
type StoreDelivery struct{ Delivery Delivery }

// RetryDelivery puts a delivery off. It is no conflict when the delivery is gone.
type RetryDelivery struct {
	ID       string
	NextAt   time.Time
	Attempts int
}

// FinishDelivery removes a delivery, done or given up.
type FinishDelivery struct{ ID string }

// Announce tells the other processes on the database that something they hold in memory has changed.
type Announce struct{ Topic Topic }

// Topic names what can be announced.
type Topic string

// The topics. Storing or replacing a client announces TopicClients by itself.
const (
	TopicClients Topic = "clients"
	TopicKeys    Topic = "keys"
)

// AuditEntry is one line of the audit log: who did what, and why it was allowed. No field is a secret.
type AuditEntry struct {
	ID         string         `json:"id"`
	At         time.Time      `json:"at"`
	Event      string         `json:"event"` // e.g. "token.issued"; package audit lists them
	RequestID  string         `json:"request_id,omitempty"`
	ClientID   string         `json:"client_id,omitempty"`
	Subject    string         `json:"sub,omitempty"`
	GrantID    string         `json:"grant_id,omitempty"`
	JTI        string         `json:"jti,omitempty"`
	DecisionID string         `json:"decision_id,omitempty"`
	Detail     map[string]any `json:"detail,omitempty"`
}

func (UseAssertion) isChange()      {}
func (StoreCode) isChange()         {}
func (RedeemCode) isChange()        {}
func (BurnCode) isChange()          {}
func (StoreGrant) isChange()        {}
func (ExtendGrant) isChange()       {}
func (RevokeGrant) isChange()       {}
func (StoreRefresh) isChange()      {}
func (ReplaceRefresh) isChange()    {}
func (UseRefresh) isChange()        {}
func (StoreOpaque) isChange()       {}
func (RevokeAccessToken) isChange() {}
func (StoreInteraction) isChange()  {}
func (UpdateInteraction) isChange() {}
func (FinishInteraction) isChange() {}
func (StoreSession) isChange()      {}
func (EndSession) isChange()        {}
func (JoinSession) isChange()       {}
func (ProlongSession) isChange()    {}
func (LeaveSession) isChange()      {}
func (RememberConsent) isChange()   {}
func (ForgetConsent) isChange()     {}
func (StoreClient) isChange()       {}
func (ReplaceClient) isChange()     {}
func (StoreUser) isChange()         {}
func (RecordAudit) isChange()       {}
func (Announce) isChange()          {}
func (UseProof) isChange()          {}
func (StoreNonce) isChange()        {}
func (StorePushed) isChange()       {}
func (UsePushed) isChange()         {}
func (ReplaceGrant) isChange()      {}
func (CheckGrant) isChange()        {}
func (SupersedeRefresh) isChange()  {}
func (StoreBackchannel) isChange()  {}
func (AnswerBackchannel) isChange() {}
func (PollBackchannel) isChange()   {}
func (RedeemBackchannel) isChange() {}
func (StoreDevice) isChange()       {}
func (AnswerDevice) isChange()      {}
func (PollDevice) isChange()        {}
func (RedeemDevice) isChange()      {}
func (DeriveGrant) isChange()       {}
func (UseGrant) isChange()          {}
func (RevokeSession) isChange()     {}
func (StoreDelivery) isChange()     {}
func (RetryDelivery) isChange()     {}
func (FinishDelivery) isChange()    {}

// ConflictError is what a client is told when the change came second.
func (c *Conflict) ConflictError() *Error {
	switch change := c.Change.(type) {
	case UseAssertion:
		if strings.HasPrefix(change.ClientID, UsedByIssuer) {
			return Errorf(InvalidGrant, "the assertion was used before (RFC 7523 section 3)").Because(c)
		}
		return Errorf(InvalidClient, "the client assertion was used before").Because(c)
	case UseProof:
		return Errorf(InvalidDPoPProof, "the DPoP proof was used before (RFC 9449 section 11.1)").Because(c)
	case UsePushed:
		return Errorf(InvalidRequestURI, "the request_uri was used before").Because(c)
	case ReplaceGrant:
		return Errorf(InvalidGrantID, "the grant is revoked or was changed by another request").Because(c)
	case ReplaceClient:
		return Errorf(TemporarilyUnavailable, "the registration was changed by another request at the same time: send this one again").Because(c)
	case PollBackchannel:
		return Errorf(SlowDown, "poll less often").Because(c)
	case RedeemBackchannel:
		return Errorf(InvalidGrant, "the auth_req_id was used before").Because(c)
	case PollDevice:
		return Errorf(SlowDown, "poll less often").Because(c)
	case RedeemDevice:
		return Errorf(InvalidGrant, "the device_code was used before").Because(c)
	case AnswerDevice:
		return Errorf(InvalidRequest, "this request was already answered").Because(c)
	case DeriveGrant, UseGrant:
		return Errorf(InvalidGrant, "what the token was made from is revoked").Because(c)
	case RedeemCode:
		return Errorf(InvalidGrant, "the authorization code was used before or is revoked").Because(c)
	case CheckGrant:
		return Errorf(InvalidGrant, "the grant was changed by another request, or is revoked").Because(c)
	case ReplaceRefresh, UseRefresh, StoreRefresh, SupersedeRefresh:
		return Errorf(InvalidGrant, "the refresh token was used before or is revoked").Because(c)
	case UpdateInteraction, FinishInteraction:
		return Errorf(InvalidRequest, "this login was already completed").Because(c)
	default:
		return Errorf(InvalidRequest, "already done").Because(c)
	}
}
