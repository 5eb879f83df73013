package store

import (
	"context"
	"database/sql/driver"
	"errors"

	"signet/provider/oauth"
)

const (
	selectClient  = `SELECT data FROM clients WHERE client_id = ?`
	selectClients = `SELECT data FROM clients ORDER BY client_id`
	updateClient  = `UPDATE clients SET data = ? WHERE client_id = ?`
	// What was read and what is stored are compared as text: a row with members that this build does not know is
	// another one, so that none of them is lost.
	replaceClient = `UPDATE clients SET data = ? WHERE client_id = ? AND data = ?`
	insertClient  = `INSERT INTO clients (client_id, data) VALUES (?, ?)`
)

// Client returns a registered client. It is shared with other requests: callers must not modify it. It
// may be as old as [Options.ClientMaxAge]. Absent: [oauth.ErrNotFound].
func (s *Store) Client(ctx context.Context, id string) (*oauth.Client, error) {
	client, ticket := s.cache.get(id)
	if client != nil {
		s.counts.hits.Add(1)
		return client, nil
	}
	s.counts.misses.Add(1)
	client = new(oauth.Client)
	err := s.readers.point(ctx, selectClient, values(id), func(row []driver.Value) error {
		return decode(row[0], client)
	})
	if err != nil {
		return nil, absent(err, "client")
	}
	s.cache.put(ticket, client)
	return client, nil
}

// Clients returns every registered client, ordered by id.
func (s *Store) Clients(ctx context.Context) ([]oauth.Client, error) {
	return list[oauth.Client](ctx, s, selectClients)
}

func (p *plan) storeClient(c oauth.StoreClient) error {
	data, err := encode(c.Client)
	if err != nil {
		return err
	}
	expect := newKey
	if !c.New {
		p.do(c, anything, updateClient, data, c.Client.ID)
		expect = knownKey
	}
	p.do(c, expect, insertClient, c.Client.ID, data)
	p.do(c, anything, bumpVersion, string(oauth.TopicClients))
	p.clients = append(p.clients, c.Client.ID)
	return nil
}

func (p *plan) replaceClient(c oauth.ReplaceClient) error {
	if c.Client.ID != c.Seen.ID {
		return errors.New("store: a client is replaced by another one")
	}
	data, err := encode(c.Client)
	if err != nil {
		return err
	}
	seen, err := encode(c.Seen)
	if err != nil {
		return err
	}
	p.do(c, rowChanged, replaceClient, data, c.Client.ID, seen)
	p.do(c, anything, bumpVersion, string(oauth.TopicClients))
	p.clients = append(p.clients, c.Client.ID)
	return nil
}
