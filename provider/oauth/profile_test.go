package oauth

import (
	"maps"
	"slices"
	"testing"

	"pgregory.net/rapid"
)

// TestAProfileOnlyTightens combines any floor with any client profile: the result allows nothing that either
// forbids and demands everything that either demands.
func TestAProfileOnlyTightens(t *testing.T) {
	names := slices.Collect(maps.Keys(Profiles))
	slices.Sort(names)
	rapid.Check(t, func(t *rapid.T) {
		floor := Profiles[rapid.SampledFrom(names).Draw(t, "floor")]
		own := Profiles[rapid.SampledFrom(names).Draw(t, "own")]
		got, ok := floor.For(&Client{Profile: own.Name})
		if !ok {
			t.Fatal("a known profile was refused")
		}
		for _, p := range []Profile{floor, own} {
			for _, alg := range got.SigningAlgs {
				if !slices.Contains(p.SigningAlgs, alg) {
					t.Errorf("%s: algorithm %s came from nowhere", p.Name, alg)
				}
			}
			for _, m := range got.AuthMethods {
				if !slices.Contains(p.AuthMethods, m) {
					t.Errorf("%s: method %s came from nowhere", p.Name, m)
				}
			}
			for _, r := range got.ResponseTypes {
				if !slices.Contains(p.ResponseTypes, r) {
					t.Errorf("%s: response type %s came from nowhere", p.Name, r)
				}
			}
			for demand, dropped := range map[string]bool{
				"audience": p.AssertionAudienceIssuerOnly && !got.AssertionAudienceIssuerOnly, "sender-constrained": p.SenderConstrained && !got.SenderConstrained,
				"certificate-bound": p.CertificateBound && !got.CertificateBound, "no rotation": !p.RotateRefreshTokens && got.RotateRefreshTokens,
				"PAR": p.RequirePAR && !got.RequirePAR, "PKCE": p.RequirePKCE && !got.RequirePKCE, "PKCE when pushed": p.PushedPKCE && !got.PushedPKCE,
				"signed request": p.SignedRequest && !got.SignedRequest, "signed response": p.SignedResponse && !got.SignedResponse,
				"signed backchannel": p.SignedBackchannel && !got.SignedBackchannel, "no push": !p.PushMode && got.PushMode,
				"code lifetime": got.MaxCodeLifetime > p.MaxCodeLifetime, "pushed lifetime": got.MaxPushedLifetime > p.MaxPushedLifetime,
				"request object's age": got.MaxRequestObject > p.MaxRequestObject,
			} {
				if dropped {
					t.Errorf("%s: %s was dropped: %+v", p.Name, demand, got)
				}
			}
		}
	})
}

func TestUnknownProfilesAreRefused(t *testing.T) {
	if _, ok := Profiles[ProfileOpenID].For(&Client{Profile: "fapi9"}); ok {
		t.Error("an unknown profile was served")
	}
}

// TestFAPIForbids names what must never be in a FAPI profile's row.
func TestFAPIForbids(t *testing.T) {
	for name, p := range Profiles {
		if name == ProfileOpenID {
			continue
		}
		for _, m := range p.AuthMethods {
			if m == AuthNone || m.UsesSecret() {
				t.Errorf("%s allows %s", name, m)
			}
		}
		if slices.Contains(p.SigningAlgs, "RS256") || p.RotateRefreshTokens || !p.SenderConstrained || p.PushMode {
			t.Errorf("%s: %+v", name, p)
		}
	}
}

// TestEveryProfileIsWhole: a limit of 0 would refuse everything, a name that differs from its key would be another's.
func TestEveryProfileIsWhole(t *testing.T) {
	for name, p := range Profiles {
		if p.Name != name || len(p.SigningAlgs) == 0 || len(p.AuthMethods) == 0 || len(p.ResponseTypes) == 0 ||
			p.MaxCodeLifetime <= 0 || p.MaxPushedLifetime <= 0 || p.MaxRequestObject <= 0 {
			t.Errorf("%s: %+v", name, p)
		}
	}
}
