package ciba

import (
	"context"
	"encoding/json"
	"sync"
	"time"

	"signet/provider/oauth"
)

// The kinds of deliveries that this package sends.
const (
	kindPing   = "ciba-ping"   // CIBA Core section 10.2
	kindPush   = "ciba-push"   // CIBA Core section 10.3
	kindDevice = "ciba-device" // see Webhook
)

const (
	// maxHeld bounds the deliveries that one process has claimed, maxLane those of them that are for one client.
	maxHeld, maxLane = 512, 32
	// lease is how long a claim lasts: half of it to wait for a turn, half for the attempt. A delivery whose process
	// died is another's after it.
	lease = time.Minute
	// firstRetry doubles with each attempt, up to lastRetry.
	firstRetry, lastRetry = 2 * time.Second, time.Minute
	// leastPush is how long a push is tried at least: the user may have answered in the last moment.
	leastPush = 10 * time.Minute
)

// parcel is the secret part of a delivery, as it is sealed.
type parcel struct {
	Token string `json:"token,omitempty"` // the bearer token to send
	Body  []byte `json:"body"`
}

func parcelContext(id string) []byte { return []byte("delivery " + id) }

// delivery makes the change that queues a message. It completes d with an id, what p seals, and when it is due.
func (s *Service) delivery(ctx context.Context, d oauth.Delivery, p parcel) (oauth.Change, error) {
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
	d.ID, d.Sealed, d.NextAt = id, sealed, s.now()
	return oauth.StoreDelivery{Delivery: d}, nil
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

// dispatch claims all that is due, as far as there is room for it. Each delivery waits for its turn among those for
// the same client, so that one which does not answer holds up nobody else's; what finds no room there is put off.
func (s *Service) dispatch(ctx context.Context, sending *sync.WaitGroup) error {
	for {
		room := s.lanes.room()
		if room == 0 {
			return nil // whoever finishes wakes us
		}
		due, err := s.deps.Store.ClaimDeliveries(ctx, s.now(), lease, room)
		for _, d := range due {
			lane := laneOf(d)
			if !s.lanes.enter(lane) {
				s.postpone(ctx, d, "too many wait for this client")
				continue
			}
			sending.Go(func() {
				s.takeTurn(ctx, lane, d)
				if s.lanes.leave(lane) {
					s.Wake()
				}
			})
		}
		if err != nil || len(due) < room {
			return err
		}
	}
}

// takeTurn attempts the delivery when the lane lets it. Who waits for too long has lost the claim: it comes again.
func (s *Service) takeTurn(ctx context.Context, lane string, d oauth.Delivery) {
	waiting, cancel := context.WithTimeout(ctx, lease/2)
	defer cancel()
	done, ok := s.lanes.turn(waiting, lane)
	if !ok {
		return
	}
	defer done()
	s.attempt(ctx, d)
}

// laneOf names those who wait for each other: the deliveries for one client, or those for the device service.
func laneOf(d oauth.Delivery) string {
	if d.Kind == kindDevice {
		return deviceLane
	}
	return "client " + d.ClientID
}
