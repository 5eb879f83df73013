package oauth

import (
	"fmt"
	"slices"
	"strings"
	"testing"
)

func TestRequestedScope(t *testing.T) {
	known := Scope{"openid", "accounts", "payments", "offline_access"}
	for _, test := range []struct {
		text, want string
		grants     []string
		code       Code
	}{
		{"", "", nil, ""},
		{"openid accounts", "openid accounts", nil, ""},
		{"openid moon", "openid", nil, ""},
		{"openid offline_access", "openid", nil, ""},
		{"openid offline_access", "openid offline_access", []string{GrantRefreshToken}, ""},
		{"openid payments", "", nil, InvalidScope},
		{"openid  accounts", "", nil, InvalidScope},
		{`["openid"]`, "", nil, InvalidScope},
	} {
		c := &Client{Scope: "openid accounts offline_access", GrantTypes: test.grants}
		got, fault := c.RequestedScope(test.text, known)
		if got.String() != test.want || (fault == nil) != (test.code == "") || fault != nil && fault.Code != test.code {
			t.Errorf("%q: %q, %v", test.text, got, fault)
		}
	}
}

func TestRequestedResources(t *testing.T) {
	var many []string
	for i := range maxResources + 1 {
		many = append(many, fmt.Sprintf("https://%d.example", i))
	}
	c := &Client{Resources: append([]string{"https://a.example", "https://b.example", "https://gone.example"}, many...)}
	known := append([]string{"https://a.example", "https://b.example", "https://other.example"}, many...)
	for _, test := range []struct {
		asked, want []string
		good        bool
	}{
		{nil, []string{"https://a.example"}, true},
		{[]string{""}, []string{"https://a.example"}, true},
		{[]string{"https://b.example", "https://b.example"}, []string{"https://b.example"}, true},
		{[]string{"https://b.example", "https://a.example"}, []string{"https://b.example", "https://a.example"}, true},
		{[]string{"https://other.example"}, nil, false}, // not registered
		{[]string{"https://gone.example"}, nil, false},  // not known
		{[]string{"/rs"}, nil, false},
		{[]string{"https://a.example#x"}, nil, false},
		{[]string{"https://a.example#"}, nil, false},
		{[]string{"https://a.example\x7f"}, nil, false},
		{many[1:], many[1:], true},
		{many, nil, false},
	} {
		got, fault := c.RequestedResources(test.asked, known)
		if !slices.Equal(got, test.want) || (fault == nil) != test.good || fault != nil && fault.Code != InvalidTarget {
			t.Errorf("%q: %q, %v", test.asked, got, fault)
		}
	}
	if got, fault := (&Client{}).RequestedResources(nil, known); len(got) != 0 || fault != nil {
		t.Errorf("none registered: %q, %v", got, fault)
	}
}

func TestRequestedACR(t *testing.T) {
	c := &Client{DefaultACR: []string{"pw"}}
	for _, test := range []struct {
		asked, want []string
		good        bool
	}{
		{nil, []string{"pw"}, true},
		{[]string{"b", "a"}, []string{"b", "a"}, true},
		{slices.Repeat([]string{"a"}, maxACRs+1), nil, false},
		{[]string{strings.Repeat("a", maxACR+1)}, nil, false},
	} {
		got, fault := c.RequestedACR(test.asked)
		if !slices.Equal(got, test.want) || (fault == nil) != test.good || fault != nil && fault.Code != InvalidRequest {
			t.Errorf("%q: %q, %v", test.asked, got, fault)
		}
	}
	got, _ := c.RequestedACR(nil)
	if got[0] = "changed"; c.DefaultACR[0] != "pw" {
		t.Error("the client's own list is handed out")
	}
}
