package jose_test

import (
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"errors"
	"math/big"
	"os"
	"strings"
	"testing"

	"github.com/lestrrat-go/jwx/v2/jwa"
	"github.com/lestrrat-go/jwx/v2/jwe"

	"signet/provider/jose"
)

// decryptionKey is rsaKey, to decrypt with.
func decryptionKey(t testing.TB) *jose.DecryptionKey {
	t.Helper()
	key, err := jose.NewDecryptionKey(jose.DecryptionAlg, "", rsaKey())
	if err != nil {
		t.Fatal(err)
	}
	return key
}

// decrypt does what a holder of the key does.
func decrypt(key *jose.DecryptionKey, compact string) ([]byte, error) {
	encrypted, err := jose.ReadEncrypted(compact)
	if err != nil {
		return nil, err
	}
	contentKey, err := key.DecryptKey(encrypted.Key)
	if err != nil {
		return nil, err
	}
	return encrypted.Open(contentKey)
}

// encrypted makes a JWE to the key, with A256GCM.
func encrypted(t testing.TB, key *jose.DecryptionKey) string {
	t.Helper()
	raw := marshal(t, jose.PublicKey{Kid: key.Kid(), Alg: key.Alg(), Public: key.Public()})
	return encryptTo(t, raw, jose.Encryption{Alg: key.Alg(), Enc: "A256GCM"})
}

func TestDecrypt(t *testing.T) {
	key := decryptionKey(t)
	raw := marshal(t, jose.PublicKey{Kid: key.Kid(), Alg: key.Alg(), Public: key.Public()})
	for _, enc := range jose.ContentEncryptions() {
		compact := encryptTo(t, raw, jose.Encryption{Alg: key.Alg(), Enc: enc})
		read, err := jose.ReadEncrypted(compact)
		if err != nil || read.Alg != "RSA-OAEP-256" || read.Enc != enc || read.Kid != key.Kid() || len(read.Key) != 256 {
			t.Errorf("%s: %+v, %v", enc, read, err)
		}
		if payload, err := decrypt(key, compact); err != nil || string(payload) != "hello" {
			t.Errorf("%s: %q, %v", enc, payload, err)
		}
	}
}

// TestDecryptForeign reads tokens that another library has made; testdata says which.
func TestDecryptForeign(t *testing.T) {
	raw, err := os.ReadFile("testdata/jwe.json")
	if err != nil {
		t.Fatal(err)
	}
	var made struct {
		Key     []byte            `json:"private_key"`
		Payload string            `json:"payload"`
		Tokens  map[string]string `json:"tokens"`
	}
	if err := json.Unmarshal(raw, &made); err != nil {
		t.Fatal(err)
	}
	private, err := x509.ParsePKCS8PrivateKey(made.Key)
	if err != nil {
		t.Fatal(err)
	}
	key, err := jose.NewDecryptionKey(jose.DecryptionAlg, "named", private)
	if err != nil {
		t.Fatal(err)
	}
	for _, enc := range jose.ContentEncryptions() {
		if payload, err := decrypt(key, made.Tokens[enc]); err != nil || string(payload) != made.Payload {
			t.Errorf("%s: %q, %v", enc, payload, err)
		}
	}
}

