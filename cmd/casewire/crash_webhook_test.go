package main

import (
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	vocabulary "casewire/casecore/outside"
)

// subscriber is a program outside that is told of everything by webhooks, and
// outlives the program that tells. It takes whatever comes and judges it as it comes.
type subscriber struct {
	srv  *httptest.Server
	key  []byte
	tick func()

	mu     sync.Mutex
	told   map[string]*hearing // by webhook-id
	lanes  map[string]*lane    // by case
	states map[string]int      // by message: how far it is known to be
	open   map[net.Conn]bool   // connections that are not over
	calm   chan struct{}       // closed at the next end of a connection
	faults []string
}

// hearing is one event, as it was first told.
type hearing struct {
	event vocabulary.HookEvent
	body  string
	times int
	after int64 // number of the last timeline entry that was known then, itself included
}

// lane is what is known of a case.
type lane struct {
	seq  int64  // of its last timeline entry
	last string // webhook-id of what was last told first
}

// newSubscriber starts one; tick is told of each webhook and of each answer to one.
func newSubscriber(t *testing.T, tick func()) *subscriber {
	s := &subscriber{
		key: []byte("a key of the subscriber, 32 bytes"), tick: tick, told: map[string]*hearing{}, lanes: map[string]*lane{},
		states: map[string]int{}, open: map[net.Conn]bool{}, calm: make(chan struct{}),
	}
	s.srv = httptest.NewUnstartedServer(s)
	s.srv.Config.ConnState = s.connection
	s.srv.Start()
	t.Cleanup(s.srv.Close)
	return s
}

// subscribe adds a subscriber of everything to the configuration.
func (o *outside) subscribe(t *testing.T, tick func()) {
	t.Helper()
	o.hooks = newSubscriber(t, tick)
	secret := "whsec_" + base64.StdEncoding.EncodeToString(o.hooks.key)
	text := fmt.Sprintf("webhooks:\n  - {id: workshop, url: %q, secret: %s, events: [\"*\"], allow_private: true}\n",
		o.hooks.srv.URL+"/hooks", o.secret(t, "webhook-secret", secret))
	f, err := os.OpenFile(o.config, os.O_APPEND|os.O_WRONLY, 0)
	if err != nil {
		t.Fatal(err)
	}
	_, err = f.WriteString(text)
	if err := errors.Join(err, f.Close()); err != nil {
		t.Fatal(err)
	}
}

func (s *subscriber) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(r.Body)
	if err != nil || r.URL.Path != "/hooks" {
		return // cut off, and not heard; or the door bell of settled
	}
	s.tick()
	if err := s.take(r, body); err != nil {
		s.mu.Lock()
		s.faults = append(s.faults, "W1: "+err.Error())
		s.mu.Unlock()
	}
	w.WriteHeader(http.StatusNoContent)
	s.tick()
}

// take verifies a webhook, by the words of the Standard Webhooks specification alone,
// and judges what it tells.
func (s *subscriber) take(r *http.Request, body []byte) error {
	id, stamp := r.Header.Get("webhook-id"), r.Header.Get("webhook-timestamp")
	at, err := strconv.ParseInt(stamp, 10, 64)
	if age := time.Since(time.Unix(at, 0)); err != nil || age.Abs() > 5*time.Minute {
		return fmt.Errorf("webhook %s has the timestamp %q", id, stamp)
	}
	mac := hmac.New(sha256.New, s.key)
	mac.Write([]byte(id + "." + stamp + "."))
	mac.Write(body)
	want := "v1," + base64.StdEncoding.EncodeToString(mac.Sum(nil))
	if got := strings.Fields(r.Header.Get("webhook-signature")); !slices.Contains(got, want) {
		return fmt.Errorf("webhook %s is signed with %q, want %s", id, got, want)
	}
	var e vocabulary.HookEvent
	if err := json.Unmarshal(body, &e); err != nil || e.ID != id || id == "" {
		return fmt.Errorf("webhook %s is about %q: %w", id, e.ID, err)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.judge(e, string(body))
}

// stage is how far a message is by an event about it.
func stage(e vocabulary.HookEvent) int {
	switch e.Type {
	case vocabulary.NoticeSent:
		return 1
	case vocabulary.NoticeDelivered:
		return 2
	case vocabulary.NoticeRead, vocabulary.NoticeCancelled:
		return 3
	}
	return 0
}

// judge says what is wrong with the order of events: a case's timeline comes as it
// is numbered, a message's states after the entry that it is in, one after another,
// and a repeat before anything else of the timeline.
func (s *subscriber) judge(e vocabulary.HookEvent, body string) error {
	number := e.Data.Case.Number
	l := s.lanes[number]
	if l == nil {
		l = &lane{}
		s.lanes[number] = l
	}
	if was := s.told[e.ID]; was != nil {
		was.times++
		switch {
		case was.body != body:
			return fmt.Errorf("%s of %s is repeated with other words: %s, before: %s", e.Type, number, body, was.body)
		case was.after != l.seq || e.Data.Seq != 0 && l.last != e.ID:
			return fmt.Errorf("%s of %s, told after entry %d, is repeated after entry %d", e.Type, number, was.after, l.seq)
		case e.Data.Seq == 0 && s.states[e.Data.Message.ID] != stage(e):
			return fmt.Errorf("%s of %s is repeated when message %s is further", e.Type, number, e.Data.Message.ID)
		}
		return nil
	}
	defer func() {
		l.last = e.ID
		s.told[e.ID] = &hearing{event: e, body: body, times: 1, after: l.seq}
	}()
	if e.Data.Seq != 0 {
		if e.Data.Seq <= l.seq {
			return fmt.Errorf("entry %d of %s is told first after entry %d", e.Data.Seq, number, l.seq)
		}
		l.seq = e.Data.Seq
		if m := e.Data.Message; m != nil && s.states[m.ID] == 0 {
			s.states[m.ID] = 0
		}
		return nil
	}
	m := e.Data.Message
	before, known := s.states[m.ID]
	if !known || stage(e) <= before {
		return fmt.Errorf("%s of message %s of %s is told at stage %d (known: %v)", e.Type, m.ID, number, before, known)
	}
	s.states[m.ID] = stage(e)
	return nil
}

func (s *subscriber) connection(c net.Conn, state http.ConnState) {
	s.mu.Lock()
	defer s.mu.Unlock()
	switch state {
	case http.StateNew:
		s.open[c] = true
	case http.StateClosed, http.StateHijacked:
		delete(s.open, c)
		close(s.calm)
		s.calm = make(chan struct{})
	}
}

// settled waits until everything has been heard that a dead program has posted.
func (s *subscriber) settled(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	// Connections are accepted in their order: behind this one there is none of it.
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, s.srv.URL, nil)
	if err != nil {
		return err
	}
	res, err := once.Do(req)
	if err != nil {
		return err
	}
	_ = res.Body.Close()
	for {
		s.mu.Lock()
		left, calm := len(s.open), s.calm
		s.mu.Unlock()
		if left == 0 {
			return nil
		}
		select {
		case <-calm:
		case <-ctx.Done():
			return fmt.Errorf("%d connections of webhooks are not over: %w", left, ctx.Err())
		}
	}
}

// complaints returns what is wrong with what was told.
func (s *subscriber) complaints() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.faults)
}
