package registration

import (
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"signet/provider/oauth"
)

// What has to be in the sector's list besides redirect URIs, and what is no list at all.
func TestSectorListsAllThatAnswersReach(t *testing.T) {
	const (
		uri  = "https://victim.example/sector"
		jwks = `"jwks_uri":"https://evil.example/jwks"`
		push = `"backchannel_token_delivery_mode":"push","backchannel_client_notification_endpoint":"https://evil.example/push"`
		ciba = `"grant_types":["` + oauth.GrantCIBA + `"]`
	)
	for name, c := range map[string]struct {
		document, said string
		want           string // "" = registered
	}{
		"nothing to list":          {`[]`, `"grant_types":["client_credentials"]`, "sector_identifier_uri: has nothing to list"},
		"an empty redirect URI":    {`[""]`, `"redirect_uris":[""]`, "redirect_uris: is needed"},
		"poll, not listed":         {`[]`, ciba + `,"backchannel_token_delivery_mode":"poll",` + jwks, "does not list 'https://evil.example/jwks'"},
		"poll, listed":             {`["https://evil.example/jwks"]`, ciba + `,"backchannel_token_delivery_mode":"poll",` + jwks, ""},
		"ping, its endpoint alone": {`["https://evil.example/ping"]`, ciba + `,"backchannel_token_delivery_mode":"ping","backchannel_client_notification_endpoint":"https://evil.example/ping",` + jwks, "does not list 'https://evil.example/jwks'"},
		"poll, keys by value":      {`[""]`, ciba + `,"backchannel_token_delivery_mode":"poll","jwks":{"keys":[]}`, "jwks_uri: is needed"},
		"push, not listed":         {`["https://evil.example/jwks"]`, ciba + `,` + push + `,` + jwks, "does not list 'https://evil.example/push'"},
		"push, listed":             {`["https://evil.example/push"]`, ciba + `,` + push + `,` + jwks, ""},
		"push to nowhere":          {`[""]`, ciba + `,"backchannel_token_delivery_mode":"push"`, "backchannel_client_notification_endpoint: is needed"},
		"redirect URIs and poll":   {`["https://app.example/cb"]`, `"grant_types":["authorization_code","` + oauth.GrantCIBA + `"],"redirect_uris":["https://app.example/cb"],` + jwks, "does not list 'https://evil.example/jwks'"},
		"keys without CIBA":        {`["https://app.example/cb"]`, `"redirect_uris":["https://app.example/cb"],` + jwks, ""},
		"null":                     {`null`, `"redirect_uris":["https://app.example/cb"]`, "is not a JSON array"},
		"a list of null":           {`[null]`, `"redirect_uris":["https://app.example/cb"]`, "does not list"},
		"a text":                   {`"https://app.example/cb"`, `"redirect_uris":["https://app.example/cb"]`, "is not a JSON array"},
	} {
		t.Run(name, func(t *testing.T) {
			h := newHouse()
			h.documents = map[string]string{uri: c.document}
			r := h.send(http.MethodPost, "/register", initial, `{"subject_type":"pairwise","sector_identifier_uri":"`+uri+`",`+c.said+`}`)
			if c.want == "" {
				if r.Code != http.StatusCreated {
					t.Errorf("%d %s", r.Code, r.Body)
				}
				return
			}
			if r.Code != 400 || r.json["error"] != "invalid_client_metadata" || !strings.Contains(r.Body.String(), c.want) || len(h.committed) > 0 {
				t.Errorf("%d %s", r.Code, r.Body)
			}
		})
	}
}

