package submit

import (
	"context"
	"errors"
	"sync"
	"time"

	"casewire/channels"
	"casewire/channels/email/link"
	"casewire/channels/email/login"
)

// state is how sending fares. It is safe for concurrent use.
type state struct {
	now func() time.Time

	mu     sync.Mutex
	health channels.Health
}

func newState(now func() time.Time) *state {
	return &state{now: now, health: channels.Health{OK: true, Text: "no mail sent yet", Since: now()}}
}

func (s *state) well() { s.set(true, "mail is taken by the server") }

// note takes in a failure. A refusal of the mail itself shows that sending works.
func (s *state) note(e *channels.SendError, err error) {
	if errors.Is(err, context.Canceled) {
		return // we gave up, not the server
	}
	switch e.Reason {
	case channels.BadAddress, channels.Blocked:
		s.well()
	case channels.Throttled:
		s.set(false, "the mail server asks us to send less: "+e.Code)
	case channels.Misset, channels.Unreachable, channels.Unsure:
		if stageOf(err) == stageRcpt && e.Reason == channels.Unreachable || stageOf(err) == stageFiles {
			return // of this recipient, or of our own store
		}
		s.set(false, words(e, err))
	}
}

func (s *state) set(ok bool, text string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.health.OK == ok && s.health.Text == text {
		return
	}
	since := s.health.Since
	if s.health.OK != ok {
		since = s.now()
	}
	s.health = channels.Health{OK: ok, Text: text, Since: since}
}

// Health says in words how sending fares.
func (s *Sender) Health() channels.Health {
	s.state.mu.Lock()
	defer s.state.mu.Unlock()
	return s.state.health
}

// words says for people what a failure is and how it is mended.
func words(e *channels.SendError, err error) string {
	if l, ok := errors.AsType[*login.Error](err); ok {
		return l.Text + "; " + l.Mend
	}
	if isReply(err) {
		text := "the mail server refuses mail (" + e.Code + ")"
		if e.Reason == channels.Misset {
			text = "the mail server refuses our mail (" + e.Code + "); check that this account may send from the channel's address"
		}
		return text
	}
	l := link.Explain(err)
	if l.Mend == "" {
		return l.Text
	}
	return l.Text + "; " + l.Mend
}