// TestReadEncryptedRefuses: nothing of this costs more than looking at it.
func TestReadEncryptedRefuses(t *testing.T) {
	key := decryptionKey(t)
	good := encrypted(t, key)
	parts := strings.Split(good, ".")
	withHeader := func(header string) string { return b64(header) + strings.TrimPrefix(good, parts[0]) }
	with := func(i int, text string) string {
		changed := strings.Split(good, ".")
		changed[i] = text
		return strings.Join(changed, ".")
	}
	more := func(members string) string {
		return withHeader(`{"alg":"RSA-OAEP-256","enc":"A256GCM"` + members + `}`)
	}
	alg := func(alg, members string) string {
		return withHeader(`{"alg":"` + alg + `","enc":"A256GCM"` + members + `}`)
	}
	bomb, err := jwe.Encrypt(make([]byte, 8<<20), jwe.WithKey(jwa.RSA_OAEP_256, key.Public()), jwe.WithCompress(jwa.Deflate))
	if err != nil {
		t.Fatal(err)
	}
	flattened := `{"protected":"` + parts[0] + `","encrypted_key":"` + parts[1] + `","iv":"` + parts[2] + `","ciphertext":"` + parts[3] + `","tag":"` + parts[4] + `"}`
	general := `{"protected":"` + parts[0] + `","recipients":[` + strings.Repeat(`{"encrypted_key":"`+parts[1]+`"},`, 20) + `{}],"iv":"` + parts[2] + `","ciphertext":"` + parts[3] + `","tag":"` + parts[4] + `"}`

	for name, c := range map[string]struct {
		token string
		want  error
	}{
		"empty":             {"", jose.ErrMalformed},
		"signed":            {sign(t, generate(t, "ES256"), "", `{}`), jose.ErrMalformed},
		"four parts":        {strings.Join(parts[:4], "."), jose.ErrMalformed},
		"six parts":         {good + ".", jose.ErrMalformed},
		"flattened JSON":    {flattened, jose.ErrMalformed},
		"many recipients":   {general, jose.ErrMalformed},
		"JSON, five parts":  {`{"a":"....` + parts[0] + `"}`, jose.ErrMalformed},
		"too long":          {with(3, strings.Repeat("A", jose.MaxEncryptedSize)), jose.ErrMalformed},
		"zip bomb":          {string(bomb), jose.ErrMalformed},
		"zip":               {more(`,"zip":"DEF"`), jose.ErrMalformed},
		"zip none":          {more(`,"zip":""`), jose.ErrMalformed},
		"crit":              {more(`,"crit":["exp"],"exp":1`), jose.ErrMalformed},
		"crit empty":        {more(`,"crit":[]`), jose.ErrMalformed},
		"b64":               {more(`,"b64":true`), jose.ErrMalformed},
		"kid number":        {more(`,"kid":1`), jose.ErrMalformed},
		"alg twice":         {more(`,"alg":"dir"`), jose.ErrMalformed},
		"alg twice, hidden": {more(`,"\u0061lg":"dir"`), jose.ErrMalformed},
		"alg missing":       {withHeader(`{"enc":"A256GCM"}`), jose.ErrAlgorithm},
		"enc missing":       {withHeader(`{"alg":"RSA-OAEP-256"}`), jose.ErrAlgorithm},
		"alg null":          {withHeader(`{"alg":null,"enc":"A256GCM"}`), jose.ErrMalformed},
		"header array":      {withHeader(`[]`), jose.ErrMalformed},
		"header no JSON":    {withHeader(`{`), jose.ErrMalformed},
		"dir":               {alg("dir", ""), jose.ErrAlgorithm},
		"PBES2":             {alg("PBES2-HS256+A128KW", `,"p2s":"AAAAAAAAAAA","p2c":1000`), jose.ErrAlgorithm},
		"PBES2, huge p2c":   {alg("PBES2-HS512+A256KW", `,"p2s":"AAAAAAAAAAA","p2c":2147483647`), jose.ErrAlgorithm},
		"AES key wrap":      {alg("A128KW", ""), jose.ErrAlgorithm},
		"AES-GCM key wrap":  {alg("A128GCMKW", `,"iv":"AA","tag":"AA"`), jose.ErrAlgorithm},
		"RSA1_5":            {alg("RSA1_5", ""), jose.ErrAlgorithm},
		"RSA-OAEP":          {alg("RSA-OAEP", ""), jose.ErrAlgorithm},
		"ECDH-ES":           {alg("ECDH-ES", `,"epk":{}`), jose.ErrAlgorithm},
		"none":              {alg("none", ""), jose.ErrAlgorithm},
		"another enc":       {withHeader(`{"alg":"RSA-OAEP-256","enc":"A192GCM"}`), jose.ErrAlgorithm},
		"padding":           {with(1, parts[1]+"="), jose.ErrMalformed},
		"line break":        {good + "\n", jose.ErrMalformed},
		"space":             {" " + good, jose.ErrMalformed},
		"short iv":          {with(2, b64("01234567890")), jose.ErrMalformed},
		"iv of CBC":         {with(2, b64("0123456789abcdef")), jose.ErrMalformed},
		"no iv":             {with(2, ""), jose.ErrMalformed},
		"short tag":         {with(4, b64("0123456789abcde")), jose.ErrMalformed},
		"no tag":            {with(4, ""), jose.ErrMalformed},
		"no ciphertext":     {with(3, ""), jose.ErrMalformed},
		"CBC, half a block": {withHeader(`{"alg":"RSA-OAEP-256","enc":"A128CBC-HS256"}`), jose.ErrMalformed},
	} {
		t.Run(name, func(t *testing.T) {
			got, err := jose.ReadEncrypted(c.token)
			expect(t, err, c.want)
			if err == nil {
				t.Errorf("read: %+v", got)
			}
		})
	}
}

