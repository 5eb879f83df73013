package ciba

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"

	"signet/provider/deliver"
	"signet/provider/fetch"
	"signet/provider/oauth"
)

// errPointless is why a delivery is not sent.
var errPointless = errors.New("its client or its grant has ended")

// send makes one attempt.
func (s *Service) send(ctx context.Context, d oauth.Delivery) deliver.Result {
	status, err := s.post(ctx, d)
	return deliver.Result{Verdict: judge(status, err), Status: status, Cause: err}
}

// judge says whether another attempt may end better. A redirect is not followed, and a client that says 401 or
// 403 is not asked twice (CIBA Core section 10.2); one that says 408 or 429 asks for it (RFC 9110 section 15.5.9,
// RFC 6585 section 4).
func judge(status int, err error) deliver.Verdict {
	switch {
	case errors.Is(err, fetch.ErrRefused), errors.Is(err, errPointless):
		return deliver.Refused
	case err != nil, status/100 == 5, status == http.StatusRequestTimeout, status == http.StatusTooManyRequests:
		return deliver.Again
	case status/100 == 2:
		return deliver.Done
	}
	return deliver.Refused
}

func (s *Service) post(ctx context.Context, d oauth.Delivery) (status int, err error) {
	var post Poster
	switch d.Kind {
	case kindDevice:
		post, err = s.deps.Webhook.poster()
	default:
		post, err = s.deps.Post, s.stillMeant(ctx, d)
	}
	if err != nil {
		return 0, err
	}
	plain, err := s.deps.Sealer.Open(ctx, d.Sealed, parcelContext(d.ID))
	if err != nil {
		return 0, err
	}
	var p parcel
	if err := json.Unmarshal(plain, &p); err != nil {
		return 0, err
	}
	if d.Kind == kindDevice { // whatever the database says, the token goes nowhere else
		if d.URL, p.Token, err = s.deps.Webhook.receiver(); err != nil {
			return 0, err
		}
	}
	header := http.Header{"Content-Type": {"application/json"}, "Authorization": {"Bearer " + p.Token}}
	return post.Post(ctx, d.URL, header, p.Body)
}

// stillMeant judges again whom the delivery is for: much can have happened since it was queued.
func (s *Service) stillMeant(ctx context.Context, d oauth.Delivery) error {
	client, err := s.deps.Store.Client(ctx, d.ClientID)
	if errors.Is(err, oauth.ErrNotFound) || err == nil && client.Disabled {
		return errPointless
	}
	if err != nil || d.GrantID == "" {
		return err
	}
	grant, err := s.deps.Store.Grant(ctx, d.GrantID)
	if errors.Is(err, oauth.ErrNotFound) || err == nil && grant.Revoked {
		return errPointless
	}
	return err
}
