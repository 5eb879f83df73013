package store

import (
	"context"
	"database/sql/driver"
	"time"

	"signet/provider/oauth"
)

const (
	insertAudit = `INSERT INTO audit (at, id, event, client_id, request_id, data) VALUES (?, ?, ?, ?, ?, ?)`
	// One text for any filter: a parameter of length 0 matches all.
	selectAudit = `SELECT data FROM audit WHERE at >= ? AND (? = 0 OR event = ?) AND (? = 0 OR client_id = ?)
		AND (? = 0 OR request_id = ?) ORDER BY at DESC, id DESC LIMIT ?`
)

// AuditFilter selects audit entries; a zero field selects all. Only Since is indexed: the other fields
// read every entry after it.
type AuditFilter struct {
	ClientID  string
	Event     string
	RequestID string
	Since     time.Time
	Limit     int // at most so many, the newest; 0 means 1000
}

// AuditEntries returns the entries that match, newest first.
func (s *Store) AuditEntries(ctx context.Context, f AuditFilter) (entries []oauth.AuditEntry, err error) {
	args := values(micros(f.Since), length(f.Event), f.Event, length(f.ClientID), f.ClientID,
		length(f.RequestID), f.RequestID, limit(f.Limit))
	err = s.readers.scan(ctx, selectAudit, args, func(row []driver.Value) error {
		var entry oauth.AuditEntry
		if err := decode(row[0], &entry); err != nil {
			return err
		}
		entries = append(entries, entry)
		return nil
	})
	return entries, err
}

func length(s string) int64 { return int64(len(s)) }

// recordAudit ignores an entry that is there: one delivered twice has the same id and the same time.
func (p *plan) recordAudit(c oauth.RecordAudit) error {
	data, err := encode(c.Entry)
	if err != nil {
		return err
	}
	e := c.Entry
	p.do(c, knownKey, insertAudit, micros(e.At), e.ID, e.Event, e.ClientID, e.RequestID, data)
	return nil
}
