package registration

import (
	"encoding/json"
	"errors"
	"net/http"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"signet/policy"
	"signet/provider/oauth"
)

// everything is all that a client can say, as OpenID Connect and its logout specifications have it.
const everything = `{
	"application_type": "native", "contacts": ["a@app.example"], "logo_uri": "https://app.example/logo.png", "client_uri": "https://app.example",
	"policy_uri": "https://app.example/policy", "tos_uri": "https://app.example/terms", "software_id": "s", "software_version": "1.2",
	"subject_type": "pairwise", "id_token_signed_response_alg": "ES256", "id_token_encrypted_response_alg": "RSA-OAEP", "id_token_encrypted_response_enc": "A256GCM",
	"userinfo_signed_response_alg": "PS256", "userinfo_encrypted_response_alg": "ECDH-ES", "request_object_encryption_alg": "RSA-OAEP-256",
	"introspection_encrypted_response_alg": "RSA-OAEP", "authorization_encrypted_response_alg": "RSA-OAEP-256", "authorization_encrypted_response_enc": "A256GCM",
	"request_object_encryption_enc": "A128GCM", "default_max_age": 0, "require_auth_time": true, "initiate_login_uri": "https://app.example/login",
	"request_uris": ["https://app.example/r#x"], "post_logout_redirect_uris": ["https://app.example/out"],
	"frontchannel_logout_uri": "https://app.example/front", "frontchannel_logout_session_required": true,
	"backchannel_logout_uri": "https://app.example/back", "backchannel_logout_session_required": true,
	"redirect_uris": ["com.example.app:/cb"], "response_types": ["code", "token id_token"], "grant_types": ["authorization_code", "implicit"],
	"token_endpoint_auth_method": "none", "scope": "openid"}`

// What a client says is registered, told in the answer, read and kept by an update (RFC 7591 section 3.2.1, RFC 7592).
func TestAllOfOpenIDConnect(t *testing.T) {
	want := map[string]any{}
	if err := json.Unmarshal([]byte(everything), &want); err != nil {
		t.Fatal(err)
	}
	want["response_types"] = []any{"code", "id_token token"}
	want["userinfo_encrypted_response_enc"] = "A128CBC-HS256"      // OpenID Connect Registration section 2: its default
	want["introspection_encrypted_response_enc"] = "A128CBC-HS256" // RFC 9701 section 6, too
	want["resources"] = []any{"https://rs.example"}
	h := newHouse()
	check := func(name string, r reply, status int) {
		t.Helper()
		got := map[string]any{}
		for name, value := range r.json {
			if !strings.HasPrefix(name, "registration_") && name != "client_id" && name != "client_id_issued_at" {
				got[name] = value
			}
		}
		if diff := cmp.Diff(want, got); diff != "" || r.Code != status {
			t.Errorf("%s: %d %s", name, r.Code, diff)
		}
	}
	r := h.send(http.MethodPost, "/register", initial, everything)
	check("registered", r, http.StatusCreated)
	if len(h.committed) == 0 {
		t.Fatal("nothing is kept")
	}
	c := h.committed[0].(oauth.StoreClient).Client
	h.clients[c.ID] = c
	token, _ := r.json["registration_access_token"].(string)
	check("read", h.send(http.MethodGet, "/register/"+c.ID, token, ""), http.StatusOK)
	want["client_id"] = c.ID
	again, err := json.Marshal(want)
	if err != nil {
		t.Fatal(err)
	}
	delete(want, "client_id")
	check("updated", h.send(http.MethodPut, "/register/"+c.ID, token, string(again)), http.StatusOK)
	if got := h.asked[1].Registration; got.Action != policy.RegistrationUpdate || got.AdmittedBy != "registration_access_token" {
		t.Errorf("%+v", got)
	}
}

