package storetest

import (
	"testing"
	"time"

	"signet/provider/oauth"
)

func pushed(name string) oauth.PushedRequest {
	r := request()
	r.Pushed, r.DPoPJKT, r.Details = true, "jkt", details("10.50")
	return oauth.PushedRequest{Digest: digest(name), Request: r, ExpiresAt: now.Add(time.Minute)}
}

// details has what a reformatted JSON would lose.
func details(amount string) oauth.Details {
	return oauth.Details{
		{Type: "payment", JSON: []byte(`{"type":"payment","z":1.50,"amount":{"value":"` + amount + `","currency":"EUR"},"a":null,"n":1e2}`)},
		{Type: "account", JSON: []byte(`{"actions":["read"],"type":"account"}`)},
	}
}

func testPushed(t *testing.T, b Backend) {
	ctx := t.Context()
	got, err := b.Pushed(ctx, digest("uri"))
	gone(t, got, err)

	kept := pushed("uri")
	commit(t, b, oauth.StorePushed{Pushed: kept})
	got, err = b.Pushed(ctx, kept.Digest)
	same(t, got, err, kept)
	if err := b.Commit(ctx, oauth.StorePushed{Pushed: kept}); err == nil {
		t.Error("two pushed requests have one digest")
	}

	use := oauth.UsePushed{Digest: kept.Digest, At: now}
	commit(t, b, use)
	commitConflicts(t, b, use, use)
	kept.Used = true
	got, err = b.Pushed(ctx, kept.Digest)
	same(t, got, err, kept)
	commitConflicts(t, b, use, oauth.UsePushed{Digest: digest("none"), At: now})
	commitConflicts(t, b, use, oauth.UsePushed{At: now})

	// A login that began in time is completed late.
	late := pushed("late")
	late.ExpiresAt = now.Add(-time.Hour)
	commit(t, b, oauth.StorePushed{Pushed: late})
	if _, err := b.Sweep(ctx, 100); err != nil {
		t.Fatal(err)
	}
	got, err = b.Pushed(ctx, late.Digest)
	same(t, got, err, late)
	commit(t, b, oauth.UsePushed{Digest: late.Digest, At: now})
}
