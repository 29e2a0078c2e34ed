package casecore_test

import (
	"testing"
	"time"

	"casewire/casecore"
	"casewire/casecore/flow"
	"casewire/casecore/lang"
	"casewire/casecore/store"
	"casewire/channels"
)

// book is a ledger over a real store, with a clock that the test moves.
type book struct {
	t      *testing.T
	store  store.Store
	ledger *casecore.Ledger
	now    time.Time
}

var spec = flow.Spec{
	Initial: "new", Taken: "accepted", Reopen: "accepted", ReopenWithin: flow.Duration(72 * time.Hour),
	Statuses: []flow.Status{
		{ID: "new", Name: name("New"), Category: flow.New, Next: []string{"accepted"}},
		{ID: "accepted", Name: name("Accepted"), Category: flow.Open, Next: []string{"parts", "qc", "ready"}},
		{ID: "parts", Name: name("Waiting for parts"), Category: flow.Waiting, Paused: true, Next: []string{"accepted"}},
		{ID: "qc", Name: name("Quality control"), Category: flow.Open, Enter: []string{"qc"}, Next: []string{"ready"}},
		{ID: "ready", Name: name("Ready"), Category: flow.Done, Required: []string{"model"}, Next: []string{"issued", "accepted"}},
		{ID: "issued", Name: name("Issued"), Category: flow.Closed, Next: []string{}},
	},
}

func name(s string) lang.Text { return lang.Text{"en": s} }

func open(t *testing.T) *book {
	t.Helper()
	st := stores.Open(t, casecore.Collections()...)
	f, err := flow.Compile(spec)
	if err != nil {
		t.Fatal(err)
	}
	b := &book{t: t, store: st, now: time.Date(2026, 3, 2, 9, 0, 0, 0, time.UTC)}
	b.ledger = &casecore.Ledger{Flow: func() *flow.Flow { return f }, Now: func() time.Time { return b.now }}
	return b
}

// do runs fn in a transaction that must succeed.
func (b *book) do(fn func(tx store.Tx) error) {
	b.t.Helper()
	if err := b.store.Update(b.t.Context(), fn); err != nil {
		b.t.Fatal(err)
	}
}

var (
	visitor = channels.Address{Kind: channels.WebChat, Handle: "visitor-1", Name: "Olena"}
	house   = casecore.System("intake")
	anna    = casecore.Actor{ID: "op-anna", Name: "Anna", Roles: []string{casecore.RoleOperator}, Queues: []string{"phones"}}
	boris   = casecore.Actor{ID: "op-boris", Name: "Boris", Roles: []string{casecore.RoleOperator}, Queues: []string{"phones", "tv"}}
	boss    = casecore.Actor{ID: "op-boss", Name: "Boss", Roles: []string{casecore.RoleSupervisor}}
)

// arrive opens a case from the visitor in the queue.
func (b *book) arrive(queue, externalID string) *casecore.Case {
	b.t.Helper()
	var c *casecore.Case
	b.do(func(tx store.Tx) error {
		id := casecore.IdentityID(visitor)
		if _, err := casecore.Identities.Get(tx, id); err != nil {
			cu := &casecore.Customer{Meta: store.Meta{ID: "cu-1"}, Name: "Olena"}
			if err := casecore.Customers.Put(tx, cu); err != nil {
				return err
			}
			if err := casecore.Identities.Put(tx, &casecore.Identity{Meta: store.Meta{ID: id}, Address: visitor, Customer: "cu-1"}); err != nil {
				return err
			}
		}
		var err error
		c, _, err = b.ledger.Open(tx, house, casecore.Draft{
			Customer: "cu-1", Channel: "webchat:site", To: visitor, Lang: "uk", Subject: "Екран",
			Queue: queue, Priority: casecore.Normal, React: time.Hour,
		}, inbound(externalID))
		return err
	})
	return c
}

func inbound(externalID string) casecore.Message {
	return casecore.Message{
		Direction: casecore.In, Channel: "webchat:site", ExternalID: externalID, From: visitor,
		Body: channels.Body{Text: "Розбився екран"},
	}
}

func (b *book) get(id string) *casecore.Case {
	b.t.Helper()
	var c *casecore.Case
	err := b.store.View(b.t.Context(), func(tx store.Tx) (err error) {
		c, err = casecore.Cases.Get(tx, id)
		return err
	})
	if err != nil {
		b.t.Fatal(err)
	}
	return c
}

// events returns the case's timeline.
func (b *book) events(id string) []*casecore.Event {
	b.t.Helper()
	var out []*casecore.Event
	err := b.store.View(b.t.Context(), func(tx store.Tx) error {
		for e, err := range casecore.Events.Scan(tx, store.Range{Index: "case", Prefix: store.Under(id)}) {
			if err != nil {
				return err
			}
			out = append(out, e)
		}
		return nil
	})
	if err != nil {
		b.t.Fatal(err)
	}
	return out
}