// What is registered of a request, and what is refused of it.
func TestResponseTypesAndBounds(t *testing.T) {
	for name, c := range map[string]struct {
		bounds    func(*Bounds)
		body      string
		want      string // response types, grant types and algorithm of ID tokens
		forbidden string // of the error
	}{
		"nothing":                 {body: `{}`, want: "code; authorization_code; RS256"},
		"null is nothing":         {body: `{"response_types":null,"grant_types":null}`, want: "code; authorization_code; RS256"},
		"no ID tokens":            {body: `{"scope":"accounts"}`, want: "code; authorization_code; "},
		"no RS256":                {bounds: func(b *Bounds) { b.IDTokenAlg = "ES256" }, body: `{}`, want: "code; authorization_code; ES256"},
		"a choice":                {body: `{"id_token_signed_response_alg":"PS256"}`, want: "code; authorization_code; PS256"},
		"no user":                 {body: `{"grant_types":["client_credentials"]}`, want: "; client_credentials; RS256"},
		"another order":           {body: `{"response_types":["token id_token  code"],"grant_types":["authorization_code","implicit"]}`, want: "code id_token token; authorization_code,implicit; RS256"},
		"implicit under FAPI":     {bounds: func(b *Bounds) { b.WithoutImplicit = true }, body: `{"response_types":["code id_token"],"grant_types":["authorization_code","implicit"]}`, want: "code id_token; authorization_code; RS256"},
		"implicit alone":          {bounds: func(b *Bounds) { b.WithoutImplicit, b.GrantTypes = true, []string{"authorization_code"} }, body: `{"grant_types":["implicit"]}`, forbidden: "grant_types: 'implicit' is not for registered clients"},
		"a grant beyond":          {bounds: func(b *Bounds) { b.GrantTypes = []string{"authorization_code"} }, body: `{"grant_types":["authorization_code","client_credentials"]}`, forbidden: "grant_types: 'client_credentials' is not for registered clients"},
		"a response type beyond":  {bounds: func(b *Bounds) { b.ResponseTypes = []string{"code"} }, body: `{"response_types":["id_token"]}`, forbidden: "response_types: 'id_token' is not for registered clients"},
		"a method beyond":         {bounds: func(b *Bounds) { b.AuthMethods = []string{"private_key_jwt"} }, body: `{}`, forbidden: "token_endpoint_auth_method: 'client_secret_basic' is not for registered clients"},
		"numbers of a wrong type": {body: `{"default_max_age":"1","require_auth_time":"true","request_uris":"x"}`, forbidden: "default_max_age: is of the wrong type; require_auth_time: is of the wrong type; request_uris: is of the wrong type"},
	} {
		t.Run(name, func(t *testing.T) {
			h := newHouse()
			if c.bounds != nil {
				c.bounds(&h.bounds)
			}
			r := h.send(http.MethodPost, "/register", initial, c.body)
			if c.forbidden != "" {
				if r.Code != 400 || r.json["error"] != "invalid_client_metadata" || !strings.Contains(r.Body.String(), c.forbidden) || len(h.committed) > 0 || len(h.asked) > 0 {
					t.Errorf("%d %s", r.Code, r.Body)
				}
				return
			}
			if r.Code != http.StatusCreated {
				t.Fatalf("%d %s", r.Code, r.Body)
			}
			got := h.committed[0].(oauth.StoreClient).Client
			if text := strings.Join(got.ResponseTypes, ",") + "; " + strings.Join(got.GrantTypes, ",") + "; " + got.IDTokenAlg; text != c.want {
				t.Errorf("%s, want %s", text, c.want)
			}
		})
	}
}

// The sector_identifier_uri has to list every redirect URI; it is read for each registration that is right otherwise.
func TestSector(t *testing.T) {
	const uri = "https://app.example/sector"
	for name, c := range map[string]struct {
		document, method, path, token string
		faults                        bool
		want                          string
	}{
		"listed":          {document: `["https://app.example/cb","https://other.example/cb","https://app.example/cb2"]`},
		"one is missing":  {document: `["https://app.example/cb"]`, want: "sector_identifier_uri: does not list 'https://app.example/cb2'"},
		"not a list":      {document: `{"redirect_uris":[]}`, want: "sector_identifier_uri: is not a JSON array"},
		"not of texts":    {document: `[1]`, want: "sector_identifier_uri: is not a JSON array"},
		"not JSON":        {document: `[`, want: "sector_identifier_uri: is not a JSON array"},
		"not there":       {want: "sector_identifier_uri: cannot be fetched"},
		"wrong otherwise": {document: `[]`, faults: true, want: "redirect_uris: bad"},
		"update":          {method: http.MethodPut, path: "/app", token: own, document: `["https://app.example/cb"]`, want: "does not list"},
	} {
		t.Run(name, func(t *testing.T) {
			h := newHouse()
			if c.document != "" {
				h.documents = map[string]string{uri: c.document}
			}
			if c.faults {
				h.faults = []Fault{{"redirect_uris", "bad"}}
			}
			if c.method == "" {
				c.method, c.token = http.MethodPost, initial
			}
			r := h.send(c.method, "/register"+c.path, c.token, `{"client_id":"app","sector_identifier_uri":"`+uri+`","redirect_uris":["https://app.example/cb","https://app.example/cb2"]}`)
			if c.want == "" {
				if r.Code != http.StatusCreated || r.json["sector_identifier_uri"] != uri {
					t.Errorf("%d %s", r.Code, r.Body)
				}
				return
			}
			if r.Code != 400 || !strings.Contains(r.Body.String(), c.want) || len(h.committed) > 0 || len(h.asked) > 0 || c.faults != (len(h.fetched) == 0) {
				t.Errorf("%d %s, fetched %v", r.Code, r.Body, h.fetched)
			}
		})
	}
}

