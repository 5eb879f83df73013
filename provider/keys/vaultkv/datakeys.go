package vaultkv

import (
	"bytes"
	"context"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"time"

	"signet/provider/keys"
	"signet/provider/keys/sealed"
	"signet/provider/keys/vault"
	"signet/provider/oauth"
)

const (
	dataKeysFormat = "signet data keys 1"
	idSize         = 8
	// sealVersion is the first byte of what a ciphers seals; the data key's id and what its box sealed follow.
	sealVersion = 2
)

// errUnknownDataKey comes with keys.ErrSealed: the data may be damaged, or the data key newer than those known.
var errUnknownDataKey = errors.New("sealed with a data key that is not known")

// dataKey is one data key as Vault has it.
type dataKey struct {
	ID        string    `json:"id"` // idSize random bytes, in hexadecimal
	CreatedAt time.Time `json:"created_at"`
	Key       []byte    `json:"key"`
}

// dataKeysDocument is the content of PREFIX/data-keys.
type dataKeysDocument struct {
	Format string    `json:"format"`
	Keys   []dataKey `json:"keys"` // the newest last
}

// dataKeys are the data keys in memory: independent keys derived for the signing keys and for others' data.
type dataKeys struct {
	signing, stored *ciphers
	version         int // of the secret
}

// ciphers seals with the newest data key and opens with any. It implements sealed.Cipher.
type ciphers struct {
	newest [idSize]byte
	boxes  map[[idSize]byte]*sealed.Box
}

// Seal implements sealed.Cipher.
func (c *ciphers) Seal(plaintext, context []byte) ([]byte, error) {
	inner, err := c.boxes[c.newest].Seal(plaintext, context)
	if err != nil {
		return nil, err
	}
	return append(append([]byte{sealVersion}, c.newest[:]...), inner...), nil
}

// Open implements sealed.Cipher.
func (c *ciphers) Open(ciphertext, context []byte) ([]byte, error) {
	id, ok := sealedWith(ciphertext)
	if !ok {
		return nil, keys.ErrSealed
	}
	box := c.boxes[id]
	if box == nil {
		return nil, fmt.Errorf("%w: %w: %x", keys.ErrSealed, errUnknownDataKey, id)
	}
	return box.Open(ciphertext[1+idSize:], context)
}

// sealedWith reads which data key sealed something.
func sealedWith(ciphertext []byte) (id [idSize]byte, ok bool) {
	if len(ciphertext) < 1+idSize || ciphertext[0] != sealVersion {
		return id, false
	}
	return [idSize]byte(ciphertext[1:]), true
}

// parseDataKeys reads the content of PREFIX/data-keys. Errors wrap ErrDamaged and quote nothing of it.
func parseDataKeys(data map[string]any) (dataKeysDocument, error) {
	var document dataKeysDocument
	if err := decode(data, &document); err != nil || document.Format != dataKeysFormat || len(document.Keys) == 0 {
		return document, fmt.Errorf("%w: no data keys of this version", ErrDamaged)
	}
	seen := make(map[string]bool)
	for i, k := range document.Keys {
		id, err := hex.DecodeString(k.ID)
		if err != nil || len(id) != idSize || seen[hex.EncodeToString(id)] || len(k.Key) != sealed.KeySize || k.CreatedAt.IsZero() {
			return document, fmt.Errorf("%w: data key %d", ErrDamaged, i+1)
		}
		seen[hex.EncodeToString(id)] = true
	}
	return document, nil
}

// decode turns what the client read into a document, which must have no other members.
func decode(data map[string]any, document any) error {
	raw, err := json.Marshal(data)
	if err != nil {
		return err
	}
	decoder := json.NewDecoder(bytes.NewReader(raw))
	decoder.DisallowUnknownFields()
	return decoder.Decode(document)
}

// newDataKeys prepares the ciphers of a document that parseDataKeys let pass.
func newDataKeys(document dataKeysDocument, random oauth.Random) (*dataKeys, error) {
	d := &dataKeys{}
	for purpose, c := range map[string]**ciphers{"signet signing keys": &d.signing, "signet sealed data": &d.stored} {
		*c = &ciphers{boxes: make(map[[idSize]byte]*sealed.Box)}
		for _, k := range document.Keys {
			box, err := sealed.Derive(k.Key, purpose, random)
			if err != nil {
				return nil, err
			}
			_, _ = hex.Decode((*c).newest[:], []byte(k.ID)) // parseDataKeys has done it before
			(*c).boxes[(*c).newest] = box
		}
	}
	return d, nil
}

