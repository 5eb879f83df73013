// Package sessiontest is what the tests of the authorization endpoint and those of its pages share: a store in
// memory, and a browser that keeps its cookies.
//
// Invariant: [Store] does what the store's contract says for the changes that the two make - a commit with a
// conditional change that came second applies nothing.
package sessiontest

import (
	"context"
	"sync"

	"signet/provider/oauth"
)

// Store is a store in memory. Its fields are for the test that owns it: to prepare, and to look at.
type Store struct {
	Clients  map[string]*oauth.Client
	Users    map[string]oauth.User
	Waiting  map[oauth.Digest]oauth.Interaction
	Sessions map[oauth.Digest]oauth.Session
	Consents map[[2]string]oauth.Consent // by user and client
	Commits  [][]oauth.Change
	Spooled  []oauth.AuditEntry

	FailRead, FailWrite error // what every reading or writing operation returns instead

	mu sync.Mutex
}

// NewStore makes a store with these clients and users.
func NewStore(clients []*oauth.Client, users []oauth.User) *Store {
	s := &Store{
		Clients: map[string]*oauth.Client{}, Users: map[string]oauth.User{}, Waiting: map[oauth.Digest]oauth.Interaction{},
		Sessions: map[oauth.Digest]oauth.Session{}, Consents: map[[2]string]oauth.Consent{},
	}
	for _, client := range clients {
		s.Clients[client.ID] = client
	}
	for _, user := range users {
		s.Users[user.ID] = user
	}
	return s
}

// Fail makes every operation fail from now on; nil ends that.
func (s *Store) Fail(err error) { s.FailRead, s.FailWrite = err, err }

func read[K comparable, V any](s *Store, from map[K]V, key K) (V, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	value, ok := from[key]
	switch {
	case s.FailRead != nil:
		return value, s.FailRead
	case !ok:
		return value, oauth.ErrNotFound
	}
	return value, nil
}

// Client reads a client.
func (s *Store) Client(_ context.Context, id string) (*oauth.Client, error) {
	return read(s, s.Clients, id)
}

// User reads an account.
func (s *Store) User(_ context.Context, id string) (oauth.User, error) { return read(s, s.Users, id) }

// UserByName reads an account.
func (s *Store) UserByName(ctx context.Context, name string) (oauth.User, error) {
	for id, user := range s.Users {
		if user.Username == name {
			return s.User(ctx, id)
		}
	}
	return s.User(ctx, "")
}

// Interaction reads a waiting request; it does not look at the clock.
func (s *Store) Interaction(_ context.Context, digest oauth.Digest) (oauth.Interaction, error) {
	return read(s, s.Waiting, digest)
}

// Session reads a session; it does not look at the clock.
func (s *Store) Session(_ context.Context, digest oauth.Digest) (oauth.Session, error) {
	return read(s, s.Sessions, digest)
}

// Consent reads what a user has agreed to.
func (s *Store) Consent(_ context.Context, user, client string) (oauth.Consent, error) {
	return read(s, s.Consents, [2]string{user, client})
}

// Add is the audit queue's.
func (s *Store) Add(_ context.Context, entry oauth.AuditEntry) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.Spooled = append(s.Spooled, entry)
	return s.FailWrite
}

// Commit applies all changes or none, and keeps them in Commits.
func (s *Store) Commit(_ context.Context, changes ...oauth.Change) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.FailWrite != nil {
		return s.FailWrite
	}
	for _, change := range changes {
		if digest, conditional := needs(change); conditional {
			if _, waits := s.Waiting[digest]; !waits {
				return &oauth.Conflict{Change: change}
			}
		}
	}
	for _, change := range changes {
		switch c := change.(type) {
		case oauth.StoreInteraction:
			s.Waiting[c.Interaction.Digest] = c.Interaction
		case oauth.UpdateInteraction:
			s.Waiting[c.Interaction.Digest] = c.Interaction
		case oauth.FinishInteraction:
			delete(s.Waiting, c.Digest)
		case oauth.StoreSession:
			s.Sessions[c.Session.Digest] = c.Session
		case oauth.EndSession:
			delete(s.Sessions, c.Digest)
		case oauth.RememberConsent:
			s.Consents[[2]string{c.Consent.UserID, c.Consent.ClientID}] = c.Consent
		}
	}
	s.Commits = append(s.Commits, changes)
	return nil
}

// needs returns the waiting request without which a change conflicts.
func needs(change oauth.Change) (digest oauth.Digest, conditional bool) {
	switch c := change.(type) {
	case oauth.UpdateInteraction:
		return c.Interaction.Digest, true
	case oauth.FinishInteraction:
		return c.Digest, true
	}
	return oauth.Digest{}, false
}
