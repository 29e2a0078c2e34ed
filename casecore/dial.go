package casecore

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"casewire/casecore/store"
	"casewire/channels"
)

// Further outcomes, of calls that are made through us; with "operator_" before it,
// one of the operator's own phone, so that the customer's did not ring. A call that
// the customer made was CallAnswered, or ended as nobody answered it.
const (
	CallBusy     = channels.CallBusy
	CallFailed   = channels.CallFailed   // the phone could not be called, or the call not be made at all
	CallCanceled = channels.CallCanceled // whoever called has hung up before
	CallAnswered = "answered"
	CallUnknown  = "unknown" // nobody told, and nobody will
)

// ring is a call that is made through us, or that a customer made to us and that is
// over.
type ring struct {
	store.Meta           // the request's id
	Case       string    `json:"case"` // id
	By         string    `json:"by,omitempty"`
	ByName     string    `json:"by_name,omitempty"`
	Channel    string    `json:"channel"`
	At         time.Time `json:"at"`
	Placed     bool      `json:"placed,omitempty"`  // the provider has the request
	Outcome    string    `json:"outcome,omitempty"` // empty while it is open
	Ended      time.Time `json:"ended,omitzero"`
}

// Keys of a ring: case and time while it is open.
func (r *ring) Keys() store.Keys {
	k := store.Keys{}
	if r.Outcome == "" {
		k.Set("case", r.Case)
		k.Set("open", store.TimeKey(r.At))
	}
	return k
}

var rings = store.NewTable[ring]("ring", store.Index{Name: "case"}, store.Index{Name: "open"})

// callPrefix begins the id of every call, and of no message.
const callPrefix = "call_"

// IsCall says that an id is that of a call made through us (Ledger.Dial).
func IsCall(id string) bool { return strings.HasPrefix(id, callPrefix) }

// IsNumber says that s is a phone number in E.164, "+381601234567".
func IsNumber(s string) bool {
	if len(s) < 8 || len(s) > 16 || s[0] != '+' || s[1] == '0' {
		return false
	}
	return strings.Trim(s[1:], "0123456789") == ""
}

// Callable says that an address can be called.
func Callable(a channels.Address) bool {
	return (a.Kind == channels.SMS || a.Kind == channels.Voice) && IsNumber(a.Handle)
}

// ErrNoNumber is the refusal to call a customer of whom no phone number is known.
var ErrNoNumber = errors.New("the customer has no phone number here; ask for one and add it to their addresses")

// OnCall is the refusal of a second call to the case's customer while one is being
// made.
type OnCall struct {
	ByName string
	Since  time.Time
}

func (o *OnCall) Error() string { return "the customer is being called already, by " + o.ByName }

// alone is how long a call keeps others of its case away: until both phones have
// stopped ringing.
const alone = 90 * time.Second

// Dialled is a call to be made.
type Dialled struct {
	ID     string // for what becomes of it: CallPlaced, CallEnded
	Number string // of the customer
}

// Dial opens a call to the case's customer, which the caller then makes on channel.
// identity is one of the customer's addresses; empty: where they last wrote from,
// else any with a number. That somebody asked not to be written to, or that no
// message arrives there, is no reason not to call. ErrNoNumber, *OnCall.
func (l *Ledger) Dial(tx store.Tx, by Actor, id, identity, channel string) (*Case, *Dialled, error) {
	c, err := l.load(tx, by, id, VerbWork, Guard{})
	if err != nil {
		return nil, nil, err
	}
	to, err := numberOf(tx, c, identity)
	if err != nil {
		return nil, nil, err
	}
	for r, err := range rings.Scan(tx, store.Range{Index: "case", From: c.ID, To: c.ID + "\x00"}) {
		if err != nil {
			return nil, nil, err
		}
		if l.Now().Sub(r.At) < alone {
			return nil, nil, &OnCall{ByName: r.ByName, Since: r.At}
		}
	}
	r := &ring{
		Meta: store.Meta{ID: callPrefix + store.NewID()}, Case: c.ID, By: by.ID, ByName: by.Name, Channel: channel, At: l.Now(),
	}
	if err := rings.Put(tx, r); err != nil {
		return nil, nil, err
	}
	if err := l.record(tx, by, c, Event{Kind: Calling, To: to, Call: r.ID}); err != nil {
		return nil, nil, err
	}
	return c, &Dialled{ID: r.ID, Number: to}, Cases.Put(tx, c)
}

// numberOf is the number to call the case's customer at.
func numberOf(tx store.Tx, c *Case, identity string) (string, error) {
	if identity == "" && Callable(c.To) {
		return c.To.Handle, nil
	}
	list, err := Addresses(tx, c.Customer)
	if err != nil {
		return "", err
	}
	for _, i := range list {
		switch {
		case identity != "" && i.ID != identity:
		case Callable(i.Address):
			return i.Address.Handle, nil
		case identity != "":
			return "", &Invalid{Field: "identity", Code: BadName, Msg: "is no phone number", Mend: "choose an address that is one"}
		}
	}
	if identity != "" {
		return "", fmt.Errorf("address: %w", store.ErrNotFound)
	}
	return "", ErrNoNumber
}

// CallPlaced notes that the provider has the request for a call, and returns its
// case.
func (l *Ledger) CallPlaced(tx store.Tx, id string) (*Case, error) {
	r, err := rings.Get(tx, id)
	if err != nil {
		return nil, err
	}
	if !r.Placed {
		r.Placed = true
		if err := rings.Put(tx, r); err != nil {
			return nil, err
		}
	}
	return Cases.Get(tx, r.Case)
}

