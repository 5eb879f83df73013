package authorize

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"signet/provider/oauth"
)

func TestDisplay(t *testing.T) {
	for _, test := range []struct {
		display string
		refused bool
	}{{"", false}, {"page", false}, {"popup", false}, {"touch", false}, {"wap", false}, {"moon", true}, {"Page", true}, {"page popup", true}} {
		r := newRig(t)
		res := r.get(params("display", test.display))
		if refused := len(r.asked) == 0; refused != test.refused || refused && r.answerOf(res, callback).Get("error") != "invalid_request" {
			t.Errorf("%q: %q", test.display, res.Header.Get("Location"))
		}
		if !test.refused && r.asked[0].Request.Display != test.display {
			t.Errorf("%q is kept as %q", test.display, r.asked[0].Request.Display)
		}
	}
}

// Locales are wishes: none that is unknown, malformed or one too many is an error.
func TestLocales(t *testing.T) {
	many := strings.Repeat("x", 8)
	for _, test := range []struct {
		list string
		want []string
	}{
		{"", nil},
		{"se", []string{"se"}},
		{"fr-CA  fr en-Latn-GB-u-nu-arab", []string{"fr-CA", "fr", "en-Latn-GB-u-nu-arab"}},
		{"de de", []string{"de"}},
		{"../../etc de_DE <b> de", []string{"de"}},
		{"- -de de- abcdefghi de", []string{"de"}},
		{many + "-" + many + "-" + many + "-" + many + " de", []string{many + "-" + many + "-" + many + "-" + many, "de"}},
		{many + "-" + many + "-" + many + "-" + many + "-a de", []string{"de"}},
		{"a b c d e f g h i j k l m n o p q r", strings.Fields("a b c d e f g h i j k l m n o p")},
	} {
		r := newRig(t)
		r.get(params("ui_locales", test.list, "claims_locales", test.list))
		if len(r.asked) != 1 {
			t.Fatalf("%q: asked %v", test.list, r.asked)
		}
		req := r.asked[0].Request
		if diff := cmp.Diff([][]string{test.want, test.want}, [][]string{req.UILocales, req.ClaimsLocales}); diff != "" {
			t.Errorf("%q: %s", test.list, diff)
		}
	}
}

// OpenID Connect Registration section 2, default_max_age.
func TestDefaultMaxAge(t *testing.T) {
	seconds := func(n int) *int { return &n }
	for _, test := range []struct {
		standard *int
		asked    string
		want     *int
	}{
		{nil, "", nil},
		{seconds(60), "", seconds(60)},
		{seconds(60), "300", seconds(300)},
		{seconds(60), "0", seconds(0)},
		{seconds(0), "", seconds(0)},
		{seconds(-1), "", seconds(0)},
		{seconds(1 << 62), "", seconds(maxMaxAge)},
	} {
		var req oauth.AuthorizationRequest
		client := &oauth.Client{DefaultMaxAge: test.standard}
		p := oauth.NewParams(map[string][]string{"max_age": {test.asked}})
		if fault := checkMaxAge(inquiry{party: party{client: client}, params: p}, &req); fault != nil {
			t.Error(fault)
		}
		if diff := cmp.Diff(test.want, req.MaxAge); diff != "" {
			t.Errorf("%q: %s", test.asked, diff)
		}
	}
	r, _ := agreedTo(t, "app")
	r.store.Clients["app"].DefaultMaxAge = seconds(0)
	if answer := r.answerOf(r.get(params("prompt", "none")), callback); answer.Get("error") != "login_required" {
		t.Errorf("a login that is too old: %v", answer)
	}
}
