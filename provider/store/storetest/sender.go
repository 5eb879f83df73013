package storetest

import (
	"strings"
	"testing"
	"time"

	"signet/provider/oauth"
)

func proof(name string) oauth.UseProof {
	return oauth.UseProof{Digest: digest(name), Until: now.Add(time.Minute)}
}

func testProofs(t *testing.T, b Backend) {
	commit(t, b, proof("one"))
	commitConflicts(t, b, proof("one"), proof("one"))
	again := proof("one")
	again.Until = now.Add(time.Hour) // another proof with the same jti
	commitConflicts(t, b, again, again)
	commit(t, b, proof("another"))
	if err := b.Commit(t.Context(), oauth.UseProof{Until: now.Add(time.Minute)}); err == nil {
		t.Error("a proof without a digest was accepted")
	}
}

func testNonces(t *testing.T, b Backend) {
	ctx := t.Context()
	got, err := b.Nonce(ctx, "nonce")
	gone(t, got, err)
	store := oauth.StoreNonce{Nonce: "nonce", Until: now.Add(time.Minute)}
	commit(t, b, store)
	commit(t, b, store) // twice is no conflict
	commit(t, b, oauth.StoreNonce{Nonce: "over", Until: now.Add(-time.Second)})
	got, err = b.Nonce(ctx, "nonce")
	same(t, got, err, now.Add(time.Minute))
	got, err = b.Nonce(ctx, "over")
	same(t, got, err, now.Add(-time.Second))
	for _, name := range []string{"", "NONCE", "nonce ", strings.Repeat("n", 1<<16)} { // whatever a client sends
		got, err = b.Nonce(ctx, name)
		gone(t, got, err)
	}
	if err := b.Commit(ctx, oauth.StoreNonce{Until: now}); err == nil {
		t.Error("an empty nonce was accepted")
	}
}
