package storetest

import (
	"strconv"
	"testing"
	"time"

	"signet/provider/oauth"
	"signet/provider/store"
)

func testAssertions(t *testing.T, b Backend) {
	use := oauth.UseAssertion{ClientID: "tpp", JTI: "jti-1", Until: now.Add(time.Minute)}
	commit(t, b, use)
	commitConflicts(t, b, use, use)

	again := use
	again.Until = now.Add(time.Hour) // another assertion with the same jti
	commitConflicts(t, b, use, again)

	other := use
	other.ClientID = "tpp-2"
	commit(t, b, other) // a jti is unique per client
	upper := use
	upper.JTI = "JTI-1"
	commit(t, b, upper) // and compared byte by byte
}

func testCodes(t *testing.T, b Backend) {
	ctx := t.Context()
	got, err := b.Code(ctx, digest("code"))
	gone(t, got, err)

	kept := code("code", "g-1")
	commit(t, b, oauth.StoreGrant{Grant: grant("g-1")}, oauth.StoreCode{Code: kept})
	got, err = b.Code(ctx, kept.Digest)
	same(t, got, err, kept)

	redeem := oauth.RedeemCode{Digest: kept.Digest, GrantID: "g-1", At: now}
	commitConflicts(t, b, redeem, oauth.RedeemCode{Digest: kept.Digest, GrantID: "g-2", At: now})
	commitConflicts(t, b, redeem, oauth.RedeemCode{Digest: digest("no code"), GrantID: "g-1", At: now})
	commit(t, b, redeem)
	commitConflicts(t, b, redeem, redeem)
	kept.Used = true
	got, err = b.Code(ctx, kept.Digest)
	same(t, got, err, kept)

	// Burning is never a conflict, and a burnt code cannot be redeemed.
	burnt := code("burnt", "g-1")
	burn := oauth.BurnCode{Digest: burnt.Digest, At: now}
	commit(t, b, burn)
	commit(t, b, oauth.StoreCode{Code: burnt})
	commit(t, b, burn, burn)
	commitConflicts(t, b, redeem, oauth.RedeemCode{Digest: burnt.Digest, GrantID: "g-1", At: now})

	// Neither can a code whose grant is revoked, nor one whose grant is unknown.
	late := code("late", "g-1")
	commit(t, b, oauth.StoreCode{Code: late}, oauth.RevokeGrant{GrantID: "g-1", At: now})
	commitConflicts(t, b, redeem, oauth.RedeemCode{Digest: late.Digest, GrantID: "g-1", At: now})
	commit(t, b, oauth.StoreCode{Code: code("orphan", "g-none")})
	commitConflicts(t, b, redeem, oauth.RedeemCode{Digest: digest("orphan"), GrantID: "g-none", At: now})
}

func testGrants(t *testing.T, b Backend) {
	ctx := t.Context()
	got, err := b.Grant(ctx, "g-1")
	gone(t, got, err)

	kept := grant("g-1")
	commit(t, b, oauth.StoreGrant{Grant: kept})
	got, err = b.Grant(ctx, "g-1")
	same(t, got, err, kept)

	commit(t, b, oauth.ExtendGrant{GrantID: "g-1", ExpiresAt: kept.ExpiresAt.Add(-time.Hour)}) // never closer
	got, err = b.Grant(ctx, "g-1")
	same(t, got, err, kept)
	kept.ExpiresAt = kept.ExpiresAt.Add(time.Hour)
	commit(t, b, oauth.ExtendGrant{GrantID: "g-1", ExpiresAt: kept.ExpiresAt})
	got, err = b.Grant(ctx, "g-1")
	same(t, got, err, kept)

	commit(t, b, oauth.RevokeGrant{GrantID: "g-1", At: now})
	commit(t, b, oauth.RevokeGrant{GrantID: "g-1", At: now.Add(time.Second)})
	commit(t, b, oauth.RevokeGrant{GrantID: "g-none", At: now})
	kept.Revoked = true
	got, err = b.Grant(ctx, "g-1")
	same(t, got, err, kept)
}

func testGrantsFiltered(t *testing.T, b Backend) {
	for i := range 6 {
		g := grant("g-" + strconv.Itoa(i))
		g.ClientID = "client-" + strconv.Itoa(i%2)
		g.UserID = "user-" + strconv.Itoa(i%3)
		commit(t, b, oauth.StoreGrant{Grant: g})
	}
	for _, tt := range []struct {
		name   string
		filter store.GrantFilter
		want   []string
	}{
		{"all", store.GrantFilter{}, []string{"g-5", "g-4", "g-3", "g-2", "g-1", "g-0"}},
		{"limited", store.GrantFilter{Limit: 2}, []string{"g-5", "g-4"}},
		{"client", store.GrantFilter{ClientID: "client-0"}, []string{"g-4", "g-2", "g-0"}},
		{"user", store.GrantFilter{UserID: "user-1"}, []string{"g-4", "g-1"}},
		{"both", store.GrantFilter{ClientID: "client-1", UserID: "user-2"}, []string{"g-5"}},
		{"none", store.GrantFilter{ClientID: "client-9"}, nil},
	} {
		t.Run(tt.name, func(t *testing.T) {
			grants, err := b.Grants(t.Context(), tt.filter)
			var ids []string
			for _, g := range grants {
				ids = append(ids, g.ID)
			}
			same(t, ids, err, tt.want)
		})
	}
}

func testRevocation(t *testing.T, b Backend) {
	commit(t, b, oauth.StoreGrant{Grant: grant("g-live")}, oauth.StoreGrant{Grant: grant("g-dead")})
	commit(t, b, oauth.RevokeGrant{GrantID: "g-dead", At: now}, oauth.RevokeAccessToken{JTI: "dead", Until: now.Add(time.Minute)})
	commit(t, b, oauth.RevokeAccessToken{JTI: "dead", Until: now.Add(time.Minute)}) // twice is no conflict
	for _, tt := range []struct {
		jti, grantID string
		want         bool
	}{
		{"live", "", false},
		{"live", "g-live", false},
		{"dead", "", true},
		{"dead", "g-live", true},
		{"live", "g-dead", true},
		{"live", "g-unknown", true},
		{"DEAD", "g-live", false},
	} {
		got, err := b.Revoked(t.Context(), tt.jti, tt.grantID)
		if err != nil || got != tt.want {
			t.Errorf("Revoked(%q, %q) = %v, %v, want %v", tt.jti, tt.grantID, got, err, tt.want)
		}
	}
}

func testOpaqueTokens(t *testing.T, b Backend) {
	ctx := t.Context()
	got, err := b.OpaqueToken(ctx, digest("opaque"))
	gone(t, got, err)
	token := oauth.OpaqueToken{
		Digest: digest("opaque"), JTI: "j", GrantID: "g", ClientID: "tpp", Claims: []byte(`{"sub":"u-1"}`), ExpiresAt: now.Add(time.Minute),
	}
	commit(t, b, oauth.StoreOpaque{Token: token})
	got, err = b.OpaqueToken(ctx, token.Digest)
	same(t, got, err, token)
	if err := b.Commit(ctx, oauth.StoreOpaque{Token: token}); err == nil {
		t.Error("two access tokens have one digest")
	}
}
