package transit_test

import (
	"testing"

	"signet/provider/keys/keystest"
	"signet/provider/keys/vaulttest"
)

// BenchmarkSign is one caller at a time: what a call to Vault costs.
func BenchmarkSign(b *testing.B) {
	backend := open(b, options(b, vaulttest.Shared(b)))
	for _, alg := range keystest.Algorithms {
		key := create(b, backend, alg, "")
		input := inputOf(b, key, `{"iss":"https://localhost:9443","sub":"demo","exp":1767225900}`)
		b.Run(alg, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				if _, err := backend.Sign(b.Context(), key.Kid, key.Alg, input); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

// BenchmarkConcurrentSign is 64 callers for each processor.
func BenchmarkConcurrentSign(b *testing.B) {
	backend := open(b, options(b, vaulttest.Shared(b)))
	key := create(b, backend, "ES256", "")
	input := inputOf(b, key, `{"iss":"https://localhost:9443","sub":"demo","exp":1767225900}`)
	before := backend.Stats()
	b.SetParallelism(64)
	b.RunParallel(func(pb *testing.PB) {
		for pb.Next() {
			if _, err := backend.Sign(b.Context(), key.Kid, key.Alg, input); err != nil {
				b.Error(err)
				return
			}
		}
	})
	after := backend.Stats()
	b.ReportMetric(float64(after.Items-before.Items)/float64(after.Batches-before.Batches), "signatures/call")
}
