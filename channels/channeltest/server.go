package channeltest

import (
	"context"
	"net/http"
	"net/http/httptest"
	"sync/atomic"
	"testing"
	"time"

	"casewire/channels"
)

// House holds what a door gets from the house, and a server at a fixed address
// for doors that are also on the web. Doors come and go; the house stays.
type House struct {
	Book   *Book
	Memory *Memory
	Files  *Files
	URL    string // of the server, without a trailing slash

	handler atomic.Pointer[http.Handler]
}

// NewHouse returns an empty house whose server runs until the test ends. While
// no door is open the server answers 503.
func NewHouse(t testing.TB) *House {
	memory := &Memory{}
	h := &House{Book: &Book{Memory: memory}, Memory: memory, Files: &Files{}}
	srv := httptest.NewServer(h)
	t.Cleanup(srv.Close)
	h.URL = srv.URL
	return h
}

// ServeHTTP passes a request to the door that is open.
func (h *House) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if f := h.handler.Load(); f != nil {
		(*f).ServeHTTP(w, r)
		return
	}
	http.Error(w, "closed", http.StatusServiceUnavailable)
}

// Env returns what a door of this house gets.
func (h *House) Env(id string) channels.Env {
	return channels.Env{
		ID: id, PublicURL: h.URL, Now: time.Now, State: h.Memory, Files: h.Files, Threads: h.Book, Ours: h.Book.Ours,
	}
}

// Start serves and runs an open door. stop ends it, as a shutdown does, and
// returns how long Run took and what it returned; calling it again does nothing.
func (h *House) Start(t testing.TB, door channels.Channel, in channels.Sink) (stop func() (time.Duration, error)) {
	if web, ok := door.(channels.Web); ok {
		mux := http.NewServeMux()
		mux.Handle(web.Prefix(), web.Handler(in))
		handler := http.Handler(mux)
		h.handler.Store(&handler)
	}
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- door.Run(ctx, in) }()
	var err error
	var took time.Duration
	ended := false
	stop = func() (time.Duration, error) {
		if ended {
			return took, err
		}
		ended = true
		start := time.Now()
		cancel()
		err = <-done
		took = time.Since(start)
		h.handler.Store(nil)
		return took, err
	}
	t.Cleanup(func() { _, _ = stop() })
	return stop
}
