// Package shift is how a room works through what it leases from the store: rounds in
// one goroutine, deeds in others, and a stop that first waits for the deeds and then
// cuts them. It knows neither what is leased nor what the deeds are.
package shift

import (
	"context"
	"errors"
	"sync"
	"time"

	"casewire/casecore/store"
)

// ErrCut is the cause of the context of deeds that the stop has cut short.
var ErrCut = errors.New("cut short by the stop")

// Shift is one run of a room, whose deeds end in an R. What it holds is for the
// goroutine of Run alone.
type Shift[R any] struct {
	Stopping bool // nothing new is to be begun
	Finished []R  // ends that are not recorded yet; the room empties it

	results chan R
	deeds   sync.WaitGroup
	cut     bool
}

// New returns a shift that is not running yet.
func New[R any]() *Shift[R] { return &Shift[R]{results: make(chan R, 64)} }

// Room is what works in a shift.
type Room[R any] struct {
	Grace time.Duration // how long deeds may go on after the stop
	// Round brings the store up to date, begins deeds under the second context, and
	// returns how long nothing will be due.
	Round func(work, deeds context.Context) time.Duration
	// Open is how many deeds are begun and not recorded.
	Open func() int
	// Ended is told of each end as it comes; optional.
	Ended func(R)
}

// Begin runs a deed, whose end a later round finds in Finished.
func (s *Shift[R]) Begin(deed func() R) { s.deeds.Go(func() { s.results <- deed() }) }

// Run works until ctx is done, then waits Grace for the deeds, cuts them, and returns
// when the last has ended and is recorded. Neither the store nor the deeds work under
// ctx, which only says when to stop.
func (s *Shift[R]) Run(ctx context.Context, hints <-chan store.Hint, room Room[R]) {
	work := context.WithoutCancel(ctx)
	deeds, cut := context.WithCancelCause(work)
	defer cut(nil)
	timer := time.NewTimer(0)
	defer timer.Stop()
	var grace <-chan time.Time
	stop := ctx.Done()
	for {
		select {
		case <-stop:
			s.Stopping, stop = true, nil
			t := time.NewTimer(room.Grace)
			defer t.Stop()
			grace = t.C
		case <-grace:
			s.cut = true
			cut(ErrCut)
		case r := <-s.results:
			s.take(r, room)
		case _, ok := <-hints:
			if !ok {
				hints = nil // ctx is done, or the store is closed: the poll tells
			}
		case <-timer.C:
		}
		s.takeAll(room)
		wait := room.Round(work, deeds)
		if s.Stopping && s.idle(room.Open()) {
			s.deeds.Wait()
			return
		}
		timer.Reset(wait)
	}
}

func (s *Shift[R]) take(r R, room Room[R]) {
	if room.Ended != nil {
		room.Ended(r)
	}
	s.Finished = append(s.Finished, r)
}

// takeAll takes the ends that are there already.
func (s *Shift[R]) takeAll(room Room[R]) {
	for {
		select {
		case r := <-s.results:
			s.take(r, room)
		default:
			return
		}
	}
}

// idle says that a stop has nothing left to wait for. Ends that the store does not
// take after the deeds were cut are left to the leases.
func (s *Shift[R]) idle(open int) bool {
	return open == 0 || s.cut && len(s.Finished) == open
}
