package fetch

import (
	"container/list"
	"context"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"time"
)

// Bounds of the cache, and how long an answer counts at least, whatever its server says: a document for
// minFresh, a failure for failFor.
const (
	maxEntries = 1024
	maxCached  = 16 << 20 // bytes of documents
	minFresh   = 30 * time.Second
	failFor    = 5 * time.Second
)

// Cached returns the document from the cache or fetches it. It counts as fresh for as long as its
// Cache-Control says, within 30 s and maxAge. When fetching fails, an older copy is used that is no older
// than maxAge, or else the failure is remembered for 5 s. Concurrent calls share one fetch. The caller must
// not change the returned bytes.
func (c *Client) Cached(ctx context.Context, address, accept string, maxAge time.Duration) ([]byte, error) {
	now := c.opt.Clock()
	e := c.cache.read(key(address, accept))
	if e.body != nil && now.Before(e.fetchedAt.Add(min(max(e.freshFor, minFresh), maxAge))) {
		return e.body, nil
	}
	usable := e.body != nil && now.Before(e.fetchedAt.Add(maxAge))
	if e.err == nil || !now.Before(e.failedAt.Add(failFor)) {
		body, err := c.shared(ctx, address, accept)
		if err == nil || !usable {
			return body, err
		}
	}
	if usable {
		return e.body, nil
	}
	return nil, e.err
}

// Refresh fetches the document anew although a copy may be fresh, because the copy proved too old (a token
// names a key that it lacks). It does so once per RefreshEvery for a URL, whoever asks; in between it answers
// with what the last fetch gave.
func (c *Client) Refresh(ctx context.Context, address, accept string) ([]byte, error) {
	k := key(address, accept)
	if !c.cache.mayRefresh(k, c.opt.Clock(), c.opt.RefreshEvery) {
		switch e := c.cache.read(k); {
		case e.refreshing: // somebody else's refresh is under way: wait for it
		case e.err != nil:
			return nil, e.err
		case e.body != nil:
			return e.body, nil
		}
	}
	return c.shared(ctx, address, accept)
}

func key(address, accept string) string { return accept + " " + address }

// shared lets concurrent callers wait for one fetch. It goes on when the caller that started it leaves.
func (c *Client) shared(ctx context.Context, address, accept string) ([]byte, error) {
	k := key(address, accept)
	flight := c.flights.DoChan(k, func() (any, error) {
		doc, err := c.get(context.WithoutCancel(ctx), address, accept)
		if err != nil {
			c.cache.fail(k, err, c.opt.Clock())
			return nil, err
		}
		c.cache.store(k, doc, c.opt.Clock())
		return doc.body, nil
	})
	select {
	case result := <-flight:
		body, _ := result.Val.([]byte)
		return body, result.Err
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

// entry is what is known of one URL: the last document and, if the last fetch failed, why.
type entry struct {
	key         string
	body        []byte
	fetchedAt   time.Time
	freshFor    time.Duration
	err         error
	failedAt    time.Time
	refreshedAt time.Time
	refreshing  bool
}

// cache keeps the entries used last, within its bounds.
type cache struct {
	mu      sync.Mutex
	entries map[string]*list.Element
	recent  *list.List // of *entry, used last in front
	bytes   int
}

func newCache() *cache { return &cache{entries: make(map[string]*list.Element), recent: list.New()} }

// read returns a copy of the entry; the zero entry when there is none.
func (c *cache) read(key string) entry {
	c.mu.Lock()
	defer c.mu.Unlock()
	element, ok := c.entries[key]
	if !ok {
		return entry{}
	}
	c.recent.MoveToFront(element)
	return *element.Value.(*entry) //nolint:forcetypeassert // the list has nothing else
}

// update changes an entry, made if need be, and drops what exceeds the bounds.
func (c *cache) update(key string, change func(*entry)) {
	c.mu.Lock()
	defer c.mu.Unlock()
	element, ok := c.entries[key]
	if !ok {
		element = c.recent.PushFront(&entry{key: key})
		c.entries[key] = element
	}
	c.recent.MoveToFront(element)
	e := element.Value.(*entry) //nolint:forcetypeassert // the list has nothing else
	before := len(e.body)
	change(e)
	c.bytes += len(e.body) - before
	for c.recent.Len() > maxEntries || c.bytes > maxCached && c.recent.Len() > 1 {
		last := c.recent.Back()
		old := c.recent.Remove(last).(*entry) //nolint:forcetypeassert // the list has nothing else
		c.bytes -= len(old.body)
		delete(c.entries, old.key)
	}
}

func (c *cache) store(key string, doc document, now time.Time) {
	c.update(key, func(e *entry) {
		e.body, e.fetchedAt, e.freshFor = doc.body, now, freshness(doc.header)
		e.err, e.failedAt, e.refreshing = nil, time.Time{}, false
	})
}

func (c *cache) fail(key string, err error, now time.Time) {
	c.update(key, func(e *entry) { e.err, e.failedAt, e.refreshing = err, now, false })
}

func (c *cache) mayRefresh(key string, now time.Time, every time.Duration) (ok bool) {
	c.update(key, func(e *entry) {
		if ok = e.refreshedAt.IsZero() || !now.Before(e.refreshedAt.Add(every)); ok {
			e.refreshedAt, e.refreshing = now, true
		}
	})
	return ok
}

// freshness reads how long a private cache may use a response (RFC 9111 section 4.2). Without a max-age it
// is as long as the caller's maxAge allows.
func freshness(h http.Header) time.Duration {
	const unbounded = 24 * 365 * time.Hour
	var fresh time.Duration = unbounded
	for directive := range strings.SplitSeq(strings.Join(h.Values("Cache-Control"), ","), ",") {
		name, value, _ := strings.Cut(strings.ToLower(strings.TrimSpace(directive)), "=")
		switch name {
		case "no-store", "no-cache":
			return 0
		case "max-age":
			seconds, err := strconv.ParseUint(strings.Trim(value, `"`), 10, 31)
			if err != nil {
				return 0 // RFC 9111 section 4.2.1: invalid freshness information is stale
			}
			fresh = min(fresh, time.Duration(seconds)*time.Second)
		}
	}
	if age, err := strconv.ParseUint(h.Get("Age"), 10, 31); err == nil {
		fresh -= time.Duration(age) * time.Second
	}
	return max(fresh, 0)
}
