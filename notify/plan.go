package notify

import (
	"cmp"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"casewire/casecore"
	"casewire/casecore/lang"
	"casewire/casecore/store"
	"casewire/channels"
)

// notices writes what an event asks for.
func (p *Planner) notices(tx store.Tx, policy *Policy, e *casecore.Event, t *tally) error {
	if e.Kind == casecore.Answered {
		m, err := casecore.Messages.Get(tx, e.Message)
		if err != nil {
			return err
		}
		c, err := casecore.Cases.Get(tx, e.Case)
		if err != nil {
			return err
		}
		id := NoticeID(e.ID, m.To.Key(), "")
		if known, err := exists(tx, id); err != nil || known {
			return err
		}
		return p.dispatch(tx, &Notice{Meta: store.Meta{ID: id}}, e, c, m, p.ledger.Now(), t)
	}
	if wishes(e) {
		return p.renew(tx, policy, e)
	}
	if err := p.keepReminders(tx, policy, e); err != nil {
		return err
	}
	if err := p.watch(tx, policy, e); err != nil {
		return err
	}
	slip, err := p.takeBack(tx, e)
	if err != nil {
		return err
	}
	plan := policy.Plan(e)
	if len(plan) == 0 {
		return nil
	}
	c, err := casecore.Cases.Get(tx, e.Case)
	if err != nil {
		return err
	}
	who, err := customer(tx, c)
	if err != nil {
		return err
	}
	for _, n := range plan {
		each, err := spread(tx, c, n)
		if err != nil {
			return err
		}
		each = slices.DeleteFunc(each, func(one Planned) bool { return !slip.news(one) })
		if err := p.tellAll(tx, policy, e, c, who, each, t); err != nil {
			return err
		}
	}
	return nil
}

// tellAll is tell for each of them, but for those with whom it has failed again and
// again: of them the case says so.
func (p *Planner) tellAll(tx store.Tx, policy *Policy, e *casecore.Event, c *casecore.Case, who *casecore.Customer, each []Planned, t *tally) error {
	for _, n := range each {
		if !slices.Contains(p.failed[e.ID].without, n.label()) {
			if err := p.tellOne(tx, policy, e, c, who, n, t); err != nil {
				return err
			}
			continue
		}
		t.failed++
		if err := p.fail(tx, policy, e, c, n); err != nil {
			return err
		}
	}
	return nil
}

// tellOne is tell, and names who could not be told.
func (p *Planner) tellOne(tx store.Tx, policy *Policy, e *casecore.Event, c *casecore.Case, who *casecore.Customer, n Planned, t *tally) (err error) {
	defer func() {
		if err != nil {
			err = &misfit{label: n.label(), err: err}
		}
	}()
	defer caught(&err)
	return p.tell(tx, policy, e, c, who, n, t)
}

func customer(tx store.Tx, c *casecore.Case) (*casecore.Customer, error) {
	if c.Customer == "" {
		return &casecore.Customer{}, nil
	}
	who, err := casecore.Customers.Get(tx, c.Customer)
	if errors.Is(err, store.ErrNotFound) {
		return &casecore.Customer{}, nil
	}
	return who, err
}

// tell writes the message and the notice of one planned template.
func (p *Planner) tell(tx store.Tx, policy *Policy, e *casecore.Event, c *casecore.Case, who *casecore.Customer, plan Planned, t *tally) error {
	at, err := p.recipient(tx, e, c, who, plan)
	if err != nil {
		return err
	}
	to := at.to
	id := NoticeID(e.ID, to.Key(), plan.name())
	if to.Handle == "" && plan.aside() {
		id = NoticeID(e.ID, plan.whom(), plan.name())
	}
	known, err := exists(tx, id)
	if err != nil || known {
		return err
	}
	if recent, err := p.told(tx, c, plan); err != nil || recent {
		return err
	}
	if at.channel == "" || at.to.Handle == "" {
		if plan.needless(e, c, at) {
			return nil
		}
		return p.skip(tx, policy, id, e, c, plan, at.reason, t)
	}
	if mayLoop(e, c, plan, to) {
		if ok, err := spend(tx, to, p.ledger.Now()); err != nil {
			return err
		} else if !ok {
			return p.skip(tx, policy, id, e, c, plan, Loop, t)
		}
	}
	written, err := p.write(tx, policy, e, c, who, plan, at)
	if err != nil {
		return err
	}
	n := &Notice{Meta: store.Meta{ID: id}, Aside: plan.aside(), Reminder: plan.Reminder, Late: plan.Late}
	due := p.ledger.Now()
	if !plan.timed() {
		due = policy.when(e, plan.Template, plan.sleeper(who), due)
	}
	return p.dispatch(tx, n, e, c, written, due, t)
}

