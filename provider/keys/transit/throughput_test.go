//go:build cluster

package transit_test

import (
	"context"
	"crypto/sha256"
	"encoding/base64"
	"fmt"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"signet/provider/keys/vaulttest"
)

const (
	callers = 64
	rounds  = 15
	length  = 700 * time.Millisecond // of a round of one kind: short, so that other load meets both alike
)

// TestThroughput measures ES256 signatures with 64 callers, each asking again as soon as it has its answer: the
// backend, and beside it in turn the same client with the same digest and a call for each signature. Both see the same
// Vault, warm. What counts is the ratio; the figures themselves depend on what else the machine does.
func TestThroughput(t *testing.T) {
	s := vaulttest.Start(t)
	opt := options(t, s)
	b := open(t, opt)
	key := create(t, b, "ES256", "")
	input := make([]byte, 800)
	path := opt.Mount + "/sign/" + opt.Prefix + "-es256"
	batched := func(ctx context.Context) error {
		_, err := b.Sign(ctx, key.Kid, key.Alg, input)
		return err
	}
	unbatched := func(ctx context.Context) error {
		sum := sha256.Sum256(input)
		_, err := opt.Client.Write(ctx, path, map[string]any{
			"input": base64.StdEncoding.EncodeToString(sum[:]), "prehashed": true, "hash_algorithm": "sha2-256",
			"key_version": 1, "marshaling_algorithm": "jws",
		})
		return err
	}
	measure(t, unbatched)
	measure(t, batched)
	before := b.Stats()
	var ratios, tails []float64
	for round := range rounds {
		plain, together := measure(t, unbatched), measure(t, batched)
		ratios = append(ratios, together.rate/plain.rate)
		tails = append(tails, float64(together.p99)/float64(plain.p99))
		t.Logf("round %d: unbatched %s; batched %s; ratio %.2f, p99 ratio %.2f", round+1, plain, together, ratios[round], tails[round])
	}
	after := b.Stats()
	t.Logf("%.1f signatures to a call", float64(after.Items-before.Items)/float64(after.Batches-before.Batches))
	slices.Sort(ratios)
	slices.Sort(tails)
	t.Logf("throughput ratio: median %.2f (%.2f to %.2f); p99 ratio: median %.2f (%.2f to %.2f)",
		ratios[rounds/2], ratios[0], ratios[rounds-1], tails[rounds/2], tails[0], tails[rounds-1])
	if ratios[rounds/2] < 3 || tails[rounds/2] >= 2 {
		t.Error("want three times the throughput at less than twice the p99")
	}
}

type measurement struct {
	rate     float64 // a second
	p50, p99 time.Duration
}

func (m measurement) String() string {
	return fmt.Sprintf("%.0f/s (p50 %s, p99 %s)", m.rate, m.p50.Round(10*time.Microsecond), m.p99.Round(10*time.Microsecond))
}

func measure(t *testing.T, sign func(context.Context) error) measurement {
	t.Helper()
	var failed atomic.Pointer[error]
	times := make([][]time.Duration, callers)
	begin := time.Now()
	var wait sync.WaitGroup
	for i := range callers {
		wait.Go(func() {
			for from := time.Now(); from.Sub(begin) < length; {
				if err := sign(t.Context()); err != nil {
					failed.Store(&err)
					return
				}
				now := time.Now()
				times[i] = append(times[i], now.Sub(from))
				from = now
			}
		})
	}
	wait.Wait()
	took := time.Since(begin)
	if err := failed.Load(); err != nil {
		t.Fatal(*err)
	}
	all := slices.Concat(times...)
	slices.Sort(all)
	return measurement{rate: float64(len(all)) / took.Seconds(), p50: all[len(all)/2], p99: all[len(all)*99/100]}
}
