// Package dossier puts together what can be proved of one case: everything that was
// said, what was sent and how it fared, and everything that happened, each with its
// seal. It knows neither how that is shown nor who keeps it: the API and the console
// are its faces.
//
// # To check a dossier by hand
//
// Nothing is needed but a JSON parser and SHA-256. Everything that was sealed is in a
// member named record, with its seal beside it as hash. A seal is the SHA-256, in
// hexadecimal, of the record in canonical form (RFC 8785): members sorted by name, no
// white space, the shortest escapes. Package casecore/chain has it in three lines of
// Python. From proof.from on, these hold:
//
//  1. Each hash is the seal of its record.
//  2. The events' record.seq go up by one, and record.prev is the hash of the event
//     before; the first has none, as has the one at proof.from.
//  3. The last event's hash is proof.head.
//  4. Of each message, the last event that names its record.id in record.message and
//     has record.words says what it says: record.words is the message's hash, and
//     record.place its seq. An event of kind "refiled" with record.to took it to
//     another case. A message with sealed_by 0 is older than the chain.
//  5. In delivery.steps, record.no goes up by one from 1, and record.prev is the hash
//     of the step before; that of the first is record.words of the first event that
//     names the message, or its hash when it is older than the chain. When there were
//     more steps than are kept, record.no leaves some out once, and record.prev is there
//     the hash of the last one left out.
//  6. The delivery's state is record.state of its last step, whose hash is the proof of
//     the message's notice.
//  7. An event's record.fared is the hash of one of the steps of the message that it
//     names: the last one then. It may be one of those left out (5).
//
// # What that proves
//
// What the records prove is that they belong together. That they are the ones of that
// time is shown by a head that was noted down then: on an older dossier, in a backup,
// with the customer. Such a head proves
//
//   - every event up to it: what was done, when and by whom;
//   - what each message said that was written by then;
//   - of each message that an event names with record.fared, how its delivery went until
//     that event: that it could not be delivered, and on whose word.
//
// It does not prove what became of a delivery after the last event that names it, and
// nothing of one that no event has named since it began: a provider's word that a
// notice was delivered or read is an entry of the delivery and no event. That hangs on
// the proof of the message's notice, which stands beside the notice and has to be noted
// down as well to prove it later. Events from before record.fared was written prove
// nothing of deliveries.
package dossier

import (
	"context"
	"fmt"
	"time"

	"casewire/casecore"
	"casewire/casecore/store"
	"casewire/routing/desk"
)

// Format names the shape of a Dossier and of its records.
const Format = "casewire dossier 1"

// Reader reads a case for those who may (*desk.Work).
type Reader interface {
	Read(ctx context.Context, by casecore.Actor, number string) (*desk.View, error)
}

// Papers are what a dossier is made of.
type Papers struct {
	*desk.View
	Notices []desk.Notice // in the order of their events
	Proof   casecore.Proof
	At      time.Time      // of making
	By      casecore.Actor // who made it
}

const (
	page  = 200 // notices that are asked for at a time
	looks = 3   // how often a fault is looked at before it is believed
)

// Gather reads a case and checks its chains. Whoever may read the case may have its
// dossier; errors are those of desk.Work.Read. post may be nil: then there are no
// notices. It is read and not recorded: making a dossier changes nothing that it
// would have to tell of.
func Gather(ctx context.Context, cases Reader, post desk.Post, by casecore.Actor, number string, now time.Time) (*Papers, error) {
	for try := 1; ; try++ {
		p := &Papers{At: now, By: by}
		var err error
		if p.View, err = cases.Read(ctx, by, number); err != nil {
			return nil, err
		}
		if p.Notices, err = notices(ctx, post, by, p.Case.CaseNumber()); err != nil {
			return nil, err
		}
		outside := map[string][]string{}
		for _, n := range p.Notices {
			if n.Proof != "" {
				outside[n.Message] = append(outside[n.Message], n.Proof)
			}
		}
		p.Proof = casecore.Prove(p.Case, p.Events, p.Messages, outside)
		// Case and notices are of two snapshots, between which a message may have
		// gone on.
		if len(p.Proof.Faults) == 0 || try == looks {
			return p, nil
		}
	}
}

func notices(ctx context.Context, post desk.Post, by casecore.Actor, number string) (out []desk.Notice, err error) {
	if post == nil {
		return nil, nil
	}
	for at := (store.Mark{}); ; {
		some, next, err := post.Notices(ctx, by, desk.NoticeFilter{Case: number}, at, page)
		if err != nil {
			return nil, fmt.Errorf("notices of %s: %w", number, err)
		}
		out = append(out, some...)
		if at = next; at == (store.Mark{}) {
			return out, nil
		}
	}
}

// Message returns the message with this id; nil when the case has none.
func (p *Papers) Message(id string) *casecore.Message {
	for _, m := range p.Messages {
		if m.ID == id {
			return m
		}
	}
	return nil
}
