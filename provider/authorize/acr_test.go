package authorize

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"signet/provider/oauth"
)

func TestRequestedACR(t *testing.T) {
	client := &oauth.Client{DefaultACR: []string{"default"}}
	for _, test := range []struct {
		values, claims string
		want           []string
		essential      bool
	}{
		{"", "", []string{"default"}, false},
		{"a  b", "", []string{"a", "b"}, false},
		{"a", `{"id_token":{"acr":{"essential":true,"values":["b","c"]}}}`, []string{"b", "c"}, true},
		{"a", `{"id_token":{"acr":{"essential":true,"value":"b"}}}`, []string{"b"}, true},
		{"a", `{"id_token":{"acr":{"value":"b"}}}`, []string{"a", "b"}, false},
		{"", `{"id_token":{"acr":{"essential":true}}}`, []string{"default"}, false}, // any will do
		{"", `{"id_token":{"acr":null,"email":{"essential":true}},"userinfo":{"name":null}}`, []string{"default"}, false},
		{"", `{"userinfo":{"acr":{"essential":true,"value":"x"}}}`, []string{"default"}, false},
		{"", `{"id_token":null}`, []string{"default"}, false},
		{"", `{"id_token":{"auth_time":{"value":1},"acr":{"essential":true,"values":[1,"b"]}}}`, []string{"b"}, true},
	} {
		var req oauth.AuthorizationRequest
		p := oauth.NewParams(map[string][]string{"acr_values": {test.values}, "claims": {test.claims}})
		if fault := checkACR(inquiry{party: party{client: client}, params: p}, &req); fault != nil {
			t.Errorf("%s: %v", test.claims, fault)
		}
		if diff := cmp.Diff(test.want, req.ACRValues); diff != "" || req.EssentialACR != test.essential {
			t.Errorf("%q %s: %s essential %v", test.values, test.claims, diff, req.EssentialACR)
		}
	}
}

func TestSettleACR(t *testing.T) {
	r := newRig(t)
	for _, test := range []struct {
		asked     string
		essential bool
		want      string
		unmet     bool
	}{
		{"", false, "pw", false},
		{"moon", false, "pw", false},
		{"moon urn:bank:sca pw", false, "urn:bank:sca", false},
		{"moon", true, "", true},
		{"pw", true, "pw", false},
	} {
		user, err := r.settleACR(oauth.EndUser{ACR: "pw"}, oauth.AuthorizationRequest{ACRValues: strings.Fields(test.asked), EssentialACR: test.essential})
		if (err != nil) != test.unmet || err == nil && user.ACR != test.want {
			t.Errorf("%q: %q, %v", test.asked, user.ACR, err)
		}
	}
}
