package oauth

import "time"

// Subject is whom a token is about: the client itself or an end user, nothing else.
type Subject interface {
	// Subject returns the "sub" claim.
	Subject() string
	isSubject()
}

// ClientItself is the subject of a client_credentials token (RFC 9068 section 2.2).
type ClientItself struct{ ClientID string }

// Subject implements Subject.
func (c ClientItself) Subject() string { return c.ClientID }
func (ClientItself) isSubject()        {}

// EndUser is a person who logged in: how and when.
type EndUser struct {
	ID        string    `json:"sub"`
	AuthTime  time.Time `json:"auth_time"`
	ACR       string    `json:"acr,omitempty"`
	AMR       []string  `json:"amr,omitempty"` // RFC 8176
	SessionID string    `json:"sid,omitempty"`
}

// Subject implements Subject.
func (u EndUser) Subject() string { return u.ID }
func (EndUser) isSubject()        {}

// User is an account that can log in.
type User struct {
	ID           string         `json:"sub"` // stable, never reassigned (OpenID Connect Core section 2)
	Username     string         `json:"username"`
	PasswordHash string         `json:"password_hash,omitempty"`  // argon2id in PHC form
	UserCodeHash string         `json:"user_code_hash,omitempty"` // argon2id in PHC form; the CIBA user code (CIBA Core section 7.1)
	Disabled     bool           `json:"disabled,omitempty"`
	Claims       map[string]any `json:"claims,omitempty"` // standard claims, OpenID Connect Core section 5.1
	CreatedAt    time.Time      `json:"created_at"`
	// ValidFrom ends every earlier login, and what was granted by it: it is set when the password is replaced
	// and when the account is disabled.
	ValidFrom time.Time `json:"valid_from,omitzero"`
}

// Accepts says whether a login at that time still counts for the account. Tokens know it by the second.
func (u User) Accepts(authTime time.Time) bool {
	return !u.Disabled && !authTime.Before(u.ValidFrom.Truncate(time.Second))
}

// Participation is a client's part in a browser session: a grant that was made while it lasted.
type Participation struct {
	SessionID string `json:"sid"`
	ClientID  string `json:"client_id"`
	GrantID   string `json:"grant_id"`
	// Offline says that the grant has offline_access: it outlives the session (OpenID Connect Core section 11).
	Offline bool      `json:"offline,omitempty"`
	Until   time.Time `json:"-"` // when the session has ended in any case
}

// Session is a browser's login. The cookie holds a Secret, the store its Digest.
type Session struct {
	Digest    Digest    `json:"-"`
	User      EndUser   `json:"user"` // User.SessionID is the public "sid"
	ExpiresAt time.Time `json:"expires_at"`
}