// needless says that a receipt is not missed: its customer has no address here, and
// stood at the desk when the case was entered.
func (n Planned) needless(e *casecore.Event, c *casecore.Case, at place) bool {
	return e.Kind == casecore.Opened && !n.timed() && !n.aside() && channels.IsDesk(c.Channel) && at.reason == NoAddress
}

// write puts a notice's words into the book: to the customer as a message of the
// conversation, to anybody else beside it.
func (p *Planner) write(tx store.Tx, policy *Policy, e *casecore.Event, c *casecore.Case, who *casecore.Customer, plan Planned, at place) (*casecore.Message, error) {
	if plan.timed() {
		e = &casecore.Event{Meta: e.Meta, Kind: cmp.Or(plan.Late, remindedOf), Case: e.Case, At: p.ledger.Now()}
	}
	if plan.aside() {
		m := policy.forOthers(plan, e, c, who)
		m.Channel, m.To = at.channel, at.to
		_, written, err := p.ledger.Inform(tx, by(policy.Centre()), c.ID, m)
		return written, err
	}
	_, written, err := p.ledger.Tell(tx, by(policy.Centre()), c.ID, p.words(policy, e, c, who, plan.Template, at))
	return written, err
}

// words are those of a notice to the customer, for a place.
func (p *Planner) words(policy *Policy, e *casecore.Event, c *casecore.Case, who *casecore.Customer, template string, at place) casecore.Message {
	m := policy.Render(template, e, c, who, p.o.Link(c))
	m.Channel, m.To = at.channel, at.to
	offer(&m.Body, at.to.Kind, e.Choices)
	return m
}

// dispatch hands a message to the outbox, which sends it when it is due. Behind an
// unfinished one of its case and channel it waits (see Notice.Lane); one that is
// due later is held, and holds up nothing.
func (p *Planner) dispatch(tx store.Tx, n *Notice, e *casecore.Event, c *casecore.Case, m *casecore.Message, due time.Time, t *tally) error {
	now := p.ledger.Now()
	n.Event, n.Case, n.CaseNumber, n.Message, n.Seq = e.ID, m.Case, c.CaseNumber(), m.ID, m.Seq
	n.Template, n.Channel, n.To = m.Template, m.Channel, m.To
	n.State, n.NextAt, n.Created, n.Since = Pending, due, now, e.At
	if n.Timed() {
		n.Since = now
	}
	t.planned++
	if due.After(now) {
		n.State = Held
		return Notices.Put(tx, n)
	}
	return Enlist(tx, n)
}

// skip keeps on record that, and why, somebody is not written to.
func (p *Planner) skip(tx store.Tx, policy *Policy, id string, e *casecore.Event, c *casecore.Case, plan Planned, reason string, t *tally) error {
	t.skipped++
	return p.untold(tx, policy, id, e, c, plan, Skipped, reason)
}

// fail keeps on record that what somebody is to be told cannot be written.
func (p *Planner) fail(tx store.Tx, policy *Policy, e *casecore.Event, c *casecore.Case, plan Planned) error {
	id := NoticeID(e.ID, plan.label(), Unplannable)
	known, err := exists(tx, id)
	if err != nil || known {
		return err
	}
	return p.untold(tx, policy, id, e, c, plan, Dead, Unplannable)
}

// untold writes a notice that has no words, and has somebody call the customer if it
// was for them and matters.
func (p *Planner) untold(tx store.Tx, policy *Policy, id string, e *casecore.Event, c *casecore.Case, plan Planned, s State, reason string) error {
	now := p.ledger.Now()
	err := Notices.Put(tx, &Notice{
		Meta: store.Meta{ID: id}, Event: e.ID, Case: c.ID, CaseNumber: c.CaseNumber(), Template: plan.Template, To: plan.To,
		State: s, Reason: reason, Aside: plan.aside(), Reminder: plan.Reminder, Late: plan.Late, Created: now, Done: now,
	})
	if err != nil {
		return err
	}
	err = p.ledger.Untold(tx, by(policy.Centre()), c.ID, plan.Template, reason)
	if err != nil || !Matters(e) || plan.aside() {
		return err
	}
	return p.ledger.WantCall(tx, by(policy.Centre()), c.ID, reason, "")
}