// CallEnd is what became of a call.
type CallEnd struct {
	Outcome string
	Code    string        // the provider's
	Reason  string        // in words, of what failed or is unknown
	Length  time.Duration // how long they spoke
	At      time.Time     // zero: now
}

// CallEnded records what became of a call that Dial opened, once: the first word
// counts, but for CallUnknown, after which the truth may still come. Who was
// reached need not be called any more. False: it was known. An id that is none of
// a call on this channel is store.ErrNotFound; an empty channel is any.
func (l *Ledger) CallEnded(tx store.Tx, id, channel string, end CallEnd) (bool, error) {
	r, err := rings.Get(tx, id)
	if err == nil && channel != "" && r.Channel != channel {
		err = fmt.Errorf("call of another channel: %w", store.ErrNotFound)
	}
	if err != nil {
		return false, err
	}
	if r.Outcome != "" && (r.Outcome != CallUnknown || end.Outcome == CallUnknown) {
		return false, nil
	}
	c, err := Cases.Get(tx, r.Case)
	if err != nil {
		return false, err
	}
	r.end(end, l.Now())
	if err := rings.Put(tx, r); err != nil {
		return false, err
	}
	switch end.Outcome {
	case CallReached:
		c.Call = nil
	case CallNoAnswer, CallBusy:
		if c.Call != nil {
			c.Call.Tries++
		}
	}
	err = l.record(tx, Actor{ID: r.By, Name: r.ByName}, c, Event{
		Kind: CallMade, To: end.Outcome, Reason: end.Reason, Code: end.Code, Call: r.ID, Seconds: seconds(end.Length),
	})
	if err != nil {
		return false, err
	}
	return true, Cases.Put(tx, c)
}

// CallTaken records once what became of a call that the customer made, which came
// as the message with this external id; by is who answered it, or the house.
// Without such a message it is store.ErrNotFound.
func (l *Ledger) CallTaken(tx store.Tx, by Actor, channel, externalID string, end CallEnd) (bool, error) {
	m, err := Messages.Find(tx, "external", ExternalKey(channel, externalID))
	if err != nil {
		return false, err
	}
	id := store.HashID("call", channel, externalID)
	if _, err := rings.Get(tx, id); err == nil || !errors.Is(err, store.ErrNotFound) {
		return false, err
	}
	c, err := Cases.Get(tx, m.Case)
	if err != nil {
		return false, err
	}
	r := &ring{Meta: store.Meta{ID: id}, Case: c.ID, Channel: channel, At: m.At}
	r.end(end, l.Now())
	if err := rings.Put(tx, r); err != nil {
		return false, err
	}
	e := about(m, Event{Kind: CallTaken, To: end.Outcome, Code: end.Code, Seconds: seconds(end.Length)})
	if !by.system {
		e.ToName = by.Name
	}
	if err := l.record(tx, by, c, e); err != nil {
		return false, err
	}
	return true, Cases.Put(tx, c)
}

func (r *ring) end(end CallEnd, now time.Time) {
	r.Outcome, r.Ended = end.Outcome, end.At
	if r.Ended.IsZero() {
		r.Ended = now
	}
}

func seconds(d time.Duration) int64 { return int64(d.Round(time.Second) / time.Second) }

// EndOfCall reads a provider's receipt for a call. ok is false while the receipt
// tells of no end.
func EndOfCall(r channels.Receipt) (end CallEnd, ok bool) {
	end = CallEnd{Code: r.Code, At: r.At}
	incoming := false
	if r.Talk != nil {
		end.Length, incoming = r.Talk.Length, r.Talk.Incoming
	}
	switch r.State {
	case channels.Delivered, channels.Read:
		if end.Outcome = CallReached; incoming {
			end.Outcome = CallAnswered
		}
	case channels.Undelivered, channels.Failed:
		end.Outcome = strings.TrimPrefix(r.Code, "customer_")
		if !slices.Contains(unanswered, strings.TrimPrefix(end.Outcome, "operator_")) {
			end.Outcome = CallFailed
		}
		end.Length = 0
	default:
		return CallEnd{}, false
	}
	return end, true
}

// unanswered are the ways in which a phone is not answered.
var unanswered = []string{CallNoAnswer, CallBusy, CallFailed, CallCanceled}

// How long a call may be open. A call that the provider does not even have will
// hardly be told of; one that it has may last.
const (
	unplacedFor = 10 * time.Minute
	placedFor   = 5 * time.Hour
)

// OpenCall is a call of which nobody told what became of it.
type OpenCall struct {
	ID, By string
	Placed bool // the provider had it
}

// LostCalls returns at most limit calls that have been open for too long: their
// outcome is CallUnknown.
func LostCalls(tx store.Tx, now time.Time, limit int) ([]OpenCall, error) {
	var out []OpenCall
	for r, err := range rings.Scan(tx, store.Range{Index: "open", To: store.TimeKey(now.Add(-unplacedFor))}) {
		if err != nil {
			return nil, fmt.Errorf("open calls: %w", err)
		}
		if r.Placed && now.Sub(r.At) < placedFor {
			continue
		}
		if out = append(out, OpenCall{ID: r.ID, By: r.By, Placed: r.Placed}); len(out) == limit {
			break
		}
	}
	return out, nil
}
