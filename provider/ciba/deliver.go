package ciba

import (
	"context"
	"encoding/json"
	"time"

	"signet/provider/audit"
	"signet/provider/deliver"
	"signet/provider/oauth"
)

// The kinds of deliveries that this package sends.
const (
	kindPing   = "ciba-ping"   // CIBA Core section 10.2
	kindPush   = "ciba-push"   // CIBA Core section 10.3
	kindDevice = "ciba-device" // see Webhook
)

// leastPush is how long a push is tried at least: the user may have answered in the last moment.
const leastPush = 10 * time.Minute

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

// kinds is how the deliveries are sent.
func (s *Service) kinds() []deliver.Kind {
	return []deliver.Kind{
		{Name: kindPing, Send: s.send, End: s.delivered},
		{Name: kindPush, Send: s.send, End: s.delivered},
		{Name: kindDevice, Service: true, Send: s.send, End: s.delivered},
	}
}

// delivered: tokens that were given up have reached nobody who could use or revoke them, so they end.
func (s *Service) delivered(d oauth.Delivery, end deliver.End) ([]oauth.Change, error) {
	if end.Delivered || d.GrantID == "" {
		return nil, nil
	}
	entry, err := s.deps.Record.Change(audit.GrantRevoked, oauth.AuditEntry{
		ClientID: d.ClientID, GrantID: d.GrantID, Detail: map[string]any{"reason": "its tokens could not be delivered", "delivery": d.ID},
	})
	return []oauth.Change{oauth.RevokeGrant{GrantID: d.GrantID, At: s.now()}, entry}, err
}
