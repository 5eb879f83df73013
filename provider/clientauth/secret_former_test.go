package clientauth

import (
	"context"
	"crypto/rand"
	"errors"
	"net/url"
	"strings"
	"testing"
	"time"

	"signet/provider/oauth"
)

// keep is a client with the secret in the form in which it rests.
func keep(t *testing.T, method oauth.AuthMethod, secret oauth.Secret) *oauth.Client {
	t.Helper()
	c := &oauth.Client{ID: "app", AuthMethod: method}
	if err := KeepSecret(t.Context(), sealer{}, rand.Reader, c, secret); err != nil {
		t.Fatal(err)
	}
	return c
}

func changeOver(t *testing.T, c *oauth.Client, secret oauth.Secret, until time.Time) {
	t.Helper()
	if err := ReplaceSecret(t.Context(), sealer{}, rand.Reader, c, secret, until); err != nil {
		t.Fatal(err)
	}
}

// presenting is a request with the secret, by the method.
func presenting(t *testing.T, method oauth.AuthMethod, secret string) attempt {
	t.Helper()
	switch method {
	case oauth.AuthSecretBasic:
		return attempt{basic: basic("app", secret)}
	case oauth.AuthSecretPost:
		return attempt{params: url.Values{"client_id": {"app"}, "client_secret": {secret}}}
	default:
		return asserted(forge(`{"alg":"HS256"}`, payload(t, claims(nil)), hs256([]byte(secret))))
	}
}

// TestTwoSecrets: the one before counts beside the present one, until its end and no longer.
func TestTwoSecrets(t *testing.T) {
	const oldest, second = strong + "-oldest", strong + "-second"
	for _, method := range []oauth.AuthMethod{oauth.AuthSecretBasic, oauth.AuthSecretPost, oauth.AuthSecretJWT} {
		first := weak
		if method == oauth.AuthSecretJWT {
			first = weak + strong
		}
		for name, tt := range map[string]struct {
			change         func(c *oauth.Client)
			counts, refuse []string
		}{
			"one":                  {nil, []string{first}, []string{second, ""}},
			"replaced":             {func(c *oauth.Client) { changeOver(t, c, second, time.Time{}) }, []string{second}, []string{first}},
			"replaced gradually":   {func(c *oauth.Client) { changeOver(t, c, second, now.Add(time.Second)) }, []string{first, second}, []string{oldest}},
			"until now":            {func(c *oauth.Client) { changeOver(t, c, second, now) }, []string{second}, []string{first}},
			"until a moment later": {func(c *oauth.Client) { changeOver(t, c, second, now.Add(1)) }, []string{first, second}, nil},
			"replaced again": {func(c *oauth.Client) {
				changeOver(t, c, second, now.Add(time.Hour))
				changeOver(t, c, strong, now.Add(time.Hour))
			}, []string{second, strong}, []string{first}},
			"replaced at once during a change-over": {func(c *oauth.Client) {
				changeOver(t, c, second, now.Add(time.Hour))
				changeOver(t, c, strong, time.Time{})
			}, []string{strong}, []string{first, second}},
		} {
			t.Run(string(method)+", "+name, func(t *testing.T) {
				c := keep(t, method, oauth.Secret(first))
				if tt.change != nil {
					tt.change(c)
				}
				b := newBank(t, nil, c)
				for _, secret := range tt.counts {
					if _, err := b.try(presenting(t, method, secret)); err != nil {
						t.Errorf("%q: %v", secret, err)
					}
				}
				for _, secret := range tt.refuse {
					b.refused(t, presenting(t, method, secret), oauth.InvalidClient)
				}
			})
		}
	}
}

// TestFormerOfAnotherForm has a former secret in the form of another method: it is none of this one's.
func TestFormerOfAnotherForm(t *testing.T) {
	hash, sealed := keep(t, oauth.AuthSecretBasic, strong), keep(t, oauth.AuthSecretJWT, strong)
	former := oauth.FormerSecret{Hash: hash.SecretHash, Until: now.Add(time.Hour)}
	c := keep(t, oauth.AuthSecretJWT, strong+"-new")
	c.Former = &former
	newBank(t, nil, c).refused(t, presenting(t, c.AuthMethod, strong), oauth.InvalidClient)
	c = keep(t, oauth.AuthSecretBasic, strong+"-new")
	c.Former = &oauth.FormerSecret{Sealed: sealed.SecretSealed, Until: now.Add(time.Hour)}
	newBank(t, nil, c).refused(t, presenting(t, c.AuthMethod, strong), oauth.InvalidClient)
}

