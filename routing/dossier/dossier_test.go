package dossier_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"casewire/casecore"
	"casewire/casecore/flow"
	"casewire/casecore/store"
	"casewire/channels"
	"casewire/routing/desk"
	"casewire/routing/dossier"
	"casewire/routing/dossier/dossiertest"
)

var update = flag.Bool("update", false, "write testdata anew")

var (
	customer = channels.Address{Kind: channels.SMS, Handle: "+380501234567", Name: "Олена"}
	mailbox  = channels.Address{Kind: channels.Email, Handle: "olena@mail.example"}
	anna     = casecore.Actor{ID: "op-anna", Name: "Anna"}
	made     = time.Date(2026, 3, 4, 10, 0, 0, 0, time.UTC)
)

// reader hands out one view.
type reader struct{ views []*desk.View }

func (r *reader) Read(context.Context, casecore.Actor, string) (*desk.View, error) {
	if len(r.views) == 0 {
		return nil, store.ErrNotFound
	}
	v := r.views[0]
	if len(r.views) > 1 {
		r.views = r.views[1:]
	}
	return v, nil
}

// post hands out notices, one at a time.
type post struct {
	desk.Post
	notices []desk.Notice
	refuse  error
}

func (p *post) Notices(_ context.Context, _ casecore.Actor, f desk.NoticeFilter, after store.Mark, _ int) ([]desk.Notice, store.Mark, error) {
	for i, n := range p.notices {
		if n.ID > after.ID && n.Case == f.Case {
			next := store.Mark{Key: n.ID, ID: n.ID}
			if i == len(p.notices)-1 {
				next = store.Mark{}
			}
			return []desk.Notice{n}, next, p.refuse
		}
	}
	return nil, store.Mark{}, p.refuse
}

