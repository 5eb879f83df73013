package binding

import (
	"crypto/rand"
	"fmt"
	"testing"
	"time"

	"signet/provider/dpop"
	"signet/provider/jose"
	"signet/provider/oauth"
)

// How old a proof may be, and how far ahead, is the owner's choice; it is remembered for as long as it would be accepted.
func TestReference_J34_DPoP_time_limits(t *testing.T) {
	signer, err := jose.Generate("ES256", 2048, rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	key, err := jose.NewPrivateKey("ES256", "", signer)
	if err != nil {
		t.Fatal(err)
	}
	for i, c := range []struct {
		maxAge, ahead, made time.Duration // made is when, from now
		want                oauth.Code
		until               time.Duration
	}{
		{0, 0, -59 * time.Second, "", time.Second},
		{0, 0, -60 * time.Second, oauth.InvalidDPoPProof, 0},
		{0, 0, 30 * time.Second, "", 90 * time.Second},
		{0, 0, 31 * time.Second, oauth.InvalidDPoPProof, 0},
		{10 * time.Second, 0, -10 * time.Second, oauth.InvalidDPoPProof, 0},
		{10 * time.Second, 0, -9 * time.Second, "", time.Second},
		{5 * time.Minute, 0, -4 * time.Minute, "", time.Minute},
		{0, 2 * time.Second, 3 * time.Second, oauth.InvalidDPoPProof, 0},
		{0, 2 * time.Second, 2 * time.Second, "", 62 * time.Second},
	} {
		p := &process{now: noon, key: key}
		p.Binder = New(Deps{
			Nonces: newShared(), NonceLifetime: time.Minute, ProofMaxAge: c.maxAge, ProofAhead: c.ahead,
			Clock: func() time.Time { return p.now }, Random: rand.Reader,
		})
		proof, err := dpop.Prove(key, dpop.Claim{Method: "POST", URL: endpoint, Now: noon.Add(c.made), JTI: fmt.Sprint(i)})
		if err != nil {
			t.Fatal(err)
		}
		sender, _, err := p.send(t, proof)
		if codeOf(err) != c.want {
			t.Errorf("%+v: %v", c, err)
			continue
		}
		if c.want != "" {
			continue
		}
		if used := sender.Changes[0].(oauth.UseProof); !used.Until.Equal(noon.Add(c.until)) {
			t.Errorf("%+v: remembered until %v", c, used.Until)
		}
	}
}
