package token

import (
	"net/http"
	"testing"
	"time"

	"pgregory.net/rapid"

	"signet/provider/issue"
	"signet/provider/keys/keystest"
	"signet/provider/oauth"
)

// life is that of the knobDesk's refresh tokens.
const life = time.Hour

// Whatever the options, and in whatever order tokens are used and the clock goes on: nothing that a refresh gives is more
// than the user granted, no refresh token is good for longer than one is at first, one that was used and replaced ends
// everything, and after that, or once the grant is revoked, nothing is given.
func TestRefreshNeverWidens(t *testing.T) {
	sealer := keystest.NewMemory()
	rapid.Check(t, func(rt *rapid.T) {
		granted := oauth.Scope{"openid", "offline_access", "accounts", "payments"}
		d := newDesk(granted.String())
		d.refresh = RefreshOptions{
			NoRotation: rapid.Bool().Draw(rt, "no rotation"), ExtendOnRotation: rapid.Bool().Draw(rt, "extend"),
			Unstored: rapid.Bool().Draw(rt, "unstored"), Seal: &issue.RefreshSeal{Sealer: sealer},
		}
		d.client.RefreshTokenLifetime = rapid.IntRange(0, 2*3600).Draw(rt, "the client's lifetime")
		first, _ := d.redeem(t)["refresh_token"].(string)
		tokens, ends, spent := []string{first}, map[string]time.Time{first: d.end(first)}, map[string]bool{}
		for range rapid.IntRange(1, 12).Draw(rt, "steps") {
			if rapid.IntRange(0, 19).Draw(rt, "revoke") == 0 {
				d.revoke()
			}
			d.now = d.now.Add(time.Duration(rapid.IntRange(0, 40).Draw(rt, "minutes")) * time.Minute)
			used := rapid.SampledFrom(tokens).Draw(rt, "token")
			asked := oauth.Scope(rapid.SliceOfNDistinct(rapid.SampledFrom(granted), 1, len(granted), rapid.ID).Draw(rt, "scope"))
			dead := d.at.grants["g1"].Revoked || spent[used] || !d.now.Before(ends[used])
			status, answer := d.use(t, used, "scope", asked.String())
			if status != http.StatusOK {
				if !dead {
					rt.Fatalf("refused: %v", answer)
				}
				continue
			}
			got, _ := oauth.ParseScope(answer["scope"].(string))
			switch {
			case dead:
				rt.Fatalf("%v for a token that is good for nothing", answer)
			case !got.Within(asked):
				rt.Fatalf("asked for %v, got %v", asked, got)
			}
			next, rotated := answer["refresh_token"].(string)
			if rotated == d.refresh.NoRotation {
				rt.Fatalf("rotated %v: %v", rotated, answer)
			}
			if !rotated {
				continue
			}
			spent[used], ends[next] = true, d.end(next)
			tokens = append(tokens, next)
			switch until := ends[next]; {
			case until.Sub(d.now) > life, !d.refresh.ExtendOnRotation && !until.Equal(ends[used]):
				rt.Fatalf("it is good until %v, at %v", until, d.now)
			case until.Before(ends[used]):
				rt.Fatalf("it ends at %v, before the one that it replaces", until)
			case d.at.grants["g1"].ExpiresAt.Before(until):
				rt.Fatalf("its grant ends first")
			}
		}
	})
}

// end is when the token says that it ends.
func (d *knobDesk) end(token string) time.Time {
	if stored, there := d.at.refresh[oauth.Secret(token).Digest()]; there {
		return stored.ExpiresAt
	}
	return d.now.Add(min(life, nonzero(time.Duration(d.client.RefreshTokenLifetime)*time.Second)))
}

func nonzero(d time.Duration) time.Duration {
	if d == 0 {
		return life
	}
	return d
}

func (d *knobDesk) revoke() {
	grant := d.at.grants["g1"]
	grant.Revoked = true
	d.at.grants["g1"] = grant
}