// told says whether somebody had this template of the case too short a time ago, or
// will.
func (p *Planner) told(tx store.Tx, c *casecore.Case, plan Planned) (bool, error) {
	if plan.Every <= 0 {
		return false, nil
	}
	lately := store.Range{
		Index: "case", Prefix: store.Under(c.ID, plan.Template),
		From: store.Join(c.ID, plan.Template, store.TimeKey(p.ledger.Now().Add(-time.Duration(plan.Every)))) + "\x00",
	}
	for n, err := range Notices.Scan(tx, lately) {
		if err != nil {
			return false, err
		}
		if !n.withdrawn() && n.whom() == plan.one() {
			return true, nil
		}
	}
	return false, nil
}

func exists(tx store.Tx, id string) (bool, error) {
	_, err := tx.Get(Notices.Coll(), id)
	if errors.Is(err, store.ErrNotFound) {
		return false, nil
	}
	return err == nil, err
}

// place is where a notice goes; without an address, reason says why nowhere.
type place struct {
	channel string
	to      channels.Address
	reason  string
}

// recipient is where a notice goes: to the identity that the customer prefers, if
// it is still theirs and there is a channel for it, else to where they last wrote,
// else to any other of their addresses. What is for somebody else goes to them.
func (p *Planner) recipient(tx store.Tx, e *casecore.Event, c *casecore.Case, who *casecore.Customer, plan Planned) (place, error) {
	switch {
	case plan.aside():
		return p.colleague(tx, c, plan.To)
	case e.Kind == casecore.Asked:
		return p.asker(tx, e)
	}
	channel, to, err := p.preferred(tx, c, who)
	if err != nil {
		return place{}, err
	}
	if !p.o.Reach.serves(channel) {
		served, ok := p.o.Reach.On(to.Kind)
		if !ok {
			return p.unserved(tx, c)
		}
		channel = served
	}
	if s, err := shut(tx, to); err != nil || s == nil {
		return place{channel: channel, to: to}, err
	}
	channel, to, err = p.o.Reach.Next(tx, c, e.ID, plan.name())
	return place{channel: channel, to: to, reason: AllShut}, err
}

// unserved is where a notice goes when no channel serves the address where the
// customer last wrote: to another of theirs. Without any it waits for the channel,
// which may be back soon, but for a case that was entered by hand.
func (p *Planner) unserved(tx store.Tx, c *casecore.Case) (place, error) {
	channel, to, closed, err := p.o.Reach.First(tx, c)
	switch {
	case err != nil || to.Handle != "":
		return place{channel: channel, to: to}, err
	case channels.IsDesk(c.Channel) && !closed:
		return place{reason: NoAddress}, nil
	case channels.IsDesk(c.Channel):
		return place{reason: AllShut}, nil
	}
	s, err := shut(tx, c.To)
	if err != nil || s != nil {
		return place{reason: AllShut}, err
	}
	return place{channel: c.Channel, to: c.To}, nil
}

// asker is where the message came from that the customer is asked about.
func (p *Planner) asker(tx store.Tx, e *casecore.Event) (place, error) {
	m, err := casecore.Messages.Get(tx, e.Message)
	if err != nil {
		return place{}, err
	}
	return place{channel: m.Channel, to: m.From}, nil
}

// somethingNew is the choice of none of the customer's cases.
var somethingNew = lang.Text{"en": "Something new", "ru": "Другое", "uk": "Інше", "sr": "Nešto drugo"}

// offer puts choices into a message: as buttons, and numbered in the text where
// the channel has none. Whoever answers with a number presses the button of that
// place.
func offer(b *channels.Body, kind channels.Kind, choices []casecore.Choice) {
	b.Buttons = casecore.Buttons(choices)
	for i := range b.Buttons {
		if b.Buttons[i].Label == "" {
			b.Buttons[i].Label = somethingNew.In(b.Lang)
		}
		if !kind.Buttons() {
			b.Text += fmt.Sprintf("\n%d - %s", i+1, b.Buttons[i].Label)
		}
	}
}

func (p *Planner) preferred(tx store.Tx, c *casecore.Case, who *casecore.Customer) (string, channels.Address, error) {
	kind, handle, ok := strings.Cut(who.Preferred, ":")
	if !ok || who.Preferred == c.To.Key() {
		return c.Channel, c.To, nil
	}
	channel, ok := p.o.Reach.On(channels.Kind(kind))
	if !ok {
		return c.Channel, c.To, nil
	}
	i, err := casecore.Identities.Get(tx, casecore.IdentityID(channels.Address{Kind: channels.Kind(kind), Handle: handle}))
	switch {
	case errors.Is(err, store.ErrNotFound):
		return c.Channel, c.To, nil
	case err != nil:
		return "", channels.Address{}, err
	case i.Customer != c.Customer:
		return c.Channel, c.To, nil
	}
	return channel, i.Address, nil
}
