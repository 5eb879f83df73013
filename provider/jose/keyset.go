package jose

import (
	"crypto"
	"fmt"
	"slices"
)

// KeySet is a set of public keys that can check signatures or be encrypted to. It is immutable and safe for
// concurrent use.
type KeySet struct {
	keys        []publicKey
	byKid       map[string][]int // positions in keys
	thumbprints map[string]bool
}

// publicKey is a key in the form that jwx's verifiers take without converting it.
type publicKey struct {
	kid  string
	algs []string // to verify with; empty: the key is in the set for its certificate or for encryption
	key  crypto.PublicKey

	encrypts  []string // to encrypt with; empty: the key is not for that
	dedicated bool     // it says that it is for encryption
}

// Has says whether a key of the set has this kid.
func (s *KeySet) Has(kid string) bool { return len(s.byKid[kid]) > 0 }

// Verifies says whether a key of the set can check a signature made with one of the algorithms.
func (s *KeySet) Verifies(algs []string) bool {
	return s != nil && slices.ContainsFunc(s.keys, func(k publicKey) bool {
		return slices.ContainsFunc(k.algs, func(alg string) bool { return slices.Contains(algs, alg) })
	})
}

// HasThumbprint says whether a leaf certificate of the set has this x5t#S256.
func (s *KeySet) HasThumbprint(x5t string) bool { return s.thumbprints[x5t] }

// choose finds the one key that can have made a signature with this header. Trying several would let a
// sender make every request cost as many signature checks as the set has keys.
func (s *KeySet) choose(kid, alg string) (crypto.PublicKey, error) {
	if s == nil {
		return nil, fmt.Errorf("%w: no keys", ErrUnknownKey)
	}
	var found crypto.PublicKey
	fit := func(i int) {
		if slices.Contains(s.keys[i].algs, alg) {
			found = s.keys[i].key
		}
	}
	if kid != "" {
		positions := s.byKid[kid]
		if len(positions) == 0 {
			return nil, fmt.Errorf("%w: no key has this kid", ErrUnknownKey)
		}
		for _, i := range positions {
			fit(i)
		}
		if found == nil {
			return nil, fmt.Errorf("%w: not for the key with this kid", ErrAlgorithm)
		}
		return found, nil
	}
	count := 0
	for i := range s.keys {
		if slices.Contains(s.keys[i].algs, alg) {
			fit(i)
			count++
		}
	}
	if count != 1 {
		return nil, fmt.Errorf("%w: no kid, and %d keys fit", ErrUnknownKey, count)
	}
	return found, nil
}
