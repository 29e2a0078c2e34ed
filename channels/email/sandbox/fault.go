package sandbox

import (
	"errors"
	"time"

	"github.com/emersion/go-imap/v2"
	"github.com/emersion/go-smtp"
)

// Fault is something that goes wrong at a command.
//
// SMTP: "EHLO", "AUTH", "MAIL", "RCPT", and "DATA" for the reply to the final dot.
// IMAP: "LOGIN", "SELECT", "FETCH", "APPEND", "MOVE", "STORE", "IDLE".
type Fault struct {
	Command  string
	Code     int    // of an SMTP reply; IMAP answers NO for any
	Enhanced [3]int // 0.0.0: as the code says
	Text     string
	Drop     bool          // close the connection in place of a reply
	Taken    bool          // at DATA: the mail is delivered all the same
	Wait     time.Duration // before anything else
	Times    int           // how often; 0: until Mend
}

var errDropped = errors.New("dropped by a fault")

// Fail adds faults.
func (s *Server) Fail(faults ...Fault) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, f := range faults {
		s.faults = append(s.faults, &f)
	}
}

// Mend removes every fault.
func (s *Server) Mend() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.faults = nil
}

// fault returns what goes wrong now at a command, and has waited for it; nil when
// nothing does.
func (s *Server) fault(command string) *Fault {
	s.mu.Lock()
	var found *Fault
	for i, f := range s.faults {
		if f.Command != command {
			continue
		}
		now := *f
		found = &now
		if f.Times--; f.Times == 0 {
			s.faults = append(s.faults[:i:i], s.faults[i+1:]...)
		} else if f.Times < 0 {
			f.Times = 0
		}
		break
	}
	s.mu.Unlock()
	if found == nil || found.Wait == 0 {
		return found
	}
	timer := time.NewTimer(found.Wait)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-s.done:
	}
	return found
}

// harmless says that a fault only took time.
func (f *Fault) harmless() bool { return f == nil || f.Code == 0 && !f.Drop && f.Text == "" }

func (f *Fault) smtp() error {
	e := &smtp.SMTPError{Code: f.Code, EnhancedCode: smtp.EnhancedCode(f.Enhanced), Message: f.Text}
	if f.Enhanced == [3]int{} {
		e.EnhancedCode = smtp.EnhancedCode{f.Code / 100, 0, 0}
	}
	return e
}

func (f *Fault) imap() error {
	return &imap.Error{Type: imap.StatusResponseTypeNo, Text: f.Text}
}