// A client with grants of one sector must not get to know their users by the names of another.
func TestUpdateStaysInItsSector(t *testing.T) {
	const (
		sector = `"subject_type":"pairwise","sector_identifier_uri":"https://%s/sector"`
		moves  = "sector_identifier_uri: cannot change: register anew"
		turns  = "subject_type: cannot change: register anew"
	)
	pairwise := oauth.Client{SubjectType: oauth.SubjectPairwise}
	with := func(uri string) oauth.Client { return oauth.Client{SubjectType: oauth.SubjectPairwise, SectorURI: uri} }
	for name, c := range map[string]struct {
		seen      oauth.Client // its SubjectType, SectorURI and RedirectURIs
		redirects string
		said      string
		want      string // "" = updated
	}{
		"another host":           {pairwise, `"https://victim.example/x"`, `"subject_type":"pairwise"`, moves},
		"the same host":          {pairwise, `"https://APP.example:8443/x"`, `"subject_type":"pairwise"`, ""},
		"into a sector":          {pairwise, `"https://app.example/cb"`, fmt.Sprintf(sector, "victim.example"), moves},
		"of the same host":       {pairwise, `"https://app.example/cb"`, fmt.Sprintf(sector, "app.example"), ""},
		"out of a sector":        {with("https://victim.example/sector"), `"https://app.example/cb"`, `"subject_type":"pairwise"`, moves},
		"in capitals":            {with("https://VICTIM.example/sector"), `"https://app.example/cb"`, fmt.Sprintf(sector, "victim.example"), ""},
		"out of every sector":    {pairwise, `"https://app.example/cb","https://two.example/cb"`, `"subject_type":"pairwise"`, moves},
		"it had none":            {oauth.Client{SubjectType: oauth.SubjectPairwise, RedirectURIs: []string{"com.example.app:/cb"}}, `"https://app.example/cb"`, `"subject_type":"pairwise"`, ""},
		"public to pairwise":     {oauth.Client{SubjectType: oauth.SubjectPublic}, `"https://app.example/cb"`, `"subject_type":"pairwise"`, turns},
		"unsaid to pairwise":     {oauth.Client{}, `"https://app.example/cb"`, `"subject_type":"pairwise"`, turns},
		"pairwise to public":     {pairwise, `"https://app.example/cb"`, `"subject_type":"public"`, turns},
		"pairwise to unsaid":     {pairwise, `"https://app.example/cb"`, `"client_name":"x"`, turns},
		"public stays so":        {oauth.Client{}, `"https://victim.example/x"`, `"subject_type":"public"`, ""},
		"public, another sector": {oauth.Client{SectorURI: "https://app.example/sector"}, `"https://app.example/cb"`, `"sector_identifier_uri":"https://victim.example/sector"`, ""},
	} {
		t.Run(name, func(t *testing.T) {
			h := newHouse()
			listed := json.RawMessage(`[` + c.redirects + `]`)
			h.documents = map[string]string{"https://victim.example/sector": string(listed), "https://app.example/sector": string(listed)}
			app := h.clients["app"]
			app.SubjectType, app.SectorURI = c.seen.SubjectType, c.seen.SectorURI
			if c.seen.RedirectURIs != nil {
				app.RedirectURIs = c.seen.RedirectURIs
			}
			h.clients["app"] = app
			r := h.send(http.MethodPut, "/register/app", own, `{"client_id":"app","redirect_uris":[`+c.redirects+`],`+c.said+`}`)
			if c.want == "" {
				if r.Code != http.StatusOK || len(h.committed) == 0 {
					t.Errorf("%d %s", r.Code, r.Body)
				}
				return
			}
			if r.Code != 400 || r.json["error"] != "invalid_client_metadata" || r.json["error_description"] != c.want || len(h.committed) > 0 {
				t.Errorf("%d %s", r.Code, r.Body)
			}
		})
	}
}

// Where anybody can register, updates are fetches that strangers ask for: bounded by address and by client.
func TestUpdatesAreThrottled(t *testing.T) {
	const uri = "https://app.example/sector"
	h := newHouse()
	h.open, h.most = true, 40 // 4 of one address or client
	h.documents = map[string]string{uri: `["https://app.example/cb"]`}
	other := h.clients["app"]
	other.ID = "other"
	h.clients["other"] = other
	put := func(address, id, token string, want int) {
		t.Helper()
		h.address = address
		before := len(h.fetched)
		r := h.send(http.MethodPut, "/register/"+id, token, `{"client_id":"`+id+`","redirect_uris":["https://app.example/cb"],"sector_identifier_uri":"`+uri+`"}`)
		if r.Code != want || (len(h.fetched) > before) != (want == http.StatusOK) ||
			want == http.StatusTooManyRequests && (r.Header().Get("Retry-After") == "" || r.json["error"] != "temporarily_unavailable") {
			t.Fatalf("%s, %s: %d %s, fetched %d", address, id, r.Code, r.Body, len(h.fetched)-before)
		}
	}
	for range 10 {
		put("192.0.2.1", "app", "anothers-token", http.StatusUnauthorized) // which counts against nobody
	}
	for range 4 {
		put("192.0.2.1", "app", own, http.StatusOK)
	}
	put("192.0.2.1", "app", own, http.StatusTooManyRequests)
	put("192.0.2.1", "other", own, http.StatusTooManyRequests) // of the same address
	put("192.0.2.2", "app", own, http.StatusTooManyRequests)   // by another address
	put("192.0.2.2", "other", own, http.StatusOK)
	if r := h.send(http.MethodGet, "/register/app", own, ""); r.Code != http.StatusOK {
		t.Errorf("reading: %d", r.Code)
	}
	h.now = h.now.Add(15 * time.Minute)
	put("192.0.2.1", "app", own, http.StatusOK)
	put("192.0.2.3", "app", own, http.StatusTooManyRequests)
	h.address = "192.0.2.4"
	for range 4 {
		if r := h.send(http.MethodPost, "/register", "", `{}`); r.Code != http.StatusCreated {
			t.Fatalf("%d %s", r.Code, r.Body)
		}
	}
	put("192.0.2.4", "other", own, http.StatusTooManyRequests) // registrations and updates are counted together

	closed := newHouse()
	closed.documents = h.documents
	h = closed
	for range 20 { // who was let in by a token is no stranger
		put("192.0.2.1", "app", own, http.StatusOK)
	}
}
