package oauth

import (
	"slices"
	"testing"

	"pgregory.net/rapid"
)

// TestAProfileOnlyTightens combines any floor with any client profile: the result allows nothing that either
// forbids and demands everything that either demands.
func TestAProfileOnlyTightens(t *testing.T) {
	names := []ProfileName{ProfileOpenID, ProfileFAPI2Security}
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
			if p.AssertionAudienceIssuerOnly && !got.AssertionAudienceIssuerOnly || p.SenderConstrained && !got.SenderConstrained ||
				p.RequirePAR && !got.RequirePAR || !p.RotateRefreshTokens && got.RotateRefreshTokens {
				t.Errorf("%s: a demand was dropped: %+v", p.Name, got)
			}
			if got.MaxCodeLifetime > p.MaxCodeLifetime {
				t.Errorf("%s: a limit was widened: %+v", p.Name, got)
			}
		}
	})
}

func TestUnknownProfilesAreRefused(t *testing.T) {
	if _, ok := Profiles[ProfileOpenID].For(&Client{Profile: "fapi9"}); ok {
		t.Error("an unknown profile was served")
	}
}

// TestFAPIForbidsPublicClientsAndSharedSecrets names what must never be in that row.
func TestFAPIForbidsPublicClientsAndSharedSecrets(t *testing.T) {
	p := Profiles[ProfileFAPI2Security]
	for _, m := range p.AuthMethods {
		if m == AuthNone || m.UsesSecret() {
			t.Errorf("%s is allowed", m)
		}
	}
	if slices.Contains(p.SigningAlgs, "RS256") || p.RotateRefreshTokens || !p.SenderConstrained {
		t.Errorf("%+v", p)
	}
}
