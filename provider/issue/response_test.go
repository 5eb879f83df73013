package issue

import (
	"context"
	"errors"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"signet/provider/jose"
	"signet/provider/oauth"
)

func TestResponseCarriesTheAnswer(t *testing.T) {
	answer := url.Values{"code": {"c"}, "state": {"s"}, "iss": {"https://issuer"}, "aud": {"not the client's to choose"}}
	client := &oauth.Client{ID: "c1"}
	got, err := issuer(plain{}, "ES256", "PS256").Response(t.Context(), client, []string{"PS256", "ES256"}, answer, noon, 5*time.Minute)
	if err != nil {
		t.Fatal(err)
	}
	want := map[string]any{
		"iss": "https://issuer", "aud": "c1", "code": "c", "state": "s",
		"iat": float64(noon.Unix()), "exp": float64(noon.Add(5 * time.Minute).Unix()),
	}
	if diff := cmp.Diff(want, claimsIn(t, got)); diff != "" || !strings.HasPrefix(got, "ES256.JWT.") {
		t.Errorf("%s%s", got, diff)
	}
	client.ResponseAlg = "PS256"
	if got, err = issuer(plain{}, "ES256", "PS256").Response(t.Context(), client, []string{"PS256", "ES256"}, answer, noon, time.Minute); err != nil || !strings.HasPrefix(got, "PS256.") {
		t.Errorf("the client's algorithm: %s, %v", got, err)
	}
}

func TestResponseNeedsAnAlgorithmAndASigner(t *testing.T) {
	outage := errors.New("sealed")
	for _, i := range []*Issuer{issuer(plain{}, "RS256"), issuer(plain{outage}, "ES256")} {
		if got, err := i.Response(context.Background(), &oauth.Client{}, []string{"ES256"}, url.Values{}, noon, time.Minute); err == nil {
			t.Errorf("got %s", got)
		}
	}
}

// An ID token has the hashes of what is beside it, and no others.
func TestIDTokenVouchesForWhatIsBeside(t *testing.T) {
	all := Beside{AccessToken: "at", Code: "code", State: "state", RefreshToken: "rt", AuthReqID: "req"}
	hash := func(text string) string {
		half, err := jose.HalfHash("ES256", text)
		if err != nil {
			t.Fatal(err)
		}
		return half
	}
	names := []string{"at_hash", "c_hash", "s_hash", "urn:openid:params:jwt:claim:rt_hash", "urn:openid:params:jwt:claim:auth_req_id"}
	for _, test := range []struct {
		beside Beside
		want   []any
	}{
		{all, []any{hash("at"), hash("code"), hash("state"), hash("rt"), "req"}},
		{Beside{Code: "code"}, []any{nil, hash("code"), nil, nil, nil}},
		{Beside{}, []any{nil, nil, nil, nil, nil}},
	} {
		token, err := issuer(plain{}, "ES256").IDTokenBeside(t.Context(), mandate(), oauth.EndUser{ID: "u1", AuthTime: noon}, test.beside)
		if err != nil {
			t.Fatal(err)
		}
		claims := claimsIn(t, token)
		var got []any
		for _, name := range names {
			got = append(got, claims[name])
		}
		if diff := cmp.Diff(test.want, got); diff != "" {
			t.Error(diff)
		}
	}
}
