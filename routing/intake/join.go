package intake

import (
	"errors"
	"time"

	"casewire/casecore"
	"casewire/casecore/flow"
	"casewire/casecore/lang"
	"casewire/casecore/store"
	"casewire/channels"
)

// place is where a message belongs.
type place struct {
	to     *casecore.Case   // nil: a new case
	copyOf string           // id of the message of which it is a copy
	linked string           // number of the case that it claims to answer, or once did
	others []*casecore.Case // which it may be about as well: the customer is asked
}

// candidates bounds how many messages of one name are looked at: whoever knows a
// name may send more that have it.
const candidates = 8

// join finds the case that the message belongs to. What the message claims is
// taken in the order of E5: the token of a case, what it answers, what it
// mentions under an unchanged subject (E6), and for conversations what its words
// name, else the newest case. Only the case's own customer may join it (E7), but for a
// provider's report on a message of ours; another's message opens a case of its
// own that names the claimed one. A case that closed too long ago does not count.
func (in *Intake) join(tx store.Tx, p *prepared, who *sender) (place, error) {
	var at place
	if dup, err := in.copied(tx, p, who); err != nil || dup.to != nil {
		return dup, err
	}
	for _, claim := range []func(store.Tx, *prepared) ([]*casecore.Case, error){claimed, answered, mentioned} {
		list, err := claim(tx, p)
		if err != nil {
			return at, err
		}
		for _, c := range list {
			own, err := speaks(tx, p, who, c)
			if err != nil {
				return at, err
			}
			if own && (in.joinable(c) || p.in.Auto) {
				return place{to: c}, nil
			}
			if at.linked == "" {
				at.linked = c.CaseNumber()
			}
		}
	}
	if at.linked != "" || !p.in.From.Kind.Threaded() {
		return at, nil
	}
	return in.converse(tx, p, who)
}

// speaks says whether the sender of the message may speak in the case: its customer,
// or a provider that reports on a message of ours. Who only has answers sent to the
// customer is not the customer, unless they have been in the case before: such an
// address costs less to name than a sender's to forge (E7).
func speaks(tx store.Tx, p *prepared, who *sender, c *casecore.Case) (bool, error) {
	if p.in.Report || c.Customer != who.ID || p.in.Writer.Handle == "" {
		return p.in.Report || c.Customer == who.ID, nil
	}
	writer, _, err := known(tx, p.in.Writer)
	if err == nil && writer.ID == who.ID {
		return true, nil
	}
	if err != nil && !errors.Is(err, store.ErrNotFound) {
		return false, err
	}
	r := store.Range{Index: "case", Prefix: store.Under(c.ID), Limit: writers}
	for m, err := range casecore.Messages.Scan(tx, r) {
		if err != nil {
			return false, err
		}
		if m.Writer.Handle != "" && m.Writer.Key() == p.in.Writer.Key() {
			return true, nil
		}
	}
	return false, nil
}

// writers is how many messages of a case are asked who wrote them.
const writers = 50

// copied returns the case of another copy of the message, which came in through
// another of our addresses.
func (in *Intake) copied(tx store.Tx, p *prepared, who *sender) (place, error) {
	if p.in.Copy == "" {
		return place{}, nil
	}
	list, err := named(tx, casecore.CopyKey(p.in.From.Kind, p.in.Copy))
	if err != nil {
		return place{}, err
	}
	for _, m := range list {
		c, err := casecore.Cases.Get(tx, m.Case)
		if err != nil {
			return place{}, err
		}
		if c.Customer == who.ID && m.Channel != p.in.Channel {
			return place{to: c, copyOf: m.ID}, nil
		}
	}
	return place{}, nil
}

// claimed returns the case whose token the message has.
func claimed(tx store.Tx, p *prepared) ([]*casecore.Case, error) {
	n, ok := lang.ParseCaseNumber(p.in.Case)
	if !ok {
		return nil, nil
	}
	c, err := casecore.Cases.Find(tx, "number", store.NumberKey(n))
	if errors.Is(err, store.ErrNotFound) {
		return nil, nil
	}
	return []*casecore.Case{c}, err
}

// answered returns the cases of the messages that this one answers.
func answered(tx store.Tx, p *prepared) ([]*casecore.Case, error) {
	return casesOf(tx, p, p.in.Answers, func(*casecore.Message) bool { return true })
}

// mentioned returns the cases of the messages that this one mentions, where the
// subject is still the same: people recycle old mails for new matters.
func mentioned(tx store.Tx, p *prepared) ([]*casecore.Case, error) {
	return casesOf(tx, p, p.in.Mentions, func(m *casecore.Message) bool { return m.Topic == p.in.Topic })
}

func casesOf(tx store.Tx, p *prepared, names []string, ok func(*casecore.Message) bool) ([]*casecore.Case, error) {
	var out []*casecore.Case
	for _, name := range names[:min(len(names), 4*candidates)] {
		if len(out) >= 8*candidates {
			break // whoever knows many names may have sent many messages of each
		}
		list, err := named(tx, casecore.RefKey(p.in.From.Kind, name))
		if err != nil {
			return nil, err
		}
		m, err := casecore.Messages.Get(tx, name)
		if err == nil && m.Customer().Kind == p.in.From.Kind {
			list = append(list, m)
		} else if err != nil && !errors.Is(err, store.ErrNotFound) && !errors.Is(err, store.ErrLimit) {
			return nil, err
		}
		for _, m := range list {
			if !ok(m) {
				continue
			}
			c, err := casecore.Cases.Get(tx, m.Case)
			if err != nil {
				return nil, err
			}
			out = append(out, c)
		}
	}
	return out, nil
}

// named returns the messages that have a key of the index of names.
func named(tx store.Tx, key string) ([]*casecore.Message, error) {
	var out []*casecore.Message
	for m, err := range casecore.Messages.Scan(tx, store.Range{Index: "ref", Prefix: key, Limit: candidates}) {
		if err != nil {
			return nil, err
		}
		out = append(out, m)
	}
	return out, nil
}

func (in *Intake) joinable(c *casecore.Case) bool {
	if c.Stage != flow.Closed {
		return true
	}
	within := time.Duration(in.ledger.Flow().Spec().ReopenWithin)
	return in.ledger.Now().Sub(c.ClosedAt) <= within
}

// edition stores an edited version with its original, whichever came first, and
// returns nil for any other message.
func (in *Intake) edition(tx store.Tx, p *prepared) (*Result, error) {
	if p.in.Replaces == "" {
		return in.original(tx, p)
	}
	m, err := casecore.Messages.Find(tx, "external", casecore.ExternalKey(p.in.Channel, p.in.Replaces))
	if errors.Is(err, store.ErrNotFound) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	if m.From.Key() != p.in.From.Key() {
		return nil, nil
	}
	c, err := in.ledger.Revise(tx, by, m, p.in.ExternalID, p.in.Body, p.in.SentAt)
	return &Result{Case: c, Message: m}, err
}

// original stores a message whose edited version came before it.
func (in *Intake) original(tx store.Tx, p *prepared) (*Result, error) {
	if p.in.From.Kind != channels.Telegram {
		return nil, nil
	}
	list, err := named(tx, casecore.ReplacesKey(p.in.Channel, p.in.ExternalID))
	if err != nil || len(list) == 0 || list[0].From.Key() != p.in.From.Key() {
		return nil, err
	}
	c, err := in.ledger.Precede(tx, by, list[0], p.message)
	return &Result{Case: c, Message: list[0]}, err
}
