package main

import (
	"encoding/json"
	"regexp"
	"slices"
	"strings"

	"signet/provider/oauth"
	"signet/provider/resource"
	"signet/provider/web"
)

// paymentDetail is the type of authorization_details for payments (RFC 9396 section 2), and initiateAction its one
// action here.
const (
	paymentDetail  = "payment_initiation"
	initiateAction = "initiate"
)

// agreement is a payment that the user agreed to. What it leaves out, the client may choose.
type agreement struct {
	Actions    []string   `json:"actions"`
	Amount     *amount    `json:"instructedAmount"`
	Debtor     *reference `json:"debtorAccount"`
	Creditor   *reference `json:"creditorAccount"`
	Name       *string    `json:"creditorName"`
	Remittance *string    `json:"remittanceInformationUnstructured"`
}

// mayInitiate says whether the token allows the payment: details of payments in it allow exactly those; without any,
// its scope does.
func mayInitiate(token *resource.Token, ordered order) error {
	var agreed []agreement
	for _, detail := range token.Details {
		if detail.Type != paymentDetail {
			continue
		}
		var one agreement
		if err := json.Unmarshal(detail.JSON, &one); err != nil {
			return oauth.Errorf(oauth.InvalidToken, "the access token's authorization_details are malformed").Because(err)
		}
		agreed = append(agreed, one)
	}
	switch {
	case len(agreed) == 0 && !token.Scope.Has("payments"):
		return web.InsufficientScope("payments")
	case len(agreed) > 0 && !slices.ContainsFunc(agreed, ordered.is):
		return oauth.Errorf(oauth.InsufficientScope, "the payment is not one that the user agreed to (authorization_details)")
	}
	return nil
}

// is compares a payment with an agreed one.
func (o order) is(agreed agreement) bool {
	switch {
	case agreed.Actions != nil && !slices.Contains(agreed.Actions, initiateAction):
	case agreed.Amount != nil && (agreed.Amount.Currency != o.Amount.Currency || !sameAmount(agreed.Amount.Amount, o.Amount.Amount)):
	case agreed.Debtor != nil && *agreed.Debtor != o.Debtor:
	case agreed.Creditor != nil && *agreed.Creditor != o.Creditor:
	case agreed.Name != nil && *agreed.Name != o.Name:
	case agreed.Remittance != nil && *agreed.Remittance != o.Remittance:
	default:
		return true
	}
	return false
}

var decimal = regexp.MustCompile(`^(0|[1-9][0-9]{0,11})(\.[0-9]{1,2})?$`)

// sameAmount compares decimals by their value.
func sameAmount(a, b string) bool {
	return decimal.MatchString(a) && decimal.MatchString(b) && cents(a) == cents(b)
}

func cents(text string) string {
	whole, fraction, _ := strings.Cut(text, ".")
	return whole + (fraction + "00")[:2]
}
