// Package figure counts what became of notices: how many there were, on which
// channels, how long they took and why some did not arrive. It only reads
// notices; who may see the figures, and how they are shown, is not its matter.
package figure

import (
	"cmp"
	"slices"
	"time"

	"casewire/casecore/store"
	"casewire/channels"
	"casewire/notify"
)

// Line is what became of the notices on one kind of channel. Each is counted in
// one of Waiting to Skipped, by where it has come to.
type Line struct {
	Kind      channels.Kind  `json:"kind"`      // empty: there was no address to send to
	Waiting   int            `json:"waiting"`   // held, or on its way to the provider
	Sent      int            `json:"sent"`      // the provider has it; nothing more is known
	Delivered int            `json:"delivered"` // by the provider's word
	Read      int            `json:"read"`
	Dead      int            `json:"dead"`               // notify.Notice.Missed: given up, or there was no way to begin with
	Skipped   int            `json:"skipped"`            // on purpose
	Causes    map[string]int `json:"causes,omitempty"`   // of Dead, by Notice.Reason
	Skips     map[string]int `json:"skips,omitempty"`    // of Skipped, by Notice.Reason
	ToSend    Times          `json:"to_send,omitzero"`   // from the event to the provider, a hold included
	ToArrive  Times          `json:"to_arrive,omitzero"` // from the provider to its word that it arrived
}

// Total is how many notices the line counts.
func (l *Line) Total() int {
	return l.Waiting + l.Sent + l.Delivered + l.Read + l.Dead + l.Skipped
}

// Lines are the figures of a time, one line for each kind of channel that had any
// notice, sorted by it.
type Lines []Line

// Of returns the line of a kind, made when it is not there.
func (l *Lines) of(kind channels.Kind) *Line {
	i, found := slices.BinarySearchFunc(*l, kind, func(x Line, k channels.Kind) int { return cmp.Compare(x.Kind, k) })
	if !found {
		*l = slices.Insert(*l, i, Line{Kind: kind})
	}
	return &(*l)[i]
}

// Join counts all of other.
func (l *Lines) Join(other Lines) {
	for i := range other {
		from, to := &other[i], l.of(other[i].Kind)
		to.Waiting += from.Waiting
		to.Sent += from.Sent
		to.Delivered += from.Delivered
		to.Read += from.Read
		to.Dead += from.Dead
		to.Skipped += from.Skipped
		to.Causes, to.Skips = sum(to.Causes, from.Causes), sum(to.Skips, from.Skips)
		to.ToSend.Join(from.ToSend)
		to.ToArrive.Join(from.ToArrive)
	}
}

func sum(to, from map[string]int) map[string]int {
	for why, n := range from {
		to = count(to, why, n)
	}
	return to
}

func count(in map[string]int, why string, n int) map[string]int {
	if in == nil {
		in = map[string]int{}
	}
	in[why] += n
	return in
}

// Fold counts the notices that were written from one time to before another.
func Fold(tx store.Tx, from, to time.Time) (Lines, error) {
	var out Lines
	for _, s := range notify.States {
		span := store.Range{Index: "state", From: store.Join(string(s), store.TimeKey(from)), To: store.Join(string(s), store.TimeKey(to))}
		for n, err := range notify.Notices.Scan(tx, span) {
			if err != nil {
				return nil, err
			}
			out.of(n.To.Kind).take(n)
		}
	}
	return out, nil
}

// take counts one notice.
func (l *Line) take(n *notify.Notice) {
	switch {
	case n.State == notify.Sent:
		l.Sent++
	case n.State == notify.Delivered:
		l.Delivered++
	case n.State == notify.Read:
		l.Read++
	case n.Missed():
		l.Dead++
		l.Causes = count(l.Causes, n.Reason, 1)
	case n.State == notify.Skipped:
		l.Skipped++
		l.Skips = count(l.Skips, n.Reason, 1)
	default:
		l.Waiting++
	}
	if !n.SentAt.IsZero() && !n.Since.IsZero() {
		l.ToSend.Add(n.SentAt.Sub(n.Since))
	}
	if !n.SentAt.IsZero() && !n.ArrivedAt.IsZero() {
		l.ToArrive.Add(n.ArrivedAt.Sub(n.SentAt))
	}
}
