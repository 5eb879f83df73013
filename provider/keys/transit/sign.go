package transit

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync/atomic"

	"signet/provider/jose"
	"signet/provider/keys"
)

// signingKey is one version of a transit key, as signing needs it.
type signingKey struct {
	alg     string
	kind    *kind
	version int
	path    string
	prefix  string // of its signatures
	size    int    // of its signatures
	fields  map[string]any
	proof
	gathering
}

func (b *Backend) signingKey(key keys.Key, version int, name string) *signingKey {
	k := kinds[key.Alg]
	s := &signingKey{
		alg: key.Alg, kind: k, version: version, path: b.path("sign", name), prefix: prefix(version),
		size: k.signatureSize(key.Public), fields: k.call(version),
	}
	s.send = func(ctx context.Context, items []string) []outcome { return b.send(ctx, s, items) }
	return s
}

// Sign implements keys.Backend by a call that it may share with others. An error that wraps oauth.ErrUnavailable
// means that Vault does not answer now.
func (b *Backend) Sign(ctx context.Context, kid, alg string, input []byte) ([]byte, error) {
	var key *signingKey
	if now := b.now.Load(); now != nil {
		key = now.signs[kid]
	}
	if key == nil {
		return nil, keys.ErrNoKey
	}
	if key.alg != alg {
		return nil, fmt.Errorf("%w: the key is for another", jose.ErrAlgorithm)
	}
	return key.do(ctx, key.kind.item(input))
}

// batchItem is one input of a sign call, in base64.
type batchItem struct {
	Input string `json:"input"`
}

// send makes one sign call for one key version.
func (b *Backend) send(ctx context.Context, key *signingKey, items []string) []outcome {
	data := maps.Clone(key.fields)
	batch := make([]batchItem, len(items))
	for i, item := range items {
		batch[i].Input = item
	}
	data["batch_input"] = batch
	answer, err := b.vault.Write(ctx, key.path, data)
	outcomes := make([]outcome, len(items))
	if err == nil {
		err = key.read(answer, outcomes)
	}
	if err != nil {
		err = fmt.Errorf("signing in Vault: %w", err)
		for i := range outcomes {
			outcomes[i] = outcome{err: err}
		}
	}
	b.stats.count(outcomes)
	key.note(b.opt.Clock(), slices.ContainsFunc(outcomes, func(o outcome) bool { return o.err == nil }))
	return outcomes
}

// read takes an answer apart. Each item has succeeded or failed for itself.
func (s *signingKey) read(answer map[string]any, outcomes []outcome) error {
	results, err := batchResults(answer, len(outcomes))
	if err != nil {
		return err
	}
	for i, result := range results {
		signature, _ := result["signature"].(string)
		failure, _ := result["error"].(string)
		outcomes[i] = s.judge(signature, failure)
	}
	return nil
}

// batchResults returns the results of a call with several items; one that is no object is nil.
func batchResults(answer map[string]any, want int) ([]map[string]any, error) {
	list, ok := answer["batch_results"].([]any)
	if !ok || len(list) != want {
		return nil, fmt.Errorf("%d results for %d inputs", len(list), want)
	}
	results := make([]map[string]any, want)
	for i, result := range list {
		results[i], _ = result.(map[string]any)
	}
	return results, nil
}

// judge turns one result into a signature of exactly this key version, or an error.
func (s *signingKey) judge(signature, failure string) (o outcome) {
	encoded, ours := strings.CutPrefix(signature, s.prefix)
	switch {
	case failure != "":
		o.err = fmt.Errorf("vault refuses to sign with version %d: %s", s.version, failure)
	case !ours:
		o.err = fmt.Errorf("vault returned no signature of version %d", s.version)
	default:
		o.signature, o.err = s.kind.decode(encoded, s.size)
	}
	return o
}

// Stats tells what signing has cost since the backend was opened.
type Stats struct {
	Signatures int64 // made
	Batches    int64 // calls to Vault
	Items      int64 // in those calls
	Failures   int64 // items without a signature
}

type counters struct{ signatures, batches, failures atomic.Int64 }

func (c *counters) count(outcomes []outcome) {
	var failed int64
	for _, o := range outcomes {
		if o.err != nil {
			failed++
		}
	}
	c.batches.Add(1)
	c.failures.Add(failed)
	c.signatures.Add(int64(len(outcomes)) - failed)
}

// Stats returns the counters. They are not read at one moment.
func (b *Backend) Stats() Stats {
	s := Stats{Signatures: b.stats.signatures.Load(), Batches: b.stats.batches.Load(), Failures: b.stats.failures.Load()}
	s.Items = s.Signatures + s.Failures
	return s
}
