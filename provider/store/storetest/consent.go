package storetest

import (
	"testing"
	"time"

	"signet/provider/oauth"
)

func agrees(user, client string, at time.Time, to ...oauth.Agreed) oauth.RememberConsent {
	return oauth.RememberConsent{Consent: oauth.Consent{UserID: user, ClientID: client, Agreed: to, At: at}}
}

func testConsent(t *testing.T, b Backend) {
	ctx := t.Context()
	got, err := b.Consent(ctx, "u-1", "tpp")
	gone(t, got, err)

	commit(t, b, agrees("u-1", "tpp", now))
	got, err = b.Consent(ctx, "u-1", "tpp")
	same(t, got, err, oauth.Consent{UserID: "u-1", ClientID: "tpp", At: now})

	// What is agreed to stays where it is agreed to, whatever else is; its end moves out only.
	soon, later := now.Add(time.Hour), now.Add(2*time.Hour)
	at := func(scope, resource string, until time.Time) oauth.Agreed {
		return oauth.Agreed{Scope: scope, Resource: resource, Until: until}
	}
	commit(t, b, agrees("u-1", "tpp", now.Add(time.Hour), at("openid", "", soon), at("", "https://a", soon), at("read", "https://a", later)))
	commit(t, b, agrees("u-1", "tpp", now, at("write", "https://b", soon), at("read", "https://a", soon), at("openid", "", later)))
	got, err = b.Consent(ctx, "u-1", "tpp")
	same(t, got, err, oauth.Consent{UserID: "u-1", ClientID: "tpp", At: now.Add(time.Hour), Agreed: []oauth.Agreed{
		at("", "https://a", soon), at("openid", "", later), at("read", "https://a", later), at("write", "https://b", soon),
	}})
	got, err = b.Consent(ctx, "u-1", "other")
	gone(t, got, err)
	got, err = b.Consent(ctx, "u-2", "tpp")
	gone(t, got, err)

	commit(t, b, oauth.ForgetConsent{UserID: "u-1", ClientID: "other"}, oauth.ForgetConsent{UserID: "u-2", ClientID: "tpp"})
	if _, err = b.Consent(ctx, "u-1", "tpp"); err != nil {
		t.Errorf("another pair's consent was forgotten: %v", err)
	}
	// Forgetting first sets the consent, in one commit.
	forget := oauth.ForgetConsent{UserID: "u-1", ClientID: "tpp"}
	commit(t, b, forget, agrees("u-1", "tpp", now, at("read", "https://a", soon)))
	got, err = b.Consent(ctx, "u-1", "tpp")
	same(t, got, err, oauth.Consent{UserID: "u-1", ClientID: "tpp", At: now, Agreed: []oauth.Agreed{at("read", "https://a", soon)}})

	commit(t, b, forget, forget) // forgetting twice is no conflict
	got, err = b.Consent(ctx, "u-1", "tpp")
	gone(t, got, err)
}
