package registration

import (
	"encoding/json"
	"errors"
	"net/http"
	"slices"
	"strings"

	"signet/policy"
	"signet/provider/oauth"
	"signet/provider/web"
)

// decide asks the bank's policy about a registration that breaks no rule of the protocol. The result is for the audit
// log: by whose leave there is such a client.
func (e *endpoint) decide(r *http.Request, c *oauth.Client, statement *policy.SoftwareStatement, action, by string) (map[string]any, error) {
	ctx := r.Context()
	certificate, err := e.Certificate(r)
	if err != nil {
		return nil, oauth.Errorf(oauth.InvalidRequest, "the client certificate's statements cannot be read").Because(err)
	}
	said, err := told(c)
	if err != nil {
		return nil, err
	}
	decision, err := e.Policy.Decide(ctx, policy.Input{
		Request: policy.Request{ID: web.RequestID(ctx), Door: string(web.DoorOf(ctx)), Time: e.Clock(), Profile: string(e.Bounds.InForce)},
		Client: policy.Client{
			ID: c.ID, Name: c.Name, AuthMethod: string(c.AuthMethod), GrantTypes: c.GrantTypes, Scope: c.Scopes(), Resources: c.Resources,
			Introspects: c.Introspects, TrustedFor: c.TrustedFor,
		},
		Certificate:  certificate,
		Registration: &policy.Registration{Action: action, AdmittedBy: by, Metadata: said, SoftwareStatement: statement},
	})
	if err != nil {
		return nil, oauth.Errorf(oauth.TemporarilyUnavailable, "the registration policy cannot answer at present").Because(err)
	}
	switch {
	case len(decision.Denials) > 0:
		return nil, denied(decision)
	case !decision.Allowed():
		return nil, oauth.Errorf(oauth.TemporarilyUnavailable, "the registration policy cannot answer at present")
	}
	detail := map[string]any{"admitted_by": by, "decision": decision.ID, "policy": decision.Revision}
	if statement != nil {
		detail["software_statement"] = statement.Issuer
	}
	return detail, nil
}

// told is all that is registered of what a client can say, by its JSON names.
func told(c *oauth.Client) (json.RawMessage, error) {
	all, err := fields(c)
	if err != nil {
		return nil, err
	}
	for name := range all {
		if !slices.Contains(metadata, name) {
			delete(all, name)
		}
	}
	return json.Marshal(all)
}

// denied is the error of the first denial; the client learns only its code and the decision's id.
func denied(d policy.Decision) error {
	reasons := make([]string, 0, len(d.Denials))
	for _, denial := range d.Denials {
		reasons = append(reasons, denial.Rule+": "+denial.Text)
	}
	fault := oauth.Errorf(oauth.Code(d.Denials[0].Error), "refused by policy")
	fault.Decision = d.ID
	return fault.Because(errors.New("policy " + d.Revision + " denied: " + strings.Join(reasons, "; ")))
}
