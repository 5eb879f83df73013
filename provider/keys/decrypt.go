package keys

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"signet/provider/jose"
)

// Decrypter decrypts what others have encrypted to the published keys.
type Decrypter interface {
	// Decrypt returns the content of a compact JWE (RFC 7516 section 7.1), about whose sender it says nothing. An error
	// that wraps jose.ErrMalformed, ErrAlgorithm, ErrUnknownKey or ErrDecryption is the sender's; every other one means
	// that decryption is out of order.
	Decrypt(ctx context.Context, compact string) (payload []byte, err error)
	// EncryptionAlgs returns the JWE algorithms ("alg") of the published keys; none = nobody is to encrypt to us.
	EncryptionAlgs() []string
}

var _ Decrypter = (*Ring)(nil)

// Decrypt implements [Decrypter] with the key that the token names, also one that is not published yet or no more,
// until it retires. A token that names none is taken only if there is one key alone that it can mean: trying several
// would let a sender make every request cost as many decryptions.
func (r *Ring) Decrypt(ctx context.Context, compact string) ([]byte, error) {
	encrypted, err := jose.ReadEncrypted(compact)
	if err != nil {
		return nil, fmt.Errorf("decrypting: %w", err)
	}
	key, err := r.now.Load().lines[encrypted.Alg].find(encrypted.Kid, r.opt.Clock(), r.opt.RetireAfter)
	if err != nil {
		return nil, fmt.Errorf("decrypting: %w", err)
	}
	contentKey, err := r.backend.DecryptKey(ctx, key.Kid, key.Alg, encrypted.Key)
	switch {
	case errors.Is(err, ErrSealed):
		return nil, fmt.Errorf("decrypting with key %s: %w", key.Kid, jose.ErrDecryption)
	case errors.Is(err, ErrNoKey): // destroyed since it was loaded
		return nil, fmt.Errorf("decrypting with key %s: %w: %w", key.Kid, jose.ErrUnknownKey, err)
	case err != nil:
		return nil, fmt.Errorf("decrypting with key %s: %w", key.Kid, err)
	}
	payload, err := encrypted.Open(contentKey)
	if err != nil {
		return nil, fmt.Errorf("decrypting with key %s: %w", key.Kid, err)
	}
	return payload, nil
}

// find returns the one key of the line that a token can mean which names kid, or none (""): then one that has been
// published.
func (l line) find(kid string, now time.Time, keep time.Duration) (Info, error) {
	var found []Info
	kept, _ := l.infos(now, keep, 0)
	for _, info := range kept {
		if info.Kid == kid || kid == "" && info.State != Next {
			found = append(found, info)
		}
	}
	switch {
	case len(found) == 1:
		return found[0], nil
	case kid != "":
		return Info{}, fmt.Errorf("%w: none has this kid", jose.ErrUnknownKey)
	default:
		return Info{}, fmt.Errorf("%w: no kid, and %d keys could be meant", jose.ErrUnknownKey, len(found))
	}
}

// EncryptionAlgs implements [Decrypter]: those of Options.Algs.
func (r *Ring) EncryptionAlgs() []string { return forUse(r.opt.Algs, jose.UseEncryption) }

// Algorithms returns the algorithms to sign with, the default first.
func (r *Ring) Algorithms() []string { return forUse(r.opt.Algs, jose.UseSignature) }

func forUse(algs []string, use string) []string {
	return slices.DeleteFunc(slices.Clone(algs), func(alg string) bool { return jose.Use(alg) != use })
}
