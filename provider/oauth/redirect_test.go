package oauth

import (
	"strings"
	"testing"
)

func TestCheckRedirectURI(t *testing.T) {
	const (
		character = "character"
		absolute  = "absolute"
		fragment  = "fragment"
		userinfo  = "user information"
		loopback  = "loopback"
		scheme    = "reversed domain name"
	)
	for uri, want := range map[string]string{ // what the error names; "" = fit
		"https://app.example/cb":                "",
		"https://app.example":                   "",
		"https://app.example:8443/cb?a=1&b=%20": "",
		"https://app.example/%0a":               "",
		"https://[2001:db8::1]/cb":              "",
		"http://127.0.0.1/cb":                   "",
		"http://127.0.0.1:51004/cb":             "",
		"http://[::1]:1/cb":                     "",
		"com.example.app:/cb":                   "",
		"com.example.app://host/cb":             "",
		"":                                      absolute,
		"/cb":                                   absolute,
		"//app.example/cb":                      absolute,
		"app.example/cb":                        absolute,
		"https://app.example:port/cb":           absolute,
		"https://%zz/cb":                        absolute,
		"https:///cb":                           "no host",
		"https:app.example/cb":                  "no host",
		"https://:443/cb":                       "no host",
		"https://app.example/cb#":               fragment,
		"https://app.example/cb#x":              fragment,
		"com.example.app:/cb#x":                 fragment,
		"https://u@bank/cb":                     userinfo,
		"https://app.example@evil.example/cb":   userinfo,
		"http://127.0.0.1:1@evil.example/cb":    userinfo,
		"https://@evil.example/cb":              userinfo,
		"https://x/ y":                          character,
		"http://127.0.0.1/cb\\x":                character,
		"https://app.example/\n":                character,
		"https://app.example/\x00":              character,
		"https://app.example/\x7f":              character,
		"https://b\u00fccher.example/cb":        character,
		" https://app.example/cb":               character,
		"http://app.example/cb":                 loopback,
		"http://localhost:1/cb":                 loopback,
		"http://127.0.0.2/cb":                   loopback,
		"http://127.0.0.1.evil.example/cb":      loopback,
		"http:///cb":                            loopback,
		"HTTP://app.example/cb":                 loopback,
		"javascript:alert(1)":                   scheme,
		"data:text/html,x":                      scheme,
		"myapp:/cb":                             scheme,
		"ftp://app.example/cb":                  scheme,
		"urn:ietf:wg:oauth:2.0:oob":             scheme,
	} {
		err := CheckRedirectURI(uri)
		switch {
		case want == "" && err != nil:
			t.Errorf("%q: %v", uri, err)
		case want != "" && (err == nil || !strings.Contains(err.Error(), want)):
			t.Errorf("%q: %v, want an error about %q", uri, err, want)
		}
	}
}
