package issue

import (
	"signet/provider/oauth"
	"signet/provider/resource"
)

// Held is one of the provider's own access tokens, read back, with what stands behind it. Its Subject is the name by
// which its client knows the user, which need not be the account's id: the account is the grant's.
type Held struct {
	*resource.Token
	// Grant is what the token was made from; nil where the client acts for itself (client_credentials).
	Grant *oauth.Grant
	// Client and User are set by [Reader.Active]. User is the account that the grant is of; nil without a grant.
	Client *oauth.Client
	User   *oauth.User
}

// UserID is the id of the account that the token is about; "" where the client acts for itself.
func (h *Held) UserID() string {
	if h.Grant == nil {
		return ""
	}
	return h.Grant.UserID
}
