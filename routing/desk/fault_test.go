package desk_test

import (
	"context"
	"errors"
	"sync"
	"testing"
	"time"

	"casewire/casecore"
	"casewire/casecore/store"
	"casewire/routing"
	"casewire/routing/desk"
)

// brokenStore fails to read while it is told to.
type brokenStore struct {
	store.Store
	mu  sync.Mutex
	err error
}

func (s *brokenStore) fail(err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.err = err
}

func (s *brokenStore) View(ctx context.Context, fn func(store.Tx) error) error {
	s.mu.Lock()
	err := s.err
	s.mu.Unlock()
	if err != nil {
		return err
	}
	return s.Store.View(ctx, fn)
}

// eventually waits for a state that nothing announces.
func eventually(t testing.TB, ok func() bool) {
	t.Helper()
	tick := time.NewTicker(time.Millisecond)
	defer tick.Stop()
	over := time.After(patience)
	for !ok() {
		select {
		case <-tick.C:
		case <-over:
			t.Fatal("waited in vain")
		}
	}
}

func TestALostHintIsFoundByASurvey(t *testing.T) {
	h := newHouse(t)
	deaf := &deafStore{Store: h.store, hints: make(chan store.Hint)}
	b := desk.NewBoard(deaf, func() *routing.Router { return h.router }, desk.BoardOptions{Now: h.clock.Now, Survey: 20 * time.Millisecond})
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- b.Run(ctx) }()
	f := h.feed(b, anna)
	c := h.arrive("phones")
	until(t, f, cardOf(c.CaseNumber()))
	if _, err := h.work.Claim(t.Context(), anna, c.CaseNumber()); err != nil {
		t.Fatal(err)
	}
	until(t, f, goneOf(c.CaseNumber()))
	own := h.feed(b, anna)
	if len(own.Snapshot.Mine) != 1 {
		t.Fatalf("own cases %+v, want the claimed one", own.Snapshot.Mine)
	}
	if _, err := h.work.Release(t.Context(), anna, c.CaseNumber(), "", casecore.Guard{}); err != nil {
		t.Fatal(err)
	}
	until(t, own, func(fr frame) bool { return mineOf(c.CaseNumber())(fr) && fr.Gone })
	cancel()
	if err := <-done; err != nil {
		t.Error(err)
	}
	<-own.Ready()
	if _, err := own.Take(); !errors.Is(err, desk.ErrStopped) {
		t.Errorf("after the board stopped a feed says %v", err)
	}
	if _, err := b.Open(t.Context(), anna); !errors.Is(err, desk.ErrStopped) {
		t.Errorf("opening a stopped board: %v", err)
	}
}

// deafStore loses every hint.
type deafStore struct {
	store.Store
	hints chan store.Hint
}

func (s *deafStore) Watch(context.Context, *store.Coll) (<-chan store.Hint, error) {
	return s.hints, nil
}

func TestTheBoardSaysWhyItCannotBeReliedOn(t *testing.T) {
	h := newHouse(t)
	broken := &brokenStore{Store: h.store}
	b := desk.NewBoard(broken, func() *routing.Router { return h.router }, desk.BoardOptions{Now: h.clock.Now})
	if b.Ready() == nil {
		t.Error("a board that was not loaded says that it is ready")
	}
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	done := make(chan error, 1)
	go func() { done <- b.Run(ctx) }()
	f := h.feed(b, anna)
	broken.fail(errors.New("disk on fire"))
	c := h.arrive("phones")
	eventually(t, func() bool { return b.Ready() != nil })
	broken.fail(nil)
	until(t, f, cardOf(c.CaseNumber()))
	if err := b.Ready(); err != nil {
		t.Errorf("the store can be read again, but the board says %v", err)
	}
	cancel()
	if err := <-done; err != nil {
		t.Error(err)
	}
}
