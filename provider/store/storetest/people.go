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

	replaceClients(t, b, first)
	commit(t, b, oauth.StoreClient{Client: client("TPP"), New: true}) // identifiers are compared byte by byte
	all, err := b.Clients(ctx)
	same(t, all, err, []oauth.Client{client("TPP"), first})
}

// replaceClients: a registration is replaced only as it was seen, whoever changed it since, and is left as it was.
func replaceClients(t *testing.T, b Backend, first oauth.Client) {
	changed := first
	changed.Name, changed.Disabled = "changed", !first.Disabled
	commit(t, b, oauth.ReplaceClient{Client: changed, Seen: first})
	got, err := b.Client(t.Context(), first.ID)
	same(t, got, err, &changed)
	commitConflicts(t, b, oauth.ReplaceClient{}, oauth.ReplaceClient{Client: first, Seen: first})
	commit(t, b, oauth.ReplaceClient{Client: changed, Seen: changed}) // the same again is no lost race
	commitConflicts(t, b, oauth.ReplaceClient{}, oauth.ReplaceClient{Client: client("nobody"), Seen: client("nobody")})
	other := client("other")
	if err := b.Commit(t.Context(), oauth.ReplaceClient{Client: other, Seen: changed}); err == nil {
		t.Error("one client took another's place")
	}
	got, err = b.Client(t.Context(), first.ID)
	same(t, got, err, &changed)
	commit(t, b, oauth.ReplaceClient{Client: first, Seen: changed})
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

	// Only who ends it first has ended it, where that matters.
	end := oauth.EndSession{Digest: session.Digest, Present: true}
	commitConflicts(t, b, end, end)
	commit(t, b, oauth.StoreSession{Session: session})
	commit(t, b, end)
	commitConflicts(t, b, end, end)
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
