package oauth

import "time"

// DeviceStatus is where a device authorization request stands.
type DeviceStatus string

// The states. Pending becomes approved or denied, approved becomes redeemed; nothing goes back.
const (
	DevicePending  DeviceStatus = "pending"
	DeviceApproved DeviceStatus = "approved"
	DeviceDenied   DeviceStatus = "denied"
	DeviceRedeemed DeviceStatus = "redeemed"
)

// DeviceRequest is a validated device authorization request (RFC 8628 section 3.1). The client holds the device_code and
// shows its user the user_code, both Secrets; the store has their Digests.
type DeviceRequest struct {
	Digest   Digest `json:"-"` // of the device_code
	UserCode Digest `json:"-"` // of the user_code, as it is compared (without dashes, upper case)
	ID       string `json:"id"`
	ClientID string `json:"client_id"`

	Scope     Scope        `json:"scope"`
	Resources []string     `json:"resources,omitempty"`
	Details   Details      `json:"authorization_details,omitempty"`
	ACRValues []string     `json:"acr_values,omitempty"`
	Sender    Confirmation `json:"cnf"` // that the request was bound to: who polls must hold it

	Status    DeviceStatus `json:"status"`
	User      *EndUser     `json:"user,omitempty"`     // who approved, and how they had logged in
	GrantID   string       `json:"grant_id,omitempty"` // set with the approval
	RequestID string       `json:"request_id"`
	CreatedAt time.Time    `json:"created_at"`
	ExpiresAt time.Time    `json:"expires_at"`
	// Interval is how many seconds apart polls must be; NextPoll is when the next one may come.
	Interval int       `json:"-"`
	NextPoll time.Time `json:"-"`
}
