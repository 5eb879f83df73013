package main

import (
	"net/http"
	"slices"
	"time"

	"signet/provider/oauth"
	"signet/provider/web"
)

// The data follows the Berlin Group's NextGenPSD2 interface, which European banks publish.
type (
	amount struct {
		Currency string `json:"currency"`
		Amount   string `json:"amount"` // decimal, never a float
	}
	balance struct {
		Type          string `json:"balanceType"`
		Amount        amount `json:"balanceAmount"`
		ReferenceDate string `json:"referenceDate"`
	}
	account struct {
		ResourceID string    `json:"resourceId"`
		IBAN       string    `json:"iban"`
		Currency   string    `json:"currency"`
		OwnerName  string    `json:"ownerName"`
		Name       string    `json:"name"`
		Product    string    `json:"product"`
		Type       string    `json:"cashAccountType"` // ISO 20022 ExternalCashAccountType1Code
		BIC        string    `json:"bic"`
		Status     string    `json:"status"`
		Balances   []balance `json:"balances"`
	}
)

// sampleAccounts are the same for everybody. The IBANs are those that banks publish as examples.
func sampleAccounts(now time.Time) []account {
	today := now.UTC().Format(time.DateOnly)
	euros := func(kind, value string) balance {
		return balance{Type: kind, Amount: amount{"EUR", value}, ReferenceDate: today}
	}
	return []account{
		{
			ResourceID: "3dc3d5b3-7023-4848-9853-f5400a64e80f", IBAN: "DE89370400440532013000", Currency: "EUR",
			OwnerName: "Alice Adler", Name: "Girokonto", Product: "Current account", Type: "CACC", BIC: "COBADEFFXXX", Status: "enabled",
			Balances: []balance{euros("closingBooked", "4821.37"), euros("interimAvailable", "5321.37")},
		},
		{
			ResourceID: "0f2c5b1e-2f0c-4c5e-9f53-0c2f6d0a7b11", IBAN: "DE75512108001245126199", Currency: "EUR",
			OwnerName: "Alice Adler", Name: "Tagesgeld", Product: "Instant access savings", Type: "SVGS", BIC: "SOGEDEFFXXX", Status: "enabled",
			Balances: []balance{euros("closingBooked", "18250.00"), euros("interimAvailable", "18250.00")},
		},
		{
			ResourceID: "b7d0b9a6-55c3-4b7e-8a3e-9d3f4c6a1e22", IBAN: "FR1420041010050500013M02606", Currency: "EUR",
			OwnerName: "Alice Adler", Name: "Compte courant", Product: "Current account", Type: "CACC", BIC: "PSSTFRPPXXX", Status: "enabled",
			Balances: []balance{euros("closingBooked", "-112.40"), euros("interimAvailable", "887.60")},
		},
	}
}

func isOwnAccount(iban string, now time.Time) bool {
	return slices.ContainsFunc(sampleAccounts(now), func(a account) bool { return a.IBAN == iban })
}

func listAccounts(clock oauth.Clock) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		web.NoStore(w.Header())
		web.WriteJSON(w, http.StatusOK, struct {
			Accounts []account `json:"accounts"`
		}{sampleAccounts(clock())})
	}
}