// TestDecryptRefuses: whatever was changed or is another's, the answer says nothing more.
func TestDecryptRefuses(t *testing.T) {
	key := decryptionKey(t)
	for _, enc := range jose.ContentEncryptions() {
		raw := marshal(t, jose.PublicKey{Kid: key.Kid(), Alg: key.Alg(), Public: key.Public()})
		good := encryptTo(t, raw, jose.Encryption{Alg: key.Alg(), Enc: enc, Type: "JWT"})
		for i := 1; i < 5; i++ {
			parts := strings.Split(good, ".")
			part, err := base64.RawURLEncoding.DecodeString(parts[i])
			if err != nil {
				t.Fatal(err)
			}
			part[len(part)/2] ^= 1
			parts[i] = base64.RawURLEncoding.EncodeToString(part)
			payload, err := decrypt(key, strings.Join(parts, "."))
			if err != jose.ErrDecryption || payload != nil { //nolint:errorlint // exactly that and no cause
				t.Errorf("%s, part %d changed: %q, %v", enc, i, payload, err)
			}
		}
		header := b64(`{"alg":"RSA-OAEP-256","enc":"` + enc + `"}`)
		_, rest, _ := strings.Cut(good, ".")
		if payload, err := decrypt(key, header+"."+rest); !errors.Is(err, jose.ErrDecryption) || payload != nil {
			t.Errorf("%s, another header: %q, %v", enc, payload, err)
		}
		read, err := jose.ReadEncrypted(good)
		if err != nil {
			t.Fatal(err)
		}
		for _, size := range []int{0, 1, 16, 32, 64, 255} { // one of them has the right size
			if payload, err := read.Open(make([]byte, size)); !errors.Is(err, jose.ErrDecryption) || payload != nil {
				t.Errorf("%s, a key of %d zeros: %q, %v", enc, size, payload, err)
			}
		}
	}
	for _, size := range []int{0, 255, 257, 512} {
		if _, err := key.DecryptKey(make([]byte, size)); !errors.Is(err, jose.ErrDecryption) {
			t.Errorf("an encrypted key of %d bytes: %v", size, err)
		}
	}
}

// TestHeaderIsIgnored: what the header says of its own key, or for other algorithms, changes nothing.
func TestHeaderIsIgnored(t *testing.T) {
	key := decryptionKey(t)
	for _, members := range []map[string]any{
		{"jku": "https://evil.example/"}, {"x5u": "https://evil.example/"}, {"p2c": 2147483647, "p2s": "AAAA"}, {"iv": "AA", "tag": "AA"},
	} {
		headers := jwe.NewHeaders()
		for name, value := range members {
			if err := headers.Set(name, value); err != nil {
				t.Fatal(err)
			}
		}
		compact, err := jwe.Encrypt([]byte("hello"), jwe.WithKey(jwa.RSA_OAEP_256, key.Public()), jwe.WithProtectedHeaders(headers))
		if err != nil {
			t.Fatal(err)
		}
		if payload, err := decrypt(key, string(compact)); err != nil || string(payload) != "hello" {
			t.Errorf("%v: %q, %v", members, payload, err)
		}
	}
}

// TestLargestToken: the longest token that is read, encrypted to the longest key that is allowed, is read too.
func TestLargestToken(t *testing.T) {
	n := new(big.Int).Lsh(big.NewInt(1), jose.MaxRSABits)
	public := &rsa.PublicKey{N: n.Sub(n, big.NewInt(1)), E: 65537}
	set := keySet(t, jose.PublicKey{Kid: strings.Repeat("k", 43), Alg: jose.DecryptionAlg, Public: public})
	for _, enc := range jose.ContentEncryptions() {
		compact, err := set.Encrypt(make([]byte, jose.MaxTokenSize), jose.Encryption{Alg: jose.DecryptionAlg, Enc: enc, Type: "JWT", ContentType: "JWT"})
		if err != nil {
			t.Fatal(err)
		}
		if _, err := jose.ReadEncrypted(compact); err != nil {
			t.Errorf("%s: %d bytes: %v", enc, len(compact), err)
		}
	}
}

