package bot

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"casewire/casecore"
	"casewire/casecore/store"
	"casewire/channels"
)

// last is the choice of the address where the customer last wrote.
const last = "last"

// places asks where the customer wants to be told first: at which of the addresses
// that are known to be theirs.
func (t *turn) places(ctx context.Context) (*channels.Body, error) {
	list, err := t.addresses(ctx)
	if err != nil {
		return nil, err
	}
	if len(list) < 2 {
		return t.say("where_one"), nil
	}
	now := t.word("where_last")
	out := &channels.Body{Lang: t.lang}
	for _, i := range list {
		out.Buttons = append(out.Buttons, channels.Button{Label: t.named(i.Address), Data: "where|" + i.ID})
		if i.Address.Key() == t.who.Preferred {
			now = t.named(i.Address)
		}
	}
	out.Buttons = append(out.Buttons, channels.Button{Label: t.word("where_last"), Data: "where|" + last})
	out.Text = t.say("which_where", "{where}", now).Text
	t.listed(out, "where")
	return out, nil
}

// listed writes the choices of a command into its text where the channel has no
// buttons, and how to choose by a number.
func (t *turn) listed(out *channels.Body, command string) {
	if t.in.From.Kind.Buttons() {
		return
	}
	for n, b := range out.Buttons {
		out.Text += fmt.Sprintf("\n%d - %s", n+1, b.Label)
	}
	out.Text += "\n" + t.word("by_number_"+command)
}

// reside has the customer told at one of their addresses first.
func (t *turn) reside(ctx context.Context, identity string) (*channels.Body, error) {
	if identity == last {
		if t.who == nil {
			return t.places(ctx)
		}
		none := ""
		return t.say("where_set_last"), t.prefer(ctx, casecore.Wish{Address: &none})
	}
	list, err := t.addresses(ctx)
	if err != nil {
		return nil, err
	}
	i := slices.IndexFunc(list, func(i *casecore.Identity) bool { return i.ID == identity })
	if i < 0 {
		return t.places(ctx) // not theirs, or not open any more
	}
	err = t.prefer(ctx, casecore.Wish{Address: &identity})
	if errors.Is(err, casecore.ErrShut) {
		return t.places(ctx)
	}
	return t.say("where_set", "{where}", t.named(list[i].Address)), err
}

// addresses are those that the customer may choose among.
func (t *turn) addresses(ctx context.Context) ([]*casecore.Identity, error) {
	if t.who == nil {
		return nil, nil
	}
	var out []*casecore.Identity
	err := t.store.View(ctx, func(tx store.Tx) (err error) {
		out, err = casecore.Proven(tx, t.who.ID)
		return err
	})
	return slices.DeleteFunc(out, func(i *casecore.Identity) bool {
		return i.Shut != nil || !casecore.Writable(i.Address.Kind) || !t.o.Serves(i.Address.Kind)
	}), err
}

// named is an address in words: its kind, as much of it as its owner needs, and
// whether they are writing from it.
func (t *turn) named(a channels.Address) string {
	s := t.word("kind_" + string(a.Kind))
	if mask := casecore.Mask(a); mask != "" {
		s += " " + mask
	}
	if a.Key() == t.in.From.Key() {
		s += " (" + t.word("here") + ")"
	}
	return s
}

// stop has the customer not written to here any more.
func (t *turn) stop(ctx context.Context) (*channels.Body, error) {
	return t.say("stopped"), t.stand(ctx, channels.Standing{Reason: channels.Blocked, Code: casecore.StopCode})
}

// hello shows what the bot can do. To begin again takes back that one is not written
// to here.
func (t *turn) hello(ctx context.Context) (*channels.Body, error) {
	out := t.menu(t.say("hello"))
	if t.shut == nil || t.shut.Code != casecore.StopCode {
		return out, nil
	}
	return out, t.stand(ctx, channels.Standing{Open: true, Code: casecore.StartCode})
}

func (t *turn) stand(ctx context.Context, s channels.Standing) error {
	s.Channel, s.Address, s.At = t.in.Channel, t.in.From, t.o.Now()
	return t.store.Update(ctx, func(tx store.Tx) error { return t.ledger.Stand(tx, by, s) })
}

// prefer writes a wish of the customer, with its event on their newest case.
func (t *turn) prefer(ctx context.Context, w casecore.Wish) error {
	return t.store.Update(ctx, func(tx store.Tx) error {
		who, err := casecore.Customers.Get(tx, t.who.ID)
		if err != nil {
			return err
		}
		return t.ledger.PreferFor(tx, by, who, w)
	})
}
