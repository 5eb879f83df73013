package logout_test

import (
	"net/http"
	"strings"
	"testing"
)

func TestInitiateLogin(t *testing.T) {
	const begin = "https://app.example/login?via=bank&iss=https%3A%2F%2Fid.bank.example"
	for query, want := range map[string]string{
		"client_id=app":                  begin,
		"client_id=app&login_hint=an+na": begin + "&login_hint=an%20na",
		"client_id=app&iss=evil&other=x": begin,
		"client_id=app&target_link_uri=https%3A%2F%2Fapp.example%2Fa%3Fb%3Dc%23d": begin + "&target_link_uri=https%3A%2F%2Fapp.example%2Fa%3Fb%3Dc%23d",
		"client_id=app&target_link_uri=https%3A%2F%2Fapp.example&login_hint=anna": begin + "&login_hint=anna&target_link_uri=https%3A%2F%2Fapp.example",

		"":                            "client_id is missing",
		"client_id=shop":              "no initiate_login_uri",
		"client_id=nobody":            "unknown or disabled",
		"client_id=off":               "unknown or disabled",
		"client_id=app&client_id=app": "more than once",
		"client_id=app&target_link_uri=javascript%3Aalert(1)":               "no address of a page",
		"client_id=app&target_link_uri=%2Fpath":                             "no address of a page",
		"client_id=app&target_link_uri=https%3A%2F%2Fapp.example%5C%40evil": "no address of a page",
		"client_id=app&target_link_uri=https%3A%2F%2Fapp.example%40evil":    "no address of a page",
		"client_id=app&target_link_uri=https%3A%2F%2Fapp.example%2F%0Aevil": "no address of a page",
		"client_id=app&target_link_uri=https%3A%2F%2F%2Fpath":               "no address of a page",
	} {
		r := newRig(t)
		got := r.send(r.browser.Request(http.MethodGet, "/initiate_login?"+query, nil))
		if strings.HasPrefix(want, "https:") && got.To != want || !strings.HasPrefix(want, "https:") && !strings.Contains(got.Text, want) {
			t.Errorf("%s: to %q, %+v", query, got.To, got.shown)
		}
	}
}
