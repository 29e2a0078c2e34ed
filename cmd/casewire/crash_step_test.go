package main

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"time"
)

// arm has the running program die at a point, counted from now.
func (w *world) arm(o order) {
	w.t.Helper()
	text := ""
	if o.point != "" {
		text = o.String()
	}
	if _, err := fmt.Fprintln(w.proc.leash, text); err != nil {
		return // it is dead, and the step will notice
	}
	select {
	case <-w.proc.armed:
		w.armed = text != ""
	case <-w.proc.over:
	case <-time.After(patience):
		w.t.Fatal("the program takes no orders")
	}
}

// step is a part of the scenario: what several people do at once.
type step struct {
	name string
	acts []*act
}

// act is one thing that somebody does until it is done; again is set when the
// program died under an earlier try.
type act struct {
	do   func(ctx context.Context, again bool) error
	done bool
	try  int
}

func together(name string, do ...func(ctx context.Context, again bool) error) step {
	s := step{name: name}
	for _, d := range do {
		s.acts = append(s.acts, &act{do: d})
	}
	return s
}

// play carries out a step, through as many lives as it takes.
func (w *world) play(s step) {
	w.t.Helper()
	w.played++
	w.doing = s.name
	switch {
	case w.sweep != "":
		w.arm(order{point: w.sweep, n: 1})
	case len(w.orders) > 0 && !w.armed && w.played >= w.orders[0].step:
		w.arm(w.orders[0])
	}
	for {
		ctx, cancel := context.WithTimeout(w.t.Context(), patience)
		err := w.try(ctx, s)
		if errors.Is(err, errCut) && ctx.Err() == nil { // else it is we who had enough
			w.buried()
			w.launch(ctx)
			cancel()
			continue
		}
		cancel()
		if err != nil {
			w.t.Fatalf("%s: %v", s.name, err)
		}
		for _, c := range w.customers {
			if f := c.complaints(); len(f) > 0 {
				w.t.Fatalf("%s: %s", s.name, strings.Join(f, "\n"))
			}
		}
		return
	}
}

func (w *world) try(ctx context.Context, s step) error {
	errs := make([]error, len(s.acts))
	var wg sync.WaitGroup
	for i, a := range s.acts {
		if a.done {
			continue
		}
		wg.Go(func() {
			a.try++
			errs[i] = a.do(ctx, a.try > 1)
			a.done = errs[i] == nil
		})
	}
	wg.Wait()
	var cut error
	for _, err := range errs {
		if err != nil && !errors.Is(err, errCut) {
			return err
		}
		cut = errors.Join(cut, err)
	}
	return cut
}

// reassure repeats what was acknowledged last, as clients do that are not sure:
// they get the same answer as before.
func (w *world) reassure(ctx context.Context) error {
	for _, c := range w.customers {
		if err := c.again(ctx, w.messages); err != nil {
			return err
		}
	}
	for _, o := range w.workers {
		if err := o.repeat(ctx); err != nil {
			return err
		}
	}
	return nil
}
