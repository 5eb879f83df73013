package userinfo

import (
	"crypto/x509"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"

	"signet/mtls"
	"signet/provider/oauth"
)

const formType = "application/x-www-form-urlencoded"

// post is a request with a form body; headers come in pairs.
func post(body string, headers ...string) *http.Request {
	r := httptest.NewRequest(http.MethodPost, "/userinfo", strings.NewReader(body))
	r.Header.Set("Content-Type", formType)
	for i := 0; i < len(headers); i += 2 {
		if headers[i+1] == "" {
			r.Header.Del(headers[i])
		} else {
			r.Header.Add(headers[i], headers[i+1])
		}
	}
	return r
}

// A token comes in the header or in a form body, once.
func TestWhereTheTokenIs(t *testing.T) {
	for name, c := range map[string]struct {
		request   *http.Request
		code      oauth.Code // "" = answered
		status    int
		challenge string
	}{
		"in the body":                  {post("access_token=access"), "", 200, ""},
		"in the body, with a charset":  {post("access_token=access", "Content-Type", "", "Content-Type", formType+"; charset=UTF-8"), "", 200, ""},
		"in the header of a POST":      {post("", "Authorization", "Bearer access"), "", 200, ""},
		"POST without a body":          {post("", "Authorization", "Bearer access", "Content-Type", ""), "", 200, ""},
		"beside something else":        {post("a=b&access_token=access"), "", 200, ""},
		"in the body and the header":   {post("access_token=access", "Authorization", "Bearer access"), oauth.InvalidRequest, 400, `Bearer realm="signet", error="invalid_request"`},
		"in the body, Basic beside it": {post("access_token=access", "Authorization", "Basic YTpi"), oauth.InvalidRequest, 400, `error="invalid_request"`},
		"in the body twice":            {post("access_token=access&access_token=access"), oauth.InvalidRequest, 400, `error="invalid_request"`},
		"another one in the body":      {post("access_token=other"), oauth.InvalidToken, 401, `Bearer realm="signet", error="invalid_token"`},
		"no b64token":                  {post("access_token=" + url.QueryEscape("access, Bearer access")), oauth.InvalidRequest, 400, `error="invalid_request"`},
		"too long":                     {post("access_token=" + strings.Repeat("a", 17<<10)), oauth.InvalidRequest, 400, `error="invalid_request"`},
		"of another type":              {post("access_token=access", "Content-Type", "", "Content-Type", "text/plain"), "none", 401, `Bearer realm="signet"`},
		"nowhere":                      {post(""), "none", 401, `Bearer realm="signet"`},
		"empty":                        {post("access_token="), "none", 401, `Bearer realm="signet"`},
		"encoded":                      {post("access_token=access", "Content-Encoding", "gzip"), oauth.InvalidRequest, 400, `error="invalid_request"`},
		"a malformed body":             {post("access_token=%zz"), oauth.InvalidRequest, 400, `error="invalid_request"`},
	} {
		t.Run(name, func(t *testing.T) {
			h := newHouse("openid")
			w := h.send(c.request)
			if c.code == "" {
				if w.Code != http.StatusOK || !strings.Contains(w.Body.String(), "anna-here") {
					t.Errorf("%d %s", w.Code, w.Body)
				}
				return
			}
			challenge := w.Header().Get("WWW-Authenticate")
			if w.Code != c.status || strings.Contains(w.Body.String(), "anna-here") || !strings.Contains(challenge, c.challenge) {
				t.Errorf("%d %q %s", w.Code, challenge, w.Body)
			}
			if c.code == "none" && strings.Contains(challenge, "error") {
				t.Errorf("who sent no token is told of an error: %q", challenge)
			}
		})
	}
	query := post("", "Content-Type", "")
	query.URL.RawQuery = "access_token=access"
	fails(t, newHouse("openid").send(query), http.StatusBadRequest, oauth.InvalidRequest)
	both := post("access_token=access")
	both.URL.RawQuery = "access_token=access"
	fails(t, newHouse("openid").send(both), http.StatusBadRequest, oauth.InvalidRequest)
}

// A token in the body is bound as it is in the header.
func TestSenderOfATokenInTheBody(t *testing.T) {
	leaf := &x509.Certificate{Raw: []byte("the DER form is all that is hashed")}
	h := newHouse("openid")
	h.bound.X5TS256 = mtls.Thumbprint(leaf)
	fails(t, h.send(post("access_token=access")), http.StatusUnauthorized, oauth.InvalidToken, `error="invalid_token"`)
	h.peer = &mtls.Peer{Leaf: leaf}
	if w := h.send(post("access_token=access")); w.Code != http.StatusOK {
		t.Errorf("%d %s", w.Code, w.Body)
	}

	proof, jkt := proofOf(t, "ES256", http.MethodPost, endpointURL, "access")
	stranger, _ := proofOf(t, "ES256", http.MethodPost, endpointURL, "access")
	for name, c := range map[string]struct {
		bound, proof string
		code         oauth.Code
	}{
		"proved":      {jkt, proof, ""},
		"no proof":    {jkt, "", oauth.InvalidToken},
		"another key": {jkt, stranger, oauth.InvalidToken},
		"not bound":   {"", proof, oauth.InvalidToken},
	} {
		t.Run(name, func(t *testing.T) {
			h := newHouse("openid")
			h.bound.JKT = c.bound
			w := h.send(post("access_token=access", "DPoP", c.proof))
			if c.code != "" {
				fails(t, w, http.StatusUnauthorized, c.code, `error="`+string(c.code)+`"`)
			} else if w.Code != http.StatusOK || len(h.committed) != 1 {
				t.Errorf("%d %s, committed %v", w.Code, w.Body, h.committed)
			}
		})
	}
}

// Profiles that want the header get it.
func TestProfilesWantTheHeader(t *testing.T) {
	h := newHouse("openid")
	h.own.Profile = oauth.ProfileFAPI2Security
	fails(t, h.send(post("access_token=access")), http.StatusBadRequest, oauth.InvalidRequest)
	if w := h.send(post("", "Authorization", "Bearer access")); w.Code != http.StatusOK {
		t.Errorf("%d %s", w.Code, w.Body)
	}
}

// Whatever is sent, at most one token comes out, in the header, and only from one place.
func FuzzTokenInHeader(f *testing.F) {
	f.Add("access_token=abc", "", "")
	f.Add("access_token=abc", "Bearer x", "proof")
	f.Add("access_token=a%20b&access_token=", "", "a")
	f.Add("%61ccess_token=abc", "", "")
	f.Fuzz(func(t *testing.T, body, authorization, dpop string) {
		r := httptest.NewRequest(http.MethodPost, "/userinfo", strings.NewReader(body))
		r.Header.Set("Content-Type", formType)
		if authorization != "" {
			r.Header.Set("Authorization", authorization)
		}
		if dpop != "" {
			r.Header.Set("DPoP", dpop)
		}
		moved, fault := tokenInHeader(httptest.NewRecorder(), r)
		if r.Header.Get("Authorization") != authorization {
			t.Error("the request itself was changed")
		}
		if fault != nil {
			return
		}
		header := moved.Header.Values("Authorization")
		if moved.fromForm != (authorization == "" && len(header) == 1) || len(header) > 1 {
			t.Errorf("from the form: %v, header %q", moved.fromForm, header)
		}
	})
}
