package app

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"net"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"casewire/casecore"
	"casewire/casecore/staff"
	"casewire/casecore/store"
	"casewire/channels"
	"casewire/config"
	"casewire/config/policy"
	"casewire/notify"
	"casewire/routing/access"
	"casewire/routing/api"
	"casewire/routing/console"
	"casewire/routing/desk"
	"casewire/routing/intake"
	"casewire/routing/live"
)

// This file is where rooms that may not know each other meet: each adapter gives
// one room's interface the other room's answer.

func (a *App) consoleOptions() console.Options {
	return console.Options{
		Work: a.work, Board: a.board, Gate: a.gate, Staff: a.staff, Router: a.Router, Flow: a.Flow,
		Centre:    func() string { return a.policy.Current().Settings.Name },
		Location:  func() *time.Location { return a.policy.Current().Location },
		Files:     casecore.Files{Blobs: a.blobs},
		FileLimit: int64(a.Static().Limits.Attachment),
		Preview:   a.preview, Typing: a.typing, Colleagues: a.colleagues,
		Post: postRoom{a}, Hooks: hookRoom{a}, Meter: a.meter, Refile: a.refile, Link: a.link, Links: func() bool { return a.linker() != nil },
		Page: a.portal.Link, Reaches: a.reach().Reaches,
		Dial: func(ctx context.Context, by casecore.Actor, number, identity string) error {
			return a.dial(ctx, by, number, identity, nil)
		},
		Measure: a.measure, Wording: a.wording(),
		Dials: func(ctx context.Context, number string) bool { _, c := a.caller(ctx, number); return c != nil },
		Log:   a.o.Log, Now: a.o.Now,
	}
}

// enter tells the live socket who asks, and later whether that still holds.
func (a *App) enter(r *http.Request) (live.Pass, error) {
	who, session, err := a.gate.Actor(r)
	if access.SignedOut(err) {
		return live.Pass{}, live.ErrNotSignedIn
	}
	if err != nil {
		return live.Pass{}, err
	}
	return live.Pass{
		Actor: who, Bearer: r.Header.Get("Authorization") != "",
		Again: func(ctx context.Context) (casecore.Actor, error) {
			now, err := a.gate.Again(ctx, session)
			if access.SignedOut(err) {
				return now, live.ErrNotSignedIn
			}
			return now, err
		},
	}, nil
}

// origins are those of our own pages, by whichever name this machine goes.
func (a *App) origins() []string {
	out := []string{a.url, a.local}
	if u, err := url.Parse(a.local); err == nil && u.Hostname() == "127.0.0.1" {
		out = append(out, "http://"+net.JoinHostPort("localhost", u.Port()))
	}
	return out
}

// preview is what the customer would be told if the case moved to a status.
func (a *App) preview(ctx context.Context, c *casecore.Case, to string) (*console.Told, error) {
	var f *notify.Foreseen
	err := a.store.View(ctx, func(tx store.Tx) (err error) {
		f, err = a.plan.Foresee(tx, &casecore.Event{Kind: casecore.Moved, Case: c.ID, From: c.Status, To: to}, c)
		return err
	})
	if err != nil || f == nil {
		return nil, err
	}
	told := &console.Told{Kind: f.To.Kind, Text: f.Message.Body.Text, At: f.Due, Reason: f.Reason, TakesBack: f.TakesBack}
	if told.Kind == channels.Email {
		told.Subject = f.Message.Body.Subject
	}
	if m, ok := a.measure(f.Message.Channel, told.Text, f.Message.Body.Lang); ok {
		told.Parts = m.Parts
	}
	return told, nil
}

// refile moves a message to another case. A number that there is not is as good as
// one that is not the customer's.
func (a *App) refile(ctx context.Context, by casecore.Actor, message, to string) (*casecore.Case, error) {
	c, err := a.intake.Refile(ctx, by, message, to)
	if errors.Is(err, intake.ErrNoCase) {
		return nil, fmt.Errorf("%w: %w", casecore.ErrNotTheirs, err)
	}
	return c, err
}

// linker is the first bot, by its channel's id, with links that open a chat; nil
// while there is none.
func (a *App) linker() channels.Linker {
	open := a.doors.all()
	for _, id := range slices.Sorted(maps.Keys(open)) {
		if l, ok := open[id].channel.(channels.Linker); ok && l.Link("x") != "" {
			return l
		}
	}
	return nil
}

// link makes a link by which a case's customer adds their chat with the bot; empty
// when there is no bot.
func (a *App) link(ctx context.Context, by casecore.Actor, number string) (string, error) {
	l := a.linker()
	if l == nil {
		return "", nil
	}
	token, err := a.work.Tie(ctx, by, number)
	if err != nil {
		return "", err
	}
	return l.Link(token), nil
}

// typing shows the customer that somebody is writing, on channels that can.
func (a *App) typing(ctx context.Context, channel string, to channels.Address) {
	if t, ok := a.doors.channel(channel).(channels.Typer); ok {
		if err := t.Typing(ctx, to); err != nil {
			a.o.Log.Debug("typing not shown", "channel", channel, "error", err)
		}
	}
}

