package interaction

import (
	"html"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/google/go-cmp/cmp"

	"signet/provider/oauth"
	"signet/provider/session"
)

// localeOf is a file of a language that says one thing.
func localeOf(title string) *fstest.MapFile {
	return &fstest.MapFile{Data: []byte(`messages: {login.title: "` + title + `"}`)}
}

func TestLookup(t *testing.T) {
	all, err := readLanguages(fstest.MapFS{"pt-PT.yaml": localeOf("x"), "zh-Hant.yaml": localeOf("x")})
	if err != nil {
		t.Fatal(err)
	}
	for wanted, want := range map[string]string{
		"de": "de", "DE-ch": "de", "de-Latn-DE-1996": "de", "pt": "pt", "pt-BR": "pt", "pt-pt": "pt-PT", "pt-PT-x-old": "pt-PT",
		"zh-Hant-TW": "zh-Hant", "zh": "", "zh-Hans": "", "se": "", "se fi": "fi", "fi de": "fi", "de-a-b fi": "de",
		"": "", "*": "", "* fi": "fi", "-": "", "d": "", "en-US": "en",
	} {
		got := ""
		if found := all.lookup(strings.Fields(wanted)); found != nil {
			got = found.tag
		}
		if got != want {
			t.Errorf("%q: %q, want %q", wanted, got, want)
		}
	}
}

func TestAcceptLanguage(t *testing.T) {
	for header, want := range map[string][]string{
		"":                                   nil,
		"de":                                 {"de"},
		"da, en-GB;q=0.8, en;q=0.7":          {"da", "en-GB", "en"},
		"en;q=0.1,fi;q=0.9 , de ; q=1.0":     {"de", "fi", "en"},
		"fi;q=0, de;q=0.5":                   {"de"},
		"fi;q=x, de;q=2, pt;q=-1, en;q=NaN":  {},
		"fi;level=1, de":                     {"de"},
		strings.Repeat("de,", 400):           nil,
		strings.Repeat("x,", 100) + "fi":     nil, // see below
		"fi;q=0.333, de;q=0.334, en;q=0.333": {"de", "fi", "en"},
	} {
		got := acceptLanguage([]string{header})
		if strings.HasPrefix(header, "x,") {
			if len(got) != maxRanges {
				t.Errorf("%d ranges", len(got))
			}
			continue
		}
		if header == "" {
			want = []string{""} // which no language has
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("%q: %s", header, diff)
		}
	}
}

func FuzzAcceptLanguage(f *testing.F) {
	f.Add("de-CH, fr;q=0.9")
	f.Add("*;q=0.5,-,;;q==,x-")
	all, err := readLanguages(nil)
	if err != nil {
		f.Fatal(err)
	}
	f.Fuzz(func(t *testing.T, header string) {
		ranges := acceptLanguage([]string{header})
		if len(ranges) > maxRanges {
			t.Errorf("%d ranges", len(ranges))
		}
		all.lookup(ranges)
	})
}

// The client's wish comes first, then the browser's, then English.
func TestLanguageOfAPage(t *testing.T) {
	for name, c := range map[string]struct {
		locales []string
		accept  string
		want    string
	}{
		"nothing":                      {nil, "", "en"},
		"the browser":                  {nil, "fi-FI,fi;q=0.9,en;q=0.8", "fi"},
		"the client":                   {[]string{"de-AT"}, "fi", "de"},
		"the client's second":          {[]string{"se", "pt-BR"}, "fi", "pt"},
		"none of the client's":         {[]string{"se"}, "fi", "fi"},
		"none at all":                  {[]string{"se"}, "sv, da;q=0.5", "en"},
		"hostile":                      {[]string{`"><script>`, strings.Repeat("a-", 5000)}, "\x00\xff", "en"},
		"more than anybody looks at":   {append(make([]string, 200), "fi"), "", "en"},
		"the browser wants no English": {nil, "en;q=0", "en"},
	} {
		t.Run(name, func(t *testing.T) {
			r := newRig(t)
			waiting := r.store.Waiting[r.ticket.Digest]
			waiting.Request.UILocales = c.locales
			r.store.Waiting[r.ticket.Digest] = waiting
			req := r.request(http.MethodGet, "/interaction/login", nil)
			req.Header.Set("Accept-Language", c.accept)
			res, body := r.send(req)
			if !strings.Contains(body, `<html lang="`+c.want+`">`) || res.Header.Get("Content-Language") != c.want {
				t.Errorf("not %s: %s", c.want, body)
			}
		})
	}
}

// Pages without a waiting request take the language from their own address, and give it to what follows.
func TestLanguageGoesOn(t *testing.T) {
	r := newRig(t)
	waiting := r.store.Waiting[r.ticket.Digest]
	waiting.Request.UILocales = []string{"fi", "sv"}
	r.store.Waiting[r.ticket.Digest] = waiting
	_, body := r.get("/interaction/login")
	next := session.PageURL("/authorize/resume", r.ticket.Digest) + "&ui_locales=fi+sv"
	if !strings.Contains(html.UnescapeString(body), `action="`+next+`"`) {
		t.Errorf("no %s in %s", next, body)
	}
	if res, _ := r.tryLogin("anna", "correct horse"); res.Header.Get("Location") != next {
		t.Errorf("to %s", res.Header.Get("Location"))
	}
	answer := newAnswer()
	r.WriteForm(answer, httptest.NewRequest(http.MethodPost, next, nil), "App", "https://app.example/cb", url.Values{"code": {"c"}})
	if !strings.Contains(answer.Body.String(), `<html lang="fi">`) {
		t.Error(answer.Body)
	}
	for query, want := range map[string]string{
		"ui_locales=de": "de", "ui_locales=de&ui_locales=fi": "en", "ui_locales=" + strings.Repeat("x", 2000) + "+fi": "en", "%zz": "en", "": "en",
	} {
		answer := newAnswer()
		req := httptest.NewRequest(http.MethodGet, "/authorize", nil)
		req.URL.RawQuery = query
		r.WriteError(answer, req, oauth.Errorf(oauth.InvalidRequest, "redirect_uri is missing"))
		if !strings.Contains(answer.Body.String(), `<html lang="`+want+`">`) {
			t.Errorf("%.40s: %s", query, answer.Body)
		}
	}
}

func TestDisplay(t *testing.T) {
	for display, want := range map[string]bool{"page": false, "": false, "popup": true, "touch": true, "wap": true, `"><x`: false} {
		r := newRig(t)
		body := r.ask(func(req *oauth.AuthorizationRequest) { req.Display = display })
		if strings.Contains(body, "data-display=") != want || want && !strings.Contains(body, `data-display="`+display+`"`) {
			t.Errorf("%q: %s", display, body)
		}
	}
}
