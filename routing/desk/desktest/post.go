// Package desktest is a post room for tests of the desk's faces: it keeps the
// promises of desk.Post over a real book, and knows nothing of sending.
package desktest

import (
	"context"
	"fmt"
	"slices"
	"strconv"
	"sync"
	"time"

	"casewire/casecore"
	"casewire/casecore/lang"
	"casewire/casecore/store"
	"casewire/channels"
	"casewire/routing/desk"
)

// Post holds notices in memory, in the order they were added. It is safe for
// concurrent use.
type Post struct {
	Store store.Store

	mu   sync.Mutex
	list []desk.Notice
}

var _ desk.Post = (*Post)(nil)

// Add takes in a notice; Created is when it has none.
func (p *Post) Add(n desk.Notice) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if n.Created.IsZero() {
		n.Created = time.Now()
	}
	p.list = append(p.list, n)
}

// Get returns the notice with this id as it is now.
func (p *Post) Get(id string) desk.Notice {
	p.mu.Lock()
	defer p.mu.Unlock()
	if i := p.at(id); i >= 0 {
		return p.list[i]
	}
	return desk.Notice{}
}

func (p *Post) at(id string) int {
	return slices.IndexFunc(p.list, func(n desk.Notice) bool { return n.ID == id })
}

// Notices implements desk.Post; marks are places in the list.
func (p *Post) Notices(ctx context.Context, by casecore.Actor, f desk.NoticeFilter, after store.Mark, limit int) ([]desk.Notice, store.Mark, error) {
	if f.Case != "" {
		c, err := p.find(ctx, f.Case)
		if err != nil {
			return nil, store.Mark{}, err
		}
		if err := may(by, c, casecore.VerbRead); err != nil {
			return nil, store.Mark{}, err
		}
	}
	p.mu.Lock()
	list := slices.Clone(p.list)
	p.mu.Unlock()
	from := 0
	if after.ID != "" {
		from, _ = strconv.Atoi(after.ID) //nolint:errcheck // a mark of ours
	}
	var out []desk.Notice
	seen := 0
	for i := from; i < len(list); i++ {
		n := list[i]
		if f.Case != "" && n.Case != f.Case || f.State != "" && n.State != f.State || f == (desk.NoticeFilter{}) && !n.Open {
			continue
		}
		if seen++; seen > limit {
			return out, store.Mark{ID: strconv.Itoa(i)}, nil
		}
		c, err := p.find(ctx, n.Case)
		if err != nil {
			return nil, store.Mark{}, err
		}
		if casecore.Authorize(by, casecore.VerbRead, c) == nil {
			out = append(out, n)
		}
	}
	return out, store.Mark{}, nil
}

func (p *Post) find(ctx context.Context, number string) (c *casecore.Case, err error) {
	n, ok := lang.ParseCaseNumber(number)
	if !ok {
		return nil, desk.ErrBadNumber
	}
	err = p.Store.View(ctx, func(tx store.Tx) (err error) {
		c, err = casecore.Cases.Find(tx, "number", store.NumberKey(n))
		return err
	})
	return c, err
}

// may hides a case from whoever may not know of it.
func may(by casecore.Actor, c *casecore.Case, v casecore.Verb) error {
	if casecore.Authorize(by, casecore.VerbCard, c) != nil {
		return fmt.Errorf("case: %w", store.ErrNotFound)
	}
	return casecore.Authorize(by, v, c)
}

// Hurry implements desk.Post.
func (p *Post) Hurry(ctx context.Context, by casecore.Actor, id string) (desk.Notice, error) {
	return p.change(ctx, by, id, func(n *desk.Notice) error {
		if !n.Held {
			return &desk.Late{Msg: "it is on its way already"}
		}
		n.Held, n.State, n.Due = false, "pending", time.Time{}
		return nil
	})
}

// Cancel implements desk.Post.
func (p *Post) Cancel(ctx context.Context, by casecore.Actor, id string) (desk.Notice, error) {
	return p.change(ctx, by, id, func(n *desk.Notice) error {
		if !n.Held {
			return &desk.Late{Msg: "it is on its way already"}
		}
		n.Held, n.State, n.Reason, n.Due = false, "skipped", "cancelled", time.Time{}
		return p.Store.Update(ctx, func(tx store.Tx) error {
			_, err := (&casecore.Ledger{Now: time.Now}).Cancelled(tx, n.Message)
			return err
		})
	})
}

// Resend implements desk.Post: the new notice has the old one's id and "+".
func (p *Post) Resend(ctx context.Context, by casecore.Actor, id, identity string) (desk.Notice, error) {
	var again desk.Notice
	_, err := p.change(ctx, by, id, func(n *desk.Notice) error {
		if n.State != "dead" || p.at(id+"+") >= 0 {
			return &desk.Late{Msg: "it is on its way, or has arrived"}
		}
		again = *n
		again.ID, again.State, again.Open, again.Reason = id+"+", "pending", false, ""
		n.Open, n.Handled = false, by.Name
		if identity == "" {
			return nil
		}
		var err error
		again.To, err = p.address(ctx, n.Case, identity)
		return err
	})
	if err != nil {
		return desk.Notice{}, err
	}
	p.Add(again)
	return again, nil
}

// address is that of an identity of the case's customer.
func (p *Post) address(ctx context.Context, number, identity string) (a channels.Address, err error) {
	c, err := p.find(ctx, number)
	if err != nil {
		return a, err
	}
	err = p.Store.View(ctx, func(tx store.Tx) error {
		i, err := casecore.Identities.Get(tx, identity)
		if err == nil && i.Customer != c.Customer {
			err = store.ErrNotFound
		}
		if err == nil {
			a = i.Address
		}
		return err
	})
	return a, err
}

// Handled implements desk.Post.
func (p *Post) Handled(ctx context.Context, by casecore.Actor, id string) (desk.Notice, error) {
	return p.change(ctx, by, id, func(n *desk.Notice) error {
		if !n.Open {
			return &desk.Late{Msg: "it is on its way, or has arrived"}
		}
		n.Open, n.Handled = false, by.Name
		return nil
	})
}

// change does something with a notice of a case that the actor works on; when it
// is refused, nothing has changed.
func (p *Post) change(ctx context.Context, by casecore.Actor, id string, do func(*desk.Notice) error) (desk.Notice, error) {
	n := p.Get(id)
	if n.ID == "" {
		return n, fmt.Errorf("notice: %w", store.ErrNotFound)
	}
	c, err := p.find(ctx, n.Case)
	if err != nil {
		return n, err
	}
	if casecore.Authorize(by, casecore.VerbRead, c) != nil {
		return n, fmt.Errorf("notice: %w", store.ErrNotFound)
	}
	if err := casecore.Authorize(by, casecore.VerbWork, c); err != nil {
		return n, err
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	i := p.at(id)
	n = p.list[i]
	if err := do(&n); err != nil {
		return n, err
	}
	p.list[i] = n
	return n, nil
}