// story is a case whose notice did not arrive by SMS and was sent by mail; one was
// taken back.
func story() (*desk.View, []desk.Notice) {
	at := time.Date(2026, 3, 2, 9, 0, 0, 0, time.UTC)
	tick := func() time.Time { at = at.Add(90 * time.Second); return at }
	c := &casecore.Case{
		Meta: store.Meta{ID: "case-1"}, Number: 123, Customer: "cu-1", Channel: "sms:main", To: customer, Lang: "uk", Subject: "Екран",
		Status: "ready", Stage: flow.Done, Priority: casecore.Normal, Queue: "phones", Owner: anna.ID, OwnerName: anna.Name,
		Attributes: map[string]string{"model": "X-100"}, Received: at, ClosedAt: at.Add(time.Hour),
	}
	v := &desk.View{
		Case: c, Customer: &casecore.Customer{Meta: store.Meta{ID: "cu-1"}, Name: "Олена"},
		Identities: []*casecore.Identity{
			{Address: mailbox, Customer: "cu-1", Verified: true},
			{Address: customer, Customer: "cu-1", Shut: &casecore.Shut{Reason: channels.BadAddress, Code: "30005", Channel: "sms:main", At: at.Add(time.Hour)}},
		},
	}
	event := func(id string, by casecore.Actor, e casecore.Event, m *casecore.Message) {
		c.Events++
		e.ID, e.Case, e.Seq, e.At, e.Actor, e.ActorName, e.Prev = id, c.ID, c.Events, tick(), by.ID, by.Name, c.Head
		if m != nil {
			e.Message, e.Place, e.Words, e.Fared = m.ID, m.Seq, m.Digest(), m.Proof()
		}
		e.Hash = e.Digest()
		c.Head = e.Hash
		v.Events = append(v.Events, &e)
	}
	say := func(id string, m casecore.Message) *casecore.Message {
		c.Messages++
		m.ID, m.Case, m.Seq, m.At = id, c.ID, c.Messages, tick()
		if m.Direction == casecore.Out {
			m.Delivery = &casecore.Delivery{State: channels.Queued, At: m.At}
		}
		v.Messages = append(v.Messages, &m)
		return &m
	}
	step := func(m *casecore.Message, by casecore.Witness, s channels.State, a *casecore.Attempt) {
		d := m.Delivery
		e := casecore.Evidence{No: int64(len(d.Evidence) + 1), At: tick(), By: by, State: s, Attempt: a}
		prev := m.Proof()
		if prev == "" {
			prev = m.Digest()
		}
		e.Hash = e.Digest(prev)
		d.Evidence, d.State, d.At = append(d.Evidence, e), s, e.At
		if a != nil {
			d.Attempts = []casecore.Attempt{*a}
		}
	}
	house := casecore.System("notify")
	first := say("m-1", casecore.Message{
		Direction: casecore.In, Channel: "sms:main", ExternalID: "SM1", From: customer, Body: channels.Body{Text: "Розбився екран\n<b>дуже</b>", HTML: "<p>x</p>"},
		Raw: []byte(`{"Body":"x"}`), Refs: []string{"SM1"},
	})
	event("e-1", casecore.System("intake"), casecore.Event{Kind: casecore.Opened, To: "phones", Trace: &casecore.Trace{Rule: "screen", Revision: 3, Reasons: []casecore.Reason{{Condition: "text", Matched: []string{"екран"}}}}}, first)
	event("e-2", anna, casecore.Event{Kind: casecore.Claimed, To: anna.ID, ToName: anna.Name, ClaimNo: 1}, nil)
	note := say("m-2", casecore.Message{Direction: casecore.Note, Author: anna.ID, AuthorName: anna.Name, Body: channels.Body{Text: "for colleagues"}})
	event("e-3", anna, casecore.Event{Kind: casecore.Noted}, note)
	event("e-4", anna, casecore.Event{Kind: casecore.Moved, From: "new", To: "ready", Pending: []string{casecore.PendingNotify}}, nil)
	told := say("m-3", casecore.Message{
		Direction: casecore.Out, Channel: "sms:main", To: customer, AuthorName: "Orbita", Auto: true, Status: "Готово", Template: "ready", Body: channels.Body{Text: "CW-000123: ваш телефон готовий."},
	})
	event("e-5", house, casecore.Event{Kind: casecore.Told, To: "ready"}, told)
	began := at
	step(told, casecore.Sender, channels.Sending, &casecore.Attempt{No: 1, Channel: "sms:main", At: began, State: channels.Sending})
	step(told, casecore.Sender, channels.Sent, &casecore.Attempt{No: 1, Channel: "sms:main", At: began, State: channels.Sent, ProviderID: "SM900"})
	step(told, casecore.Provider, channels.Undelivered, &casecore.Attempt{No: 1, Channel: "sms:main", At: began, State: channels.Undelivered, ProviderID: "SM900", Code: "30005", Detail: "unknown destination handset"})
	event("e-6", house, casecore.Event{Kind: casecore.Undelivered, To: "undelivered", Template: "ready"}, told)
	again := say("m-4", casecore.Message{
		Direction: casecore.Out, Channel: "email:shop", To: mailbox, AuthorName: "Orbita", Auto: true, Status: "Готово", Template: "ready", Instead: "m-3", Body: told.Body,
	})
	event("e-7", house, casecore.Event{Kind: casecore.Told, To: "ready", Reason: "instead"}, again)
	began = at
	step(again, casecore.Sender, channels.Sending, &casecore.Attempt{No: 1, Channel: "email:shop", At: began, State: channels.Sending})
	step(again, casecore.Sender, channels.Sent, &casecore.Attempt{No: 1, Channel: "email:shop", At: began, State: channels.Sent, ProviderID: "<1@shop.example>"})
	back := say("m-5", casecore.Message{Direction: casecore.Out, Channel: "sms:main", To: customer, AuthorName: "Orbita", Auto: true, Template: "parts", Body: channels.Body{Text: "Чекаємо на деталь."}})
	event("e-8", house, casecore.Event{Kind: casecore.Told, To: "parts"}, back)
	step(back, casecore.House, channels.Cancelled, nil)
	event("e-9", anna, casecore.Event{Kind: casecore.Calling, To: customer.Handle, Call: "call-1"}, nil)
	number := c.CaseNumber()
	return v, []desk.Notice{
		{ID: "n-1", Case: number, Message: "m-3", Template: "ready", Channel: "sms:main", To: customer, State: "dead", Reason: "undelivered", Tries: 1, Created: told.At, Done: at, Handled: "Anna", Proof: told.Proof()},
		{ID: "n-2", Case: number, Message: "m-4", Template: "ready", Channel: "email:shop", To: mailbox, State: "sent", Tries: 1, Created: again.At, Done: at, Proof: again.Proof()},
		{ID: "n-3", Case: number, Message: "m-5", Template: "parts", Channel: "sms:main", To: customer, State: "skipped", Reason: "taken_back", Created: back.At, Done: at, Proof: back.Proof()},
		{ID: "n-4", Case: number, Template: "review", State: "skipped", Reason: "no_address", Created: at, Done: at},
	}
}

func meaning(code string) string {
	return map[string]string{"30005": "the number does not exist", "no_address": "there is no address"}[code]
}

func written(t *testing.T, p *dossier.Papers) []byte {
	t.Helper()
	d, err := p.Dossier(meaning)
	if err != nil {
		t.Fatal(err)
	}
	b, err := json.MarshalIndent(d, "", "  ")
	if err != nil {
		t.Fatal(err)
	}
	return append(b, '\n')
}

