package storetest

import (
	"context"
	"errors"
	"fmt"
	"os"
	"sync"
	"sync/atomic"
	"testing"

	"signet/provider/oauth"
)

// Outcome is what a load came to.
type Outcome struct {
	Succeeded   int64 // commits
	Unavailable int64 // commits that were answered as unavailable
}

// RunOutage calls disturb while eight workers store, redeem and rotate, and afterwards looks at what is
// there: what a worker was told is true, and nothing is there by half. A commit may be answered as unavailable;
// any other failure is an error. disturb returns when the database works again, so that every worker succeeds
// once more. The backend is opened once more for the look.
func RunOutage(t *testing.T, open Opener, dsn string, disturb func()) Outcome {
	t.Helper()
	b := openHere(t, open, dsn)
	var (
		outcome struct{ succeeded, unavailable atomic.Int64 }
		lock    sync.Mutex
		said    = map[string]string{} // the last step of each id
		stop    = make(chan struct{})
		workers sync.WaitGroup
	)
	say := func(step, id string) {
		outcome.succeeded.Add(1)
		lock.Lock()
		defer lock.Unlock()
		said[id] = step
	}
	for worker := range 8 {
		workers.Go(func() {
			for i := 0; ; i++ {
				id := fmt.Sprintf("%d-%d-%d", os.Getpid(), worker, i)
				err := life(context.Background(), b, id, func(step string) { say(step, id) })
				if errors.Is(err, oauth.ErrUnavailable) {
					outcome.unavailable.Add(1)
				} else if err != nil {
					t.Errorf("%s: %v", id, err)
					return
				}
				select {
				case <-stop:
					if err == nil {
						return
					}
				default:
				}
			}
		})
	}
	disturb()
	close(stop)
	workers.Wait()
	checkSurvivors(t, open, dsn, said)
	return Outcome{outcome.succeeded.Load(), outcome.unavailable.Load()}
}
