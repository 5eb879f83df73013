package jose_test

import (
	"encoding/base64"
	"errors"
	"strings"
	"testing"

	"signet/provider/jose"
)

// TestUnsigned is the example of RFC 7519 section 6.1, made by somebody else, and our own writing.
func TestUnsigned(t *testing.T) {
	payload := "{\"iss\":\"joe\",\r\n \"exp\":1300819380,\r\n \"http://example.com/is_root\":true}"
	example := "eyJhbGciOiJub25lIn0.eyJpc3MiOiJqb2UiLA0KICJleHAiOjEzMDA4MTkzODAsDQogImh0dHA6Ly9leGFtcGxlLmNvbS9pc19yb290Ijp0cnVlfQ."
	if got := jose.Unsigned("", []byte(payload)); got != example {
		t.Errorf("wrote %s", got)
	}
	for _, token := range []string{example, jose.Unsigned("JWT", []byte(payload)), jose.Unsigned(`a"b`, []byte(payload))} {
		if got, err := jose.ReadUnsigned(token); err != nil || string(got) != payload {
			t.Errorf("%s: %q, %v", token, got, err)
		}
	}
	if header := headerOf(t, jose.Unsigned("JWT", nil)); len(header) != 2 || header["typ"] != "JWT" || header["alg"] != "none" {
		t.Errorf("the header: %v", header)
	}
}

func TestReadUnsignedRefuses(t *testing.T) {
	key := generate(t, "ES256")
	unsigned := func(header string) string { return b64(header) + "." + b64(`{}`) + "." }
	signed := sign(t, key, "", `{}`)
	for name, c := range map[string]struct {
		token string
		want  error
	}{
		"empty":           {"", jose.ErrMalformed},
		"two parts":       {b64(`{"alg":"none"}`) + "." + b64(`{}`), jose.ErrMalformed},
		"four parts":      {unsigned(`{"alg":"none"}`) + ".", jose.ErrMalformed},
		"signed":          {signed, jose.ErrAlgorithm},
		"stripped":        {signed[:strings.LastIndexByte(signed, '.')+1], jose.ErrAlgorithm},
		"with signature":  {forge(t, key, `{"alg":"none"}`), jose.ErrMalformed},
		"no alg":          {unsigned(`{}`), jose.ErrMalformed},
		"alg null":        {unsigned(`{"alg":null}`), jose.ErrMalformed},
		"alg twice":       {unsigned(`{"alg":"none","alg":"none"}`), jose.ErrMalformed},
		"capital":         {unsigned(`{"alg":"None"}`), jose.ErrAlgorithm},
		"HMAC":            {unsigned(`{"alg":"HS256"}`), jose.ErrAlgorithm},
		"crit":            {unsigned(`{"alg":"none","crit":["exp"],"exp":1}`), jose.ErrMalformed},
		"b64":             {unsigned(`{"alg":"none","b64":false}`), jose.ErrMalformed},
		"enc":             {unsigned(`{"alg":"none","enc":"A256GCM"}`), jose.ErrMalformed},
		"zip":             {unsigned(`{"alg":"none","zip":"DEF"}`), jose.ErrMalformed},
		"kid":             {unsigned(`{"alg":"none","kid":"1"}`), jose.ErrMalformed},
		"jwk":             {unsigned(`{"alg":"none","jwk":{}}`), jose.ErrMalformed},
		"typ number":      {unsigned(`{"alg":"none","typ":1}`), jose.ErrMalformed},
		"header array":    {unsigned(`["none"]`), jose.ErrMalformed},
		"padding":         {b64(`{"alg":"none"}`) + "." + b64(`{}`) + "=.", jose.ErrMalformed},
		"line break":      {unsigned(`{"alg":"none"}`) + "\n", jose.ErrMalformed},
		"second spelling": {b64(`{"alg":"none"}`) + ".e31.", jose.ErrMalformed}, // e30 is {}
		"too long":        {b64(`{"alg":"none"}`) + "." + strings.Repeat("A", jose.MaxTokenSize) + ".", jose.ErrMalformed},
	} {
		t.Run(name, func(t *testing.T) {
			payload, err := jose.ReadUnsigned(c.token)
			expect(t, err, c.want)
			if payload != nil {
				t.Errorf("a payload came out: %q", payload)
			}
		})
	}
}

func FuzzReadUnsigned(f *testing.F) {
	key := generate(f, "ES256")
	set := keySet(f, public(key))
	for _, seed := range []string{
		jose.Unsigned("JWT", []byte(`{"a":1}`)), jose.Unsigned("", nil), sign(f, key, "JWT", `{}`), "..", "",
		b64(`{"alg":"none","crit":[]}`) + ".e30.", b64(`{"alg":"n\u006fne"}`) + ".e30.", forge(f, key, `{"alg":"none"}`),
	} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, token string) {
		payload, err := jose.ReadUnsigned(token)
		if err != nil {
			if payload != nil || !errors.Is(err, jose.ErrMalformed) && !errors.Is(err, jose.ErrAlgorithm) {
				t.Errorf("got %q, %v", payload, err)
			}
			return
		}
		header, rest, _ := strings.Cut(token, ".")
		if rest != base64.RawURLEncoding.EncodeToString(payload)+"." || headerOf(t, header)["alg"] != "none" {
			t.Errorf("%q was read as %q", token, payload)
		}
		if _, err := jose.Verify(token, set, []string{"ES256", "none"}); err == nil {
			t.Errorf("%q counts as signed", token)
		}
	})
}
