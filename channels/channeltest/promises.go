package channeltest

import (
	"context"
	"errors"
	"fmt"
	"reflect"
	"slices"
	"strings"
	"sync"
	"sync/atomic"

	"casewire/channels"
)

func (s *stage) takes() {
	var early atomic.Bool
	id, text := "", canary()
	said := make(chan struct{})
	s.house.Book.Before = func(_ context.Context, m channels.Inbound) error {
		<-said
		if strings.Contains(m.Body.Text, text) && s.world.Taken(id) {
			early.Store(true)
		}
		return nil
	}
	s.open()
	id = s.world.Say(text)
	close(said)
	s.said = append(s.said, text)
	m := s.stored(text)
	s.await(id)
	s.once(text)
	switch {
	case early.Load():
		s.Error("acknowledged before the sink had answered")
	case m.Channel != s.id:
		s.Errorf("channel %q, want %q", m.Channel, s.id)
	case m.ExternalID == "" || m.From.Handle == "" || m.From.Kind == "":
		s.Errorf("a message must say its external id and whom to answer: %q from %+v", m.ExternalID, m.From)
	case m.Received.IsZero():
		s.Error("a message must say when it was received")
	}
}

func (s *stage) refused() {
	var tries []string
	var mu sync.Mutex
	id, text := "", canary()
	said := make(chan struct{})
	s.house.Book.Before = func(_ context.Context, m channels.Inbound) error {
		<-said
		if !strings.Contains(m.Body.Text, text) {
			return nil
		}
		mu.Lock()
		defer mu.Unlock()
		if s.world.Taken(id) {
			s.Errorf("acknowledged after the sink had refused it %d times", len(tries))
		}
		if tries = append(tries, m.ExternalID); len(tries) < 3 {
			return ErrStore
		}
		return nil
	}
	s.open()
	id = s.world.Say(text)
	close(said)
	s.said = append(s.said, text)
	s.await(id)
	s.once(text)
	mu.Lock()
	defer mu.Unlock()
	if len(slices.Compact(slices.Clone(tries))) != 1 {
		s.Errorf("the external id changed between tries: %q", tries)
	}
}

func (s *stage) repeated() {
	var mu sync.Mutex
	ids := map[string]int{}
	again := make(chan struct{}, 16)
	s.house.Book.After = func(_ context.Context, m channels.Inbound) error {
		mu.Lock()
		defer mu.Unlock()
		ids[m.ExternalID]++
		again <- struct{}{}
		return nil
	}
	s.open()
	first, text := s.say()
	s.await(first)
	s.world.Again(first)
	second, other := s.say()
	s.await(second)
	s.once(text)
	s.once(other)
	mu.Lock()
	defer mu.Unlock()
	if len(ids) != 2 {
		s.Errorf("two messages have %d external ids", len(ids))
	}
}

func (s *stage) stoppedBefore() {
	reached := make(chan struct{}, 64)
	s.house.Book.Before = func(context.Context, channels.Inbound) error {
		select {
		case reached <- struct{}{}:
		default:
		}
		return ErrStore
	}
	s.open()
	id, text := s.say()
	<-reached
	s.close()
	if s.world.Taken(id) {
		s.Fatal("acknowledged although nothing was stored")
	}
	s.house.Book.Before = nil
	s.open()
	s.await(id)
	s.once(text)
}

func (s *stage) answerLost() {
	reached := make(chan struct{}, 64)
	s.house.Book.After = func(context.Context, channels.Inbound) error {
		select {
		case reached <- struct{}{}:
		default:
		}
		return ErrStore
	}
	s.open()
	id, text := s.say()
	<-reached
	s.close()
	s.house.Book.After = nil
	s.open()
	s.await(id)
	s.once(text)
}

func (s *stage) restarted() {
	s.open()
	first, text := s.say()
	s.await(first)
	s.close()
	s.open()
	second, other := s.say()
	s.await(second)
	s.once(text)
	s.once(other)
}

// met opens the door and returns where its customer can be answered.
func (s *stage) met() channels.Address {
	s.Helper()
	s.open()
	id, text := s.say()
	s.await(id)
	return s.stored(text).From
}

func (s *stage) outbound(to channels.Address) channels.Outbound {
	text := canary()
	s.said = append(s.said, text)
	return channels.Outbound{ID: "out-" + text, Channel: s.id, To: to, Case: "CW-000001", Body: channels.Body{Text: text}}
}

func (s *stage) sends() {
	m := s.outbound(s.met())
	r, err := s.door.Send(s.ctx(), m)
	if err != nil {
		s.Fatalf("send: %v", err)
	}
	if r.OutboundID != m.ID || r.Channel != s.id || channels.Later(r.State, channels.Sent) {
		s.Errorf("receipt %+v, want at least sent for %q on %q", r, m.ID, s.id)
	}
	if err := s.world.Received(s.ctx(), m.Body.Text, 1); err != nil {
		s.Fatalf("the customer never got it: %v", err)
	}
	// A retry of the same message must be allowed: the outbox cannot know
	// whether a crash came before or after the first.
	if r, err = s.door.Send(s.ctx(), m); err != nil || r.OutboundID != m.ID {
		s.Errorf("the same message again: %+v, %v", r, err)
	}
}

func (s *stage) classifies() {
	to := s.met()
	for _, refusal := range s.world.Refusals() {
		m := s.outbound(to)
		if refusal.Arm != nil {
			refusal.Arm()
		}
		if refusal.Change != nil {
			refusal.Change(&m)
		}
		_, err := s.door.Send(s.ctx(), m)
		if refusal.Disarm != nil {
			refusal.Disarm()
		}
		var se *channels.SendError
		if !errors.As(err, &se) {
			s.Errorf("%s: %v is no *SendError", refusal.Name, err)
			continue
		}
		fmt.Fprintln(s.log, err)
		if se.Reason != refusal.Reason || se.Retry != refusal.Retry {
			s.Errorf("%s: %s, retry %t; want %s, retry %t", refusal.Name, se.Reason, se.Retry, refusal.Reason, refusal.Retry)
		}
	}
}

func (s *stage) stops() {
	s.met()
	s.ended()
}

func (s *stage) stopsBusy() {
	reached := make(chan struct{}, 1)
	s.house.Book.Before = func(ctx context.Context, _ channels.Inbound) error {
		select {
		case reached <- struct{}{}:
		default:
		}
		<-ctx.Done()
		return ctx.Err()
	}
	s.open()
	id, _ := s.say()
	<-reached
	s.ended()
	if s.world.Taken(id) {
		s.Error("acknowledged although nothing was stored")
	}
}

// ended stops the door and looks at how it went.
func (s *stage) ended() {
	s.Helper()
	took, err := s.stop()
	if err != nil {
		s.Errorf("Run returned %v, want nil", err)
	}
	if took > stopWithin {
		s.Errorf("stopped after %s, want at most %s", took, stopWithin)
	}
	if left := Goroutines(reflect.TypeOf(s.door).Elem().PkgPath()); left != "" {
		s.Errorf("goroutines are left:\n%s", left)
	}
}
