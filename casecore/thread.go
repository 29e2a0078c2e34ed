package casecore

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"casewire/casecore/flow"
	"casewire/casecore/store"
	"casewire/channels"
)

// Threads is the book's side of hosted conversations (channels.Threads): what a
// customer may see of their cases, in order. Notes never appear in it.
type Threads struct {
	Store store.Store
	Flow  func() *flow.Flow
}

var _ channels.Threads = (*Threads)(nil)

// Post gives the message with m.ID its place in the thread, once.
func (t *Threads) Post(ctx context.Context, m channels.Outbound) (channels.Line, error) {
	var line channels.Line
	err := t.Store.Update(ctx, func(tx store.Tx) error {
		msg, err := Messages.Get(tx, m.ID)
		if err != nil {
			return err
		}
		if msg.Line == 0 {
			if err := assignLine(tx, msg); err != nil {
				return err
			}
			if err := Messages.Put(tx, msg); err != nil {
				return err
			}
		}
		line, err = t.line(tx, msg)
		return err
	})
	return line, t.outside(err)
}

// Lines returns what comes after seq, oldest first.
func (t *Threads) Lines(ctx context.Context, channel string, a channels.Address, after int64, limit int) ([]channels.Line, error) {
	var out []channels.Line
	err := t.Store.View(ctx, func(tx store.Tx) error {
		key := ThreadKey(channel, a)
		r := store.Range{Index: "thread", From: store.Join(key, store.NumberKey(after+1)), To: store.Join(key, "~"), Limit: limit}
		for m, err := range Messages.Scan(tx, r) {
			if err != nil {
				return err
			}
			l, err := t.line(tx, m)
			if err != nil {
				return err
			}
			out = append(out, l)
		}
		return nil
	})
	return out, t.outside(err)
}

// Find returns the line of an inbound message by the id its door gave it.
func (t *Threads) Find(ctx context.Context, channel, externalID string) (channels.Line, error) {
	var line channels.Line
	err := t.Store.View(ctx, func(tx store.Tx) error {
		m, err := Messages.Find(tx, "external", ExternalKey(channel, externalID))
		if err != nil {
			return err
		}
		line, err = t.line(tx, m)
		return err
	})
	return line, t.outside(err)
}

// Thread returns the state of the conversation and of its newest case.
func (t *Threads) Thread(ctx context.Context, channel string, a channels.Address, tag string) (channels.Thread, error) {
	var out channels.Thread
	err := t.Store.View(ctx, func(tx store.Tx) error {
		i, err := Identities.Get(tx, IdentityID(a))
		if err != nil {
			return err
		}
		out.Seq = i.Lines
		c, err := LatestCase(tx, channel, a)
		if err != nil {
			return err
		}
		s := t.Flow().Status(c.Status)
		out.Case, out.Status, out.Open = c.CaseNumber(), s.Label(tag), s.Category != flow.Closed
		return nil
	})
	if errors.Is(err, store.ErrNotFound) {
		return out, nil
	}
	return out, err
}

// Watch sends the addresses on this channel whose messages or cases changed.
func (t *Threads) Watch(ctx context.Context, channel string) (<-chan []channels.Address, error) {
	messages, err := t.Store.Watch(ctx, Messages.Coll())
	if err != nil {
		return nil, err
	}
	cases, err := t.Store.Watch(ctx, Cases.Coll())
	if err != nil {
		return nil, err
	}
	out := make(chan []channels.Address)
	go func() {
		defer close(out)
		for {
			var (
				h  store.Hint
				ok bool
				of func(store.Tx, string) (string, channels.Address, error)
			)
			select {
			case h, ok = <-messages:
				of = messageAddress
			case h, ok = <-cases:
				of = caseAddress
			}
			if !ok {
				return
			}
			changed, all := t.addresses(ctx, channel, h, of)
			if len(changed) == 0 && !all {
				continue
			}
			select {
			case out <- changed:
			case <-ctx.Done():
				return
			}
		}
	}()
	return out, nil
}

// addresses turns a hint into addresses on the channel; all means that it could
// not, and any may have changed.
func (t *Threads) addresses(ctx context.Context, channel string, h store.Hint, of func(store.Tx, string) (string, channels.Address, error)) (changed []channels.Address, all bool) {
	if h.Missed {
		return nil, true
	}
	err := t.Store.View(ctx, func(tx store.Tx) error {
		changed = nil
		for _, id := range h.IDs {
			on, a, err := of(tx, id)
			if errors.Is(err, store.ErrNotFound) {
				continue
			}
			if err != nil {
				return err
			}
			if on == channel && !slices.Contains(changed, a) {
				changed = append(changed, a)
			}
		}
		return nil
	})
	if err != nil {
		return nil, true
	}
	return changed, false
}

func messageAddress(tx store.Tx, id string) (string, channels.Address, error) {
	m, err := Messages.Get(tx, id)
	if err != nil {
		return "", channels.Address{}, err
	}
	return m.Channel, m.Customer(), nil
}

func caseAddress(tx store.Tx, id string) (string, channels.Address, error) {
	c, err := Cases.Get(tx, id)
	if err != nil {
		return "", channels.Address{}, err
	}
	return c.Channel, c.To, nil
}

// LatestCase returns the newest case of one address on one channel.
func LatestCase(tx store.Tx, channel string, a channels.Address) (*Case, error) {
	return Cases.First(tx, store.Range{Index: "thread", Prefix: store.Under(ThreadKey(channel, a)), Reverse: true})
}

// line shows a message as its customer may see it: of an operator the name, of
// notes nothing.
func (t *Threads) line(tx store.Tx, m *Message) (channels.Line, error) {
	c, err := Cases.Get(tx, m.Case)
	if err != nil {
		return channels.Line{}, fmt.Errorf("case of message %s: %w", m.ID, err)
	}
	l := channels.Line{
		Seq: m.Line, ID: m.ID, ExternalID: m.ExternalID, In: m.Direction == In, From: m.AuthorName,
		Auto: m.Auto, Case: c.CaseNumber(), Status: m.Status, Body: m.Body, At: m.At.Round(time.Millisecond),
	}
	l.Read = m.Delivery != nil && m.Delivery.State == channels.Read
	return l, nil
}

// outside gives doors the error that they know.
func (t *Threads) outside(err error) error {
	if errors.Is(err, store.ErrNotFound) {
		return fmt.Errorf("%w: %w", channels.ErrNotFound, err)
	}
	return err
}
