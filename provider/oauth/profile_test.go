package oauth

import (
	"maps"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
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
				"https":              p.HTTPSRedirects && !got.HTTPSRedirects,
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

func TestRedirects(t *testing.T) {
	for _, test := range []struct {
		profile ProfileName
		uri     string
		want    bool
	}{
		{ProfileOpenID, "http://127.0.0.1/cb", true},
		{ProfileFAPI2Security, "http://127.0.0.1/cb", true}, // FAPI 2.0 section 5.3.2.2: a native client's loopback
		{ProfileFAPI1Advanced, "https://app.example/cb", true},
		{ProfileFAPI1Advanced, "http://127.0.0.1/cb", false},
		{ProfileFAPICIBA, "com.example.app:/cb", false},
		{ProfileOpenID, "https://%zz", false},
	} {
		if got := Profiles[test.profile].Redirects(test.uri); got != test.want {
			t.Errorf("%s: %q is %v", test.profile, test.uri, got)
		}
	}
}

// TestNames: what a client is held to bears the name of its own profile wherever that demands more than the floor, so
// that no policy takes it for something looser.
func TestNames(t *testing.T) {
	for _, c := range []struct{ floor, own, want ProfileName }{
		{ProfileOpenID, "", ProfileOpenID},
		{ProfileOpenID, ProfileFAPI2Security, ProfileFAPI2Security},
		{ProfileFAPI2Security, "", ProfileFAPI2Security},
		{ProfileFAPI2Security, ProfileOpenID, ProfileFAPI2Security},
		{ProfileFAPI2Security, ProfileFAPI2MessageSigning, ProfileFAPI2MessageSigning},
		{ProfileFAPI2MessageSigning, ProfileFAPI2Security, ProfileFAPI2MessageSigning},
		{ProfileFAPI1Advanced, ProfileFAPICIBA, ProfileFAPICIBA},
		{ProfileFAPI1Advanced, ProfileFAPI2MessageSigning, ProfileFAPI2MessageSigning},
		{ProfileFAPI2MessageSigning, ProfileFAPI1Advanced, ProfileFAPI1Advanced},
	} {
		if got, ok := Profiles[c.floor].For(&Client{Profile: c.own}); !ok || got.Name != c.want {
			t.Errorf("floor %s, own %s: %s, want %s", c.floor, c.own, got.Name, c.want)
		}
	}
	for floor, p := range Profiles {
		for own, q := range Profiles {
			got := p.Tighten(q)
			got.Name = floor
			addsNothing := cmp.Equal(p, got, cmpopts.EquateEmpty())
			if want := floor == own || own == ProfileOpenID || slices.Contains(includes[floor], own); addsNothing != want {
				t.Errorf("%s adds nothing to %s: %v", own, floor, addsNothing)
			}
		}
	}
}
