package pkce

import (
	"crypto/sha256"
	"encoding/base64"
	"strings"
	"testing"
)

// The example of RFC 7636 appendix B.
const (
	verifier  = "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk"
	challenge = "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM"
)

func TestVerify(t *testing.T) {
	long := strings.Repeat("a", 128)
	digest := sha256.Sum256([]byte(long))
	tests := []struct {
		name, challenge, verifier string
		want                      bool
	}{
		{"appendix B", challenge, verifier, true},
		{"longest verifier", base64.RawURLEncoding.EncodeToString(digest[:]), long, true},
		{"other verifier", challenge, strings.Repeat("a", 43), false},
		{"plain is not a method", verifier, verifier, false},
		{"no challenge", "", verifier, false},
		{"nothing at all", "", "", false},
		{"no verifier", challenge, "", false},
		{"padded challenge", challenge + "=", verifier, false},
		{"unused bits set", challenge[:42] + "N", verifier, false},
		{"line break in challenge", challenge[:42] + "\n", verifier, false},
		{"standard alphabet", strings.NewReplacer("-", "+", "_", "/").Replace(challenge), verifier, false},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if got := Verify(tt.challenge, tt.verifier); got != tt.want {
				t.Errorf("Verify = %v, want %v", got, tt.want)
			}
		})
	}
}

func TestValidVerifier(t *testing.T) {
	tests := []struct {
		name, verifier string
		want           bool
	}{
		{"appendix B", verifier, true},
		{"every kind of character", "azAZ09-._~" + strings.Repeat("x", 33), true},
		{"42 characters", strings.Repeat("a", 42), false},
		{"43 characters", strings.Repeat("a", 43), true},
		{"128 characters", strings.Repeat("a", 128), true},
		{"129 characters", strings.Repeat("a", 129), false},
		{"space", strings.Repeat("a", 42) + " ", false},
		{"plus", strings.Repeat("a", 42) + "+", false},
		{"NUL", strings.Repeat("a", 42) + "\x00", false},
		{"not ASCII", strings.Repeat("a", 42) + "é", false},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if got := ValidVerifier(tt.verifier); got != tt.want {
				t.Errorf("ValidVerifier = %v, want %v", got, tt.want)
			}
		})
	}
}

func FuzzVerify(f *testing.F) {
	f.Add(challenge, verifier)
	f.Add("", "")
	f.Add(challenge[:42]+"\n", verifier)
	f.Fuzz(func(t *testing.T, challenge, verifier string) {
		if !Verify(challenge, verifier) {
			return
		}
		digest := sha256.Sum256([]byte(verifier))
		if want := base64.RawURLEncoding.EncodeToString(digest[:]); challenge != want || !ValidChallenge(challenge) {
			t.Errorf("accepted %q for %q, want only %q", challenge, verifier, want)
		}
	})
}

func BenchmarkVerify(b *testing.B) {
	b.ReportAllocs()
	for b.Loop() {
		if !Verify(challenge, verifier) {
			b.Fatal("refused")
		}
	}
}
