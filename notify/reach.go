package notify

import (
	"errors"

	"casewire/casecore"
	"casewire/casecore/store"
	"casewire/channels"
)

// Reach returns the channel to write to addresses of a kind, and false when there
// is none now.
type Reach func(kind channels.Kind) (channelID string, ok bool)

// Next returns where else a case's customer can be told of an event: the first of
// their addresses that is not shut, that a channel serves, and that was not tried
// with this template for this event. An empty handle says that there is none.
func (r Reach) Next(tx store.Tx, c *casecore.Case, event, template string) (channel string, to channels.Address, err error) {
	list, err := casecore.Addresses(tx, c.Customer)
	if err != nil {
		return "", channels.Address{}, err
	}
	for _, i := range list {
		if i.Shut != nil {
			break
		}
		channel, ok := r.channel(c, i.Address)
		if !ok {
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

// channel is the case's own for the address that it came from.
func (r Reach) channel(c *casecore.Case, a channels.Address) (string, bool) {
	if a.Key() == c.To.Key() && !channels.IsDesk(c.Channel) {
		return c.Channel, true
	}
	return r(a.Kind)
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
// waits.
func Enlist(tx store.Tx, n *Notice) error {
	head, err := Notices.First(tx, store.Range{Index: "lane", Prefix: n.Lane()})
	switch {
	case err == nil && n.After(head):
		n.WaitBehind(n.Created)
	case err != nil && !errors.Is(err, store.ErrNotFound):
		return err
	}
	return Notices.Put(tx, n)
}
