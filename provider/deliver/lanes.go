package deliver

import (
	"context"
	"sync"

	"signet/provider/oauth"
)

// maxSending bounds the deliveries to clients that are on their way; one client has maxPerClient of them at most, a
// service of the operator's maxToService more.
const maxSending, maxPerClient, maxToService = 32, 4, 8

// laneName names those who wait for each other.
type laneName struct {
	service bool
	name    string
}

// laneOf is the lane of the deliveries for one client, or for one service.
func laneOf(kind Kind, d oauth.Delivery) laneName {
	if kind.Service {
		return laneName{service: true, name: kind.Name}
	}
	return laneName{name: d.ClientID}
}

// lanes give the claimed deliveries their turns. It is safe for concurrent use.
type lanes struct {
	clients chan struct{} // one for each delivery to a client on its way

	mu    sync.Mutex
	held  int
	known map[laneName]*lane
}

// lane is the deliveries for one receiver.
type lane struct {
	held    int           // waiting or on their way
	sending chan struct{} // one for each on its way
}

func newLanes() *lanes {
	return &lanes{clients: make(chan struct{}, maxSending), known: map[laneName]*lane{}}
}

// room is how many more can be held.
func (l *lanes) room() int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return maxHeld - l.held
}

// enter takes a place in the lane, unless it is full. Who has one leaves in the end.
func (l *lanes) enter(name laneName) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	one, ok := l.known[name]
	if !ok {
		one = &lane{sending: make(chan struct{}, maxPerClient)}
		if name.service {
			one.sending = make(chan struct{}, maxToService)
		}
		l.known[name] = one
	}
	if one.held == maxLane {
		return false
	}
	one.held++
	l.held++
	return true
}

// leave gives the place back. It says whether somebody may have found none meanwhile.
func (l *lanes) leave(name laneName) (wasFull bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	one := l.known[name]
	wasFull = one.held == maxLane || l.held == maxHeld
	one.held--
	l.held--
	if one.held == 0 {
		delete(l.known, name)
	}
	return wasFull
}

// turn waits until the lane lets one more on its way, and ends with ctx. The caller calls done.
func (l *lanes) turn(ctx context.Context, name laneName) (done func(), ok bool) {
	l.mu.Lock()
	own, shared := l.known[name].sending, l.clients
	l.mu.Unlock()
	if name.service {
		shared = make(chan struct{}, 1)
	}
	select {
	case own <- struct{}{}:
	case <-ctx.Done():
		return nil, false
	}
	select {
	case shared <- struct{}{}:
		return func() { <-shared; <-own }, true
	case <-ctx.Done():
		<-own
		return nil, false
	}
}
