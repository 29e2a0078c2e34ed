package demo

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"iter"
	"slices"
	"strings"
	"time"

	"casewire/casecore"
	"casewire/casecore/store"
	"casewire/channels"
	"casewire/cmd/casewire/app"
	"casewire/routing/desk"
	"casewire/routing/intake"
)

// Seed plays the stories into the store, each at its own time in the past, and at
// the customers' devices, so that these show what the book has. It may be repeated
// after a start that was cut short, before anybody has worked on the cases:
// messages that are there are not taken in again.
func Seed(ctx context.Context, h app.House, world *Counterparts, now time.Time) error {
	clock := now
	ledger := &casecore.Ledger{Flow: h.Flow, Now: func() time.Time { return clock }}
	p := player{
		house: h, world: world, ledger: ledger, clock: &clock, now: now,
		in:   intake.New(h.Store, ledger, h.Router, h.Blobs, intake.Options{}),
		work: desk.NewWork(h.Store, ledger, h.Router, h.Operators),
	}
	defer world.at(0)
	for i, s := range stories {
		clock = now.Add(-s.ago)
		if err := p.play(ctx, i, s); err != nil {
			return fmt.Errorf("seed story %d: %w", i, err)
		}
	}
	return nil
}

type player struct {
	house  app.House
	world  *Counterparts
	ledger *casecore.Ledger
	clock  *time.Time
	now    time.Time
	in     *intake.Intake
	work   *desk.Work
}

func (p *player) play(ctx context.Context, i int, s story) error {
	m, err := p.message(s, fmt.Sprintf("demo|%d", i), s.text)
	if err != nil {
		return err
	}
	res, err := p.in.Take(ctx, m)
	if err != nil {
		return err
	}
	if res.Repeat {
		return p.settle(ctx, s, res.Case.ID)
	}
	number := res.Case.CaseNumber()
	for j, a := range s.then {
		*p.clock = p.clock.Add(a.after)
		id := fmt.Sprintf("demo|%d|%d", i, j)
		switch a.do {
		case "write":
			m, err := p.message(s, id, a.text)
			if err == nil {
				err = p.in.Message(ctx, m)
			}
			if err != nil {
				return err
			}
			continue
		case "answer":
			p.world.at(p.now.Sub(*p.clock))
			if err := p.world.tell(ctx, s, id, a.text); err != nil {
				return err
			}
		}
		if err := p.act(ctx, number, a); err != nil {
			return fmt.Errorf("%s: %w", a.do, err)
		}
	}
	return p.settle(ctx, s, res.Case.ID)
}

// settle makes the story history: its events are read and its answers have been
// seen, so that nothing of it is told to anybody today but what the story says.
func (p *player) settle(ctx context.Context, s story, id string) error {
	under := store.Range{Index: "case", Prefix: store.Under(id)}
	told := slices.ContainsFunc(s.then, func(a act) bool { return a.told })
	return p.house.Store.Update(ctx, func(tx store.Tx) error {
		events, err := collect(casecore.Events.Scan(tx, under))
		if err != nil {
			return err
		}
		for _, e := range events {
			if told && e.Kind == casecore.Moved {
				continue
			}
			e.Pending = nil
			if err := casecore.Events.Put(tx, e); err != nil {
				return err
			}
		}
		messages, err := collect(casecore.Messages.Scan(tx, under))
		if err != nil {
			return err
		}
		for _, m := range messages {
			if m.Delivery == nil {
				continue
			}
			seen := casecore.Attempt{No: 1, Channel: m.Channel, At: m.At, State: channels.Read}
			if _, err := p.ledger.Attempted(tx, m.ID, seen); err != nil {
				return err
			}
		}
		return nil
	})
}

func collect[T any](seq iter.Seq2[T, error]) ([]T, error) {
	var out []T
	for v, err := range seq {
		if err != nil {
			return nil, err
		}
		out = append(out, v)
	}
	return out, nil
}

// message is what the door hands over when the customer of a story writes.
func (p *player) message(s story, id, text string) (channels.Inbound, error) {
	p.world.at(p.now.Sub(*p.clock))
	name, err := p.world.write(s, id, text)
	if err != nil {
		return channels.Inbound{}, err
	}
	m := channels.Inbound{
		Channel: s.channel(), ExternalID: name, From: s.address(),
		Body: channels.Body{Subject: s.subject, Text: text, Lang: s.lang}, Topic: s.subject, Facts: s.facts, Received: *p.clock,
	}
	if s.via != "" {
		m.Refs = []string{name}
	}
	if first := storyMail(opening(id), customersDomain); s.via == channels.Email && first != name {
		m.Answers = []string{first}
	}
	return m, nil
}

func (p *player) act(ctx context.Context, number string, a act) error {
	var by casecore.Actor
	err := p.house.Store.View(ctx, func(tx store.Tx) (err error) {
		by, err = p.house.Operators.Operator(tx, a.by)
		return err
	})
	if err != nil {
		return err
	}
	switch a.do {
	case "claim":
		_, err = p.work.Claim(ctx, by, number)
	case "answer":
		_, _, err = p.work.Answer(ctx, by, number, channels.Body{Text: a.text}, casecore.Guard{})
	case "note":
		_, _, err = p.work.Note(ctx, by, number, a.text)
	case "move":
		_, err = p.work.Move(ctx, by, number, a.text, casecore.Guard{})
	case "set":
		k, v, _ := strings.Cut(a.text, "=")
		_, err = p.work.Edit(ctx, by, number, casecore.Edit{Attributes: map[string]string{k: v}}, casecore.Guard{})
	default:
		err = fmt.Errorf("unknown act %q", a.do)
	}
	return err
}

// visitor makes a web chat visitor's id of a name.
func visitor(name string) string {
	sum := sha256.Sum256([]byte("demo visitor " + name))
	return hex.EncodeToString(sum[:16])
}
