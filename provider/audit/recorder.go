package audit

import (
	"time"

	"signet/provider/oauth"
)

// Recorder makes audit entries: it gives each its id and its time.
type Recorder struct {
	clock  oauth.Clock
	random oauth.Random
}

// NewRecorder makes a Recorder that reads the time from clock and ids from random.
func NewRecorder(clock oauth.Clock, random oauth.Random) *Recorder {
	return &Recorder{clock: clock, random: random}
}

// Entry completes about with the event, a new id and the present time in UTC. No field of it may be a
// secret: entries are kept for years. It fails only when randomness cannot be read.
func (r *Recorder) Entry(event Event, about oauth.AuditEntry) (oauth.AuditEntry, error) {
	id, err := oauth.NewID(r.random)
	if err != nil {
		return oauth.AuditEntry{}, err
	}
	about.ID = id
	about.Event = string(event)
	// Whole microseconds survive every database; finer times would differ after a round trip.
	about.At = r.clock().UTC().Truncate(time.Microsecond)
	return about, nil
}

// Change is [Recorder.Entry] as the state change that a request commits together with its others.
func (r *Recorder) Change(event Event, about oauth.AuditEntry) (oauth.RecordAudit, error) {
	entry, err := r.Entry(event, about)
	return oauth.RecordAudit{Entry: entry}, err
}
