package issue

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"slices"

	"signet/provider/oauth"
)

// TypeTransaction is the JWT header type of a transaction token (Transaction Tokens section 5.1).
const TypeTransaction = "txntoken+jwt"

// transactionClaims are those of Transaction Tokens section 5.2; and, for who reads one back, the jti, who acts, and how
// the user logged in. There is no access token in them, nor anything that could be used as one (section 10.4).
type transactionClaims struct {
	Issuer   string          `json:"iss,omitempty"`
	Audience string          `json:"aud"`
	Subject  string          `json:"sub"`
	Expiry   int64           `json:"exp"`
	IssuedAt int64           `json:"iat"`
	ID       string          `json:"jti"`
	Txn      string          `json:"txn"`
	Scope    string          `json:"scope"`
	Workload string          `json:"req_wl"`
	Context  json.RawMessage `json:"tctx,omitempty"`
	Request  json.RawMessage `json:"rctx,omitempty"`
	Actor    *oauth.Actor    `json:"act,omitempty"`
	AuthTime int64           `json:"auth_time,omitempty"`
	ACR      string          `json:"acr,omitempty"`
	AMR      []string        `json:"amr,omitempty"`
}

// TransactionToken issues a transaction token (Transaction Tokens section 7.4) about the mandate's subject, with its
// scope, for the trust domain of out. context is what policy adds to tctx; where the token replaces another one, it must
// not contradict what that one says: the error is then access_denied. It is invalid_grant when what the token would be
// made from has ended, and invalid_request when there have been too many generations. The lifetime is in seconds.
func (i *Issuer) TransactionToken(
	ctx context.Context, m Mandate, out oauth.OutputTransactionToken, context map[string]any,
) (compact, jti string, expiresIn int64, err error) {
	lifetime, err := Within(out.Lifetime, m.Now, m.NotAfter)
	if err != nil {
		return "", "", 0, err
	}
	claims := transactionClaims{
		Audience: out.Audience, Subject: out.Subject, Txn: out.Transaction, Scope: m.Scope.String(), Workload: out.Workload,
		IssuedAt: m.Now.Unix(), Expiry: m.Now.Add(lifetime).Unix(), Request: out.Request, Actor: m.Actor,
	}
	if !slices.Contains(i.opt.AnonymousDomains, out.Audience) {
		claims.Issuer = i.opt.Issuer
	}
	if claims.ID, err = i.tokenID(m); err != nil {
		return "", "", 0, err
	}
	if claims.Subject == "" {
		if claims.Subject, err = i.subjectOf(m.Client, m.Subject); err != nil {
			return "", "", 0, err
		}
	}
	if user, ok := m.Subject.(oauth.EndUser); ok {
		claims.AuthTime, claims.ACR, claims.AMR = user.AuthTime.Unix(), user.ACR, user.AMR
	}
	var same bool
	if claims.Context, same, err = AddTo(out.Context, context); err != nil {
		return "", "", 0, fmt.Errorf("transaction context: %w", err)
	}
	if !same {
		return "", "", 0, oauth.Errorf(oauth.AccessDenied, "the policy says of the transaction what the replaced token does not (Transaction Tokens section 10.13)")
	}
	if compact, err = i.signTransaction(ctx, m, claims); err != nil {
		return "", "", 0, err
	}
	return compact, claims.ID, int64(lifetime.Seconds()), nil
}

func (i *Issuer) signTransaction(ctx context.Context, m Mandate, claims transactionClaims) (string, error) {
	alg, err := i.alg("", m.AllowedAlgs)
	if err != nil {
		return "", err
	}
	payload, err := json.Marshal(claims)
	if err != nil {
		return "", fmt.Errorf("transaction token: %w", err)
	}
	compact, err := i.opt.Signer.Sign(ctx, alg, TypeTransaction, payload)
	if err != nil {
		return "", fmt.Errorf("signing a transaction token: %w", err)
	}
	return compact, nil
}

// AddTo adds members to a JSON object, either of which may be nil: what it says already must stay as it is. same is
// false when a member would become another one. The result is nil when there is nothing in it.
func AddTo(object json.RawMessage, further map[string]any) (all json.RawMessage, same bool, err error) {
	if len(further) == 0 {
		return object, true, nil
	}
	members := map[string]json.RawMessage{}
	if object != nil {
		if err := json.Unmarshal(object, &members); err != nil {
			return nil, false, err
		}
	}
	for name, value := range further {
		text, err := json.Marshal(value)
		if err != nil {
			return nil, false, err
		}
		if before, there := members[name]; there && !equal(before, text) {
			return nil, false, nil
		}
		members[name] = text
	}
	all, err = json.Marshal(members)
	return all, err == nil, err
}

// equal compares JSON texts, whatever the order of members in objects.
func equal(a, b json.RawMessage) bool {
	plain := func(text json.RawMessage) []byte {
		decoder := json.NewDecoder(bytes.NewReader(text))
		decoder.UseNumber() // two numbers that a float64 cannot tell apart are two
		var value any
		if decoder.Decode(&value) != nil {
			return nil
		}
		canonical, _ := json.Marshal(value)
		return canonical
	}
	first, second := plain(a), plain(b)
	return first != nil && bytes.Equal(first, second)
}
