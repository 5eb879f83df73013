package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"sync"
	"time"

	"signet/conformance"
)

const (
	// rotationLimit is how long a rotation may take: a key has to be published for six minutes before the next one of
	// its algorithm can be made.
	rotationLimit = 8 * time.Minute
	// tryAgain is how far apart it is tried.
	tryAgain = 5 * time.Second
)

// rotatable are the algorithms whose keys the suite can compare.
var rotatable = []string{"RS256", "PS256", "ES256"}

// rotateKeys has a new signing key for the running provider of the run, made as "signet key rotate" does, and returns when
// it is published. Each of the algorithms can be the one: the latest key of an algorithm may not sign yet, and then
// there is none after it.
func (s *conformanceSetup) rotateKeys(ctx context.Context, run conformance.Run) error {
	i := slices.IndexFunc(s.providers, func(p *conformanceProvider) bool { return p.setup == run.Setup })
	if i < 0 {
		return fmt.Errorf("no provider has the setup %q", run.Setup)
	}
	return s.providers[i].rotation.await(ctx, s.providers[i].rotate)
}

// rotation makes one new key do for all who wait for one: a provider makes keys no faster than it publishes them, and
// with a key for each module the last of many runs would wait for an hour.
type rotation struct {
	mutex sync.Mutex
	done  int // rotations so far
}

// await returns after a rotation that began after the call, its own or another's. rotate says whether it made a key.
func (r *rotation) await(ctx context.Context, rotate func(context.Context) (bool, error)) error {
	r.mutex.Lock()
	seen := r.done
	r.mutex.Unlock()
	for {
		r.mutex.Lock()
		var err error
		if r.done == seen {
			var made bool
			if made, err = rotate(ctx); made && err == nil {
				r.done++
			}
		}
		enough := r.done > seen
		r.mutex.Unlock()
		if enough || err != nil {
			return err
		}
		if err := pause(ctx, tryAgain); err != nil {
			return err
		}
	}
}

// rotate makes a key of the first algorithm that can have one now, and returns when it is published.
func (p *conformanceProvider) rotate(ctx context.Context) (made bool, err error) {
	for _, alg := range rotatable {
		kids, err := p.makeKey(ctx, alg)
		if err != nil {
			return false, err
		}
		if len(kids) > 0 {
			return true, p.awaitKey(ctx, kids[0])
		}
	}
	return false, nil
}

// makeKey returns the kids of what was made: none when the latest key does not sign yet.
func (p *conformanceProvider) makeKey(ctx context.Context, alg string) (kids []string, err error) {
	db, err := p.openDatabase(ctx, p.config)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, db.Close()) }()
	ring, err := openKeys(ctx, p.system, p.config, p.quietLog(), asKeeper, nil)
	if err != nil {
		return nil, err
	}
	r := &registrar{system: p.system, db: db, config: p.config}
	done, err := rotateKey(ctx, p.config, ring, alg)
	for _, key := range done.Made {
		kids = append(kids, key.Kid)
	}
	if len(kids) > 0 {
		err = errors.Join(err, recordKeyWork(ctx, r, done))
	}
	return kids, errors.Join(err, ring.close())
}

// awaitKey waits until the provider publishes the key.
func (p *conformanceProvider) awaitKey(ctx context.Context, kid string) error {
	transport, err := (&clientSettings{CA: p.shared.path("pki", "ca.pem")}).transport()
	if err != nil {
		return err
	}
	defer transport.CloseIdleConnections()
	client := &http.Client{Transport: transport, Timeout: 5 * time.Second}
	ctx, cancel := context.WithTimeout(ctx, conformancePatience)
	defer cancel()
	for {
		kids, err := publishedKids(ctx, client, p.config.Issuer+"/jwks")
		if err == nil && slices.Contains(kids, kid) {
			return nil
		}
		if pause(ctx, 200*time.Millisecond) != nil {
			return errors.Join(fmt.Errorf("the provider does not publish the new key %s", kid), err)
		}
	}
}

func publishedKids(ctx context.Context, client *http.Client, address string) ([]string, error) {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, address, nil)
	if err != nil {
		return nil, err
	}
	response, err := client.Do(request)
	if err != nil {
		return nil, err
	}
	defer response.Body.Close() //nolint:errcheck // only read
	var set struct {
		Keys []struct {
			Kid string `json:"kid"`
		} `json:"keys"`
	}
	if err := json.NewDecoder(response.Body).Decode(&set); err != nil {
		return nil, fmt.Errorf("%s: %w", address, err)
	}
	var kids []string
	for _, key := range set.Keys {
		kids = append(kids, key.Kid)
	}
	return kids, nil
}
