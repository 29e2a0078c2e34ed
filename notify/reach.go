package notify

import (
	"cmp"
	"errors"
	"slices"

	"casewire/casecore"
	"casewire/casecore/store"
	"casewire/channels"
)

// Reach is on what a customer can be told.
type Reach struct {
	// Channel returns the channel to write to addresses of a kind, and false when
	// there is none now; nil: there never is.
	Channel func(kind channels.Kind) (channelID string, ok bool)
	// Serves says that there is such a channel now; nil: there always is.
	Serves func(channelID string) bool
	// Order is in which order kinds are tried; what it leaves out comes last, and
	// nil leaves out all.
	Order func() []channels.Kind
}

// On returns the channel to write to addresses of a kind.
func (r Reach) On(kind channels.Kind) (channelID string, ok bool) {
	if r.Channel == nil {
		return "", false
	}
	return r.Channel(kind)
}

// Next returns where else a case's customer can be told of an event: the first of
// their addresses that is not shut, that a channel serves, and that was not tried
// with this template for this event. An empty handle says that there is none.
func (r Reach) Next(tx store.Tx, c *casecore.Case, event, template string) (channel string, to channels.Address, err error) {
	list, err := casecore.Addresses(tx, c.Customer)
	if err != nil {
		return "", channels.Address{}, err
	}
	for _, i := range r.sorted(list) {
		channel, ok := r.channel(c, i.Address)
		if !ok || i.Shut != nil {
			continue
		}
		tried, err := exists(tx, NoticeID(event, i.Address.Key(), template))
		if err != nil {
			return "", channels.Address{}, err
		}
		if !tried {
			return channel, i.Address, nil
		}
	}
	return "", channels.Address{}, nil
}

// First returns where a case's customer can be told, whatever was tried: at the
// address that they prefer, else at the first that is not shut and that a channel
// serves. An empty handle says that there is none; closed, that there is one which must
// not be written to.
func (r Reach) First(tx store.Tx, c *casecore.Case) (channel string, to channels.Address, closed bool, err error) {
	who, err := customer(tx, c)
	if err != nil {
		return "", channels.Address{}, false, err
	}
	list, err := casecore.Addresses(tx, c.Customer)
	if err != nil {
		return "", channels.Address{}, false, err
	}
	for _, i := range r.sorted(list) {
		on, ok := r.channel(c, i.Address)
		switch {
		case !ok || !casecore.Writable(i.Address.Kind):
		case i.Shut != nil:
			closed = true
		case to.Handle == "" || i.Address.Key() == who.Preferred:
			channel, to = on, i.Address
		}
	}
	return channel, to, closed, nil
}

// sorted puts addresses into the order in which their kinds are tried.
func (r Reach) sorted(list []*casecore.Identity) []*casecore.Identity {
	if r.Order == nil {
		return list
	}
	order := r.Order()
	rank := func(i *casecore.Identity) int {
		if n := slices.Index(order, i.Address.Kind); n >= 0 {
			return n
		}
		return len(order)
	}
	slices.SortStableFunc(list, func(a, b *casecore.Identity) int { return cmp.Compare(rank(a), rank(b)) })
	return list
}

// Reaches says that a channel can write to an address of the case's customer now.
func (r Reach) Reaches(c *casecore.Case, a channels.Address) bool {
	_, ok := r.channel(c, a)
	return ok
}

// channel is the case's own for the address that it came from.
func (r Reach) channel(c *casecore.Case, a channels.Address) (string, bool) {
	if a.Key() == c.To.Key() && r.serves(c.Channel) {
		return c.Channel, true
	}
	return r.On(a.Kind)
}

func (r Reach) serves(channelID string) bool {
	return !channels.IsDesk(channelID) && (r.Serves == nil || r.Serves(channelID))
}

// shut returns why nothing may be sent to an address, or nil.
func shut(tx store.Tx, a channels.Address) (*casecore.Shut, error) {
	i, err := casecore.Identities.Get(tx, casecore.IdentityID(a))
	if errors.Is(err, store.ErrNotFound) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	return i.Shut, nil
}

// Enlist hands a notice to the outbox. Behind an unfinished one of its lane it
// waits. That one is written, too: what the caller has read of it is old then.
func Enlist(tx store.Tx, n *Notice) error {
	head, err := Notices.First(tx, store.Range{Index: "lane", Prefix: n.Lane()})
	switch {
	case err == nil && n.After(head):
		if err := n.WaitBehind(tx, head, n.Created); err != nil {
			return err
		}
	case err != nil && !errors.Is(err, store.ErrNotFound):
		return err
	}
	return Notices.Put(tx, n)
}
