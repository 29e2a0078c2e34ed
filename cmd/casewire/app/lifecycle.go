package app

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"time"
)

// step is one named thing to undo when the process stops.
type step struct {
	name string
	stop func(ctx context.Context) error
}

// lifecycle is the stack of what has been started. Stopping takes it down in
// reverse order, each step by name, within one deadline.
type lifecycle struct {
	log   *slog.Logger
	mu    sync.Mutex
	steps []step
	busy  string // the step that is being stopped
}

// started registers how to undo a step that has just been taken.
func (l *lifecycle) started(name string, stop func(ctx context.Context) error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.steps = append(l.steps, step{name, stop})
}

// spawn runs a loop until its step is stopped, and then waits for it. A loop that
// ends with an error by itself is reported to fail.
func (l *lifecycle) spawn(parent context.Context, name string, fail func(error), run func(ctx context.Context) error) {
	ctx, cancel := context.WithCancel(context.WithoutCancel(parent))
	done := make(chan struct{})
	go func() {
		defer close(done)
		if err := run(ctx); err != nil && ctx.Err() == nil {
			fail(fmt.Errorf("%s: %w", name, err))
		}
	}()
	l.started(name, func(context.Context) error {
		cancel()
		<-done
		return nil
	})
}

// patience is how long a step may still take when the deadline has passed, so that
// one slow step does not make all that come after it look stuck.
const patience = time.Second

// stop takes everything down. It may be called again and then does nothing. A step
// that does not end by the deadline is named and left; the rest is still stopped.
func (l *lifecycle) stop(ctx context.Context) error {
	l.mu.Lock()
	steps := l.steps
	l.steps = nil
	l.mu.Unlock()
	var errs []error
	for i := len(steps) - 1; i >= 0; i-- {
		s, begun := steps[i], time.Now()
		l.stopping(s.name)
		if err := s.within(ctx); err != nil {
			errs = append(errs, fmt.Errorf("stop %s: %w", s.name, err))
		}
		l.log.Debug("stopped", "step", s.name, "took", time.Since(begun))
	}
	l.stopping("")
	return errors.Join(errs...)
}

// within runs the step's stop and leaves it alone when it takes too long.
func (s step) within(ctx context.Context) error {
	done := make(chan error, 1)
	go func() { done <- s.stop(ctx) }()
	select {
	case err := <-done:
		return err
	case <-ctx.Done():
	}
	select {
	case err := <-done:
		return err
	case <-time.After(patience):
		return fmt.Errorf("stuck: %w", ctx.Err())
	}
}

func (l *lifecycle) stopping(name string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.busy = name
}

// stuck names the step that is being stopped.
func (l *lifecycle) stuck() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.busy
}
