package desk

import (
	"context"
	"time"

	"casewire/casecore"
	"casewire/channels"
)

// MostFigureDays is how many days one question for figures may be about.
const MostFigureDays = 366

// Meter counts what became of notices to customers. The house wires it, for this
// room and the post room meet in the book only.
type Meter interface {
	// Today is the midnight that the centre's present day began with.
	Today() time.Time
	// NoticeFigures counts the notices that were written from one day to another,
	// both counted, in the centre's time zone. Supervisors and administrators may
	// ask; others get casecore.ErrForbidden.
	NoticeFigures(ctx context.Context, by casecore.Actor, from, to time.Time) (*NoticeFigures, error)
}

// NoticeFigures is what became of the notices of several days.
type NoticeFigures struct {
	From, To time.Time     // midnights of the first and of the last day
	Kinds    []NoticeKind  // by kind of channel
	Days     []NoticeDay   // every day
	Causes   []NoticeCause // of what did not arrive, the most frequent first
	ToSend   Duration      // over all kinds
	ToArrive Duration
	Waiting  int       // that are not with their provider at this moment
	Oldest   time.Time // since when the oldest of those should have gone out
}

// NoticeKind is what became of the notices on one kind of channel. Each is counted
// in one of Waiting to Skipped.
type NoticeKind struct {
	Kind      channels.Kind // empty: there was no address
	Waiting   int           // held, or on the way to the provider
	Sent      int           // the provider has it; nothing more is known
	Delivered int
	Read      int
	Dead      int
	Skipped   int      // on purpose: taken back, cancelled, or the case had gone on
	ToSend    Duration // from what happened to the provider, a hold included
	ToArrive  Duration // from the provider to its word that it arrived
}

// Total is how many notices there were.
func (k NoticeKind) Total() int {
	return k.Waiting + k.Sent + k.Delivered + k.Read + k.Dead + k.Skipped
}

// Gone is how many the provider took.
func (k NoticeKind) Gone() int { return k.Sent + k.Delivered + k.Read }

// Duration is how long something took, many times over; right within a tenth.
type Duration struct {
	Count         int
	P50, P90, P99 time.Duration
}

// NoticeDay is one day.
type NoticeDay struct {
	Day                 time.Time // its midnight
	Gone, Dead, Skipped int
}

// NoticeCause is why notices did not arrive: a word of ours or a provider's code.
type NoticeCause struct {
	Reason string
	N      int
}

// All adds the kinds up; the durations are of the whole.
func (f *NoticeFigures) All() NoticeKind {
	out := NoticeKind{}
	for _, k := range f.Kinds {
		out.Waiting += k.Waiting
		out.Sent += k.Sent
		out.Delivered += k.Delivered
		out.Read += k.Read
		out.Dead += k.Dead
		out.Skipped += k.Skipped
	}
	out.ToSend, out.ToArrive = f.ToSend, f.ToArrive
	return out
}