// The shape of a dossier is a promise to whoever keeps one: it changes only with
// Format.
func TestDossierIsTheGoldenOne(t *testing.T) {
	v, notices := story()
	p, err := dossier.Gather(t.Context(), &reader{[]*desk.View{v}}, &post{notices: notices}, anna, "CW-000123", made)
	if err != nil {
		t.Fatal(err)
	}
	got := written(t, p)
	if faults := dossiertest.Check(got); len(faults) > 0 {
		t.Errorf("by hand it does not verify:\n%s", strings.Join(faults, "\n"))
	}
	file := filepath.Join("testdata", "dossier.json")
	if *update {
		if err := os.WriteFile(file, got, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(got, want) {
		t.Errorf("run with -update and look at what changed:\n%s", got)
	}
}

// Whoever changes a number or a letter of what is proved in an exported dossier is
// found out by hand.
func TestAForgedDossierIsFoundByHand(t *testing.T) {
	golden, err := os.ReadFile(filepath.Join("testdata", "dossier.json"))
	if err != nil {
		t.Fatal(err)
	}
	for was, is := range map[string]string{
		`"text": "CW-000123: ваш телефон готовий."`: `"text": "CW-000123: ваш телефон у ремонті."`,
		`"provider_id": "SM900"`:                    `"provider_id": "SM901"`,
		`"kind": "claimed"`:                         `"kind": "released"`,
		`"at": "2026-03-02T09:03:00Z"`:              `"at": "2026-03-02T09:03:01Z"`,
		`"seq": 9`:                                  `"seq": 10`,
		`"state": "undelivered"`:                    `"state": "delivered"`,
	} {
		if !bytes.Contains(golden, []byte(was)) {
			t.Fatalf("the dossier does not have %s", was)
		}
		if len(dossiertest.Check(bytes.ReplaceAll(golden, []byte(was), []byte(is)))) == 0 {
			t.Errorf("%s is not found", is)
		}
	}
}

// What is wrong stands in the dossier, which is made all the same.
func TestADossierTellsOfItsFaults(t *testing.T) {
	v, notices := story()
	v.Messages[2].Body.Text = "CW-000123: ще ні."
	p, err := dossier.Gather(t.Context(), &reader{[]*desk.View{v}}, &post{notices: notices}, anna, "CW-000123", made)
	if err != nil {
		t.Fatal(err)
	}
	d, err := p.Dossier(meaning)
	if err != nil {
		t.Fatal(err)
	}
	if f := d.Proof.Faults; d.Proof.Verified || len(f) != 1 || f[0].What != casecore.Changed || f[0].Message != 3 || f[0].Event != 6 {
		t.Errorf("%+v", d.Proof)
	}
	if len(dossiertest.Check(written(t, p))) == 0 {
		t.Error("by hand it verifies")
	}
}

// A message that goes on while the dossier is made is no fault.
func TestAMovingCaseIsReadAgain(t *testing.T) {
	now, notices := story()
	before, _ := story()
	m := before.Messages[2]
	d := m.Delivery
	d.Evidence = d.Evidence[:2]
	d.State, d.At, d.Attempts = channels.Sent, d.Evidence[1].At, []casecore.Attempt{*d.Evidence[1].Attempt}
	p, err := dossier.Gather(t.Context(), &reader{[]*desk.View{before, now}}, &post{notices: notices}, anna, "CW-000123", made)
	if err != nil {
		t.Fatal(err)
	}
	if len(p.Proof.Faults) > 0 || p.Message("m-3").Delivery.State != channels.Undelivered {
		t.Errorf("%+v", p.Proof)
	}
}

// Who may not read the case gets no dossier.
func TestNoDossierWithoutTheRight(t *testing.T) {
	v, notices := story()
	if _, err := dossier.Gather(t.Context(), &reader{}, nil, anna, "CW-000123", made); !errors.Is(err, store.ErrNotFound) {
		t.Errorf("%v", err)
	}
	gone := &post{notices: notices, refuse: casecore.ErrForbidden}
	if _, err := dossier.Gather(t.Context(), &reader{[]*desk.View{v}}, gone, anna, "CW-000123", made); !errors.Is(err, casecore.ErrForbidden) {
		t.Errorf("%v", err)
	}
	p, err := dossier.Gather(t.Context(), &reader{[]*desk.View{v}}, nil, anna, "CW-000123", made)
	if err != nil || len(p.Notices) > 0 || len(p.Proof.Faults) > 0 {
		t.Errorf("without a post room: %+v, %v", p, err)
	}
}

// Whoever makes of a notice that failed one that was delivered, with its seals and its
// notice's proof, is found out by the event that told of it, also by hand.
func TestAForgedDeliveryIsFound(t *testing.T) {
	v, notices := story()
	m := v.Messages[2]
	d := m.Delivery
	e := &d.Evidence[2]
	e.State, e.Attempt.State, e.Attempt.Code, e.Attempt.Detail = channels.Delivered, channels.Delivered, "", ""
	e.Hash = e.Digest(d.Evidence[1].Hash)
	d.State, d.Attempts[0] = channels.Delivered, *e.Attempt
	notices[0].Proof = m.Proof()
	p, err := dossier.Gather(t.Context(), &reader{[]*desk.View{v}}, &post{notices: notices}, anna, "CW-000123", made)
	if err != nil {
		t.Fatal(err)
	}
	if f := p.Proof.Faults; len(f) != 1 || f[0].What != casecore.Changed || f[0].Message != 3 || f[0].Event != 6 {
		t.Errorf("%v", f)
	}
	if faults := dossiertest.Check(written(t, p)); len(faults) != 1 {
		t.Errorf("by hand: %q", faults)
	}
}
