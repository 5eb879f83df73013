package oauth

import "time"

// Values of backchannel_token_delivery_mode (CIBA Core section 5).
const (
	BackchannelPoll = "poll"
	BackchannelPing = "ping"
	BackchannelPush = "push"
)

// BackchannelStatus is where a backchannel authentication request stands.
type BackchannelStatus string

// The states. Pending becomes approved or denied, approved becomes redeemed; nothing goes back.
const (
	BackchannelPending  BackchannelStatus = "pending"
	BackchannelApproved BackchannelStatus = "approved"
	BackchannelDenied   BackchannelStatus = "denied"
	BackchannelRedeemed BackchannelStatus = "redeemed"
)

// Backchannel is a validated backchannel authentication request (CIBA Core section 7.1). The client holds the
// auth_req_id, a Secret, the store its Digest.
type Backchannel struct {
	Digest   Digest `json:"-"`
	ID       string `json:"id"` // public: pages and logs name the request by it
	ClientID string `json:"client_id"`
	UserID   string `json:"sub"` // whom the hint named
	Mode     string `json:"mode"`

	Scope          Scope    `json:"scope"`
	Resources      []string `json:"resources,omitempty"`
	Details        Details  `json:"authorization_details,omitempty"`
	ACRValues      []string `json:"acr_values,omitempty"`
	BindingMessage string   `json:"binding_message,omitempty"`

	// Sealed is what a ping or push needs besides, sealed with the key backend: the auth_req_id and the
	// client_notification_token.
	Sealed []byte `json:"sealed,omitempty"`

	Status    BackchannelStatus `json:"status"`
	User      *EndUser          `json:"user,omitempty"`     // who approved, and how they had logged in
	GrantID   string            `json:"grant_id,omitempty"` // set with the approval
	RequestID string            `json:"request_id"`
	CreatedAt time.Time         `json:"created_at"`
	ExpiresAt time.Time         `json:"expires_at"`
	// Interval is how many seconds apart polls must be; NextPoll is when the next one may come.
	Interval int       `json:"-"`
	NextPoll time.Time `json:"-"`
}

// WantsLogin says that who logged in at that time has to do it again before approving: a request with details, or with
// wishes for the login, is not approved by a browser that happened to be signed in. Logins are kept in whole seconds,
// and one within the request's own second counts.
func (b Backchannel) WantsLogin(at time.Time) bool {
	return (len(b.Details) > 0 || len(b.ACRValues) > 0) && at.Before(b.CreatedAt.Truncate(time.Second))
}

// Delivery is a message that this server owes somebody: kept until it has been delivered or given up, so that no
// crash loses it. Several processes share the queue: whoever claims one has it for the time of its lease.
type Delivery struct {
	ID        string    `json:"id"`
	Kind      string    `json:"kind"` // e.g. "ciba-ping"; says who knows how to send it
	ClientID  string    `json:"client_id"`
	GrantID   string    `json:"grant_id,omitempty"` // of the tokens that it carries: they end with it when it is given up
	URL       string    `json:"url"`
	Sealed    []byte    `json:"sealed"` // the secret parts, sealed with the key backend
	Attempts  int       `json:"attempts"`
	NextAt    time.Time `json:"-"`
	ExpiresAt time.Time `json:"expires_at"` // when it is given up
}
