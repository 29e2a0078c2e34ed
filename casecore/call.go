package casecore

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"casewire/casecore/store"
)

// Call is the task to call a customer whom no message reaches.
type Call struct {
	Since   time.Time `json:"since"`
	Reason  string    `json:"reason"`            // why the last message did not arrive
	Message string    `json:"message,omitempty"` // id of what should be told
	Tries   int       `json:"tries"`             // calls that nobody answered
}

// Outcomes of a call.
const (
	CallReached  = "reached"   // the customer knows: the task is done
	CallNoAnswer = "no_answer" // to be tried again
	CallWrong    = "wrong"     // the number is not theirs: the task is done, and a note says so
)

// Outcomes lists those that an operator can report.
var Outcomes = []string{CallReached, CallNoAnswer, CallWrong}

// WantCall asks whoever works on the case to call the customer. A case without an
// owner comes back to its queue for it. It is asked once at a time.
func (l *Ledger) WantCall(tx store.Tx, by Actor, id, reason, message string) error {
	c, err := Cases.Get(tx, id)
	if err != nil || c.Call != nil {
		return err
	}
	c.Call = &Call{Since: l.Now(), Reason: reason, Message: message}
	e := Event{Kind: CallWanted, To: reason, Message: message}
	if e.Fared, err = fate(tx, message); err != nil {
		return err
	}
	if err := l.record(tx, by, c, e); err != nil {
		return err
	}
	if err := l.rehouse(tx, by, c); err != nil {
		return err
	}
	return Cases.Put(tx, c)
}

// fate is the Proof of a message; "" when there is no message.
func fate(tx store.Tx, message string) (string, error) {
	if message == "" {
		return "", nil
	}
	m, err := Messages.Get(tx, message)
	if errors.Is(err, store.ErrNotFound) {
		return "", nil
	}
	if err != nil {
		return "", fmt.Errorf("message that a call is about: %w", err)
	}
	return m.Proof(), nil
}

// Called records how a call went. note may be empty.
func (l *Ledger) Called(tx store.Tx, by Actor, id, outcome, note string) (*Case, error) {
	c, err := l.load(tx, by, id, VerbWork, Guard{})
	if err != nil {
		return nil, err
	}
	if !slices.Contains(Outcomes, outcome) {
		return nil, &Invalid{
			Field: "outcome", Code: BadName, Msg: fmt.Sprintf("%q is not how a call goes", clip(outcome)), Mend: "write one of " + strings.Join(Outcomes, ", "),
		}
	}
	if err := checkText("note", note, MaxReason, false); note != "" && err != nil {
		return nil, err
	}
	switch {
	case c.Call == nil:
	case outcome == CallNoAnswer:
		c.Call.Tries++
	default:
		c.Call = nil
	}
	if err := l.record(tx, by, c, Event{Kind: CallMade, To: outcome, Reason: note}); err != nil {
		return nil, err
	}
	return c, Cases.Put(tx, c)
}
