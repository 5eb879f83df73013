package ciba

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"sync"
	"time"

	"signet/provider/fetch"
	"signet/provider/oauth"
)

// The kinds of deliveries that this package sends.
const (
	kindPing   = "ciba-ping"   // CIBA Core section 10.2
	kindPush   = "ciba-push"   // CIBA Core section 10.3
	kindDevice = "ciba-device" // see Webhook
)

const (
	// maxInFlight bounds the deliveries that one process has on their way.
	maxInFlight = 32
	// lease is longer than any attempt takes: a delivery whose process died is another's after it.
	lease = time.Minute
	// firstRetry doubles with each attempt, up to lastRetry.
	firstRetry, lastRetry = 2 * time.Second, time.Minute
)

// parcel is the secret part of a delivery, as it is sealed.
type parcel struct {
	Token string `json:"token,omitempty"` // the bearer token to send
	Body  []byte `json:"body"`
}

func parcelContext(id string) []byte { return []byte("delivery " + id) }

// delivery makes the change that queues a message.
func (s *Service) delivery(ctx context.Context, kind, clientID, url string, until time.Time, p parcel) (oauth.Change, error) {
	id, err := oauth.NewID(s.deps.Random)
	if err != nil {
		return nil, err
	}
	plain, err := json.Marshal(p)
	if err != nil {
		return nil, err
	}
	sealed, err := s.deps.Sealer.Seal(ctx, plain, parcelContext(id))
	if err != nil {
		return nil, err
	}
	return oauth.StoreDelivery{Delivery: oauth.Delivery{
		ID: id, Kind: kind, ClientID: clientID, URL: url, Sealed: sealed, NextAt: s.now(), ExpiresAt: until,
	}}, nil
}

// Run sends what is due, every so often and when this process has queued something, until ctx ends. Any number of
// processes may run it on one database.
func (s *Service) Run(ctx context.Context, every time.Duration) {
	var sending sync.WaitGroup
	defer sending.Wait()
	ticker := time.NewTicker(every)
	defer ticker.Stop()
	for {
		if err := s.dispatch(ctx, &sending); err != nil && ctx.Err() == nil {
			s.deps.Log.Error("deliveries cannot be read", "cause", err)
		}
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
		case <-s.wake:
		}
	}
}

// Deliver sends what is due now, and returns when each was answered or put off.
func (s *Service) Deliver(ctx context.Context) error {
	var sending sync.WaitGroup
	defer sending.Wait()
	return s.dispatch(ctx, &sending)
}

// Wake makes Run look at once. It does not wait.
func (s *Service) Wake() {
	select {
	case s.wake <- struct{}{}:
	default: // a look is to come already
	}
}

// dispatch claims as many as there are places for and sends them beside each other, so that a client which does not
// answer holds up nobody else's.
func (s *Service) dispatch(ctx context.Context, sending *sync.WaitGroup) error {
	free := cap(s.slots) - len(s.slots)
	if free == 0 {
		return nil // whoever finishes wakes us
	}
	due, err := s.deps.Store.ClaimDeliveries(ctx, s.now(), lease, free)
	for _, d := range due {
		s.slots <- struct{}{}
		sending.Go(func() {
			full := len(s.slots) == cap(s.slots)
			s.attempt(ctx, d)
			<-s.slots
			if full {
				s.Wake()
			}
		})
	}
	return err
}

// attempt sends one delivery and records what came of it. Nothing is recorded when the process is told to stop:
// the lease ends by itself.
func (s *Service) attempt(ctx context.Context, d oauth.Delivery) {
	attempt, cancel := context.WithTimeout(ctx, lease/2)
	defer cancel()
	status, err := s.send(attempt, d)
	if ctx.Err() != nil {
		return
	}
	d.Attempts++
	log := s.deps.Log.With("delivery", d.ID, "kind", d.Kind, "client_id", d.ClientID, "attempts", d.Attempts, "status", status)
	next := s.now().Add(backoff(d.Attempts))
	var change oauth.Change = oauth.FinishDelivery{ID: d.ID}
	switch {
	case err == nil && status/100 == 2:
		log.InfoContext(ctx, "delivered")
	case !again(status, err):
		log.WarnContext(ctx, "delivery given up: it was refused", "cause", err)
	case !next.Before(d.ExpiresAt):
		log.WarnContext(ctx, "delivery given up: its time is over", "cause", err)
	default:
		log.WarnContext(ctx, "delivery put off", "cause", err)
		change = oauth.RetryDelivery{ID: d.ID, NextAt: next, Attempts: d.Attempts}
	}
	if err := s.deps.Store.Commit(ctx, change); err != nil && ctx.Err() == nil {
		log.ErrorContext(ctx, "a delivery's outcome was not kept: it will be sent again", "cause", err)
	}
}

// again says whether another attempt may end better. A redirect is not followed, and a client that says 401 or
// 403 is not asked twice (CIBA Core section 10.2).
func again(status int, err error) bool {
	if err != nil {
		return !errors.Is(err, fetch.ErrRefused) && !errors.Is(err, errUnknownKind)
	}
	return status/100 == 5
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

var errUnknownKind = errors.New("this process does not know how to send this kind")

func (s *Service) send(ctx context.Context, d oauth.Delivery) (status int, err error) {
	plain, err := s.deps.Sealer.Open(ctx, d.Sealed, parcelContext(d.ID))
	if err != nil {
		return 0, err
	}
	var p parcel
	if err := json.Unmarshal(plain, &p); err != nil {
		return 0, err
	}
	switch d.Kind {
	case kindPing, kindPush:
	case kindDevice:
		if p.Token, err = s.deps.Webhook.token(); err != nil {
			return 0, err
		}
	default:
		return 0, errUnknownKind
	}
	header := http.Header{"Content-Type": {"application/json"}, "Authorization": {"Bearer " + p.Token}}
	return s.deps.Post.Post(ctx, d.URL, header, p.Body)
}
