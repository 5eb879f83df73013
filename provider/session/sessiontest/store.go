// Package sessiontest is what the tests of the authorization endpoint, of its pages and of the logout share: a store in
// memory, and a browser that keeps its cookies.
//
// Invariant: [Store] does what the store's contract says for the changes that these make - a commit with a
// conditional change that came second applies nothing.
package sessiontest

import (
	"context"
	"slices"
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
	Requests map[oauth.Digest]oauth.PushedRequest
	Grants   map[string]oauth.Grant
	Joined   []oauth.Participation
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
		Requests: map[oauth.Digest]oauth.PushedRequest{}, Grants: map[string]oauth.Grant{},
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

// Pushed reads a pushed request; it does not look at the clock.
func (s *Store) Pushed(_ context.Context, digest oauth.Digest) (oauth.PushedRequest, error) {
	return read(s, s.Requests, digest)
}

// Grant reads a grant, a revoked one too.
func (s *Store) Grant(_ context.Context, id string) (oauth.Grant, error) {
	return read(s, s.Grants, id)
}

// SessionParticipations reads what is noted of a session.
func (s *Store) SessionParticipations(_ context.Context, sid string) ([]oauth.Participation, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	var all []oauth.Participation
	for _, p := range s.Joined {
		if p.SessionID == sid {
			all = append(all, p)
		}
	}
	return all, s.FailRead
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
		if s.late(change) {
			return &oauth.Conflict{Change: change}
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
		case oauth.JoinSession:
			s.Joined = append(s.Joined, c.Participation)
		case oauth.ProlongSession:
			for i, p := range s.Joined {
				if p.SessionID == c.SessionID && p.Until.Before(c.Until) {
					s.Joined[i].Until = c.Until
				}
			}
		case oauth.LeaveSession:
			s.Joined = slices.DeleteFunc(s.Joined, func(p oauth.Participation) bool { return p.SessionID == c.SessionID })
		case oauth.RevokeGrant:
			s.revoke(c.GrantID)
		case oauth.RevokeSession:
			for _, p := range s.Joined {
				if p.SessionID == c.SessionID && !p.Offline {
					s.revoke(p.GrantID)
				}
			}
		case oauth.RememberConsent:
			s.remember(c.Consent)
		case oauth.ForgetConsent:
			delete(s.Consents, [2]string{c.UserID, c.ClientID})
		case oauth.StorePushed:
			s.Requests[c.Pushed.Digest] = c.Pushed
		case oauth.UsePushed:
			used := s.Requests[c.Digest]
			used.Used = true
			s.Requests[c.Digest] = used
		case oauth.StoreGrant:
			s.Grants[c.Grant.ID] = c.Grant
		case oauth.ReplaceGrant:
			s.Grants[c.Grant.ID] = c.Grant
		}
	}
	s.Commits = append(s.Commits, changes)
	return nil
}

func (s *Store) revoke(grantID string) {
	if grant, there := s.Grants[grantID]; there {
		grant.Revoked = true
		s.Grants[grantID] = grant
	}
}

// remember adds to the consent: the end of each agreement moves out only.
func (s *Store) remember(given oauth.Consent) {
	key := [2]string{given.UserID, given.ClientID}
	before := s.Consents[key].Agreed
	for _, old := range before {
		i := slices.IndexFunc(given.Agreed, func(a oauth.Agreed) bool { return a.Scope == old.Scope && a.Resource == old.Resource })
		switch {
		case i < 0:
			given.Agreed = append(slices.Clone(given.Agreed), old)
		case old.Until.After(given.Agreed[i].Until):
			given.Agreed = slices.Clone(given.Agreed)
			given.Agreed[i] = old
		}
	}
	s.Consents[key] = given
}

// late says whether a conditional change comes second.
func (s *Store) late(change oauth.Change) bool {
	switch c := change.(type) {
	case oauth.UpdateInteraction:
		_, waits := s.Waiting[c.Interaction.Digest]
		return !waits
	case oauth.FinishInteraction:
		_, waits := s.Waiting[c.Digest]
		return !waits
	case oauth.EndSession:
		_, there := s.Sessions[c.Digest]
		return c.Present && !there
	case oauth.UsePushed:
		pushed, there := s.Requests[c.Digest]
		return !there || pushed.Used
	case oauth.ReplaceGrant:
		grant, there := s.Grants[c.Grant.ID]
		return !there || grant.Revoked || !grant.UpdatedAt.Equal(c.Seen)
	}
	return false
}