// colleagues lists whom a case can be given to.
func (a *App) colleagues(ctx context.Context) ([]console.Colleague, error) {
	var out []console.Colleague
	var mark store.Mark
	for {
		page, next, err := a.staff.List(ctx, mark, 200)
		if err != nil {
			return nil, err
		}
		for _, o := range page {
			if !o.Disabled {
				out = append(out, console.Colleague{Login: o.Login, Name: o.Name})
			}
		}
		if next == (store.Mark{}) {
			slices.SortFunc(out, func(x, y console.Colleague) int { return cmp.Compare(x.Name, y.Name) })
			return out, nil
		}
		mark = next
	}
}

func (a *App) apiParts() api.Parts {
	return api.Parts{
		Store: a.store, Work: a.work, Board: a.board, Staff: a.staff, Gate: a.gate,
		Flow: a.Flow, Router: a.Router, Files: casecore.Files{Blobs: a.blobs},
		Opener: opener{a}, Policies: policies{a.store, a.policy}, Wording: a.wording(), Channels: channelHealth{a},
		Post: postRoom{a}, Hooks: hookRoom{a}, Meter: a.meter, Refile: a.refile, Link: a.link, Page: a.portal.Link, Dial: a.dial,
	}
}

// opener lets the API enter cases.
type opener struct{ app *App }

// Open enters a case. A customer with an address is answered on a channel of its
// kind when there is one.
func (o opener) Open(ctx context.Context, by casecore.Actor, e api.Entry) (*casecore.Case, error) {
	from := e.Address
	if from.Handle == "" {
		from = channels.Address{Kind: channels.Desk, Handle: "entry-" + e.Key, Name: e.Name}
	}
	channel, ok := o.app.doors.ofKind(from.Kind)
	if !ok {
		channel = string(channels.Desk) + ":" + cmp.Or(e.Source, "api")
	}
	res, err := o.app.intake.Enter(ctx, by, intake.Entry{
		Key: e.Key, Channel: channel, Customer: e.Customer, From: from,
		Body:  channels.Body{Subject: e.Subject, Text: e.Text, Lang: e.Lang, Files: e.Files},
		Queue: e.Queue, Priority: e.Priority, Category: e.Category, Attributes: e.Attributes, Tags: e.Tags,
	})
	if err != nil {
		return nil, err
	}
	return res.Case, nil
}

// policies lets the API read and change the policy.
type policies struct {
	store store.Store
	live  *policy.Live
}

// Current returns the revision in force.
func (p policies) Current(ctx context.Context) (api.PolicyRevision, error) {
	var r *policy.Revision
	err := p.store.View(ctx, func(tx store.Tx) (err error) {
		r, err = policy.At(tx, p.live.Current().Revision)
		return err
	})
	if err != nil {
		return api.PolicyRevision{}, err
	}
	return revision(r), nil
}

// Apply publishes a document as the next revision.
func (p policies) Apply(ctx context.Context, by casecore.Actor, document []byte, note string, expect int64) (api.PolicyRevision, error) {
	r, err := p.live.Publish(ctx, policy.Draft{Author: by.Name, Note: note, Text: string(document), Expect: expect})
	if stale, ok := errors.AsType[*policy.Stale](err); ok {
		return api.PolicyRevision{}, &api.PolicyMoved{Revision: stale.Newest}
	}
	if faults, ok := errors.AsType[config.Errors](err); ok {
		return api.PolicyRevision{}, policyFaults(faults)
	}
	if err != nil {
		return api.PolicyRevision{}, err
	}
	return revision(r), nil
}

func revision(r *policy.Revision) api.PolicyRevision {
	return api.PolicyRevision{Revision: r.Number, Document: []byte(r.Text), Author: r.Author, Note: r.Note, At: r.At}
}

func policyFaults(faults config.Errors) api.PolicyFaults {
	var out api.PolicyFaults
	for _, f := range faults {
		detail := f.Msg
		if f.Mend != "" {
			detail += "; " + f.Mend
		}
		out = append(out, api.PolicyFault{Line: f.Line, Column: f.Column, Path: f.Path, Detail: detail})
	}
	return out
}

// channelHealth tells the API how the doors fare.
type channelHealth struct{ app *App }

// Examine tries a channel's counterpart.
func (h channelHealth) Examine(ctx context.Context, id string) ([]channels.Finding, bool) {
	return h.app.doors.examine(ctx, h.app.o.Config.Snapshot().Channels, id)
}

// Channels lists the configured channels by id. A process without doors lists
// them, too.
func (h channelHealth) Channels(context.Context) ([]api.Channel, error) {
	var out []api.Channel
	if h.app.o.Idle {
		for _, c := range h.app.o.Config.Snapshot().Channels {
			kind, _, _ := strings.Cut(c.ID, ":")
			out = append(out, api.Channel{ID: c.ID, Kind: kind, State: "off", Words: "casewire does not run"})
		}
		return out, nil
	}
	for _, s := range h.app.doors.states() {
		state := "ok"
		if !s.OK {
			state = "down"
		}
		out = append(out, api.Channel{ID: s.ID, Kind: s.Kind, State: state, Words: s.Text})
	}
	return out, nil
}

var _ desk.Operators = (*staff.Directory)(nil)
