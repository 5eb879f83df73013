package token

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"slices"
	"strings"

	"signet/provider/issue"
	"signet/provider/oauth"
)

// maxContext bounds request_context and request_details, in bytes.
const maxContext = 4 << 10

// replaced takes a transaction token from a workload of its trust domain, whose replacement it asks for.
func (g TokenExchange) replaced(ctx context.Context, text oauth.Secret, req oauth.TokenRequest) (*presented, error) {
	t, err := g.Tokens.Transaction(ctx, text)
	if err != nil {
		return nil, err
	}
	if !slices.Contains(req.Client.TrustDomains, t.Audience[0]) {
		return nil, oauth.Errorf(oauth.InvalidRequest, "it is not for this client")
	}
	good, err := g.own(&t.Held)
	if err != nil {
		return nil, err
	}
	good.scope, good.transaction = t.Scope, t
	return good, nil
}

// transaction bounds a transaction token (Transaction Tokens section 7). Where it replaces one, it keeps txn, sub, aud and
// whatever was said of the transaction, and lives no longer (section 10.13). The subject token's authorization_details
// are for policy to make tctx of: no resource server reads them in a transaction token.
func (g TokenExchange) transaction(req oauth.TokenRequest, x exchange, subject *presented, a *oauth.Authorization) error {
	audience, err := g.trustDomain(req)
	if err != nil {
		return err
	}
	switch {
	case len(req.Scope) == 0:
		return oauth.Errorf(oauth.InvalidRequest, "scope is missing: it is the purpose of the transaction (Transaction Tokens section 7.1)")
	case subject.unscoped:
		return oauth.Errorf(oauth.InvalidScope, "nobody says which scope the subject_token has (Transaction Tokens section 10.12)")
	case subject.transaction != nil && x.actor.text != "":
		return oauth.Errorf(oauth.InvalidRequest, "a replacement is about those whom the transaction was about: send no actor_token")
	}
	if a.Scope, err = subject.narrowed(req.Scope); err != nil {
		return err
	}
	facts := &oauth.TransactionFacts{Audience: audience, Replaces: subject.transaction != nil}
	if facts.Context, err = objectParam(req, "request_context"); err != nil {
		return err
	}
	if facts.Details, err = objectParam(req, "request_details"); err != nil {
		return err
	}
	out := oauth.OutputTransactionToken{Audience: audience, Workload: workload(req.Client), Request: facts.Context, Lifetime: g.Domains[audience]}
	if subject.transaction == nil {
		out.Transaction, err = oauth.NewID(g.Random)
	} else {
		out, err = replacement(out, subject.transaction)
	}
	a.Resources, a.Output, a.Question.Transaction = []string{audience}, out, facts
	return err
}

// trustDomain is the one that the request names. The workload must have authenticated (Transaction Tokens section 7.5).
func (g TokenExchange) trustDomain(req oauth.TokenRequest) (string, error) {
	audiences, resources := req.Params.All(paramAudience), req.Params.All(paramResource)
	switch {
	case req.Client.Public():
		return "", oauth.Errorf(oauth.UnauthorizedClient, "a public client gets no transaction tokens (Transaction Tokens section 7.5)")
	case len(audiences) != 1 || audiences[0] == "" || len(resources) > 0:
		return "", oauth.Errorf(oauth.InvalidTarget, "audience must name one trust domain, and resource nothing (Transaction Tokens section 7.1)")
	}
	if _, known := g.Domains[audiences[0]]; !known || !slices.Contains(req.Client.TrustDomains, audiences[0]) {
		return "", oauth.Errorf(oauth.InvalidTarget, "the trust domain is unknown, or not allowed for this client")
	}
	return audiences[0], nil
}

// replacement is what takes the place of a transaction token: nothing that it says is changed, only added to.
func replacement(out oauth.OutputTransactionToken, old *issue.Transaction) (oauth.OutputTransactionToken, error) {
	if old.Audience[0] != out.Audience {
		return out, oauth.Errorf(oauth.InvalidTarget, "a replacement is for the same trust domain (Transaction Tokens section 10.13)")
	}
	out.Transaction, out.Subject, out.Context = old.ID, old.Subject, old.Context
	out.Workload = old.Workload + "," + out.Workload // the call chain stays (section 10.13)
	further := map[string]any{}
	if out.Request != nil {
		if err := json.Unmarshal(out.Request, &further); err != nil {
			return out, err
		}
	}
	var same bool
	var err error
	if out.Request, same, err = issue.AddTo(old.Request, further); err == nil && !same {
		err = oauth.Errorf(oauth.InvalidRequest, "request_context contradicts that of the replaced token (Transaction Tokens section 10.13)")
	}
	return out, err
}

// workload is how a client is named in req_wl, where commas stand between those that replaced each other's tokens.
func workload(c *oauth.Client) string {
	return strings.NewReplacer("%", "%25", ",", "%2C").Replace(c.ID)
}

// objectParam reads a parameter that is a JSON object (Transaction Tokens section 7.1); nil when it was not sent. What it
// returns has each member once.
func objectParam(req oauth.TokenRequest, name string) (json.RawMessage, error) {
	text := req.Params.Get(name)
	if text == "" {
		return nil, nil
	}
	if len(text) > maxContext {
		return nil, oauth.Errorf(oauth.InvalidRequest, "%s is longer than %d bytes", name, maxContext)
	}
	decoder := json.NewDecoder(bytes.NewReader([]byte(text)))
	decoder.UseNumber()
	var members map[string]any
	err := decoder.Decode(&members)
	if err == nil {
		if _, after := decoder.Token(); after != io.EOF {
			err = after
		}
	}
	if err != nil || members == nil {
		return nil, oauth.Errorf(oauth.InvalidRequest, "%s is not a JSON object", name)
	}
	return json.Marshal(members)
}
