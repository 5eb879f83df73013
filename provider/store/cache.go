package store

import (
	"sync"
	"time"

	"signet/provider/oauth"
)

// maxCachedClients bounds the cache; when it is full it is emptied.
const maxCachedClients = 4096

// longestKept bounds how long a client is kept while the database keeps saying that none was changed.
const longestKept = 30 * time.Second

// clientCache keeps clients for a short time, since every request reads one. Only found clients are
// kept: names that an attacker makes up cost no memory.
//
// A client is used for maxAge after it was read. Each time that the database is asked whether any client was
// stored since, and says no, what is kept counts as read at the beginning of that question. So a change by
// another process is never unnoticed for longer than maxAge, whether or not the database can be asked.
type clientCache struct {
	maxAge time.Duration // none is kept when not positive
	clock  oauth.Clock

	mu        sync.RWMutex
	epoch     uint64 // counts the drops
	entries   map[string]cachedClient
	confirmed time.Time // when what is kept was last known to be current
}

type cachedClient struct {
	client *oauth.Client
	readAt time.Time
}

// get returns a client that is known to be current no longer than maxAge ago. Otherwise it returns what put
// needs to keep the one that the caller will read.
func (c *clientCache) get(id string) (client *oauth.Client, t ticket) {
	now := c.clock()
	c.mu.RLock()
	defer c.mu.RUnlock()
	if e, ok := c.entries[id]; ok {
		current := e.readAt
		if c.confirmed.After(current) {
			current = c.confirmed
		}
		if age := now.Sub(current); age >= 0 && age <= c.maxAge && now.Sub(e.readAt) <= longestKept {
			return e.client, ticket{}
		}
	}
	return nil, ticket{readAt: now, epoch: c.epoch}
}

// confirm notes that no client was stored between the last drop or confirmation and at.
func (c *clientCache) confirm(at time.Time) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.confirmed = at
}

// dropAll forgets all clients, since another process stored some before at. What is being read just now is
// not kept either: it may be older than that.
func (c *clientCache) dropAll(at time.Time) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.epoch++
	clear(c.entries)
	c.confirmed = at
}

// ticket is the moment before a read.
type ticket struct {
	readAt time.Time
	epoch  uint64
}

// put keeps a client, unless a commit of this process stored one since the ticket was drawn: what was
// read may then be the old one.
func (c *clientCache) put(t ticket, client *oauth.Client) {
	if c.maxAge <= 0 {
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if t.epoch != c.epoch {
		return
	}
	if len(c.entries) >= maxCachedClients {
		clear(c.entries)
	}
	c.entries[client.ID] = cachedClient{client: client, readAt: t.readAt}
}

// drop forgets clients that a commit has stored.
func (c *clientCache) drop(ids []string) {
	if len(ids) == 0 {
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.epoch++
	for _, id := range ids {
		delete(c.entries, id)
	}
}
