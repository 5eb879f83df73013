package interaction

import (
	"time"

	"signet/provider/oauth"
)

// scopeWords says in words what a scope lets a client do: the words of the language, if it has some of its own for
// this scope, or else the configured ones.
func (p *Pages) scopeWords(in *language, scope string) string {
	if name := "scope." + scope; in.has(name) {
		return in.text(name)
	}
	if words := p.deps.Scopes[scope]; words != "" {
		return in.own(words)
	}
	return scope
}

func (p *Pages) resourceWords(in *language, resource string) string {
	if words := p.deps.Resources[resource]; words != "" {
		return in.own(words)
	}
	return resource
}

func clientName(client *oauth.Client) string {
	if client.Name != "" {
		return client.Name
	}
	return client.ID
}

// displayName is how the user is addressed: by name (OpenID Connect Core section 5.1), else username.
func displayName(user oauth.User) string {
	if name, ok := user.Claims["name"].(string); ok && name != "" {
		return name
	}
	return user.Username
}

// roundUp makes a wait that is told to people never shorter than it is.
func roundUp(d time.Duration) time.Duration {
	unit := time.Second
	if d > time.Minute {
		unit = time.Minute
	}
	return (d + unit - 1).Truncate(unit)
}
