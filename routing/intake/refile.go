package intake

import (
	"context"
	"errors"
	"fmt"

	"casewire/casecore"
	"casewire/casecore/lang"
	"casewire/casecore/store"
	"casewire/channels"
)

// ErrNoCase is the answer to a number that no case has.
var ErrNoCase = errors.New("there is no such case")

// Refile puts a message of a customer under another of their cases, named by its
// number, or under a new one (NewCase), which the rules then place as if the
// message had just come.
func (in *Intake) Refile(ctx context.Context, who casecore.Actor, message, to string) (*casecore.Case, error) {
	var d casecore.Draft
	if to == NewCase {
		var err error
		if d, err = in.again(ctx, message); err != nil {
			return nil, fmt.Errorf("file message anew: %w", err)
		}
	}
	var out *casecore.Case
	err := in.store.Update(ctx, func(tx store.Tx) (err error) {
		if to == NewCase {
			out, _, err = in.ledger.RefileNew(tx, who, message, d)
			return err
		}
		n, ok := lang.ParseCaseNumber(to)
		if !ok {
			return ErrNoCase
		}
		c, err := casecore.Cases.Find(tx, "number", store.NumberKey(n))
		if errors.Is(err, store.ErrNotFound) {
			return ErrNoCase
		}
		if err != nil {
			return err
		}
		out, _, err = in.ledger.Refile(tx, who, message, c.ID)
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("file message under %s: %w", to, err)
	}
	return out, nil
}

// again asks the rules about a message that is stored already.
func (in *Intake) again(ctx context.Context, message string) (casecore.Draft, error) {
	var m *casecore.Message
	err := in.store.View(ctx, func(tx store.Tx) (err error) {
		m, err = casecore.Messages.Get(tx, message)
		return err
	})
	if err != nil {
		return casecore.Draft{}, err
	}
	p := &prepared{in: channels.Inbound{Channel: m.Channel, From: m.From, Body: m.Body, Auto: m.Auto}}
	if err := in.ask(ctx, p); err != nil {
		return casecore.Draft{}, err
	}
	return p.draft(&casecore.Customer{}, in.o.Lang()), nil
}
