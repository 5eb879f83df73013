package store

import (
	"fmt"

	"signet/provider/oauth"
)

// The longest values that key columns hold, in bytes. Longer ones are refused before any database sees them,
// so that none is cut off and all databases take the same.
const (
	maxClientID  = 255  // oauth.ValidClientID
	maxUserID    = 255  // OpenID Connect Core section 2, "sub"
	maxUsername  = 256  // what a login accepts
	maxGrantID   = 128  // made here: 22
	maxJTI       = 256  // what clientauth accepts; ours have 22
	maxConsented = 2048 // a scope token and a resource's URI, together
	maxNonce     = 128  // made here: 22
	maxRequest   = 128  // a backchannel request's public id; made here: 22
	maxDelivery  = 128  // made here: 22
	maxKind      = 64   // of a delivery; made here: short words
	maxSID       = 128  // a session's public id; made here: 22
	maxAuditID   = 64   // made here: 22
	maxEvent     = 128
	maxRequestID = 128     // made here: 22
	maxData      = 4 << 20 // the JSON form; MariaDB takes statements of 16 MiB
)

// key is a value of a key column.
type key struct {
	name, value string
	most        int
}

func fit(keys ...key) error {
	for _, k := range keys {
		if len(k.value) > k.most {
			return fmt.Errorf("store: %s has %d bytes, at most %d are kept", k.name, len(k.value), k.most)
		}
	}
	return nil
}

func clientKey(id string) key { return key{"client_id", id, maxClientID} }
func userKey(id string) key   { return key{"user id", id, maxUserID} }
func grantKey(id string) key  { return key{"grant id", id, maxGrantID} }

// fits checks the identifiers of a change that inserts; one that looks for an overlong key finds nothing.
func fits(change oauth.Change) error {
	switch c := change.(type) {
	case oauth.UseAssertion:
		if c.JTI == "" {
			return fmt.Errorf("store: an assertion without a jti")
		}
		return fit(clientKey(c.ClientID), key{"jti", c.JTI, maxJTI})
	case oauth.UseProof:
		if c.Digest == (oauth.Digest{}) {
			return fmt.Errorf("store: a DPoP proof without a digest")
		}
	case oauth.StoreNonce:
		if c.Nonce == "" {
			return fmt.Errorf("store: an empty DPoP nonce")
		}
		return fit(key{"DPoP nonce", c.Nonce, maxNonce})
	case oauth.StoreBackchannel:
		r := c.Request
		return fit(key{"backchannel request id", r.ID, maxRequest}, userKey(r.UserID), grantKey(r.GrantID))
	case oauth.StoreDevice:
		if r := c.Request; r.Digest == (oauth.Digest{}) || r.UserCode == (oauth.Digest{}) {
			return fmt.Errorf("store: a device request without its codes")
		}
		return fit(grantKey(c.Request.GrantID))
	case oauth.AnswerDevice:
		return fit(grantKey(c.Request.GrantID))
	case oauth.AnswerBackchannel:
		return fit(grantKey(c.Request.GrantID))
	case oauth.StoreDelivery:
		if c.Delivery.Kind == unnamed || c.Delivery.Kind == unreadable {
			return fmt.Errorf("store: a delivery of the kind %q", c.Delivery.Kind)
		}
		return fit(key{"delivery id", c.Delivery.ID, maxDelivery}, key{"delivery's kind", c.Delivery.Kind, maxKind})
	case oauth.JoinSession:
		j := c.Participation
		if j.SessionID == "" {
			return fmt.Errorf("store: a participation in no session")
		}
		return fit(key{"sid", j.SessionID, maxSID}, clientKey(j.ClientID), grantKey(j.GrantID))
	case oauth.StoreCode:
		return fit(grantKey(c.Code.GrantID))
	case oauth.StoreGrant:
		return fit(grantKey(c.Grant.ID), clientKey(c.Grant.ClientID), userKey(c.Grant.UserID))
	case oauth.DeriveGrant:
		g := c.Grant
		return fit(grantKey(g.ID), clientKey(g.ClientID), userKey(g.UserID), grantKey(g.ParentID), key{"jti", g.ParentJTI, maxJTI})
	case oauth.StoreRefresh:
		return fit(grantKey(c.Token.GrantID))
	case oauth.SupersedeRefresh:
		return fit(grantKey(c.Token.GrantID))
	case oauth.ReplaceRefresh:
		return fit(grantKey(c.New.GrantID))
	case oauth.RevokeAccessToken:
		return fit(key{"jti", c.JTI, maxJTI})
	case oauth.RememberConsent:
		keys := []key{clientKey(c.Consent.ClientID), userKey(c.Consent.UserID)}
		for _, agreed := range c.Consent.Agreed {
			keys = append(keys, key{"scope at a resource server", pairOf(agreed), maxConsented})
		}
		return fit(keys...)
	case oauth.StoreClient:
		return fit(clientKey(c.Client.ID))
	case oauth.ReplaceClient:
		return fit(clientKey(c.Client.ID))
	case oauth.StoreUser:
		return fit(userKey(c.User.ID), key{"username", c.User.Username, maxUsername})
	case oauth.RecordAudit:
		e := c.Entry
		return fit(key{"audit id", e.ID, maxAuditID}, key{"event", e.Event, maxEvent}, clientKey(e.ClientID),
			key{"request id", e.RequestID, maxRequestID})
	}
	return nil
}
