package casecore

import (
	"errors"
	"fmt"
	"strings"
	"unicode/utf8"

	"casewire/casecore/store"
	"casewire/channels"
)

// Wish is what a customer wants of how they are told things. Nil fields stay.
type Wish struct {
	Lang    *string // of notices; empty: the one they write in
	Address *string // id of one of their identities; empty: where they last wrote
}

// Word is how a wish not to be written to, or to be again, became known.
type Word struct {
	Via    string // a channel's id, "page" for the customer's own page, "desk" for an operator
	Reason string // of an operator, who must give one
}

// maxLang is how long a language tag may be.
const maxLang = 16

// ErrShut is the refusal to prefer an address that nothing may be sent to.
var ErrShut = errors.New("nothing may be sent to that address; choose another one, or have it written to again first")

// Prefer has a case's customer told things as they wish from now on. Each change
// is an event on the case; what is so already changes nothing. ErrShut for an
// address that may not be written to, *Invalid for one that never can be, and
// store.ErrNotFound for one that is not the customer's.
func (l *Ledger) Prefer(tx store.Tx, by Actor, id string, w Wish) (*Case, error) {
	c, err := l.load(tx, by, id, VerbWork, Guard{})
	if err != nil {
		return nil, err
	}
	who, err := Customers.Get(tx, c.Customer)
	if err != nil {
		return nil, err
	}
	return c, l.take(tx, by, who, c, w)
}

// PreferFor is Prefer for a customer rather than a case: the events go on the
// newest of their cases that the actor may work on. It writes who, and works
// without any case, too.
func (l *Ledger) PreferFor(tx store.Tx, by Actor, who *Customer, w Wish) error {
	c, err := Cases.First(tx, store.Range{Index: "customer", Prefix: store.Under(who.ID), Reverse: true})
	if errors.Is(err, store.ErrNotFound) {
		return l.take(tx, by, who, nil, w)
	}
	if err != nil {
		return err
	}
	if Authorize(by, VerbWork, c) != nil {
		for older, err := range Cases.Scan(tx, store.Range{Index: "customer", Prefix: store.Under(who.ID), Reverse: true, Limit: manyCases}) {
			if err != nil {
				return err
			}
			if Authorize(by, VerbWork, older) == nil {
				c = older
				break
			}
		}
	}
	return l.take(tx, by, who, c, w)
}

// manyCases bounds how many cases of one customer are looked at, the newest.
const manyCases = 50

// take writes a wish and puts its events on c, if there is one.
func (l *Ledger) take(tx store.Tx, by Actor, who *Customer, c *Case, w Wish) error {
	var events []Event
	if w.Lang != nil {
		e, err := who.speak(*w.Lang)
		if err != nil {
			return err
		}
		events = append(events, e...)
	}
	if w.Address != nil {
		e, err := who.reside(tx, *w.Address)
		if err != nil {
			return err
		}
		events = append(events, e...)
	}
	if len(events) == 0 {
		return nil
	}
	if err := Customers.Put(tx, who); err != nil {
		return err
	}
	if c == nil {
		return nil
	}
	for _, e := range events {
		e.Pending = []string{PendingNotify}
		if err := l.record(tx, by, c, e); err != nil {
			return err
		}
	}
	return Cases.Put(tx, c)
}

// speak sets the language; no event when it is so already. Cases keep the one that
// they were written in, so that it can be chosen again.
func (c *Customer) speak(tag string) ([]Event, error) {
	if err := checkText("lang", tag, maxLang, false); err != nil {
		return nil, err
	}
	var before string
	if c.LangSet {
		before = c.Lang
	}
	if before == tag {
		return nil, nil
	}
	c.Lang, c.LangSet = tag, tag != ""
	return []Event{{Kind: LangChosen, From: before, To: tag}}, nil
}

// reside sets the address to write to; no event when it is so already.
func (c *Customer) reside(tx store.Tx, identity string) ([]Event, error) {
	e := Event{Kind: Preferred}
	e.From, _, _ = strings.Cut(c.Preferred, ":")
	key := ""
	if identity != "" {
		i, err := identityOf(tx, c.ID, identity)
		if err != nil {
			return nil, err
		}
		if !Writable(i.Address.Kind) {
			return nil, &Invalid{Field: "address", Code: BadName, Msg: "nobody can be written to there", Mend: "choose an address of another kind"}
		}
		if key = i.Address.Key(); i.Shut != nil && key != c.Preferred {
			return nil, ErrShut
		}
		e.To, e.ToName = string(i.Address.Kind), Mask(i.Address)
	}
	if key == c.Preferred {
		return nil, nil
	}
	c.Preferred = key
	return []Event{e}, nil
}

// OptOut has an address of the case's customer not written to any more, on their
// wish. Nothing but a wish takes it back. Said twice, it is done once.
func (l *Ledger) OptOut(tx store.Tx, by Actor, id, identity string, w Word) (*Case, error) {
	c, i, err := l.told(tx, by, id, identity, w)
	if err != nil || i.Shut != nil && i.Shut.Code == StopCode {
		return c, err
	}
	i.HeardAt = l.Now()
	i.Shut = &Shut{Reason: channels.Blocked, Code: StopCode, Channel: w.Via, At: i.HeardAt, By: by.ID, ByName: by.Name, Note: w.Reason}
	return c, l.note(tx, by, c, i, OptedOut, w)
}

