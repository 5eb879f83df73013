package policy_test

import (
	"context"
	"crypto/rand"
	"fmt"
	"os"
	"strings"
	"testing"
	"time"

	"signet/policy"
)

// The body of the README's Go snippet; TestReadmeGo compares the two.
func decide(ctx context.Context, input policy.Input) error {
	engine, err := policy.New(ctx, policy.Options{Directory: "examples/psd2", Clock: time.Now, Random: rand.Reader})
	if err != nil {
		return err
	}
	decision, err := engine.Decide(ctx, input)
	if err != nil {
		return err // no answer: temporarily_unavailable
	}
	for _, denial := range decision.Denials {
		fmt.Println(denial.Decision, denial.Rule, denial.Error)
	}
	fmt.Println(decision.Allowed(), decision.Scope, decision.Details, decision.AccessLifetime)
	return nil
}

func Example() {
	input := policy.Input{
		Request:     policy.Request{Door: "mtls", Profile: "fapi2-security"},
		Client:      policy.Client{ID: "tpp", AuthMethod: "tls_client_auth"},
		Certificate: &policy.Certificate{OrganizationID: "PSDDE-BAFIN-123456", PSD2: &policy.PSD2{Roles: []string{"PSP_PI"}}},
		Sender:      policy.Sender{Method: policy.SenderMTLS},
		Subject:     policy.Subject{Kind: policy.SubjectClient, ID: "tpp"},
		Grant:       policy.Grant{Type: "client_credentials", Scope: []string{"payments"}, Requested: true},
		Token:       policy.Token{Format: "jwt", Lifetime: 300},
	}
	for _, scope := range []string{"payments", "accounts"} {
		input.Grant.Scope = []string{scope}
		if err := decide(context.Background(), input); err != nil {
			fmt.Println(err)
		}
	}
	// Output:
	// true [payments] [] 2m0s
	// scope psd2.accounts_need_psp_ai invalid_scope
	// scope psd2.nothing_allowed invalid_scope
	// false [] [] 0s
}

func TestReadmeGo(t *testing.T) {
	document, err := os.ReadFile("README.md")
	if err != nil {
		t.Fatal(err)
	}
	this, err := os.ReadFile("example_test.go")
	if err != nil {
		t.Fatal(err)
	}
	_, rest, _ := strings.Cut(string(document), "```go\n")
	snippet, _, found := strings.Cut(rest, "```")
	indented := "\t" + strings.ReplaceAll(strings.TrimSpace(snippet), "\n", "\n\t")
	if !found || !strings.Contains(string(this), indented+"\n") {
		t.Errorf("the README's Go snippet is not the code that is run here:\n%s", snippet)
	}
}
