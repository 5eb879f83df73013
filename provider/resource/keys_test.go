package resource

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"
)

// fakeWeb is a fetcher without a network.
type fakeWeb struct {
	pages   map[string]string
	fetched []string
	err     error
}

func (f *fakeWeb) Cached(_ context.Context, url, accept string, maxAge time.Duration) ([]byte, error) {
	if maxAge <= 0 || maxAge > time.Hour || accept != "application/json" {
		return nil, errors.New("unexpected arguments")
	}
	return f.Refresh(context.Background(), url, accept)
}

func (f *fakeWeb) Refresh(_ context.Context, url, _ string) ([]byte, error) {
	f.fetched = append(f.fetched, url)
	page, ok := f.pages[url]
	if f.err != nil || !ok {
		return nil, errors.Join(f.err, errors.New("not found"))
	}
	return []byte(page), nil
}

const discovery = testIssuer + "/.well-known/openid-configuration"

func metadataOf(issuer, jwks, more string) string {
	return `{"issuer":"` + issuer + `","jwks_uri":"` + jwks + `"` + more + `}`
}

func TestRemoteFindsTheKeys(t *testing.T) {
	is := newIssuer(t)
	jwks := testIssuer + "/jwks"
	tests := []struct {
		name  string
		pages map[string]string
		want  string // part of the error; "" = keys
	}{
		{"good", map[string]string{discovery: metadataOf(testIssuer, jwks, ""), jwks: string(is.jwks)}, ""},
		{"nothing there", nil, "not found"},
		{"another issuer's document", map[string]string{discovery: metadataOf("https://other", jwks, "")}, `it is of "https://other"`},
		{"keys over http", map[string]string{discovery: metadataOf(testIssuer, "http://localhost/jwks", "")}, "not an https URL"},
		{"no JSON", map[string]string{discovery: "<html>"}, "metadata"},
		{"no keys", map[string]string{discovery: metadataOf(testIssuer, jwks, "")}, "not found"},
		{"keys that are none", map[string]string{discovery: metadataOf(testIssuer, jwks, ""), jwks: "{}"}, "malformed"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			r, err := NewRemote(testIssuer, &fakeWeb{pages: test.pages}, testClock)
			if err != nil {
				t.Fatal(err)
			}
			for what, get := range map[string]func() error{
				"KeySet":  func() error { _, err := r.KeySet(t.Context()); return err },
				"Refresh": func() error { _, err := r.Refresh(t.Context()); return err },
			} {
				err := get()
				if (err == nil) != (test.want == "") || err != nil && !strings.Contains(err.Error(), test.want) {
					t.Errorf("%s: error %v, want %q", what, err, test.want)
				}
			}
		})
	}
}

func TestRemoteParsesUnchangedKeysOnce(t *testing.T) {
	is, next := newIssuer(t), newIssuer(t)
	pages := map[string]string{discovery: metadataOf(testIssuer, testIssuer+"/jwks", ""), testIssuer + "/jwks": string(is.jwks)}
	r, err := NewRemote(testIssuer, &fakeWeb{pages: pages}, testClock)
	if err != nil {
		t.Fatal(err)
	}
	first, err1 := r.KeySet(t.Context())
	second, err2 := r.KeySet(t.Context())
	if errors.Join(err1, err2) != nil || first != second {
		t.Errorf("the same bytes gave two sets: %v %v", err1, err2)
	}
	pages[testIssuer+"/jwks"] = string(next.jwks)
	third, err := r.Refresh(t.Context())
	if err != nil || !third.Has(next.key.Kid()) || third.Has(is.key.Kid()) {
		t.Errorf("new bytes did not give the new set: %v", err)
	}
}

func TestRemoteOutlivesAShortOutage(t *testing.T) {
	is := newIssuer(t)
	now := testTime
	f := &fakeWeb{pages: map[string]string{discovery: metadataOf(testIssuer, testIssuer+"/jwks", ""), testIssuer + "/jwks": string(is.jwks)}}
	r, err := NewRemote(testIssuer, f, func() time.Time { return now })
	if err != nil {
		t.Fatal(err)
	}
	if _, err := r.KeySet(t.Context()); err != nil {
		t.Fatal(err)
	}
	f.err = errors.New("connection refused")
	now = testTime.Add(staleFor - time.Second)
	if keys, err := r.KeySet(t.Context()); err != nil || !keys.Has(is.key.Kid()) {
		t.Errorf("within the hour: %v", err)
	}
	if _, err := r.Refresh(t.Context()); err == nil {
		t.Error("Refresh passes off old keys as new ones")
	}
	now = testTime.Add(staleFor)
	if _, err := r.KeySet(t.Context()); err == nil {
		t.Error("after an hour: the keys are still used")
	}
}

func TestIntrospectionEndpoint(t *testing.T) {
	tests := []struct{ name, more, want string }{
		{"alias", `,"introspection_endpoint":"https://a/i","mtls_endpoint_aliases":{"introspection_endpoint":"https://m/i"}`, "https://m/i"},
		{"no alias", `,"introspection_endpoint":"https://a/i"`, "https://a/i"},
		{"none", ``, ""},
		{"over http", `,"introspection_endpoint":"http://a/i"`, ""},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			f := &fakeWeb{pages: map[string]string{discovery: metadataOf(testIssuer, "https://a/jwks", test.more)}}
			r, err := NewRemote(testIssuer, f, testClock)
			if err != nil {
				t.Fatal(err)
			}
			got, err := r.IntrospectionEndpoint(t.Context())
			if got != test.want || (err == nil) != (test.want != "") {
				t.Errorf("IntrospectionEndpoint = %q, %v; want %q", got, err, test.want)
			}
		})
	}
}

func TestNewRemoteRefuses(t *testing.T) {
	for _, bad := range []string{"", "localhost:9443", "http://localhost:9443", "https://", "https://a?b", "https://a#b", "https://u@a", "https://a b"} {
		if _, err := NewRemote(bad, &fakeWeb{}, testClock); err == nil {
			t.Errorf("%q: accepted", bad)
		}
	}
}
