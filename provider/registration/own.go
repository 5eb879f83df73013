package registration

import (
	"context"
	"encoding/json"
	"slices"

	"signet/provider/clientauth"
	"signet/provider/oauth"
)

// ours are the members that only the server sets: an update must not have them (RFC 7592 section 2.2).
var ours = []string{"registration_access_token", "registration_client_uri", "client_secret_expires_at", "client_id_issued_at"}

// checkOwn checks what an update says of the client itself: its client_id, and if it likes its secret, both as they are.
func (e *endpoint) checkOwn(ctx context.Context, c *oauth.Client, given members) error {
	var faults []Fault
	if id, ok := text(given["client_id"]); !ok || id != c.ID {
		faults = append(faults, Fault{"client_id", "must be this client's"})
	}
	for _, name := range ours {
		if _, there := given[name]; there {
			faults = append(faults, Fault{name, "must not be in an update"})
		}
	}
	if raw, there := given["client_secret"]; there {
		secret, ok := text(raw)
		if ok {
			var err error
			if ok, err = clientauth.IsSecret(ctx, e.Sealer, c, oauth.Secret(secret)); err != nil {
				return err
			}
		}
		if !ok {
			faults = append(faults, Fault{"client_secret", "must be the current one"})
		}
	}
	return refuse(faults)
}

func text(raw json.RawMessage) (value string, ok bool) {
	return value, raw != nil && json.Unmarshal(raw, &value) == nil
}

// withoutMetadata is the client with all that it could not set itself.
func withoutMetadata(c *oauth.Client) (bare oauth.Client, err error) {
	all, err := fields(c)
	if err != nil {
		return bare, err
	}
	for _, name := range metadata {
		delete(all, name)
	}
	raw, err := json.Marshal(all)
	if err != nil {
		return bare, err
	}
	return bare, json.Unmarshal(raw, &bare)
}

// describe is the client information response (RFC 7591 section 3.2.1, RFC 7592 section 3): all that is registered,
// and a new secret, this once.
func (e *endpoint) describe(status int, c *oauth.Client, token, secret oauth.Secret) (answer, error) {
	all, err := fields(c)
	if err != nil {
		return answer{}, err
	}
	body := map[string]any{
		"client_id": c.ID, "client_id_issued_at": c.CreatedAt.Unix(), "response_types": responseTypes(c),
		"registration_access_token": token.Reveal(), "registration_client_uri": e.BaseURL + e.Path + "/" + c.ID,
	}
	for name, value := range all {
		if slices.Contains(metadata, name) {
			body[name] = value
		}
	}
	if secret != "" {
		body["client_secret"], body["client_secret_expires_at"] = secret.Reveal(), 0
	}
	return answer{status, body}, nil
}

// responseTypes says what an empty list means (RFC 7591 section 2), which older registrations have.
func responseTypes(c *oauth.Client) []string {
	if c.Allows(oauth.GrantAuthorizationCode) {
		return []string{"code"}
	}
	return []string{}
}

// fields are the client's JSON members.
func fields(c *oauth.Client) (members, error) {
	raw, err := json.Marshal(c)
	if err != nil {
		return nil, err
	}
	all := members{}
	return all, json.Unmarshal(raw, &all)
}
