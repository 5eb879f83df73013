package vaultkv

import (
	"crypto/rand"
	"encoding/json"
	"errors"
	"testing"
	"time"

	"signet/provider/keys"
	"signet/provider/keys/sealed"
)

type record = sealed.Record

// TestDamaged: what is not as it was written is refused as a whole, at the start and later; the keys in memory go on
// within the grace alone.
func TestDamaged(t *testing.T) {
	first := func(data map[string]any) map[string]any { return data["keys"].([]any)[0].(map[string]any) }
	for name, c := range map[string]struct {
		path  string
		spoil func(data map[string]any)
	}{
		"no format":         {"signet/keys", func(d map[string]any) { delete(d, "format") }},
		"another format":    {"signet/keys", func(d map[string]any) { d["format"] = "signet signing keys 9" }},
		"more than written": {"signet/keys", func(d map[string]any) { d["more"] = 1 }},
		"keys are no list":  {"signet/keys", func(d map[string]any) { d["keys"] = "none" }},
		"a key is no key":   {"signet/keys", func(d map[string]any) { d["keys"] = append(d["keys"].([]any), 7) }},
		"a key twice":       {"signet/keys", func(d map[string]any) { d["keys"] = append(d["keys"].([]any), first(d)) }},
		"key format":        {"signet/keys", func(d map[string]any) { first(d)["format"] = "1" }},
		"kid":               {"signet/keys", func(d map[string]any) { first(d)["kid"] = "another" }},
		"no kid":            {"signet/keys", func(d map[string]any) { delete(first(d), "kid") }},
		"alg":               {"signet/keys", func(d map[string]any) { first(d)["alg"] = "EdDSA" }},
		"time":              {"signet/keys", func(d map[string]any) { first(d)["activates_at"] = "2020-01-01T00:00:00Z" }},
		"private key":       {"signet/keys", func(d map[string]any) { first(d)["private_key"] = "AgEC" }},
		"no private key":    {"signet/keys", func(d map[string]any) { delete(first(d), "private_key") }},
		"data key format":   {"signet/data-keys", func(d map[string]any) { d["format"] = "" }},
		"no data keys":      {"signet/data-keys", func(d map[string]any) { d["keys"] = []any{} }},
		"data key gone":     {"signet/data-keys", func(d map[string]any) { clear(d) }},
		"data key id":       {"signet/data-keys", func(d map[string]any) { first(d)["id"] = "0011223344556677" }},
		"data key id form":  {"signet/data-keys", func(d map[string]any) { first(d)["id"] = "1" }},
		"short data key":    {"signet/data-keys", func(d map[string]any) { first(d)["key"] = "AAAA" }},
		"another data key": {"signet/data-keys", func(d map[string]any) {
			first(d)["key"] = "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA="
		}},
		"data key twice": {"signet/data-keys", func(d map[string]any) { d["keys"] = append(d["keys"].([]any), first(d)) }},
	} {
		t.Run(name, func(t *testing.T) {
			b, f, clock, key := made(t, time.Minute)
			sealed, err := b.Seal(t.Context(), []byte("secret"), nil)
			if err != nil {
				t.Fatal(err)
			}
			f.secrets[c.path] = append(f.secrets[c.path], spoiled(t, f.secrets[c.path], c.spoil))
			if _, err := open(t.Context(), testOptions(clock), f); !errors.Is(err, ErrDamaged) {
				t.Errorf("at the start: %v", err)
			}
			if _, err := b.Keys(t.Context()); !errors.Is(err, ErrDamaged) {
				t.Errorf("later: %v", err)
			}
			if _, err := b.Open(t.Context(), sealed, nil); err != nil || !signs(t, b, key.Kid) {
				t.Errorf("the loaded keys are of no use in the grace: %v", err)
			}
			clock.advance(Fresh + time.Minute)
			if signs(t, b, key.Kid) {
				t.Error("the loaded key signs after the grace")
			}
		})
	}
}

// spoiled returns a deep copy of the newest version, spoiled.
func spoiled(t *testing.T, versions []map[string]any, spoil func(map[string]any)) map[string]any {
	t.Helper()
	raw, err := json.Marshal(versions[len(versions)-1])
	if err != nil {
		t.Fatal(err)
	}
	var plain map[string]any
	if err := json.Unmarshal(raw, &plain); err != nil {
		t.Fatal(err)
	}
	spoil(plain)
	return plain
}

// TestLostDataKeys: signing keys without data keys are not papered over with a new data key.
func TestLostDataKeys(t *testing.T) {
	b, f, c, key := made(t, 0)
	delete(f.secrets, "signet/data-keys")
	if _, err := open(t.Context(), testOptions(c), f); !errors.Is(err, ErrDamaged) {
		t.Errorf("at the start: %v", err)
	}
	if _, err := b.Keys(t.Context()); !errors.Is(err, ErrDamaged) {
		t.Errorf("later: %v", err)
	}
	if err := b.RotateDataKey(t.Context()); !errors.Is(err, ErrDamaged) {
		t.Errorf("rotating: %v", err)
	}
	if len(f.secrets["signet/data-keys"]) != 0 || signs(t, b, key.Kid) {
		t.Error("made a data key, or still signs")
	}
}

