package vaultkv

import (
	"encoding/json"
	"fmt"
	"slices"

	"signet/provider/keys"
	"signet/provider/keys/sealed"
)

const recordsFormat = "signet signing keys 1"

// recordsDocument is the content of PREFIX/keys.
type recordsDocument struct {
	Format string            `json:"format"`
	Keys   []json.RawMessage `json:"keys"`
}

// set is the signing keys at one version of the secret; it is replaced, never changed.
type set struct {
	version  int  // 0: the secret has never been there
	deleted  bool // the version has no content any more
	dataKeys int  // version of the data keys that opened it
	byKid    map[string]entry
}

type entry struct {
	record sealed.Record
	key    sealed.Key
}

func (s *set) list() []keys.Key {
	all := make([]keys.Key, 0, len(s.byKid))
	for _, e := range s.byKid {
		all = append(all, e.key.Key)
	}
	return all
}

// content is what is written for the set, with the keys in a fixed order.
func (s *set) content() map[string]any {
	records := make([]sealed.Record, 0, len(s.byKid))
	for _, kid := range sortedKids(s.byKid) {
		records = append(records, s.byKid[kid].record)
	}
	return map[string]any{"format": recordsFormat, "keys": records}
}

func sortedKids(byKid map[string]entry) []string {
	kids := make([]string, 0, len(byKid))
	for kid := range byKid {
		kids = append(kids, kid)
	}
	slices.Sort(kids)
	return kids
}

// parseRecords reads the content of PREFIX/keys; a secret that is not there has none. Errors wrap ErrDamaged.
func parseRecords(data map[string]any) ([]sealed.Record, error) {
	if data == nil {
		return nil, nil
	}
	var document recordsDocument
	if err := decode(data, &document); err != nil || document.Format != recordsFormat {
		return nil, fmt.Errorf("%w: no signing keys of this version", ErrDamaged)
	}
	records := make([]sealed.Record, 0, len(document.Keys))
	seen := make(map[string]bool)
	for i, raw := range document.Keys {
		record, err := sealed.Parse(raw)
		if err != nil {
			return nil, fmt.Errorf("%w: key %d: %w", ErrDamaged, i+1, err)
		}
		if record.Kid() == "" || seen[record.Kid()] {
			return nil, fmt.Errorf("%w: key %d: its kid is missing or is there twice", ErrDamaged, i+1)
		}
		seen[record.Kid()] = true
		records = append(records, record)
	}
	return records, nil
}

// openRecords opens the records, except those that are in known as they are. It fails as a whole.
func openRecords(records []sealed.Record, cipher sealed.Cipher, known *set) (*set, error) {
	s := &set{byKid: make(map[string]entry, len(records))}
	for _, record := range records {
		if known != nil {
			if e, ok := known.byKid[record.Kid()]; ok && e.record.Equal(record) {
				s.byKid[record.Kid()] = e
				continue
			}
		}
		key, err := record.Open(cipher)
		if err != nil {
			return nil, fmt.Errorf("%w: key %q: %w", ErrDamaged, record.Kid(), err)
		}
		s.byKid[record.Kid()] = entry{record, key}
	}
	return s, nil
}
