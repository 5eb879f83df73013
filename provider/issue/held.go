package issue

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"

	"signet/provider/oauth"
	"signet/provider/resource"
)

// Held is one of the provider's own tokens, read back, with what stands behind it. Its Subject is the name by
// which its client knows the user, which need not be the account's id: the account is the grant's.
type Held struct {
	*resource.Token
	// Grant is what the token was made from; nil where the client acts for itself (client_credentials).
	Grant *oauth.Grant
	// Client, Root and User are set by [Reader.Active]. Root is the client that was given the authority in the first
	// place: the grant's, or the one that the token is about. Only by token exchange it is another than Client, and of a
	// transaction token there is no Client. User is the account that the grant is of; nil without a grant.
	Client *oauth.Client
	Root   *oauth.Client
	User   *oauth.User
}

// UserID is the id of the account that the token is about; "" where the client acts for itself.
func (h *Held) UserID() string {
	if h.Grant == nil {
		return ""
	}
	return h.Grant.UserID
}

// Made says whether the token was made from another one (RFC 8693): then it gives what it says itself, and not what its
// grant remembers besides.
func (h *Held) Made() bool { return len(oauth.Lineage(h.JTI)) > 1 }

// Asked are the claims that were asked for at the userinfo endpoint one by one (OpenID Connect Core section 5.5). They
// were the grant's own client's to ask for, and are none of a token's that was made from another one.
func (h *Held) Asked() map[string]oauth.ClaimRequest {
	if h.Grant == nil || h.Made() || h.ClientID != h.Grant.ClientID {
		return nil
	}
	return h.Grant.Claims.Userinfo
}

// Actor is the "act" claim (RFC 8693 section 4.1); nil when nobody acts. The error says that the claim is malformed.
func (h *Held) Actor() (*oauth.Actor, error) {
	var actor *oauth.Actor
	raw, err := h.object("act")
	if err != nil || raw == nil {
		return nil, err
	}
	if err := json.Unmarshal(raw, &actor); err != nil {
		return nil, fmt.Errorf("act: %w", err)
	}
	return actor, nil
}

// MayAct is the "may_act" claim (RFC 8693 section 4.4), a JSON object; nil when there is none. The error says that the
// claim is malformed.
func (h *Held) MayAct() (json.RawMessage, error) { return h.object("may_act") }

// AMR are the "amr" claim's values (RFC 8176).
func (h *Held) AMR() []string {
	var methods []string
	list, _ := h.Claims["amr"].([]any)
	for _, entry := range list {
		if method, ok := entry.(string); ok {
			methods = append(methods, method)
		}
	}
	return methods
}

// Document is all that the token says: a JSON object.
func (h *Held) Document() (json.RawMessage, error) { return json.Marshal(h.Claims) }

var errNoObject = errors.New("it is not an object")

// object returns a claim that has to be an object; nil when it is not there.
func (h *Held) object(name string) (json.RawMessage, error) {
	value, present := h.Claims[name]
	if !present {
		return nil, nil
	}
	if _, ok := value.(map[string]any); !ok {
		return nil, fmt.Errorf("%s: %w", name, errNoObject)
	}
	return json.Marshal(value)
}

// claimsOf reads a JSON object as [resource.Token] has it: numbers as they are.
func claimsOf(payload []byte) (map[string]any, error) {
	decoder := json.NewDecoder(bytes.NewReader(payload))
	decoder.UseNumber()
	var claims map[string]any
	err := decoder.Decode(&claims)
	return claims, err
}
