package main

import (
	"encoding/json"
	"errors"
	"io"
	"log/slog"
	"mime"
	"net/http"
	"regexp"
	"slices"
	"sync"
	"time"
	"unicode/utf8"

	"signet/provider/oauth"
	"signet/provider/resource"
	"signet/provider/web"
)

const (
	maxPaymentBytes = 16 << 10
	maxPayments     = 1000 // kept in memory, the oldest go first
)

type (
	reference struct {
		IBAN string `json:"iban"`
	}
	// order is what a client asks for: a SEPA credit transfer.
	order struct {
		Amount     amount    `json:"instructedAmount"`
		Debtor     reference `json:"debtorAccount"`
		Creditor   reference `json:"creditorAccount"`
		Name       string    `json:"creditorName"`
		Remittance string    `json:"remittanceInformationUnstructured,omitempty"`
	}
	payment struct {
		ID     string    `json:"paymentId"`
		Status string    `json:"transactionStatus"` // ISO 20022 ExternalPaymentTransactionStatus1Code
		At     time.Time `json:"receivedAt"`
		order
		clientID string
	}
)

// payments keeps what clients initiated, each client's apart. It is safe for concurrent use.
type payments struct {
	clock  oauth.Clock
	random oauth.Random
	log    *slog.Logger
	refuse func(http.ResponseWriter, *http.Request, error) // a token that is not enough

	audience string // this API, as tokens name it

	mu   sync.Mutex
	kept []payment
}

func newPayments(o options, refuse func(http.ResponseWriter, *http.Request, error)) *payments {
	return &payments{clock: o.clock, random: o.random, log: o.log, refuse: refuse, audience: o.audience}
}

func (p *payments) list(w http.ResponseWriter, r *http.Request) {
	web.NoStore(w.Header())
	web.WriteJSON(w, http.StatusOK, struct {
		Payments []payment `json:"payments"`
	}{p.of(resource.TokenFrom(r.Context()).ClientID)})
}

func (p *payments) get(w http.ResponseWriter, r *http.Request) {
	own := p.of(resource.TokenFrom(r.Context()).ClientID)
	i := slices.IndexFunc(own, func(one payment) bool { return one.ID == r.PathValue("id") })
	if i < 0 {
		web.WriteError(w, r, p.log, oauth.Errorf(oauth.NotFound, "no such payment"))
		return
	}
	web.NoStore(w.Header())
	web.WriteJSON(w, http.StatusOK, own[i])
}

func (p *payments) initiate(w http.ResponseWriter, r *http.Request) {
	ordered, err := readOrder(w, r)
	if err != nil {
		web.WriteError(w, r, p.log, err)
		return
	}
	now := p.clock().UTC().Truncate(time.Second)
	if err := ordered.validate(now); err != nil {
		web.WriteError(w, r, p.log, err)
		return
	}
	token := resource.TokenFrom(r.Context())
	if err := p.mayInitiate(token, ordered); err != nil {
		p.refuse(w, r, err)
		return
	}
	id, err := newUUID(p.random)
	if err != nil {
		web.WriteError(w, r, p.log, err)
		return
	}
	made := payment{ID: id, Status: "RCVD", At: now, order: ordered, clientID: token.ClientID}
	p.keep(made)
	web.NoStore(w.Header())
	w.Header().Set("Location", "/payments/"+id)
	web.WriteJSON(w, http.StatusCreated, made)
}

func (p *payments) keep(made payment) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.kept = append(p.kept, made)
	if len(p.kept) > maxPayments {
		p.kept = slices.Delete(p.kept, 0, len(p.kept)-maxPayments)
	}
}

// of returns a client's payments, oldest first, never nil.
func (p *payments) of(clientID string) []payment {
	p.mu.Lock()
	defer p.mu.Unlock()
	own := []payment{}
	for _, one := range p.kept {
		if one.clientID == clientID {
			own = append(own, one)
		}
	}
	return own
}

func readOrder(w http.ResponseWriter, r *http.Request) (order, error) {
	if mediaType, _, err := mime.ParseMediaType(r.Header.Get("Content-Type")); err != nil || mediaType != "application/json" {
		return order{}, oauth.Errorf(oauth.InvalidRequest, "the content type must be application/json")
	}
	decoder := json.NewDecoder(http.MaxBytesReader(w, r.Body, maxPaymentBytes))
	decoder.DisallowUnknownFields()
	var o order
	if err := decoder.Decode(&o); err != nil {
		return order{}, badBody(err)
	}
	if err := decoder.Decode(&struct{}{}); !errors.Is(err, io.EOF) {
		return order{}, badBody(err)
	}
	return o, nil
}

func badBody(cause error) error {
	if tooLarge := new(http.MaxBytesError); errors.As(cause, &tooLarge) {
		return oauth.Errorf(oauth.PayloadTooLarge, "the body is larger than %d bytes", maxPaymentBytes).Because(cause)
	}
	return oauth.Errorf(oauth.InvalidRequest, "the body is not one payment in JSON").Because(cause)
}

var (
	nothing  = regexp.MustCompile(`^0(\.0{1,2})?$`)
	ibanForm = regexp.MustCompile(`^[A-Z]{2}[0-9]{2}[0-9A-Z]{11,30}$`)
)

// validate names the first field that is wrong. Limits are those of the SEPA credit transfer rulebook.
func (o order) validate(now time.Time) error {
	switch {
	case o.Amount.Currency != "EUR":
		return oauth.Errorf(oauth.InvalidRequest, "instructedAmount.currency must be EUR")
	case !decimal.MatchString(o.Amount.Amount) || nothing.MatchString(o.Amount.Amount):
		return oauth.Errorf(oauth.InvalidRequest, "instructedAmount.amount must be a positive decimal with at most two places")
	case !isOwnAccount(o.Debtor.IBAN, now):
		return oauth.Errorf(oauth.InvalidRequest, "debtorAccount.iban is not one of the accounts")
	case !validIBAN(o.Creditor.IBAN):
		return oauth.Errorf(oauth.InvalidRequest, "creditorAccount.iban is not a valid IBAN")
	case o.Name == "" || utf8.RuneCountInString(o.Name) > 70:
		return oauth.Errorf(oauth.InvalidRequest, "creditorName must have 1 to 70 characters")
	case utf8.RuneCountInString(o.Remittance) > 140:
		return oauth.Errorf(oauth.InvalidRequest, "remittanceInformationUnstructured must have at most 140 characters")
	}
	return nil
}

// validIBAN checks form and check digits (ISO 13616-1, ISO 7064 MOD 97-10).
func validIBAN(iban string) bool {
	if !ibanForm.MatchString(iban) {
		return false
	}
	remainder := 0
	for _, c := range iban[4:] + iban[:4] {
		if c >= 'A' {
			remainder = (remainder*100 + int(c-'A') + 10) % 97
		} else {
			remainder = (remainder*10 + int(c-'0')) % 97
		}
	}
	return remainder == 1
}
