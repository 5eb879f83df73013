package main

import (
	"encoding/json"
	"errors"
	"reflect"
	"regexp"
	"slices"
	"strings"

	"signet/provider/oauth"
	"signet/provider/resource"
)

// paymentDetail is the type of authorization_details for payments (RFC 9396 section 2), and initiateAction its one
// action here.
const (
	paymentDetail  = "payment_initiation"
	initiateAction = "initiate"
)

// agreement is a payment that the user agreed to. What it leaves out, the client may choose.
type agreement struct {
	Type       string     `json:"type"`
	Locations  []string   `json:"locations,omitempty"`
	Actions    []string   `json:"actions,omitempty"`
	Amount     *amount    `json:"instructedAmount,omitempty"`
	Debtor     *reference `json:"debtorAccount,omitempty"`
	Creditor   *reference `json:"creditorAccount,omitempty"`
	Name       *string    `json:"creditorName,omitempty"`
	Remittance *string    `json:"remittanceInformationUnstructured,omitempty"`
}

// mayInitiate says whether the token allows the payment: its details of payments allow exactly those. Its scope says
// nothing of any payment, and cannot stand in for them.
func (p *payments) mayInitiate(token *resource.Token, ordered order) error {
	found := false
	for _, detail := range token.Details {
		if detail.Type != paymentDetail {
			continue
		}
		found = true
		agreed, understood, err := readAgreement(detail.JSON)
		if err != nil {
			return oauth.Errorf(oauth.InvalidToken, "the access token's authorization_details are malformed").Because(err)
		}
		if understood && p.isHere(agreed) && ordered.is(agreed) {
			return nil
		}
	}
	if !found {
		return oauth.Errorf(oauth.InsufficientScope, "a payment needs authorization_details of the type %s", paymentDetail)
	}
	return oauth.Errorf(oauth.InsufficientScope, "the payment is not one that the user agreed to (authorization_details)")
}

// readAgreement also says whether all of the detail was understood. A member that this API does not know may bound the
// payment: with one, the detail allows nothing here.
func readAgreement(text []byte) (agreed agreement, understood bool, err error) {
	if err := json.Unmarshal(text, &agreed); err != nil {
		return agreement{}, false, err
	}
	again, err := json.Marshal(agreed)
	if err != nil {
		return agreement{}, false, err
	}
	var said, read any
	if err := errors.Join(json.Unmarshal(text, &said), json.Unmarshal(again, &read)); err != nil {
		return agreement{}, false, err
	}
	return agreed, reflect.DeepEqual(said, read), nil
}

// isHere says whether the agreement counts at this API (RFC 9396 section 2.2).
func (p *payments) isHere(agreed agreement) bool {
	return agreed.Locations == nil || slices.Contains(agreed.Locations, p.audience) ||
		slices.Contains(agreed.Locations, strings.TrimSuffix(p.audience, "/")+"/payments")
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
