package sealed

import (
	"bytes"
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

// recordFormat is older than decryption keys, whose records are the same but for alg.
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

// Record is a key as it is kept, in JSON.
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
	private, err := x509.ParsePKCS8PrivateKey(der)
	if err != nil {
		return Key{}, errors.New("no private key inside") // the cause could quote the secret
	}
	key, err := prepare(r.Alg, private)
	if err != nil {
		return Key{}, err
	}
	if key.Kid != r.facts.Kid {
		return Key{}, errors.New("the kid and the key do not belong together")
	}
	key.CreatedAt, key.ActivatesAt = r.CreatedAt, r.ActivatesAt
	return key, nil
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
	private, err := jose.Generate(spec.Alg, rsaBits, random)
	if err != nil {
		return Record{}, Key{}, fmt.Errorf("generating a key: %w", err)
	}
	key, err := prepare(spec.Alg, private)
	if err != nil {
		return Record{}, Key{}, fmt.Errorf("generating a key: %w", err)
	}
	der, err := x509.MarshalPKCS8PrivateKey(private)
	if err != nil {
		return Record{}, Key{}, fmt.Errorf("encoding a key: %w", err)
	}
	defer clear(der)
	key.CreatedAt = spec.CreatedAt.UTC().Truncate(time.Second)
	key.ActivatesAt = spec.ActivatesAt.UTC().Truncate(time.Second)
	record := Record{facts: facts{
		Format: recordFormat, Kid: key.Kid, Alg: key.Alg, CreatedAt: key.CreatedAt, ActivatesAt: key.ActivatesAt,
	}}
	if record, err = record.seal(cipher, der); err != nil {
		return Record{}, Key{}, err
	}
	return record, key, nil
}