// TestLostKeys: deleting the secret in Vault takes the keys out of use.
func TestLostKeys(t *testing.T) {
	b, f, c, key := made(t, 0)
	f.secrets["signet/keys"] = append(f.secrets["signet/keys"], nil)
	if list, err := b.Keys(t.Context()); err != nil || len(list) != 0 {
		t.Fatalf("%v, %v", list, err)
	}
	if _, err := b.Sign(t.Context(), key.Kid, "ES256", nil); !errors.Is(err, keys.ErrNoKey) {
		t.Errorf("signing: %v", err)
	}
	again := opened(t, testOptions(c), f) // undeleting it must remain possible
	if _, err := again.Create(t.Context(), keys.Spec{Alg: "ES256", CreatedAt: start, ActivatesAt: start}); !errors.Is(err, ErrDamaged) {
		t.Errorf("making a key: %v", err)
	}
	f.secrets["signet/keys"] = f.secrets["signet/keys"][:1]
	if list, err := b.Keys(t.Context()); err != nil || len(list) != 1 || !signs(t, b, key.Kid) {
		t.Errorf("after undeleting: %v, %v", list, err)
	}
	f.secrets["signet/data-keys"] = append(f.secrets["signet/data-keys"], nil)
	if _, err := open(t.Context(), testOptions(c), f); !errors.Is(err, ErrDamaged) {
		t.Errorf("deleted data keys: %v", err)
	}
}

func TestOptions(t *testing.T) {
	for name, spoil := range map[string]func(*Options){
		"no clock": func(o *Options) { o.Clock = nil }, "no random": func(o *Options) { o.Random = nil }, "no log": func(o *Options) { o.Log = nil },
		"no mount": func(o *Options) { o.Mount = "" }, "no prefix": func(o *Options) { o.Prefix = "" }, "prefix": func(o *Options) { o.Prefix = "a b" },
		"negative grace": func(o *Options) { o.Grace = -1 }, "long grace": func(o *Options) { o.Grace = MaxGrace + 1 },
		"short RSA": func(o *Options) { o.RSABits = 1024 },
	} {
		opt := testOptions(&clock{})
		spoil(&opt)
		if _, err := open(t.Context(), opt, newFake()); err == nil {
			t.Errorf("%s: accepted", name)
		}
	}
	if _, err := Open(t.Context(), testOptions(&clock{})); err == nil {
		t.Error("no client: accepted")
	}
}

// FuzzDocuments: no content of Vault upsets the parsers, and what they accept they write as they read it.
func FuzzDocuments(f *testing.F) {
	f.Add([]byte(`{"format":"signet signing keys 1","keys":[{"format":"signet signing key 1","kid":"k","alg":"ES256",` +
		`"created_at":"2026-01-01T12:00:00Z","activates_at":"2026-01-01T12:00:00Z","private_key":"AgABAgMEBQYHAQ=="}]}`))
	f.Add([]byte(`{"format":"signet signing keys 1","keys":null}`))
	f.Add([]byte(`{"format":"signet data keys 1","keys":[{"id":"0001020304050607","created_at":"2026-01-01T12:00:00Z",` +
		`"key":"AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA="}]}`))
	f.Add([]byte(`{"versions":{"1":{"destroyed":false},"x":{}}}`))
	f.Fuzz(func(t *testing.T, raw []byte) {
		var data map[string]any
		if json.Unmarshal(raw, &data) != nil {
			return
		}
		_, _ = versionsBefore(data, 9)
		var ciphers *dataKeys
		if document, err := parseDataKeys(data); err == nil {
			if ciphers, err = newDataKeys(document, rand.Reader); err != nil {
				t.Fatal(err)
			}
			if _, err := ciphers.stored.Open(raw, nil); err == nil {
				t.Error("opened what was never sealed")
			}
		} else if !errors.Is(err, ErrDamaged) {
			t.Fatal(err)
		}
		records, err := parseRecords(data)
		if err != nil && !errors.Is(err, ErrDamaged) {
			t.Fatal(err)
		}
		byKid := map[string]entry{}
		for _, r := range records {
			if _, err := r.Open(noCipher{}); !errors.Is(err, keys.ErrSealed) {
				t.Errorf("opened: %v", err)
			}
			byKid[r.Kid()] = entry{record: r}
		}
		written, err := json.Marshal((&set{byKid: byKid}).content())
		if err != nil {
			t.Fatal(err)
		}
		var again map[string]any
		if err := json.Unmarshal(written, &again); err != nil {
			t.Fatal(err)
		}
		reread, err := parseRecords(again)
		if err != nil || len(reread) != len(records) {
			t.Fatalf("read %d, wrote and read %d: %v", len(records), len(reread), err)
		}
		for _, r := range reread {
			if !r.Equal(byKid[r.Kid()].record) {
				t.Errorf("%q came back as another", r.Kid())
			}
		}
	})
}

// noCipher opens nothing.
type noCipher struct{}

func (noCipher) Seal(plaintext, _ []byte) ([]byte, error) { return plaintext, nil }
func (noCipher) Open([]byte, []byte) ([]byte, error)      { return nil, keys.ErrSealed }
