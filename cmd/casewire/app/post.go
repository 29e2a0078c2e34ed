package app

import (
	"context"
	"errors"
	"fmt"

	"casewire/casecore"
	"casewire/casecore/lang"
	"casewire/casecore/store"
	"casewire/channels"
	"casewire/notify"
	"casewire/routing/desk"
)

// postRoom shows the post room to operators and programs (desk.Post).
type postRoom struct{ app *App }

var _ desk.Post = postRoom{}

// Notices lists those that the actor may see.
func (p postRoom) Notices(ctx context.Context, by casecore.Actor, f desk.NoticeFilter, after store.Mark, limit int) ([]desk.Notice, store.Mark, error) {
	var out []desk.Notice
	var next store.Mark
	err := p.app.store.View(ctx, func(tx store.Tx) error {
		out, next = nil, store.Mark{}
		r, err := noticeRange(tx, by, f)
		if err != nil {
			return err
		}
		r.After, r.Limit = after, limit+1
		seen := 0
		for n, err := range notify.Notices.Scan(tx, r) {
			if err != nil {
				return err
			}
			if seen++; seen > limit {
				return nil
			}
			next = mark(r.Index, n)
			c, err := casecore.Cases.Get(tx, n.Case)
			if err != nil {
				return err
			}
			if casecore.Authorize(by, casecore.VerbRead, c) == nil {
				out = append(out, noticeOf(n))
			}
		}
		next = store.Mark{}
		return nil
	})
	if err != nil {
		return nil, store.Mark{}, fmt.Errorf("list notices: %w", err)
	}
	return out, next, nil
}

// noticeRange is where the notices of a filter are.
func noticeRange(tx store.Tx, by casecore.Actor, f desk.NoticeFilter) (store.Range, error) {
	switch {
	case f.Case != "":
		n, ok := lang.ParseCaseNumber(f.Case)
		if !ok {
			return store.Range{}, desk.ErrBadNumber
		}
		c, err := casecore.Cases.Find(tx, "number", store.NumberKey(n))
		if err != nil {
			return store.Range{}, err
		}
		if casecore.Authorize(by, casecore.VerbCard, c) != nil {
			return store.Range{}, fmt.Errorf("case: %w", store.ErrNotFound)
		}
		return store.Range{Index: "story", Prefix: store.Under(c.ID)}, casecore.Authorize(by, casecore.VerbRead, c)
	case f.State != "":
		return store.Range{Index: "state", Prefix: store.Under(f.State)}, nil
	}
	return store.Range{Index: "undelivered"}, nil
}

// mark is the place of a notice in an index.
func mark(index string, n *notify.Notice) store.Mark {
	m := store.Mark{ID: n.ID}
	if keys := n.Keys()[index]; len(keys) > 0 {
		m.Key = keys[0]
	}
	return m
}

func noticeOf(n *notify.Notice) desk.Notice {
	return desk.Notice{
		ID: n.ID, Case: n.CaseNumber, Message: n.Message, Template: n.Template, Channel: n.Channel, To: n.To,
		State: string(n.State), Reason: n.Reason, Open: n.Undelivered(), Held: n.State == notify.Held, Aside: n.Aside,
		Tries: n.Tries, Created: n.Created, Due: n.NextAt, Done: n.Done, Handled: n.HandledBy, Proof: n.Proof,
	}
}

// Hurry lets a held notice go out now.
func (p postRoom) Hurry(ctx context.Context, by casecore.Actor, id string) (desk.Notice, error) {
	return p.change(ctx, by, id, func(tx store.Tx) (string, error) { return id, notify.Hurry(tx, id, p.app.o.Now()) })
}

// Cancel stops a held notice.
func (p postRoom) Cancel(ctx context.Context, by casecore.Actor, id string) (desk.Notice, error) {
	return p.change(ctx, by, id, func(tx store.Tx) (string, error) { return id, notify.Cancel(tx, p.app.ledger, id) })
}

// Handled marks what did not arrive as seen to.
func (p postRoom) Handled(ctx context.Context, by casecore.Actor, id string) (desk.Notice, error) {
	return p.change(ctx, by, id, func(tx store.Tx) (string, error) { return id, notify.Handled(tx, by, id, p.app.o.Now()) })
}

// Resend sends what did not arrive once more.
func (p postRoom) Resend(ctx context.Context, by casecore.Actor, id, identity string) (desk.Notice, error) {
	return p.change(ctx, by, id, func(tx store.Tx) (string, error) {
		var to channels.Address
		if identity != "" {
			i, err := casecore.Identities.Get(tx, identity)
			if err != nil {
				return "", err
			}
			to = i.Address
		}
		n, err := p.app.reach().Again(tx, p.app.ledger, by, id, to)
		if err != nil {
			return "", err
		}
		return n.ID, nil
	})
}

// change does something with a notice of a case that the actor works on, and
// returns the notice that do names.
func (p postRoom) change(ctx context.Context, by casecore.Actor, id string, do func(store.Tx) (string, error)) (desk.Notice, error) {
	var out *notify.Notice
	err := p.app.store.Update(ctx, func(tx store.Tx) error {
		n, err := notify.Notices.Get(tx, id)
		if err != nil {
			return err
		}
		c, err := casecore.Cases.Get(tx, n.Case)
		if err != nil {
			return err
		}
		if casecore.Authorize(by, casecore.VerbRead, c) != nil {
			return fmt.Errorf("notice: %w", store.ErrNotFound) // who may not read it does not learn that it is there
		}
		if err := casecore.Authorize(by, casecore.VerbWork, c); err != nil {
			return err
		}
		changed, err := do(tx)
		if err != nil {
			return err
		}
		out, err = notify.Notices.Get(tx, changed)
		return err
	})
	switch {
	case errors.Is(err, notify.ErrTooLate), errors.Is(err, notify.ErrArrived), errors.Is(err, notify.ErrNoWay):
		return desk.Notice{}, &desk.Late{Msg: err.Error()}
	case errors.Is(err, store.ErrExists):
		return desk.Notice{}, &desk.Late{Msg: "it was sent there again already"}
	case err != nil:
		return desk.Notice{}, err
	}
	return noticeOf(out), nil
}
