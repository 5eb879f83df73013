package storetest

import (
	"testing"
	"time"

	"signet/provider/oauth"
)

func testClients(t *testing.T, b Backend) {
	ctx := t.Context()
	absentClient, err := b.Client(ctx, "tpp")
	gone(t, absentClient, err)

	first := client("tpp")
	commit(t, b, oauth.StoreClient{Client: first, New: true})
	got, err := b.Client(ctx, "tpp")
	same(t, got, err, &first)

	taken := client("tpp")
	taken.Name = "another"
	commitConflicts(t, b, oauth.StoreClient{}, oauth.StoreClient{Client: taken, New: true})

	// A change by this process is seen at once, whatever the store keeps in memory.
	for _, name := range []string{"one", "two", "three"} {
		first.Name, first.Disabled = name, !first.Disabled
		commit(t, b, oauth.StoreClient{Client: first})
		got, err = b.Client(ctx, "tpp")
		same(t, got, err, &first)
	}

	commit(t, b, oauth.StoreClient{Client: client("TPP"), New: true}) // identifiers are compared byte by byte
	all, err := b.Clients(ctx)
	same(t, all, err, []oauth.Client{client("TPP"), first})
}

func testUsers(t *testing.T, b Backend) {
	ctx := t.Context()
	absentUser, err := b.UserByName(ctx, "ada")
	gone(t, absentUser, err)

	ada := user("u-1", "ada")
	commit(t, b, oauth.StoreUser{User: ada, New: true})
	commitConflicts(t, b, oauth.StoreUser{}, oauth.StoreUser{User: user("u-1", "eve"), New: true})
	commitConflicts(t, b, oauth.StoreUser{}, oauth.StoreUser{User: user("u-2", "ada"), New: true})
	got, err := b.User(ctx, "u-1")
	same(t, got, err, ada)

	ada.Username, ada.Disabled = "ada.l", true
	commit(t, b, oauth.StoreUser{User: ada})
	got, err = b.UserByName(ctx, "ada.l")
	same(t, got, err, ada)
	got, err = b.UserByName(ctx, "ada")
	gone(t, got, err)

	// Replacing an account cannot take another one's name, and the failed attempt loses nothing.
	bob := user("u-2", "bob")
	commit(t, b, oauth.StoreUser{User: bob, New: true})
	if err := b.Commit(ctx, oauth.StoreUser{User: user("u-2", "ada.l")}); err == nil {
		t.Fatal("two accounts have one username")
	}
	all, err := b.Users(ctx)
	same(t, all, err, []oauth.User{ada, bob})
}

func testSessions(t *testing.T, b Backend) {
	ctx := t.Context()
	session := oauth.Session{Digest: digest("cookie"), User: endUser(), ExpiresAt: now.Add(time.Second)}
	got, err := b.Session(ctx, session.Digest)
	gone(t, got, err)
	commit(t, b, oauth.StoreSession{Session: session})
	got, err = b.Session(ctx, session.Digest)
	same(t, got, err, session)

	session.User.ACR = "urn:signet:mfa"
	commit(t, b, oauth.StoreSession{Session: session})
	got, err = b.Session(ctx, session.Digest)
	same(t, got, err, session)

	commit(t, b, oauth.EndSession{Digest: session.Digest})
	commit(t, b, oauth.EndSession{Digest: session.Digest})
	got, err = b.Session(ctx, session.Digest)
	gone(t, got, err)

	session.ExpiresAt = now
	commit(t, b, oauth.StoreSession{Session: session})
	got, err = b.Session(ctx, session.Digest)
	gone(t, got, err)
}

func testInteractions(t *testing.T, b Backend) {
	ctx := t.Context()
	waiting := oauth.Interaction{Digest: digest("browser"), Request: request(), RequestID: "r-1", ExpiresAt: now.Add(time.Second)}
	got, err := b.Interaction(ctx, waiting.Digest)
	gone(t, got, err)
	commit(t, b, oauth.StoreInteraction{Interaction: waiting})

	somebody := endUser()
	waiting.User = &somebody
	commit(t, b, oauth.StoreInteraction{Interaction: waiting})
	got, err = b.Interaction(ctx, waiting.Digest)
	same(t, got, err, waiting)

	waiting.User.ACR, waiting.ExpiresAt = "urn:signet:mfa", waiting.ExpiresAt.Add(time.Second)
	update := oauth.UpdateInteraction{Interaction: waiting}
	commit(t, b, update)
	commit(t, b, update) // nothing new is no conflict
	got, err = b.Interaction(ctx, waiting.Digest)
	same(t, got, err, waiting)

	finish := oauth.FinishInteraction{Digest: waiting.Digest}
	commit(t, b, finish)
	commitConflicts(t, b, finish, finish)
	commitConflicts(t, b, update, update)
	got, err = b.Interaction(ctx, waiting.Digest)
	gone(t, got, err)

	waiting.ExpiresAt = now
	commit(t, b, oauth.StoreInteraction{Interaction: waiting})
	got, err = b.Interaction(ctx, waiting.Digest)
	gone(t, got, err)
}

func testConsent(t *testing.T, b Backend) {
	ctx := t.Context()
	got, err := b.Consent(ctx, "u-1", "tpp")
	gone(t, got, err)

	consent := oauth.Consent{UserID: "u-1", ClientID: "tpp", At: now}
	commit(t, b, oauth.RememberConsent{Consent: consent})
	got, err = b.Consent(ctx, "u-1", "tpp")
	same(t, got, err, consent)

	more := oauth.Consent{UserID: "u-1", ClientID: "tpp", Scope: oauth.Scope{"openid", "accounts"}, At: now.Add(time.Hour)}
	commit(t, b, oauth.RememberConsent{Consent: more})
	late := oauth.Consent{UserID: "u-1", ClientID: "tpp", Scope: oauth.Scope{"accounts", "payments"}, Resources: []string{"https://r"}, At: now}
	commit(t, b, oauth.RememberConsent{Consent: late})

	got, err = b.Consent(ctx, "u-1", "tpp")
	same(t, got, err, oauth.Consent{
		UserID: "u-1", ClientID: "tpp", Scope: oauth.Scope{"accounts", "openid", "payments"},
		Resources: []string{"https://r"}, At: now.Add(time.Hour),
	})
	got, err = b.Consent(ctx, "u-1", "other")
	gone(t, got, err)
	got, err = b.Consent(ctx, "u-2", "tpp")
	gone(t, got, err)

	commit(t, b, oauth.ForgetConsent{UserID: "u-1", ClientID: "other"}, oauth.ForgetConsent{UserID: "u-2", ClientID: "tpp"})
	if _, err = b.Consent(ctx, "u-1", "tpp"); err != nil {
		t.Errorf("another pair's consent was forgotten: %v", err)
	}
	forget := oauth.ForgetConsent{UserID: "u-1", ClientID: "tpp"}
	commit(t, b, forget, forget) // forgetting twice is no conflict
	got, err = b.Consent(ctx, "u-1", "tpp")
	gone(t, got, err)
}