func TestNewDecryptionKey(t *testing.T) {
	made, err := jose.Generate(jose.DecryptionAlg, 2048, rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	key, err := jose.NewDecryptionKey(jose.DecryptionAlg, "", made)
	if err != nil {
		t.Fatal(err)
	}
	if thumbprint, err := jose.Thumbprint(made.Public()); err != nil || key.Kid() != thumbprint || key.Alg() != jose.DecryptionAlg {
		t.Errorf("kid %q, alg %q, %v", key.Kid(), key.Alg(), err)
	}
	weak, err := rsa.GenerateKey(rand.Reader, 1024) //nolint:gosec // weak on purpose
	if err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]struct {
		alg  string
		key  any
		want error
	}{
		"RSA-OAEP":       {"RSA-OAEP", rsaKey(), jose.ErrAlgorithm},
		"a signing alg":  {"PS256", rsaKey(), jose.ErrAlgorithm},
		"an EC key":      {jose.DecryptionAlg, newECOn(t, elliptic.P256()), jose.ErrAlgorithm},
		"a public key":   {jose.DecryptionAlg, rsaKey().Public(), jose.ErrAlgorithm},
		"nothing":        {jose.DecryptionAlg, nil, jose.ErrAlgorithm},
		"a weak RSA key": {jose.DecryptionAlg, weak, jose.ErrMalformed},
	} {
		if _, err := jose.NewDecryptionKey(c.alg, "", c.key); !errors.Is(err, c.want) {
			t.Errorf("%s: %v, want %v", name, err, c.want)
		}
	}
	if _, err := jose.NewPrivateKey(jose.DecryptionAlg, "", rsaKey()); !errors.Is(err, jose.ErrAlgorithm) {
		t.Errorf("to sign with: %v", err)
	}
	for _, alg := range []string{"RSA-OAEP", "ECDH-ES"} {
		_, err := jose.Generate(alg, 2048, rand.Reader)
		expect(t, err, jose.ErrAlgorithm)
	}
}

func FuzzDecrypt(f *testing.F) {
	key := decryptionKey(f)
	good := encrypted(f, key)
	_, rest, _ := strings.Cut(good, ".")
	for _, header := range []string{
		`{"alg":"RSA-OAEP-256","enc":"A256GCM"}`, `{"alg":"dir","enc":"A128CBC-HS256"}`, `{"alg":"RSA-OAEP-256","enc":"A256GCM","zip":"DEF"}`,
		`{"alg":"RSA-OAEP-256","enc":"A256GCM","epk":{"kty":"EC","crv":"P-256","x":"AA","y":"AA"}}`,
		`{"alg":"RSA-OAEP-256","enc":"A256GCM","jwk":{"kty":"OKP"},"x5c":["AA"],"x5t":1}`, `{"alg":"PBES2-HS256+A128KW","enc":"A256GCM","p2c":1e9}`,
	} {
		f.Add(b64(header) + "." + rest)
	}
	for _, seed := range []string{good, "", "....", "a.b.c.d.e", good + "=", `{"recipients":[]}`} {
		f.Add(seed)
	}
	contentKey := make([]byte, 32)
	f.Fuzz(func(t *testing.T, token string) {
		read, err := jose.ReadEncrypted(token)
		if err != nil {
			if !errors.Is(err, jose.ErrMalformed) && !errors.Is(err, jose.ErrAlgorithm) {
				t.Errorf("another error: %v", err)
			}
			return
		}
		if read.Alg != jose.DecryptionAlg || len(token) > jose.MaxEncryptedSize {
			t.Errorf("read: %+v", read)
		}
		// The content is looked at even if its key is not ours.
		if payload, err := read.Open(contentKey); !errors.Is(err, jose.ErrDecryption) {
			t.Errorf("a key of zeros opens %q: %q, %v", token, payload, err)
		}
		if payload, err := decrypt(key, token); (err == nil) != (token == good) || (payload != nil) != (err == nil) {
			t.Errorf("%q: %q, %v", token, payload, err)
		}
	})
}
