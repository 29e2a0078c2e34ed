package main

import (
	"context"
	"fmt"
	"path/filepath"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"casewire/casecore"
	"casewire/casecore/blob/dir"
	"casewire/casecore/flow"
	"casewire/casecore/lang"
	"casewire/casecore/store/sqlite"
	"casewire/channels"
	"casewire/notify"
	"casewire/notify/outbox"
	"casewire/routing"
	"casewire/routing/intake"
)

// responder is a house that acknowledges every mail, and whose mails come to another
// responder without anything that says a machine wrote them: the headers are lost,
// and so may be what they answer.
type responder struct {
	in       *intake.Intake
	address  channels.Address
	other    *responder
	threaded bool
	sent     atomic.Int64
}

func (r *responder) Run(ctx context.Context, _ channels.Sink) error { <-ctx.Done(); return nil }

func (r *responder) Send(ctx context.Context, m channels.Outbound) (channels.Receipt, error) {
	n := r.sent.Add(1)
	name := "out-" + m.ID + "@" + r.address.Handle
	mail := channels.Inbound{
		Channel: "email:main", ExternalID: name, From: r.address, Refs: []string{name}, Topic: fmt.Sprint(n),
		Body: channels.Body{Subject: fmt.Sprint(n), Text: m.Body.Text},
	}
	if r.threaded {
		mail.Answers, mail.Topic = m.Answers, m.Subject
	}
	receipt := channels.Receipt{OutboundID: m.ID, ProviderID: name, State: channels.Sent}
	if n > 200 {
		return receipt, nil // a loop that nobody ends
	}
	if err := r.other.in.Message(ctx, mail); err != nil {
		return channels.Receipt{}, &channels.SendError{Reason: channels.Unreachable, Retry: true, Err: err}
	}
	return receipt, nil
}

// start opens the responder's house and runs it until the returned stop has
// returned.
func (r *responder) start(t *testing.T) (stop func()) {
	t.Helper()
	must := func(err error) {
		if err != nil {
			t.Helper()
			t.Fatal(err)
		}
	}
	st, err := sqlite.Open(t.Context(), filepath.Join(t.TempDir(), "casewire.db"), sqlite.Options{}, slices.Concat(casecore.Collections(), notify.Collections())...)
	must(err)
	blobs, err := dir.Open(t.TempDir(), dir.Options{})
	must(err)
	name := lang.Text{"en": "x"}
	f, err := flow.Compile(flow.Spec{Initial: "new", Reopen: "new", Statuses: []flow.Status{{ID: "new", Name: name, Category: flow.New}}})
	must(err)
	rules, err := routing.Compile(routing.Spec{
		Queues: []routing.Queue{{ID: "general", Name: name}},
		Rules:  []routing.Rule{{Name: "rest", Then: routing.Then{Queue: "general"}}},
	}, routing.Options{Revision: 1})
	must(err)
	policy, err := notify.Compile(notify.Spec{
		Templates: []notify.Template{{ID: "opened", Text: lang.Text{"en": "We have your message, {{case}}."}}},
		Events:    []notify.OnEvent{{Event: "opened", Template: "opened"}, {Event: "reopened", Template: "opened"}},
	}, notify.CompileOptions{Flow: f, Lang: "en", Centre: "The Centre"})
	must(err)
	ledger := &casecore.Ledger{Flow: func() *flow.Flow { return f }, Now: time.Now}
	r.in = intake.New(st, ledger, func() *routing.Router { return rules }, blobs, intake.Options{})
	planner := notify.NewPlanner(st, ledger, func() *notify.Policy { return policy }, notify.Options{Poll: time.Hour})
	box := outbox.New(st, ledger, func(string) channels.Channel { return r }, outbox.Options{Poll: time.Hour})
	ctx, cancel := context.WithCancel(t.Context())
	var wg sync.WaitGroup
	for _, run := range []func(context.Context) error{planner.Run, box.Run} {
		wg.Go(func() {
			if err := run(ctx); err != nil {
				t.Error(err)
			}
		})
	}
	return func() {
		cancel()
		wg.Wait()
		if err := st.Close(); err != nil {
			t.Error(err)
		}
	}
}

// Two machines that acknowledge each other's mail come to an end by counting alone
// (E11), also when each mail is a case of its own for the other.
func TestTwoRespondersFallSilent(t *testing.T) {
	for _, threaded := range []bool{true, false} {
		t.Run(fmt.Sprint("threaded ", threaded), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				mail := func(handle string) channels.Address { return channels.Address{Kind: channels.Email, Handle: handle} }
				a, b := &responder{address: mail("support@a.test"), threaded: threaded}, &responder{address: mail("support@b.test"), threaded: threaded}
				a.other, b.other = b, a
				defer a.start(t)()
				defer b.start(t)()
				err := a.in.Message(t.Context(), channels.Inbound{
					Channel: "email:main", ExternalID: "first", From: b.address, Body: channels.Body{Subject: "hello", Text: "hello"},
				})
				if err != nil {
					t.Fatal(err)
				}
				time.Sleep(24 * time.Hour)
				if sum := a.sent.Load() + b.sent.Load(); sum == 0 || sum > 21 {
					t.Errorf("%d and %d mails, want a score at most", a.sent.Load(), b.sent.Load())
				}
			})
		})
	}
}
