package audit

// Event names one kind of audit entry: "<what>.<what happened to it>".
type Event string

// The events that Signet records.
const (
	TokenIssued   Event = "token.issued"
	TokenRefused  Event = "token.refused"
	TokenRevoked  Event = "token.revoked"  // RFC 7009
	RequestPushed Event = "request.pushed" // RFC 9126
	CodeIssued    Event = "code.issued"
	CodeRefused   Event = "code.refused"   // an authorization request that ended in an error
	CodeReused    Event = "code.reused"    // RFC 6749 section 4.1.2: its grant is revoked with it
	RefreshReused Event = "refresh.reused" // RFC 9700 section 4.14.2: its grant is revoked with it
	GrantRevoked  Event = "grant.revoked"

	LoginSucceeded Event = "login.succeeded"
	LoginFailed    Event = "login.failed"
	ConsentGiven   Event = "consent.given"
	ConsentDenied  Event = "consent.denied"

	// The end of a browser session (OpenID Connect RP-Initiated Logout), and what its clients were told of it
	// (OpenID Connect Back-Channel Logout).
	LogoutCompleted Event = "logout.completed"
	LogoutRefused   Event = "logout.refused" // the request had a fault, or the user chose to stay signed in
	LogoutDelivered Event = "backchannel_logout.delivered"
	LogoutGivenUp   Event = "backchannel_logout.given_up"

	// A client asked for a user over the backchannel (CIBA Core section 7). The user's answer is consent.given or consent.denied.
	BackchannelRequested Event = "backchannel.requested"
	BackchannelRefused   Event = "backchannel.refused" // it named nobody, or had not the user's code

	ClientAdded    Event = "client.added"
	ClientChanged  Event = "client.changed"
	ClientDisabled Event = "client.disabled"
	ClientEnabled  Event = "client.enabled"

	// What clients do about their own registrations (RFC 7591, RFC 7592).
	ClientRegistered Event = "client.registered"
	ClientUpdated    Event = "client.updated"
	ClientRemoved    Event = "client.removed"

	UserAdded    Event = "user.added"
	UserChanged  Event = "user.changed"
	UserDisabled Event = "user.disabled"
	UserEnabled  Event = "user.enabled"

	KeyCreated     Event = "key.created"
	KeyDestroyed   Event = "key.destroyed"
	DataKeyRotated Event = "data_key.rotated"

	PolicyLoaded  Event = "policy.loaded"
	PolicyRefused Event = "policy.refused" // a broken bundle; the previous one stays in force
)

// Events lists every event, for filters and for checking what an operator typed.
func Events() []Event {
	return []Event{
		TokenIssued, TokenRefused, TokenRevoked, RequestPushed, CodeIssued, CodeRefused, CodeReused, RefreshReused, GrantRevoked,
		LoginSucceeded, LoginFailed, LogoutCompleted, LogoutRefused, LogoutDelivered, LogoutGivenUp, ConsentGiven, ConsentDenied, BackchannelRequested, BackchannelRefused,
		ClientAdded, ClientChanged, ClientDisabled, ClientEnabled, ClientRegistered, ClientUpdated, ClientRemoved,
		UserAdded, UserChanged, UserDisabled, UserEnabled,
		KeyCreated, KeyDestroyed, DataKeyRotated, PolicyLoaded, PolicyRefused,
	}
}