// OptIn takes a wish not to be written to back. What the customer told their
// provider (STOP) only they can take back there: ErrWish. An address that was given
// up is opened as by Unshut.
func (l *Ledger) OptIn(tx store.Tx, by Actor, id, identity string, w Word) (*Case, error) {
	c, i, err := l.told(tx, by, id, identity, w)
	switch {
	case err != nil || i.Shut == nil:
		return c, err
	case i.Shut.Code != StopCode:
		return l.Unshut(tx, by, id, identity)
	case i.Shut.By == "":
		return nil, ErrWish
	}
	i.HeardAt, i.Shut = l.Now(), nil
	return c, l.note(tx, by, c, i, OptedIn, w)
}

// told loads what a word is about and checks it.
func (l *Ledger) told(tx store.Tx, by Actor, id, identity string, w Word) (*Case, *Identity, error) {
	c, err := l.load(tx, by, id, VerbWork, Guard{})
	if err != nil {
		return nil, nil, err
	}
	if strings.TrimSpace(w.Reason) == "" && !by.system {
		return nil, nil, &Invalid{Field: "reason", Code: BadName, Msg: "is missing", Mend: "write how the customer said so"}
	}
	if err := checkText("reason", w.Reason, MaxReason, false); err != nil {
		return nil, nil, err
	}
	i, err := identityOf(tx, c.Customer, identity)
	return c, i, err
}

// note writes an address and says on the case what became of it.
func (l *Ledger) note(tx store.Tx, by Actor, c *Case, i *Identity, kind EventKind, w Word) error {
	if err := Identities.Put(tx, i); err != nil {
		return err
	}
	if err := l.record(tx, by, c, Event{Kind: kind, To: string(i.Address.Kind), ToName: Mask(i.Address), Reason: w.Reason}); err != nil {
		return err
	}
	return Cases.Put(tx, c)
}

// RenewPage ends all links to the page of the case's customer that there are:
// those made from now on are others.
func (l *Ledger) RenewPage(tx store.Tx, by Actor, id string) (*Case, error) {
	c, err := l.load(tx, by, id, VerbWork, Guard{})
	if err != nil {
		return nil, err
	}
	c.Page++
	if err := l.record(tx, by, c, Event{Kind: PageRenewed, Pending: []string{PendingNotify}}); err != nil {
		return nil, err
	}
	return c, Cases.Put(tx, c)
}

// identityOf returns an address of a customer; those of others are not there.
func identityOf(tx store.Tx, customer, id string) (*Identity, error) {
	i, err := Identities.Get(tx, id)
	if errors.Is(err, store.ErrLimit) {
		err = store.ErrNotFound // nothing has such an id
	}
	if err == nil && i.Customer != customer {
		err = store.ErrNotFound
	}
	if err != nil {
		return nil, fmt.Errorf("address: %w", err)
	}
	return i, nil
}

// Proven returns a customer's addresses that are known to be theirs, in the order
// of Addresses: they wrote from there, or brought a link of ours. What an operator
// or a program typed is not, until then.
func Proven(tx store.Tx, customer string) ([]*Identity, error) {
	all, err := Addresses(tx, customer)
	if err != nil {
		return nil, err
	}
	wrote := map[string]bool{}
	if len(all) > 0 {
		if wrote, err = writers(tx, customer); err != nil {
			return nil, err
		}
	}
	var out []*Identity
	for _, i := range all {
		if i.Verified || i.Lines > 0 || wrote[i.Address.Key()] {
			out = append(out, i)
		}
	}
	return out, nil
}

// writers are the keys of the addresses that a customer's cases began at, as far
// as they wrote the first message themselves.
func writers(tx store.Tx, customer string) (map[string]bool, error) {
	out, begun := map[string]bool{}, []*Case{}
	for c, err := range Cases.Scan(tx, store.Range{Index: "customer", Prefix: store.Under(customer), Reverse: true, Limit: manyCases}) {
		if err != nil {
			return nil, err
		}
		begun = append(begun, c)
	}
	for _, c := range begun {
		if out[c.To.Key()] {
			continue
		}
		m, err := Messages.First(tx, store.Range{Index: "case", Prefix: store.Under(c.ID)})
		if errors.Is(err, store.ErrNotFound) {
			continue
		}
		if err != nil {
			return nil, err
		}
		if m.Direction == In && m.Author == "" {
			out[m.From.Key()] = true
		}
	}
	return out, nil
}

// Writable says that people can be written to at addresses of this kind.
func Writable(k channels.Kind) bool { return k != channels.Voice && k != channels.Desk }

// Mask writes an address so that its owner knows it and nobody else learns it:
// "+380…89", "o…@shop.example". It is empty for kinds whose handles tell people
// nothing.
func Mask(a channels.Address) string {
	switch a.Kind {
	case channels.SMS, channels.Voice:
		r := []rune(a.Handle)
		if len(r) < 9 {
			return "…" + string(r[max(0, len(r)-2):])
		}
		return string(r[:4]) + "…" + string(r[len(r)-2:])
	case channels.Email:
		name, domain, ok := strings.Cut(a.Handle, "@")
		if !ok {
			return "…"
		}
		first, _ := utf8.DecodeRuneInString(name)
		if utf8.RuneCountInString(name) < 2 || first == utf8.RuneError {
			return "…@" + domain
		}
		return string(first) + "…@" + domain
	}
	return ""
}