// TestDamagedFormer: what cannot be judged is no refusal, and holds up nobody who has the other secret.
func TestDamagedFormer(t *testing.T) {
	for _, method := range []oauth.AuthMethod{oauth.AuthSecretBasic, oauth.AuthSecretJWT} {
		c := keep(t, method, strong)
		changeOver(t, c, strong+"-new", now.Add(time.Hour))
		c.Former.Hash, c.Former.Sealed = strings.TrimSuffix(c.Former.Hash, c.Former.Hash[max(0, len(c.Former.Hash)-2):]), []byte("damaged")
		b := newBank(t, nil, c)
		if _, err := b.try(presenting(t, method, strong+"-new")); err != nil {
			t.Errorf("%s: the present secret: %v", method, err)
		}
		b.refused(t, presenting(t, method, strong), oauth.TemporarilyUnavailable)

		c.Former, c.SecretHash, c.SecretSealed = &oauth.FormerSecret{Until: now.Add(time.Hour)}, "sha256$x", []byte("damaged")
		good := keep(t, method, strong)
		c.Former.Hash, c.Former.Sealed = good.SecretHash, good.SecretSealed
		if _, err := b.try(presenting(t, method, strong)); err != nil {
			t.Errorf("%s: the former secret: %v", method, err)
		}
		b.refused(t, presenting(t, method, strong+"-new"), oauth.TemporarilyUnavailable)
	}
}

func TestReplaceSecret(t *testing.T) {
	ctx, until := t.Context(), now.Add(time.Hour)
	for name, tt := range map[string]struct {
		client *oauth.Client
		secret oauth.Secret
		until  time.Time
	}{
		"no method with a secret": {&oauth.Client{ID: "app", AuthMethod: oauth.AuthTLS}, strong, until},
		"no secret yet":           {&oauth.Client{ID: "app", AuthMethod: oauth.AuthSecretPost}, strong, until},
		"a chosen one":            {keep(t, oauth.AuthSecretPost, weak), "another " + weak, until},
		"none":                    {keep(t, oauth.AuthSecretPost, weak), "", time.Time{}},
		"too short for HMAC":      {keep(t, oauth.AuthSecretJWT, strong), oauth.Secret(weak[:31]), time.Time{}},
	} {
		before := *tt.client
		if err := ReplaceSecret(ctx, sealer{}, rand.Reader, tt.client, tt.secret, tt.until); err == nil {
			t.Errorf("%s: replaced", name)
		} else if tt.secret != "" && strings.Contains(err.Error(), tt.secret.Reveal()) {
			t.Errorf("%s: the secret is in the error: %v", name, err)
		}
		if tt.client.SecretHash != before.SecretHash || string(tt.client.SecretSealed) != string(before.SecretSealed) || tt.client.Former != nil {
			t.Errorf("%s: changed all the same: %+v", name, tt.client)
		}
	}
	// Another way to keep a secret ends a change-over.
	c := keep(t, oauth.AuthSecretBasic, weak)
	changeOver(t, c, strong, until)
	if Former(c, now) == nil || Former(c, until) != nil {
		t.Errorf("former %+v", c.Former)
	}
	if err := KeepSecret(ctx, sealer{}, rand.Reader, c, strong); err != nil || c.Former != nil {
		t.Errorf("KeepSecret left %+v, %v", c.Former, err)
	}
}

// TestNewSecret makes secrets that each algorithm of the client's method can use.
func TestNewSecret(t *testing.T) {
	for method, size := range map[oauth.AuthMethod]int{oauth.AuthSecretBasic: 43, oauth.AuthSecretPost: 43, oauth.AuthSecretJWT: 86} {
		secret, err := NewSecret(rand.Reader, &oauth.Client{AuthMethod: method})
		if err != nil || len(secret) != size || !generated(secret.Reveal()) {
			t.Errorf("%s: %d bytes, %v", method, len(secret), err)
		}
	}
}

// TestOneCostlyCheck counts: a chosen secret takes one turn at argon2id, a generated one none, with one secret or two.
func TestOneCostlyCheck(t *testing.T) {
	argon, digest := hashed(t, weak), hashed(t, strong)
	for _, tt := range []struct {
		present, former string
		counts          []oauth.Secret
	}{
		{"", "", nil}, {digest, "", []oauth.Secret{strong}}, {argon, "", []oauth.Secret{weak}}, {digest, argon, []oauth.Secret{strong, weak}},
		{argon, digest, []oauth.Secret{strong, weak}}, {"", argon, []oauth.Secret{weak}}, {digest, hashed(t, strong+"x"), []oauth.Secret{strong, strong + "x"}},
		// Which no client comes to have: the present one alone counts.
		{argon, hashed(t, weak+"x"), []oauth.Secret{weak}},
	} {
		counts := map[oauth.Secret]bool{}
		for _, secret := range tt.counts {
			counts[secret] = true
		}
		for _, secret := range []oauth.Secret{weak, weak + "x", "w", strong, strong + "x", strong + "y", ""} {
			s := newSecretChecker()
			if err := s.check(t.Context(), secret, tt.present, tt.former); (err == nil) != counts[secret] {
				t.Errorf("%.9s %.9s: %q: %v", tt.present, tt.former, secret.Reveal(), err)
			}
			// With no turn to be had, who needs one does not get through.
			for range cap(s.slots) {
				s.slots <- struct{}{}
			}
			ctx, cancel := context.WithCancel(t.Context())
			cancel()
			err := s.check(ctx, secret, tt.present, tt.former)
			if costly := errors.Is(err, context.Canceled); costly != (secret != "" && !generated(secret.Reveal())) {
				t.Errorf("%.9s %.9s: %q is costly: %v (%v)", tt.present, tt.former, secret.Reveal(), costly, err)
			}
		}
	}
}
