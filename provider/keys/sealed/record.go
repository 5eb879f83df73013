package sealed

import (
	"bytes"
	"crypto"
	"crypto/x509"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"signet/provider/jose"
	"signet/provider/keys"
	"signet/provider/oauth"
)

// DefaultRSABits is long enough beyond 2030 for BSI TR-02102-1 and NIST SP 800-57.
const DefaultRSABits = 3072

const recordFormat = "signet signing key 1"

// facts are the part of a record that anybody may read; they are authenticated with the secret.
type facts struct {
	Format      string    `json:"format"`
	Kid         string    `json:"kid"`
	Alg         string    `json:"alg"`
	CreatedAt   time.Time `json:"created_at"`
	ActivatesAt time.Time `json:"activates_at"`
}

// bytes is the facts' canonical form: the context under which the secret is sealed. It fails only for times that
// JSON cannot express.
func (f facts) bytes() ([]byte, error) { return json.Marshal(f) }

// Record is a signing key as it is kept, in JSON.
type Record struct {
	facts
	Private []byte `json:"private_key"` // PKCS #8, sealed
}

// Kid returns the kid that the record names; only Open shows that it is the key's.
func (r Record) Kid() string { return r.facts.Kid }

// Equal says that two records are the same in every part.
func (r Record) Equal(other Record) bool {
	a, errA := r.bytes()
	b, errB := other.bytes()
	return errA == nil && errB == nil && bytes.Equal(a, b) && bytes.Equal(r.Private, other.Private)
}

// Key is an opened signing key. It is immutable and safe for concurrent use.
type Key struct {
	keys.Key
	private *jose.PrivateKey
}

// Sign returns the signature as keys.Backend's Sign does.
func (k Key) Sign(alg string, input []byte) ([]byte, error) {
	if k.Alg != alg {
		return nil, fmt.Errorf("%w: the key is for another", jose.ErrAlgorithm)
	}
	return k.private.SignInput(input)
}

// Parse reads a record and checks its format, nothing else.
func Parse(raw []byte) (Record, error) {
	var r Record
	if err := json.Unmarshal(raw, &r); err != nil || r.Format != recordFormat {
		return Record{}, errors.New("not a signing key of this version") // the cause could quote what is inside
	}
	return r, nil
}

// Open opens the private key and checks that the facts are its own. Errors wrap keys.ErrSealed when the cipher
// does not open it.
func (r Record) Open(cipher Cipher) (Key, error) {
	der, err := r.unseal(cipher)
	if err != nil {
		return Key{}, err
	}
	defer clear(der)
	private, err := parsePrivate(der, r.Alg)
	if err != nil {
		return Key{}, err
	}
	if private.Kid() != r.facts.Kid {
		return Key{}, errors.New("the kid and the key do not belong together")
	}
	return r.key(private), nil
}

// Reseal returns the record with its private key opened by from and sealed by to.
func (r Record) Reseal(from, to Cipher) (Record, error) {
	der, err := r.unseal(from)
	if err != nil {
		return Record{}, err
	}
	defer clear(der)
	return r.seal(to, der)
}

func (r Record) unseal(cipher Cipher) ([]byte, error) {
	context, err := r.bytes()
	if err != nil {
		return nil, fmt.Errorf("encoding a key's facts: %w", err)
	}
	der, err := cipher.Open(r.Private, context)
	if err != nil {
		return nil, fmt.Errorf("damaged, changed, or sealed with another data key: %w", err)
	}
	return der, nil
}

func (r Record) seal(cipher Cipher, der []byte) (Record, error) {
	context, err := r.bytes()
	if err != nil {
		return Record{}, fmt.Errorf("encoding a key's facts: %w", err)
	}
	r.Private, err = cipher.Seal(der, context)
	return r, err
}

func (r Record) key(private *jose.PrivateKey) Key {
	return Key{
		Key:     keys.Key{Kid: r.facts.Kid, Alg: r.Alg, Public: private.Public(), CreatedAt: r.CreatedAt, ActivatesAt: r.ActivatesAt},
		private: private,
	}
}

func parsePrivate(der []byte, alg string) (*jose.PrivateKey, error) {
	parsed, err := x509.ParsePKCS8PrivateKey(der)
	if err != nil {
		return nil, errors.New("no private key inside") // the cause could quote the secret
	}
	signer, ok := parsed.(crypto.Signer)
	if !ok {
		return nil, fmt.Errorf("a key of type %T cannot sign", parsed)
	}
	return jose.NewPrivateKey(alg, "", signer)
}

// checkTimes refuses a spec whose times a record cannot express: years outside 1970 to 9999.
func checkTimes(spec keys.Spec) error {
	for _, t := range []time.Time{spec.CreatedAt, spec.ActivatesAt} {
		if year := t.UTC().Year(); year < 1970 || year > 9999 {
			return errors.New("making a key: time out of range")
		}
	}
	return nil
}

// Generate makes a key and its record; times are kept to the second. RSA takes some seconds.
func Generate(cipher Cipher, spec keys.Spec, rsaBits int, random oauth.Random) (Record, Key, error) {
	if err := checkTimes(spec); err != nil {
		return Record{}, Key{}, err
	}
	signer, err := jose.Generate(spec.Alg, rsaBits, random)
	if err != nil {
		return Record{}, Key{}, fmt.Errorf("generating a key: %w", err)
	}
	private, err := jose.NewPrivateKey(spec.Alg, "", signer)
	if err != nil {
		return Record{}, Key{}, fmt.Errorf("generating a key: %w", err)
	}
	der, err := x509.MarshalPKCS8PrivateKey(signer)
	if err != nil {
		return Record{}, Key{}, fmt.Errorf("encoding a key: %w", err)
	}
	defer clear(der)
	record := Record{facts: facts{
		Format: recordFormat, Kid: private.Kid(), Alg: spec.Alg,
		CreatedAt: spec.CreatedAt.UTC().Truncate(time.Second), ActivatesAt: spec.ActivatesAt.UTC().Truncate(time.Second),
	}}
	if record, err = record.seal(cipher, der); err != nil {
		return Record{}, Key{}, err
	}
	return record, record.key(private), nil
}
