package binding

import (
	"context"
	"crypto/rand"
	"crypto/x509"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"signet/mtls"
	"signet/provider/dpop"
	"signet/provider/jose"
	"signet/provider/oauth"
)

const endpoint = "https://as.example/token"

var (
	noon = time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC)
	algs = []string{"ES256"}
)

// shared is a store of nonces, as several processes see it.
type shared struct {
	mu       sync.Mutex
	nonces   map[string]time.Time
	err      error
	looks    int
	commits  int
	onCommit func()
}

func newShared() *shared { return &shared{nonces: map[string]time.Time{}} }

func (s *shared) Nonce(_ context.Context, nonce string) (time.Time, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.looks++
	if s.err != nil {
		return time.Time{}, s.err
	}
	until, ok := s.nonces[nonce]
	if !ok {
		return time.Time{}, fmt.Errorf("nonce: %w", oauth.ErrNotFound)
	}
	return until, nil
}

func (s *shared) Commit(_ context.Context, changes ...oauth.Change) error {
	if s.onCommit != nil {
		s.onCommit()
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.commits++
	if s.err != nil {
		return s.err
	}
	for _, change := range changes {
		stored := change.(oauth.StoreNonce)
		s.nonces[stored.Nonce] = stored.Until
	}
	return nil
}

// process is one of a server's.
type process struct {
	*Binder
	now time.Time
	key *jose.PrivateKey
	n   int
}

func newProcess(t *testing.T, store NonceStore, requireNonce bool) *process {
	t.Helper()
	signer, err := jose.Generate("ES256", 0, rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	key, err := jose.NewPrivateKey("ES256", "", signer)
	if err != nil {
		t.Fatal(err)
	}
	p := &process{now: noon, key: key}
	p.Binder = New(Deps{
		Nonces: store, RequireNonce: requireNonce, NonceLifetime: 5 * time.Minute,
		Clock: func() time.Time { return p.now }, Random: rand.Reader,
	})
	return p
}

// ask sends a request with a new proof that has the nonce.
func (p *process) ask(t *testing.T, nonce string) (Sender, string, error) {
	t.Helper()
	p.n++
	proof, err := dpop.Prove(p.key, dpop.Claim{Method: "POST", URL: endpoint, Now: p.now, JTI: fmt.Sprint(p.n), Nonce: nonce})
	if err != nil {
		t.Fatal(err)
	}
	return p.send(t, proof)
}

func (p *process) send(t *testing.T, proofs ...string) (Sender, string, error) {
	t.Helper()
	r := httptest.NewRequestWithContext(t.Context(), http.MethodPost, "/token", nil)
	r.Header["Dpop"] = proofs
	w := httptest.NewRecorder()
	sender, err := p.From(w, r, nil, []string{endpoint}, algs, "")
	return sender, w.Header().Get("DPoP-Nonce"), err
}

func codeOf(err error) oauth.Code {
	var fault *oauth.Error
	switch {
	case errors.As(err, &fault):
		return fault.Code
	case err != nil:
		return oauth.ServerError
	default:
		return ""
	}
}

func TestBinder(t *testing.T) {
	store := newShared()
	p := newProcess(t, store, false)
	leaf := &x509.Certificate{Raw: []byte("the DER form is all that is hashed")}
	proof, err := dpop.Prove(p.key, dpop.Claim{Method: "POST", URL: endpoint, Now: noon, JTI: "1", Nonce: "any"})
	if err != nil {
		t.Fatal(err)
	}
	checked, err := dpop.Verify(proof, dpop.Options{Method: "POST", URLs: []string{endpoint}, Now: noon, Algs: algs})
	if err != nil {
		t.Fatal(err)
	}
	used := []oauth.Change{oauth.UseProof{Digest: checked.ID, Until: noon.Add(time.Minute)}}
	x5t := mtls.Thumbprint(leaf)
	for name, c := range map[string]struct {
		leaf   *x509.Certificate
		proofs []string
		want   Sender
		code   oauth.Code
	}{
		"nothing":     {},
		"certificate": {leaf: leaf, want: Sender{Confirmation: oauth.Confirmation{X5TS256: x5t}}},
		"proof":       {proofs: []string{proof}, want: Sender{oauth.Confirmation{JKT: p.key.Kid()}, used}},
		"both":        {leaf: leaf, proofs: []string{proof}, want: Sender{oauth.Confirmation{X5TS256: x5t, JKT: p.key.Kid()}, used}},
		"two proofs":  {leaf: leaf, proofs: []string{proof, proof}, code: oauth.InvalidDPoPProof},
		"no proof":    {leaf: leaf, proofs: []string{""}, code: oauth.InvalidDPoPProof},
		"bad proof":   {leaf: leaf, proofs: []string{proof + "x"}, code: oauth.InvalidDPoPProof},
	} {
		t.Run(name, func(t *testing.T) {
			r := httptest.NewRequestWithContext(t.Context(), http.MethodPost, "/token", nil)
			for _, proof := range c.proofs {
				r.Header.Add("DPoP", proof)
			}
			w := httptest.NewRecorder()
			got, err := p.From(w, r, c.leaf, []string{endpoint}, algs, "")
			if codeOf(err) != c.code {
				t.Fatalf("%v, want %q", err, c.code)
			}
			if diff := cmp.Diff(c.want, got); diff != "" {
				t.Error(diff)
			}
			if len(w.Header()) != 0 {
				t.Errorf("headers %v", w.Header())
			}
		})
	}
	if store.looks+store.commits != 0 {
		t.Error("the store was asked about nonces that nobody needs")
	}
}

func TestTheAccessTokenIsPartOfTheProof(t *testing.T) {
	p := newProcess(t, newShared(), false)
	proof, err := dpop.Prove(p.key, dpop.Claim{Method: "POST", URL: endpoint, Now: noon, JTI: "1", AccessToken: "one"})
	if err != nil {
		t.Fatal(err)
	}
	for access, want := range map[oauth.Secret]oauth.Code{"one": "", "two": oauth.InvalidDPoPProof} {
		r := httptest.NewRequestWithContext(t.Context(), http.MethodPost, "/", nil)
		r.Header.Set("DPoP", proof)
		if _, err := p.From(httptest.NewRecorder(), r, nil, []string{endpoint}, algs, access); codeOf(err) != want {
			t.Errorf("%v, want %q", err, want)
		}
	}
}

// A nonce of one process counts at the others, for at least its lifetime after it was last handed out.
func TestNoncesAreShared(t *testing.T) {
	store := newShared()
	one, two := newProcess(t, store, true), newProcess(t, store, true)
	_, nonce, err := one.ask(t, "")
	if codeOf(err) != oauth.UseDPoPNonce || len(nonce) != nonceSize {
		t.Fatalf("%q, %v", nonce, err)
	}
	for range 3 {
		sender, offered, err := two.ask(t, nonce)
		if err != nil || len(sender.Changes) != 1 || offered == "" || offered == nonce {
			t.Fatalf("%+v, %q, %v", sender, offered, err)
		}
	}
	if store.looks != 1 || store.commits != 2 {
		t.Errorf("%d looks, %d commits", store.looks, store.commits)
	}
	one.now = noon.Add(5*time.Minute - time.Second)
	if _, last, err := one.ask(t, nonce); err != nil || last != nonce {
		t.Errorf("%q, %v", last, err)
	}
	for name, p := range map[string]*process{"its own": one, "another": two} {
		p.now = noon.Add(10*time.Minute - time.Second)
		if _, fresh, err := p.ask(t, nonce); err != nil || fresh == nonce {
			t.Errorf("%s: %q, %v", name, fresh, err)
		}
		p.now = noon.Add(10 * time.Minute)
		if _, _, err := p.ask(t, nonce); codeOf(err) != oauth.UseDPoPNonce {
			t.Errorf("%s: accepted after its time: %v", name, err)
		}
	}
}

func TestNoncesOfNobody(t *testing.T) {
	store := newShared()
	p := newProcess(t, store, true)
	for _, nonce := range []string{"", "short", "AAAAAAAAAAAAAAAAAAAAAA"} {
		sender, offered, err := p.ask(t, nonce)
		if codeOf(err) != oauth.UseDPoPNonce || offered == "" || sender.Changes != nil || !sender.Confirmation.IsZero() {
			t.Errorf("%q: %+v, %q, %v", nonce, sender, offered, err)
		}
	}
	if store.looks != 1 {
		t.Errorf("%d looks for nonces that nobody can have handed out", store.looks-1)
	}
}

// While the store is away, what is known goes on for as long as it counts; nothing else is let in.
func TestNoncesWithoutTheStore(t *testing.T) {
	store := newShared()
	p := newProcess(t, store, true)
	_, nonce, _ := p.ask(t, "")
	store.err = oauth.ErrUnavailable
	if _, _, err := p.ask(t, nonce); err != nil {
		t.Errorf("a known nonce: %v", err)
	}
	if _, _, err := p.ask(t, "AAAAAAAAAAAAAAAAAAAAAA"); !errors.Is(err, oauth.ErrUnavailable) {
		t.Errorf("an unknown nonce: %v", err)
	}
	p.now = noon.Add(6 * time.Minute)
	if _, offered, err := p.ask(t, nonce); !errors.Is(err, oauth.ErrUnavailable) || offered != "" {
		t.Errorf("a new nonce was offered that no other process knows: %q, %v", offered, err)
	}
}

// Requests that come together mint one nonce, and a caller that has gone does not wait for it.
func TestNoncesAreMintedOnce(t *testing.T) {
	store := newShared()
	started, goOn := make(chan struct{}), make(chan struct{})
	store.onCommit = func() { close(started); <-goOn }
	p := newProcess(t, store, true)
	var group sync.WaitGroup
	offers := make([]string, 8)
	group.Go(func() { offers[0], _ = p.nonces.offer(t.Context()) })
	<-started
	gone, leave := context.WithCancel(t.Context())
	leave()
	if _, err := p.nonces.offer(gone); !errors.Is(err, context.Canceled) {
		t.Errorf("waited: %v", err)
	}
	for i := range offers[1:] {
		group.Go(func() { offers[i+1], _ = p.nonces.offer(t.Context()) })
	}
	close(goOn)
	group.Wait()
	for _, offer := range offers {
		if offer == "" || offer != offers[0] {
			t.Errorf("offers %q", offers)
			break
		}
	}
}

func TestKnownNoncesAreBounded(t *testing.T) {
	n := newNonces(Deps{Clock: func() time.Time { return noon }})
	for i := range maxKnown {
		n.remember(fmt.Sprint(i), noon.Add(time.Duration(i-1)*time.Second), noon)
	}
	n.remember("one more", noon.Add(time.Hour), noon)
	if _, kept := n.known["5"]; len(n.known) != maxKnown-1 || !kept {
		t.Errorf("%d are known, want those that still count", len(n.known))
	}
	n.remember("the last that fits", noon.Add(time.Hour), noon)
	n.remember("too many", noon.Add(time.Hour), noon)
	if len(n.known) != 1 {
		t.Errorf("%d are known", len(n.known))
	}
}
