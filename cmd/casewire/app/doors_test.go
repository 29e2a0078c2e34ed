package app

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"testing"
	"time"

	"casewire/casecore"
	"casewire/casecore/store"
	"casewire/casecore/store/tempstore"
	"casewire/channels"
	"casewire/config"
)

// lastWord is a door that has a message to store when it is told to end.
type lastWord struct{ last func() error }

func (l lastWord) Validate() error { return nil }

func (l lastWord) Open(channels.Env) (channels.Channel, error) { return l, nil }

func (l lastWord) Run(ctx context.Context, _ channels.Sink) error {
	<-ctx.Done()
	return l.last()
}

func (l lastWord) Send(context.Context, channels.Outbound) (channels.Receipt, error) {
	return channels.Receipt{}, &channels.SendError{Reason: channels.Unreachable, Err: errors.New("closed")}
}

// A door that is told to end may wait for the store, and the outbox asks for doors
// from inside a store transaction: neither may wait for the other.
func TestDoorsCloseWhileATransactionAsksForThem(t *testing.T) {
	var stores tempstore.Pool
	st := stores.Open(t, casecore.Collections()...)
	ending, inside := make(chan struct{}), make(chan struct{})
	d := newDoors(func(id string) channels.Env { return channels.Env{ID: id} }, slog.New(slog.DiscardHandler))
	door := lastWord{last: func() error {
		close(ending)
		return st.Update(context.WithoutCancel(t.Context()), func(tx store.Tx) error {
			return casecore.SaveCursor(tx, "test:door", []byte("1"))
		})
	}}
	if err := d.apply(t.Context(), []config.Channel{{ID: "test:door", Config: door}}); err != nil {
		t.Fatal(err)
	}
	sent := make(chan error, 1)
	go func() {
		sent <- st.Update(t.Context(), func(store.Tx) error {
			close(inside)
			<-ending
			_ = d.channel("test:door")
			_, _ = d.ofKind("test")
			return nil
		})
	}()
	<-inside
	stopped := make(chan error, 1)
	go func() { stopped <- d.stop(t.Context()) }()
	for _, c := range []chan error{sent, stopped} {
		select {
		case err := <-c:
			if err != nil {
				t.Error(err)
			}
		case <-time.After(10 * time.Second):
			t.Fatal("the store and the doors wait for each other")
		}
	}
	if err := d.apply(t.Context(), []config.Channel{{ID: "test:door", Config: door}}); err == nil {
		t.Error("a door was opened after all were closed for good")
	}
}

func TestLifecycleNamesWhatIsStuckAndStopsTheRest(t *testing.T) {
	l := &lifecycle{log: slog.New(slog.DiscardHandler)}
	var order []string
	stop := func(name string) func(context.Context) error {
		return func(context.Context) error { order = append(order, name); return nil }
	}
	release := make(chan struct{})
	l.started("first", stop("first"))
	l.started("stuck", func(context.Context) error { <-release; return nil })
	l.started("last", stop("last"))
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Millisecond)
	defer cancel()
	err := l.stop(ctx)
	close(release)
	if err == nil || !errors.Is(err, context.DeadlineExceeded) || err.Error()[:len("stop stuck")] != "stop stuck" {
		t.Errorf("the stuck step is not named: %v", err)
	}
	if len(order) != 2 || order[0] != "last" || order[1] != "first" {
		t.Errorf("stopped %v, want last before first", order)
	}
	if err := l.stop(t.Context()); err != nil {
		t.Errorf("a second stop: %v", err)
	}
}

func TestLifecycleWaitsForWhatItSpawned(t *testing.T) {
	l := &lifecycle{log: slog.New(slog.DiscardHandler)}
	ended := false
	failed := make(chan error, 1)
	l.spawn(t.Context(), "loop", func(err error) { failed <- err }, func(ctx context.Context) error {
		<-ctx.Done()
		ended = true
		return ctx.Err()
	})
	l.spawn(t.Context(), "broken", func(err error) { failed <- err }, func(context.Context) error { return io.ErrUnexpectedEOF })
	if err := <-failed; !errors.Is(err, io.ErrUnexpectedEOF) {
		t.Errorf("a loop that failed by itself is told as %v", err)
	}
	if err := l.stop(t.Context()); err != nil || !ended {
		t.Errorf("stop: %v, ended %v", err, ended)
	}
	select {
	case err := <-failed:
		t.Errorf("being stopped is no failure: %v", err)
	default:
	}
}
