package transit

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"time"

	"signet/provider/jose"
	"signet/provider/keys"
)

// recordFormat names the record's form, so that a later one is not misread.
const recordFormat = "signet transit keys 1"

// record is what the KV store knows: the versions in use, by algorithm.
type record struct {
	Format string          `json:"format"`
	Lines  map[string]line `json:"lines"`

	version int // of the KV entry: what a write is conditional on; 0 = there is none yet
}

// line is one algorithm's.
type line struct {
	// Last is the highest version that was ever recorded. Only higher ones may be added: what was deleted, or
	// lost a race and was passed over, never comes back.
	Last int     `json:"last"`
	Keys []entry `json:"keys"`
}

type entry struct {
	Version     int       `json:"version"`
	Kid         string    `json:"kid"`
	CreatedAt   time.Time `json:"created_at"`
	ActivatesAt time.Time `json:"activates_at"`
}

// floor is the lowest version that the line has or can still get. It never falls, so Vault may destroy what is
// below even by an old record.
func (l line) floor() int {
	if len(l.Keys) == 0 {
		return l.Last + 1
	}
	return slices.MinFunc(l.Keys, func(a, b entry) int { return a.Version - b.Version }).Version
}

// newest returns the kid of the line's newest key, "" when it has none.
func (l line) newest() string {
	list := make([]keys.Key, 0, len(l.Keys))
	for _, e := range l.Keys {
		list = append(list, keys.Key{Kid: e.Kid, CreatedAt: e.CreatedAt, ActivatesAt: e.ActivatesAt})
	}
	newest, _ := keys.Newest(list, "")
	return newest.Kid
}

// add puts an entry at the end.
func (l line) add(e entry) line {
	return line{Last: e.Version, Keys: append(slices.Clone(l.Keys), e)}
}

// without removes an entry; ok says that it was there.
func (l line) without(kid string) (rest line, ok bool) {
	kept := slices.DeleteFunc(slices.Clone(l.Keys), func(e entry) bool { return e.Kid == kid })
	return line{Last: l.Last, Keys: kept}, len(kept) < len(l.Keys)
}

// check says what is wrong with a record that was read.
func (r *record) check() error {
	if r.Format != recordFormat {
		return fmt.Errorf("its format is %q, this program knows %q", r.Format, recordFormat)
	}
	for alg, l := range r.Lines {
		if kinds[alg] == nil {
			return fmt.Errorf("%w: %q has no transit key", jose.ErrAlgorithm, alg)
		}
		seen := make(map[int]bool)
		for _, e := range l.Keys {
			if e.Version < 1 || e.Version > l.Last || seen[e.Version] || e.Kid == "" || e.CreatedAt.IsZero() || e.ActivatesAt.IsZero() {
				return fmt.Errorf("%s version %d is not as it was written", alg, e.Version)
			}
			seen[e.Version] = true
		}
	}
	return nil
}

// readRecord reads the record; one that never was is empty.
func (b *Backend) readRecord(ctx context.Context) (*record, error) {
	data, version, err := b.vault.ReadKV(ctx, b.opt.KVMount, b.recordPath())
	if err != nil {
		return nil, fmt.Errorf("reading the record of the transit keys: %w", err)
	}
	r := &record{Format: recordFormat, Lines: map[string]line{}, version: version}
	switch {
	case version == 0:
		return r, nil
	case data == nil:
		return nil, fmt.Errorf("the record of the transit keys, %s/%s, was deleted: undelete it in Vault", b.opt.KVMount, b.recordPath())
	}
	content, err := json.Marshal(data)
	if err != nil {
		return nil, fmt.Errorf("the record of the transit keys: %w", err)
	}
	decoder := json.NewDecoder(bytes.NewReader(content))
	decoder.DisallowUnknownFields()
	r.Format = ""
	if err := decoder.Decode(r); err != nil {
		return nil, fmt.Errorf("the record of the transit keys: %w", err)
	}
	if err := r.check(); err != nil {
		return nil, fmt.Errorf("the record of the transit keys: %w", err)
	}
	if r.Lines == nil {
		r.Lines = map[string]line{}
	}
	return r, nil
}

// writeRecord replaces one line, unless the record has changed since r was read (vault.ErrCAS).
func (b *Backend) writeRecord(ctx context.Context, r *record, alg string, l line) error {
	lines := make(map[string]any, len(r.Lines)+1)
	for name, old := range r.Lines {
		lines[name] = old
	}
	lines[alg] = l
	data := map[string]any{"format": recordFormat, "lines": lines}
	_, err := b.vault.WriteKV(ctx, b.opt.KVMount, b.recordPath(), data, r.version)
	if err != nil {
		return fmt.Errorf("writing the record of the transit keys: %w", err)
	}
	return nil
}

func (b *Backend) recordPath() string { return b.opt.Prefix + "/transit" }