// Policy sees all that will be kept, and has the last word.
func TestPolicyDecides(t *testing.T) {
	h := newHouse()
	r := h.send(http.MethodPost, "/register", initial, `{"client_name":"A","redirect_uris":["https://app.example/cb"],"token_endpoint_auth_method":"none"}`,
		func(r *http.Request) { r.Header.Set("X-Certificate", "CN=app") })
	if r.Code != http.StatusCreated || len(h.asked) != 1 {
		t.Fatalf("%d %s", r.Code, r.Body)
	}
	in := h.asked[0]
	var said map[string]any
	if err := json.Unmarshal(in.Registration.Metadata, &said); err != nil {
		t.Fatal(err)
	}
	want := map[string]any{
		"client_name": "A", "redirect_uris": []any{"https://app.example/cb"}, "token_endpoint_auth_method": "none", "application_type": "web", "grant_types": []any{"authorization_code"},
		"response_types": []any{"code"}, "scope": "openid accounts", "resources": []any{"https://rs.example"}, "id_token_signed_response_alg": "RS256",
	}
	if diff := cmp.Diff(want, said); diff != "" {
		t.Error(diff)
	}
	id, _ := r.json["client_id"].(string)
	wantInput := policy.Input{
		Request: policy.Request{ID: in.Request.ID, Door: "main", Time: now, Profile: "fapi-ciba"},
		Client: policy.Client{ID: id, Name: "A", AuthMethod: "none", GrantTypes: []string{"authorization_code"},
			Scope: []string{"openid", "accounts"}, Resources: []string{"https://rs.example"}},
		Certificate:  &policy.Certificate{Subject: "CN=app"},
		Registration: &policy.Registration{Action: policy.RegistrationNew, AdmittedBy: "initial_access_token", Metadata: in.Registration.Metadata},
	}
	if diff := cmp.Diff(wantInput, in); diff != "" || in.Request.ID == "" {
		t.Error(diff)
	}
	for name, c := range map[string]struct {
		house  func(*house)
		method string
		status int
		want   string
	}{
		"denied": {house: func(h *house) {
			h.denials = []policy.Denial{{Rule: "bank.no", Error: "invalid_redirect_uri", Text: "secret reason"}}
		}, status: 400, want: `"error":"invalid_redirect_uri","error_description":"refused by policy (decision decision)"`},
		"an update denied": {house: func(h *house) {
			h.denials = []policy.Denial{{Rule: "bank.no", Error: "access_denied", Text: "secret reason"}}
		}, method: http.MethodPut, status: 400, want: `"access_denied"`},
		"no answer": {house: func(h *house) { h.policyErr = errors.New("secret reason") }, status: 503, want: "temporarily_unavailable"},
	} {
		h := newHouse()
		c.house(h)
		path, token := "/register", initial
		if c.method == "" {
			c.method = http.MethodPost
		} else {
			path, token = "/register/app", own
		}
		r := h.send(c.method, path, token, `{"client_id":"app","redirect_uris":["https://app.example/cb"]}`)
		if r.Code != c.status || !strings.Contains(r.Body.String(), c.want) || strings.Contains(r.Body.String(), "secret reason") || len(h.committed) > 0 {
			t.Errorf("%s: %d %s", name, r.Code, r.Body)
		}
	}
}
