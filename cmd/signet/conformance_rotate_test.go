package main

import (
	"context"
	"errors"
	"sync"
	"sync/atomic"
	"testing"
)

// Who came before a rotation began is served by it, however many there are; who came later is not.
func TestOneRotationForAllWhoWait(t *testing.T) {
	var r rotation
	var made atomic.Int64
	arrived, begin := make(chan struct{}), make(chan struct{})
	var first sync.Once
	rotate := func(context.Context) (bool, error) {
		first.Do(func() { close(arrived); <-begin })
		made.Add(1)
		return true, nil
	}
	var all sync.WaitGroup
	all.Go(func() {
		if err := r.await(t.Context(), rotate); err != nil {
			t.Error(err)
		}
	})
	<-arrived // the rotation has begun: it is too early for those who come now
	for range 5 {
		all.Go(func() {
			if err := r.await(t.Context(), rotate); err != nil {
				t.Error(err)
			}
		})
	}
	close(begin)
	all.Wait()
	if n := made.Load(); n < 2 || n > 6 {
		t.Errorf("%d rotations", n)
	}
	before := r.done
	if err := r.await(t.Context(), rotate); err != nil || r.done != before+1 {
		t.Errorf("a late one: %d after %d, %v", r.done, before, err)
	}
	cause := errors.New("the keys cannot be read")
	if err := r.await(t.Context(), func(context.Context) (bool, error) { return false, cause }); !errors.Is(err, cause) {
		t.Error(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := r.await(ctx, func(context.Context) (bool, error) { return false, nil }); !errors.Is(err, context.Canceled) {
		t.Error(err)
	}
}
