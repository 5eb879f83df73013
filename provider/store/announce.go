package store

import (
	"context"
	"database/sql/driver"
	"fmt"
	"sync"
	"time"

	"signet/provider/oauth"
)

// The table versions has a row for each topic, which the migrations put there.
const (
	bumpVersion    = `UPDATE versions SET version = version + 1 WHERE topic = ?`
	selectVersions = `SELECT topic, version FROM versions`
)

// pollEvery is how often Run asks for new announcements, at most half of ClientMaxAge.
const pollEvery = 500 * time.Millisecond

// topics are the versions last seen and who wants to know of new ones.
type topics struct {
	mu          sync.Mutex
	seen        map[string]int64
	subscribers map[string][]func()
}

// Subscribe has f called, by the goroutine of [Store.Run], after a process on this database, this one
// included, announced the topic at some time since Open. Several announcements may make one call. It is
// called before Run.
func (s *Store) Subscribe(topic oauth.Topic, f func()) {
	s.topics.mu.Lock()
	defer s.topics.mu.Unlock()
	if s.topics.subscribers == nil {
		s.topics.subscribers = map[string][]func(){}
	}
	s.topics.subscribers[string(topic)] = append(s.topics.subscribers[string(topic)], f)
}

func (p *plan) announce(c oauth.Announce) error {
	if c.Topic != oauth.TopicClients && c.Topic != oauth.TopicKeys {
		return fmt.Errorf("store: unknown topic %q", c.Topic)
	}
	p.do(c, anything, bumpVersion, string(c.Topic))
	return nil
}

// readVersions asks for the present versions and returns the topics that are new.
func (s *Store) readVersions(ctx context.Context) error {
	_, err := s.newVersions(ctx)
	return err
}

func (s *Store) newVersions(ctx context.Context) (changed []string, err error) {
	now := map[string]int64{}
	err = s.readers.few(ctx, selectVersions, nil, func(row []driver.Value) error {
		now[text(row[0])] = integer(row[1])
		return nil
	})
	if err != nil {
		return nil, err
	}
	s.topics.mu.Lock()
	defer s.topics.mu.Unlock()
	for topic, version := range now {
		if version != s.topics.seen[topic] {
			changed = append(changed, topic)
		}
	}
	s.topics.seen = now
	return changed, nil
}

// poll is one look for announcements. Its time is taken before: what is announced afterwards is for the next.
func (s *Store) poll(ctx context.Context) error {
	at := s.opt.Clock()
	changed, err := s.newVersions(ctx)
	if err != nil {
		return err
	}
	clients := false
	var calls []func()
	s.topics.mu.Lock()
	for _, topic := range changed {
		clients = clients || topic == string(oauth.TopicClients)
		calls = append(calls, s.topics.subscribers[topic]...)
	}
	s.topics.mu.Unlock()
	if clients {
		s.cache.dropAll(at)
	} else {
		s.cache.confirm(at)
	}
	for _, f := range calls {
		f()
	}
	return nil
}

// follow polls until ctx ends. While the database does not answer, clients in memory grow old (see
// clientCache); the log says so once.
func (s *Store) follow(ctx context.Context) {
	every := pollEvery
	if s.opt.ClientMaxAge > 0 {
		every = min(every, max(s.opt.ClientMaxAge/2, 10*time.Millisecond))
	}
	ticker := time.NewTicker(every)
	defer ticker.Stop()
	failing := false
	for {
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
		}
		err := s.poll(ctx)
		if err != nil && ctx.Err() == nil && !failing {
			s.opt.Log.Warn("announcements of other processes cannot be read", "cause", err)
		}
		failing = err != nil
	}
}
