package keys_test

import (
	"encoding/json"
	"slices"
	"testing"
	"time"

	"signet/provider/jose"
	"signet/provider/keys"
	"signet/provider/keys/keystest"
)

// kids are those of a key set.
func kids(t *testing.T, jwks []byte) []string {
	t.Helper()
	var set struct {
		Keys []struct {
			Kid string          `json:"kid"`
			D   json.RawMessage `json:"d"`
		} `json:"keys"`
	}
	if err := json.Unmarshal(jwks, &set); err != nil {
		t.Fatal(err)
	}
	all := []string{}
	for _, key := range set.Keys {
		if key.D != nil {
			t.Errorf("key %s is not public", key.Kid)
		}
		all = append(all, key.Kid)
	}
	return all
}

// A key that has retired can be had in the archive for a while, and nowhere else: it signs nothing, and vouches for
// nothing. Then it is destroyed.
func TestReference_J34_archived_keys(t *testing.T) {
	c, memory := newClock(), keystest.NewMemory()
	opt := options(c)
	opt.ArchiveFor = 24 * time.Hour
	opt.Algs = append(opt.Algs, jose.DecryptionAlg)
	ring := newRing(t, memory, opt)
	token, err := ring.Sign(t.Context(), "ES256", "JWT", []byte(`{}`))
	if err != nil {
		t.Fatal(err)
	}
	first := kid(t, ring, "ES256")
	for _, alg := range []string{"ES256", jose.DecryptionAlg} {
		if _, err := ring.Rotate(t.Context(), alg); err != nil {
			t.Fatal(err)
		}
	}
	expect := func(published, archived bool, destroyed int) {
		t.Helper()
		done, err := ring.Maintain(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		if _, err := ring.Refresh(t.Context()); err != nil {
			t.Fatal(err)
		}
		if len(done.Destroyed) != destroyed || slices.Contains(done.Destroyed, first) != (destroyed > 0 && !archived) {
			t.Errorf("destroyed %v", done.Destroyed)
		}
		if got := kids(t, ring.JWKS()); slices.Contains(got, first) != published {
			t.Errorf("published %v", got)
		}
		want := []string{}
		if archived {
			want = []string{first}
		}
		if got := kids(t, ring.ArchivedJWKS()); !slices.Equal(got, want) {
			t.Errorf("archived %v", got)
		}
		if _, err := jose.Verify(token, ring.KeySet(), []string{"ES256"}); (err == nil) != published {
			t.Errorf("it vouches for a token: %v", err)
		}
		listed := slices.ContainsFunc(ring.List(), func(i keys.Info) bool {
			return i.Kid == first && i.State == keys.Archived && i.ArchivedUntil.Equal(i.RetiresAt.Add(opt.ArchiveFor))
		})
		if listed != archived {
			t.Errorf("listed %+v", ring.List())
		}
	}
	expect(true, false, 0)
	c.advance(time.Hour + 10*time.Minute - time.Second)
	expect(true, false, 0)
	c.advance(time.Second)
	expect(false, true, 1) // the one to decrypt is no business of an archive
	if kid(t, ring, "ES256") == first {
		t.Error("an archived key signs")
	}
	c.advance(24*time.Hour - time.Second)
	expect(false, true, 0)
	c.advance(time.Second)
	expect(false, false, 1)
}

func TestNoArchiveInThePast(t *testing.T) {
	opt := options(newClock())
	opt.ArchiveFor = -time.Second
	if _, err := keys.NewRing(t.Context(), keystest.NewMemory(), opt); err == nil {
		t.Error("no error")
	}
}
