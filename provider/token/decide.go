package token

import (
	"context"
	"errors"
	"slices"
	"strings"

	"signet/mtls"
	"signet/policy"
	"signet/provider/oauth"
	"signet/provider/web"
)

// decide asks the bank's policy once and turns a denial into the error that it names.
func (e *Endpoint) decide(ctx context.Context, req oauth.TokenRequest, caller oauth.ClientAuthentication, a oauth.Authorization, t target) (policy.Decision, error) {
	wanted, question := claimScope(req.Client, a, t), t
	if len(wanted) > 0 {
		question.scope = union(t.scope, wanted)
	}
	input, err := policyInput(ctx, req, caller, a, question)
	if err != nil {
		return policy.Decision{}, err
	}
	decision, err := e.Policy.Decide(ctx, input)
	if err != nil {
		return policy.Decision{}, oauth.Errorf(oauth.TemporarilyUnavailable, "the authorization policy cannot answer at present").Because(err)
	}
	if !decision.Allowed() {
		rules, cause := deniedBy(decision)
		return decision, denied(decision, oauth.Code(decision.Denials[0].Error), rules, cause)
	}
	if len(t.details) > 0 && len(chosenBy(t.details, decision.Details)) == 0 {
		// Without any, the token would no longer be bounded by them: it would say more, not less.
		return decision, withheld(decision, "authorization_details", "withholds all authorization_details")
	}
	if refusal := e.tooLittle(req, a, t, decision); refusal != nil {
		return decision, refusal
	}
	if len(wanted) == 0 {
		return decision, nil
	}
	granted := oauth.Scope(decision.Scope)
	decision.Scope = granted.Intersect(t.scope) // the rest was asked for the claims' sake, and is none of the token's
	if !wanted.Within(granted) || len(decision.Scope) == 0 {
		// What the grant has of them would leave all the same, at the userinfo endpoint.
		return decision, withheld(decision, "claims", "withholds a scope value that stands for a claim of the claims parameter")
	}
	return decision, nil
}

// tooLittle refuses an output of which policy has left nothing; nil = it has left enough.
func (e *Endpoint) tooLittle(req oauth.TokenRequest, a oauth.Authorization, t target, d policy.Decision) error {
	switch a.Output.(type) {
	case oauth.OutputIDToken:
		if !e.IDTokens.issues(req.Profile, t.scope, d.Scope) {
			return withheld(d, "openid", "withholds openid, and an ID token is asked for")
		}
	case oauth.OutputTransactionToken:
		if len(d.Scope) == 0 {
			return withheld(d, "scope", "withholds all of the scope, without which there is no transaction token")
		}
	}
	return nil
}

// claimScope are the scope values that stand for what the claims parameter asks for, as far as it can leave: the client
// is registered for them, and without openid there is neither an ID token nor userinfo.
func claimScope(client *oauth.Client, a oauth.Authorization, t target) oauth.Scope {
	if a.Claims.IsZero() || !t.scope.Has(oauth.ScopeOpenID) {
		return nil
	}
	return a.Claims.Scope().Intersect(client.Scopes())
}

func union(a, b oauth.Scope) oauth.Scope {
	both := slices.Clone(a)
	for _, value := range b {
		if !both.Has(value) {
			both = append(both, value)
		}
	}
	return both
}

// withheld refuses what policy has not denied, but for which too little is left of what it was asked about. The name
// stands for a rule in the audit log.
func withheld(d policy.Decision, name, text string) *oauth.Refusal {
	return denied(d, oauth.AccessDenied, []string{"token/" + name}, errors.New("policy "+d.Revision+" "+text))
}

func denied(d policy.Decision, code oauth.Code, rules []string, cause error) *oauth.Refusal {
	denial := oauth.Errorf(code, "refused by policy").Because(cause)
	denial.Decision = d.ID
	return &oauth.Refusal{Err: denial, Detail: map[string]any{"policy": d.Revision, "rules": rules}}
}

// deniedBy names the rules, with their reasons for the log; the client learns only the decision's id.
func deniedBy(d policy.Decision) (rules []string, cause error) {
	reasons := make([]string, 0, len(d.Denials))
	for _, denial := range d.Denials {
		rule := denial.Decision + "/" + denial.Rule
		rules, reasons = append(rules, rule), append(reasons, rule+": "+denial.Text)
	}
	return rules, errors.New("policy " + d.Revision + " denied: " + strings.Join(reasons, "; "))
}

