package store

import (
	"sync"
	"time"

	"signet/provider/oauth"
)

// maxCachedClients bounds the cache; when it is full it is emptied.
const maxCachedClients = 4096

// clientCache keeps clients for a short time, since every request reads one. Only found clients are
// kept: names that an attacker makes up cost no memory.
type clientCache struct {
	maxAge time.Duration // none is kept when not positive
	clock  oauth.Clock

	mu      sync.RWMutex
	epoch   uint64 // counts the drops
	entries map[string]cachedClient
}

type cachedClient struct {
	client *oauth.Client
	readAt time.Time
}

// get returns a client that was read no longer than maxAge ago. Otherwise it returns what put needs to
// keep the one that the caller will read.
func (c *clientCache) get(id string) (client *oauth.Client, t ticket) {
	now := c.clock()
	c.mu.RLock()
	defer c.mu.RUnlock()
	if e, ok := c.entries[id]; ok {
		if age := now.Sub(e.readAt); age >= 0 && age <= c.maxAge {
			return e.client, ticket{}
		}
	}
	return nil, ticket{readAt: now, epoch: c.epoch}
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
