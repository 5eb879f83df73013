package clientauth

import (
	"crypto/rand"
	"errors"
	"net/http"
	"strings"
	"testing"
	"testing/iotest"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"

	"signet/provider/oauth"
)

func TestHashSecret(t *testing.T) {
	generated, err := oauth.NewSecret(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	for name, tt := range map[string]struct{ secret, prefix string }{
		"generated":                   {generated.Reveal(), "sha256$"},
		"43 characters":               {strong, "sha256$"},
		"42 characters":               {strong[1:], "$argon2id$v=19$m=19456,t=2,p=1$"},
		"long, but not base64url":     {strings.Repeat("word ", 20), "$argon2id$"},
		"chosen":                      {weak, "$argon2id$"},
		"one character beyond ASCII":  {"ü", "$argon2id$"},
		"as long as a secret may get": {strings.Repeat("a", maxSecret), "sha256$"},
	} {
		t.Run(name, func(t *testing.T) {
			hash := hashed(t, tt.secret)
			if !strings.HasPrefix(hash, tt.prefix) || strings.Contains(hash, tt.secret) {
				t.Errorf("hash %s", hash)
			}
			for other, want := range map[string]bool{tt.secret: true, tt.secret + "x": false, "x": false, "": false} {
				if got, err := CheckSecret(hash, oauth.Secret(other)); err != nil || got != want {
					t.Errorf("%.10q: %v %v, want %v", other, got, err, want)
				}
			}
		})
	}
	if one, two := hashed(t, weak), hashed(t, weak); one == two {
		t.Error("no salt")
	}
}

func TestHashSecretRefuses(t *testing.T) {
	for _, secret := range []oauth.Secret{"", oauth.Secret(strings.Repeat("a", maxSecret+1)), "a\x00b", "a\nb", "\xff"} {
		if hash, err := HashSecret(secret, rand.Reader); err == nil {
			t.Errorf("accepted: %s", hash)
		}
	}
	if _, err := HashSecret(weak, iotest.ErrReader(errors.New("no entropy"))); err == nil {
		t.Error("hashed without a salt")
	}
}

func TestCheckSecretDamagedHash(t *testing.T) {
	good := hashed(t, strong)
	for _, hash := range []string{"sha256$", "sha256$x", good[:len(good)-1], good + "A", "$argon2id$", "$argon2i$v=19$m=1,t=1,p=1$AAAA$AAAA", strong, "plain"} {
		for _, secret := range []oauth.Secret{strong, weak} {
			got, err := CheckSecret(hash, secret)
			if got || err == nil && !strings.HasPrefix(hash, argonPrefix) {
				t.Errorf("%s: %v %v", hash, got, err)
			}
			if err != nil && strings.Contains(err.Error(), secret.Reveal()) {
				t.Errorf("the secret is in the error: %v", err)
			}
		}
	}
	if got, err := CheckSecret("", strong); got || err != nil {
		t.Errorf("no hash: %v %v", got, err)
	}
}

func TestParseBasic(t *testing.T) {
	for name, tt := range map[string]struct{ header, id, secret string }{
		"plain":                  {"Basic YTpi", "a", "b"},
		"scheme in lower case":   {"basic YTpi", "a", "b"},
		"two spaces":             {"Basic  YTpi", "a", "b"},
		"colon in the secret":    {"Basic YTpiOmM=", "a", "b:c"},
		"no secret":              {"Basic YTo=", "a", ""},
		"form-encoded":           {basic("https://tpp.example/a b", weak), "https://tpp.example/a b", weak},
		"RFC 6749 section 2.3.1": {"Basic czZCaGRSa3F0MzpnWDFmQmF0M2JW", "s6BhdRkqt3", "gX1fBat3bV"},
		"beyond ASCII":           {basic("bänk", "pä"), "bänk", "pä"},
	} {
		t.Run(name, func(t *testing.T) {
			got, err := ParseBasic(tt.header)
			if err != nil {
				t.Fatal(err)
			}
			if got.ClientID != tt.id || got.Secret.Reveal() != tt.secret {
				t.Errorf("%q %q", got.ClientID, got.Secret.Reveal())
			}
		})
	}
}

func TestMalformedBasic(t *testing.T) {
	b, _ := everyone(t)
	for _, header := range []string{
		"Basic", "Basic ", "Basic !!!", "Basic YTpi=", "Basic YTpi YTpi", "Basic YTpi,", "Basic YQ==", "Basic YTpj\r\n", "Basic YTp=", "Basic YTo",
		"BasicYTpi", "Bearer YTpi", "DPoP x", "Digest username=x", " Basic YTpi",
		"Basic " + "Onc=",                  // ":w"
		"Basic YSV6ejpi", "Basic YTolNA==", // "a%zz:b", "a:%4"
		"Basic YQA6Yg==", "Basic YSUwMDpi", // NUL raw and encoded
		"Basic /zpi", "Basic YTolZmY=", // not UTF-8
		"Basic YTolMGE=", // line feed
		"Basic " + strings.Repeat("YTpi", 10_000), // oversized
	} {
		t.Run(header[:min(len(header), 20)], func(t *testing.T) {
			fault := b.refused(t, attempt{basic: header}, oauth.InvalidClient)
			if strings.Contains(fault.text, "YT") {
				t.Errorf("input is echoed: %s", fault.text)
			}
		})
	}
	if len(b.table.reads) != 0 {
		t.Errorf("the store was asked: %v", b.table.reads)
	}
}

func TestTwoAuthorizationHeaders(t *testing.T) {
	_, err := basicOf(http.Header{"Authorization": {"Basic YTpi", "Basic YTpi"}})
	var fault *oauth.Error
	if !errors.As(err, &fault) || fault.Code != oauth.InvalidRequest {
		t.Error(err)
	}
}

func TestSecretBasicEncoding(t *testing.T) {
	id := "https://tpp.example/client:1"
	b := newBank(t, nil, &oauth.Client{ID: id, AuthMethod: oauth.AuthSecretBasic, SecretHash: hashed(t, weak)})
	got, err := b.try(attempt{basic: basic(id, weak)})
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(id, got.Client.ID); diff != "" {
		t.Error(diff)
	}
}

func FuzzBasic(f *testing.F) {
	for _, seed := range []string{"", "Basic ", "Basic YTpi", "basic  YTpi", "Basic YSV6ejpi", "Basic YQA6Yg==", "Bearer x", basic("a b", weak)} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, header string) {
		got, err := ParseBasic(header)
		if err != nil {
			var fault *oauth.Error
			if got != nil || !errors.As(err, &fault) || fault.Code != oauth.InvalidClient {
				t.Fatalf("%v %v", got, err)
			}
			return
		}
		if got.ClientID == "" || !utf8.ValidString(got.ClientID+got.Secret.Reveal()) || strings.ContainsAny(got.ClientID+got.Secret.Reveal(), "\x00\r\n") {
			t.Fatalf("accepted %q %q", got.ClientID, got.Secret.Reveal())
		}
		again, err := ParseBasic(basic(got.ClientID, got.Secret.Reveal()))
		if err != nil || *again != *got {
			t.Fatalf("%v %v, want %v", again, err, got)
		}
	})
}