// readDataKeys reads the data keys; found is false where there are none.
func (b *Backend) readDataKeys(ctx context.Context) (document dataKeysDocument, version int, found bool, err error) {
	data, version, err := b.vault.ReadKV(ctx, b.opt.Mount, b.dataKeysPath())
	if err != nil {
		return document, 0, false, fmt.Errorf("reading the data keys in Vault: %w", err)
	}
	if data == nil && version == 0 {
		return document, 0, false, nil
	}
	if data == nil {
		return document, 0, false, b.deleted(b.dataKeysPath())
	}
	if document, err = parseDataKeys(data); err != nil {
		return document, 0, false, fmt.Errorf("%s/%s: %w", b.opt.Mount, b.dataKeysPath(), err)
	}
	return document, version, true, nil
}

// deleted is the error for a secret that was there: what is not restored would be lost by writing anew.
func (b *Backend) deleted(path string) error {
	return fmt.Errorf("%s/%s: %w: it has been deleted in Vault; undelete it, or remove its metadata too", b.opt.Mount, path, ErrDamaged)
}

// loadDataKeys reads the data keys that have to be there and prepares their ciphers.
func (b *Backend) loadDataKeys(ctx context.Context) (*dataKeys, error) {
	document, version, found, err := b.readDataKeys(ctx)
	if err != nil {
		return nil, err
	}
	if !found {
		return nil, b.deleted(b.dataKeysPath())
	}
	loaded, err := newDataKeys(document, b.opt.Random)
	if err != nil {
		return nil, err
	}
	loaded.version = version
	return loaded, nil
}

// unknown remembers a data key that was looked for in vain, so that damaged data does not cost a call each time.
type unknown struct {
	id [idSize]byte
	at time.Time
}

// lookFor loads the keys again for something that was sealed with one that is not known.
func (b *Backend) lookFor(ctx context.Context, ciphertext []byte) error {
	id, _ := sealedWith(ciphertext)
	b.turn.Lock()
	defer b.turn.Unlock()
	now := b.opt.Clock()
	if b.data.Load().stored.boxes[id] != nil || b.unknown.id == id && within(now, b.unknown.at, Fresh) {
		return nil
	}
	if _, err := b.load(ctx); err != nil {
		return err
	}
	if b.data.Load().stored.boxes[id] == nil {
		b.unknown = unknown{id, now}
	}
	return nil
}

// ensureDataKey makes the first data key of an empty prefix. The caller holds turn.
func (b *Backend) ensureDataKey(ctx context.Context) error {
	_, _, found, err := b.readDataKeys(ctx)
	if err != nil || found {
		return err
	}
	_, version, err := b.readKeys(ctx)
	if err != nil {
		return err
	}
	if _, _, found, err = b.readDataKeys(ctx); err != nil || found {
		return err // another process made it while we looked for signing keys
	}
	if version > 0 { // a new data key would open none of them
		return fmt.Errorf("%s/%s: %w: there are signing keys, but no data keys", b.opt.Mount, b.dataKeysPath(), ErrDamaged)
	}
	err = b.addDataKey(ctx, dataKeysDocument{Format: dataKeysFormat}, 0)
	switch {
	case errors.Is(err, keys.ErrConflict):
		return nil // another process was first: its data key counts
	case errors.Is(err, vault.ErrDenied):
		return fmt.Errorf("%w: there is no data key yet: %w", keys.ErrNoKey, err)
	}
	return err
}

// addDataKey makes a data key and writes it after the document's. It fails with keys.ErrConflict if the secret is
// not at this version any more.
func (b *Backend) addDataKey(ctx context.Context, document dataKeysDocument, version int) error {
	fresh := make([]byte, idSize+sealed.KeySize)
	if _, err := io.ReadFull(b.opt.Random, fresh); err != nil {
		return fmt.Errorf("reading randomness: %w", err)
	}
	made := dataKey{ID: hex.EncodeToString(fresh[:idSize]), CreatedAt: b.opt.Clock().UTC().Truncate(time.Second), Key: fresh[idSize:]}
	data := map[string]any{"format": dataKeysFormat, "keys": append(document.Keys[:len(document.Keys):len(document.Keys)], made)}
	_, err := b.vault.WriteKV(ctx, b.opt.Mount, b.dataKeysPath(), data, version)
	switch {
	case errors.Is(err, vault.ErrCAS):
		return b.lostRace(ctx, made.ID)
	case err != nil:
		return refused("making a data key", err)
	}
	b.opt.Log.Info("made a data key", "id", made.ID)
	return nil
}

// lostRace tells whether a data key was written although the write was refused: the client may have sent it twice.
func (b *Backend) lostRace(ctx context.Context, id string) error {
	document, _, found, err := b.readDataKeys(ctx)
	if err != nil {
		return err
	}
	for _, k := range document.Keys {
		if k.ID == id {
			return nil
		}
	}
	if !found {
		return b.deleted(b.dataKeysPath())
	}
	return fmt.Errorf("making a data key: %w", keys.ErrConflict)
}
