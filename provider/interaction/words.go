package interaction

import (
	"fmt"
	"time"

	"signet/provider/oauth"
)

// scopeWords says in words what a scope lets a client do.
func (p *Pages) scopeWords(scope string) string {
	if words := p.deps.Scopes[scope]; words != "" {
		return words
	}
	return scope
}

func (p *Pages) resourceWords(resource string) string {
	if words := p.deps.Resources[resource]; words != "" {
		return words
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

// inWords gives a duration in its largest fitting unit, rounded to the nearest.
func inWords(d time.Duration) string {
	for _, unit := range []struct {
		size time.Duration
		name string
	}{{24 * time.Hour, "day"}, {time.Hour, "hour"}, {time.Minute, "minute"}} {
		if d >= 2*unit.size || d == unit.size {
			return plural(int(d.Round(unit.size)/unit.size), unit.name)
		}
	}
	return plural(max(1, int(d.Round(time.Second)/time.Second)), "second")
}

func plural(n int, unit string) string {
	if n == 1 {
		return "1 " + unit
	}
	return fmt.Sprintf("%d %ss", n, unit)
}

// roundUp makes a wait that is told to people never shorter than it is.
func roundUp(d time.Duration) time.Duration {
	unit := time.Second
	if d > time.Minute {
		unit = time.Minute
	}
	return (d + unit - 1).Truncate(unit)
}
