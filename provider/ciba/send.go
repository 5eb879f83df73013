package ciba

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"time"

	"signet/provider/audit"
	"signet/provider/fetch"
	"signet/provider/oauth"
)

// Why a delivery is not sent.
var (
	errUnknownKind = errors.New("this process does not know how to send this kind")
	errPointless   = errors.New("its client or its grant has ended")
)

// attempt sends one delivery and records what came of it. Nothing is recorded when the process is told to stop:
// the lease ends by itself.
func (s *Service) attempt(ctx context.Context, d oauth.Delivery) {
	attempt, cancel := context.WithTimeout(ctx, lease/2)
	defer cancel()
	status, err := s.send(attempt, d)
	if ctx.Err() != nil {
		return
	}
	if errors.Is(err, errUnknownKind) { // a newer process, or an older one, knows
		s.postpone(ctx, d, err.Error())
		return
	}
	d.Attempts++
	log := s.deps.Log.With("delivery", d.ID, "kind", d.Kind, "client_id", d.ClientID, "attempts", d.Attempts, "status", status)
	next := s.now().Add(backoff(d.Attempts))
	switch {
	case err == nil && status/100 == 2:
		log.InfoContext(ctx, "delivered")
		s.note(ctx, d, oauth.FinishDelivery{ID: d.ID})
	case !again(status, err):
		log.WarnContext(ctx, "delivery given up: it was refused", "cause", err)
		s.giveUp(ctx, d)
	case !next.Before(d.ExpiresAt):
		log.WarnContext(ctx, "delivery given up: its time is over", "cause", err)
		s.giveUp(ctx, d)
	default:
		log.WarnContext(ctx, "delivery put off", "cause", err)
		s.note(ctx, d, oauth.RetryDelivery{ID: d.ID, NextAt: next, Attempts: d.Attempts})
	}
}

// postpone leaves a delivery that was not attempted to somebody else, or to a better moment, for as long as it counts.
func (s *Service) postpone(ctx context.Context, d oauth.Delivery, why string) {
	log := s.deps.Log.With("delivery", d.ID, "kind", d.Kind, "client_id", d.ClientID, "cause", why)
	now := s.now()
	if !now.Before(d.ExpiresAt) {
		log.WarnContext(ctx, "delivery given up: its time is over")
		s.giveUp(ctx, d)
		return
	}
	log.DebugContext(ctx, "delivery put off, not attempted")
	s.note(ctx, d, oauth.RetryDelivery{ID: d.ID, NextAt: now.Add(firstRetry), Attempts: d.Attempts})
}

// giveUp forgets a delivery. Tokens that it carried have reached nobody who could use or revoke them: they end.
func (s *Service) giveUp(ctx context.Context, d oauth.Delivery) {
	changes := []oauth.Change{oauth.FinishDelivery{ID: d.ID}}
	if d.GrantID != "" {
		entry, err := s.deps.Record.Change(audit.GrantRevoked, oauth.AuditEntry{
			ClientID: d.ClientID, GrantID: d.GrantID, Detail: map[string]any{"reason": "its tokens could not be delivered", "delivery": d.ID},
		})
		if err != nil {
			s.deps.Log.ErrorContext(ctx, "a delivery cannot be given up", "delivery", d.ID, "cause", err)
			return // it comes again when the lease ends
		}
		changes = append(changes, oauth.RevokeGrant{GrantID: d.GrantID, At: s.now()}, entry)
	}
	s.note(ctx, d, changes...)
}

// note commits what became of a delivery.
func (s *Service) note(ctx context.Context, d oauth.Delivery, changes ...oauth.Change) {
	if err := s.deps.Store.Commit(ctx, changes...); err != nil && ctx.Err() == nil {
		s.deps.Log.ErrorContext(ctx, "a delivery's outcome was not kept: it comes again", "delivery", d.ID, "cause", err)
	}
}

// again says whether another attempt may end better. A redirect is not followed, and a client that says 401 or
// 403 is not asked twice (CIBA Core section 10.2); one that says 408 or 429 asks for it (RFC 9110 section 15.5.9,
// RFC 6585 section 4).
func again(status int, err error) bool {
	if err != nil {
		return !errors.Is(err, fetch.ErrRefused) && !errors.Is(err, errPointless)
	}
	return status/100 == 5 || status == http.StatusRequestTimeout || status == http.StatusTooManyRequests
}

func backoff(attempts int) time.Duration {
	wait := firstRetry
	for range attempts - 1 {
		if wait *= 2; wait >= lastRetry {
			return lastRetry
		}
	}
	return wait
}

func (s *Service) send(ctx context.Context, d oauth.Delivery) (status int, err error) {
	var post Poster
	switch d.Kind {
	case kindPing, kindPush:
		post, err = s.deps.Post, s.stillMeant(ctx, d)
	case kindDevice:
		post, err = s.deps.Webhook.poster()
	default:
		err = errUnknownKind
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
