package inbox

import (
	"errors"
	"fmt"
	"strings"
	"sync/atomic"
	"time"

	"casewire/channels"
	"casewire/channels/email/link"
	"casewire/channels/email/login"

	"github.com/emersion/go-imap/v2"
)

// state is how a folder fares, in words for people and without secrets.
type state struct {
	step    string
	text    string // what is wrong, "" when nothing is
	mend    string
	passing bool // mends itself as a rule: worth no alarm the first time
	denied  bool // the login was refused
}

// stepError is an error of the server with the step in which it happened.
type stepError struct {
	step   string // "login", "select", "fetch", ...
	folder string
	err    error
}

func (e *stepError) Error() string { return e.step + ": " + e.err.Error() }
func (e *stepError) Unwrap() error { return e.err }

// explain finds the words for the end of a connection. What servers say themselves
// may name people and is not repeated.
func explain(err error) state {
	step := "connection"
	se, stepped := errors.AsType[*stepError](err)
	if stepped {
		step = se.step
	}
	if le, ok := errors.AsType[*login.Error](err); ok {
		return state{step: "login", text: le.Text, mend: le.Mend, denied: true}
	}
	if ne, ok := errors.AsType[*link.Error](err); ok {
		passing := ne.Step == "silence" || ne.Step == "connect" && stepped && step != "connect"
		return state{step: ne.Step, text: ne.Text, mend: ne.Mend, passing: passing}
	}
	if ie, ok := errors.AsType[*imap.Error](err); ok {
		return refusal(se, ie)
	}
	if errors.Is(err, errStore) {
		return state{step: "store", text: "the store does not take mail", mend: "see what is wrong with the store; mail waits in the mailbox"}
	}
	return state{step: step, text: "the connection to the mail server broke", mend: "nothing, if it passes: the connection is made again by itself", passing: true}
}

// errStore is an error of the house.
var errStore = errors.New("store")

// refusal explains a NO, BAD or BYE.
func refusal(se *stepError, ie *imap.Error) state {
	st := state{step: "server", mend: "nothing, if it passes: it is tried again"}
	if se != nil {
		st.step = se.step
	}
	switch {
	case temporary(ie):
		st.text, st.passing = "the mail server is busy or under maintenance", true
	case st.step == "starttls":
		st.text, st.mend = "the mail server offers no STARTTLS", "use tls: implicit with the port for it"
	case st.step == "select" && se != nil:
		st.text = fmt.Sprintf("the folder %q cannot be opened", se.folder)
		st.mend = "create it in the mailbox or correct folders; doctor lists the folders there are"
	case ie.Code == imap.ResponseCodeOverQuota:
		st.text, st.mend = "the mailbox is full", "delete mail or have the mailbox enlarged"
	case ie.Type == imap.StatusResponseTypeBye:
		st.text, st.passing = "the mail server ended the connection", true
	default:
		st.text = "the mail server refused a command (" + st.step + ")"
	}
	if ie.Code != "" {
		st.text += " [" + word(string(ie.Code)) + "]"
	}
	return st
}

// word keeps a response code and nothing that a server might hide in it.
func word(s string) string {
	return strings.Map(func(r rune) rune {
		if r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' || r == '-' {
			return r
		}
		return -1
	}, strings.ToUpper(s[:min(len(s), 40)]))
}

// temporary says that a refusal is not for good.
func temporary(e *imap.Error) bool {
	switch e.Code {
	case imap.ResponseCodeUnavailable, imap.ResponseCodeInUse, imap.ResponseCodeLimit, imap.ResponseCodeServerBug, "THROTTLED":
		return true
	}
	return false
}

func (f *folder) ill(now time.Time, st state) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.state.text == "" || st.text == "" {
		f.since = now
	}
	f.state = st
}

// well notes a look into the folder that succeeded.
func (f *folder) well(now time.Time) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.state.text != "" {
		f.since = now
	}
	f.state, f.polled = state{}, now
}

// took notes whether the house stored what it was given.
func (f *folder) took(ok bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.stored = ok
}

func (f *folder) settling(text string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.settled = text
}

// Health says how the account fares. It is ill when a folder cannot be read or has
// not been looked into for three times the poll interval.
func (b *Inbox) Health() channels.Health {
	h := channels.Health{OK: true}
	var said []string
	now := b.o.Now()
	for _, f := range b.folders {
		f.mu.Lock()
		text, since := f.state.text, f.since
		late := max(3*b.s.Poll, 3*b.s.Silence)
		switch {
		case text != "" && f.state.mend != "":
			text += "; " + f.state.mend
		case text != "":
		case !f.stored:
			text = "the store does not take mail; mail waits in the mailbox"
		case now.Sub(f.polled) > late:
			text, since = fmt.Sprintf("folder %s was last looked into at %s", f.name, f.polled.UTC().Format(time.RFC3339)), f.polled
		case f.settled != "":
			text = f.settled
		}
		f.mu.Unlock()
		if since.After(h.Since) {
			h.Since = since
		}
		if text != "" {
			h.OK = false
			if len(said) == 0 || said[len(said)-1] != text {
				said = append(said, text)
			}
		}
	}
	h.Text = strings.Join(said, "; ")
	if h.OK {
		h.Text = "mail is being watched"
	}
	return h
}

type counters struct {
	mails, polls, reconnects, vanished, unfetched, moved, rescans, old atomic.Int64
}

// Counts returns figures since New; they only grow.
func (b *Inbox) Counts() map[string]int64 {
	c := &b.count
	return map[string]int64{
		"mails": c.mails.Load(), "polls": c.polls.Load(), "reconnects": c.reconnects.Load(),
		"vanished": c.vanished.Load(), "unfetched": c.unfetched.Load(), "moved": c.moved.Load(),
		"rescans": c.rescans.Load(), "old": c.old.Load(),
	}
}