func policyInput(ctx context.Context, req oauth.TokenRequest, caller oauth.ClientAuthentication, a oauth.Authorization, t target) (policy.Input, error) {
	certificate, err := policyCertificate(caller, req.Sender)
	if err != nil {
		return policy.Input{}, oauth.Errorf(oauth.InvalidRequest, "the client certificate's statements cannot be read").Because(err)
	}
	format := "jwt"
	if t.opaque {
		format = "opaque"
	}
	grant := policy.Grant{
		Type: req.GrantType, Scope: t.scope, Requested: len(req.Scope) > 0, Resources: t.audience, Details: documents(t.details),
	}
	if a.Question != nil {
		ask(&grant, *a.Question)
	}
	return policy.Input{
		Request: policy.Request{ID: req.ID, Door: string(web.DoorOf(ctx)), Time: req.Now, Profile: string(req.Profile.Name)},
		Client: policy.Client{
			ID: req.Client.ID, Name: req.Client.Name, AuthMethod: string(caller.Method), GrantTypes: req.Client.GrantTypes,
			Scope: req.Client.Scopes(), Resources: req.Client.Resources, Introspects: req.Client.Introspects, TrustedFor: req.Client.TrustedFor,
		},
		Certificate: certificate,
		Subject:     policySubject(a.Subject),
		Sender:      policySender(confirmation(req)),
		Grant:       grant,
		Token:       policy.Token{Format: format, Lifetime: int64(t.lifetime.Seconds())},
	}, nil
}

// ask adds what only some grants have.
func ask(g *policy.Grant, q oauth.Question) {
	if x := q.Exchange; x != nil {
		g.Exchange = &policy.Exchange{
			SubjectTokenType: string(x.SubjectType), SubjectIssuer: x.SubjectIssuer, SubjectClaims: x.SubjectClaims,
			ActorTokenType: string(x.ActorType), RequestedTokenType: string(x.Requested),
		}
		for _, link := range x.Actor.Links() {
			g.Exchange.Actors = append(g.Exchange.Actors, policy.Actor{Subject: link.Subject, Issuer: link.Issuer, ClientID: link.ClientID})
		}
	}
	if t := q.Transaction; t != nil {
		g.Transaction = &policy.Transaction{Audience: t.Audience, RequestContext: t.Context, RequestDetails: t.Details, Replaces: t.Replaces}
	}
	if as := q.Assertion; as != nil {
		g.Assertion = &policy.Assertion{Issuer: as.Issuer, Claims: as.Claims}
	}
	g.Parameters = q.Parameters
}

// policyCertificate tells policy of the certificate. Who its holder is and which PSD2 roles it has is believed only
// from a trusted issuer: anybody can write such statements into a certificate of their own.
func policyCertificate(caller oauth.ClientAuthentication, sender oauth.Confirmation) (*policy.Certificate, error) {
	cert := caller.Certificate
	if cert == nil {
		return nil, nil //nolint:nilnil // no certificate is a fact, not an error
	}
	subject, err := mtls.DNOf(cert)
	if err != nil {
		return nil, err
	}
	issuer, err := mtls.IssuerOf(cert)
	if err != nil {
		return nil, err
	}
	facts := &policy.Certificate{
		Subject: subject.String(), Issuer: issuer.String(), Thumbprint: sender.X5TS256, Trusted: caller.Trusted,
	}
	if !caller.Trusted {
		return facts, nil
	}
	facts.OrganizationID = mtls.OrganizationID(cert)
	psd2, err := mtls.PSD2Of(cert)
	if err != nil {
		return nil, err
	}
	if psd2 != nil {
		facts.PSD2 = &policy.PSD2{Roles: psd2.Roles, AuthorityName: psd2.AuthorityName, AuthorityID: psd2.AuthorityID}
	}
	return facts, nil
}

func policySender(bound oauth.Confirmation) policy.Sender {
	switch {
	case bound.JKT != "":
		return policy.Sender{Method: policy.SenderDPoP, Thumbprint: bound.JKT}
	case bound.X5TS256 != "":
		return policy.Sender{Method: policy.SenderMTLS, Thumbprint: bound.X5TS256}
	default:
		return policy.Sender{Method: policy.SenderNone}
	}
}

func policySubject(s oauth.Subject) policy.Subject {
	user, person := s.(oauth.EndUser)
	if !person {
		return policy.Subject{Kind: policy.SubjectClient, ID: s.Subject()}
	}
	return policy.Subject{Kind: policy.SubjectUser, ID: user.ID, ACR: user.ACR, AMR: user.AMR, AuthTime: user.AuthTime.Unix()}
}
