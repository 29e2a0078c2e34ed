package figure_test

import (
	"context"
	"fmt"
	"math/rand/v2"
	"reflect"
	"testing"
	"time"

	"casewire/casecore/store"
	"casewire/channels"
	"casewire/notify"
	"casewire/notify/figure"
)

// A quantile of the classes is that of the durations themselves within a tenth,
// and the halves of a time add up to it.
func TestTimes(t *testing.T) {
	random := rand.New(rand.NewPCG(1, 2)) //nolint:gosec // a fixed sequence
	var all, some, rest figure.Times
	var exact []time.Duration
	for range 5000 {
		d := time.Duration(random.ExpFloat64() * float64(40*time.Second))
		exact = append(exact, d)
		all.Add(d)
		if random.IntN(2) == 0 {
			some.Add(d)
		} else {
			rest.Add(d)
		}
	}
	some.Join(rest)
	if !reflect.DeepEqual(some, all) {
		t.Error("the parts do not add up to the whole")
	}
	sortDurations(exact)
	for _, q := range []float64{.01, .5, .9, .99, 1} {
		want, got := exact[max(int(q*float64(len(exact)))-1, 0)], all.Quantile(q)
		if off := float64(got-want) / float64(want); off < -.1 || off > .1 {
			t.Errorf("quantile %v: %v, not %v", q, got, want)
		}
	}
	if (&figure.Times{}).Quantile(.5) != 0 {
		t.Error("of nothing there is a median")
	}
}

func sortDurations(all []time.Duration) {
	for i := range all {
		for j := i; j > 0 && all[j] < all[j-1]; j-- {
			all[j], all[j-1] = all[j-1], all[j]
		}
	}
}

// house is a store of notices with a clock.
type house struct {
	t    *testing.T
	st   store.Store
	now  time.Time
	zone *time.Location
	book *figure.Book
}

func newHouse(t *testing.T) *house {
	t.Helper()
	st := stores.Open(t, append(notify.Collections(), figure.Collections()...)...)
	zone, err := time.LoadLocation("Europe/Kyiv")
	if err != nil {
		t.Fatal(err)
	}
	h := &house{t: t, st: st, zone: zone, now: time.Date(2026, 10, 27, 9, 0, 0, 0, zone)}
	h.book = figure.NewBook(st, func() *time.Location { return h.zone }, func() time.Time { return h.now })
	return h
}

func (h *house) put(n *notify.Notice) {
	h.t.Helper()
	if err := h.st.Update(h.t.Context(), func(tx store.Tx) error {
		old, err := notify.Notices.Get(tx, n.ID)
		if err == nil {
			n.Version = old.Version
		}
		return notify.Notices.Put(tx, n)
	}); err != nil {
		h.t.Fatal(err)
	}
}

func (h *house) of(ctx context.Context, from, to time.Time) *figure.Figures {
	h.t.Helper()
	f, err := h.book.Of(ctx, from, to)
	if err != nil {
		h.t.Fatal(err)
	}
	return f
}

// Days are those of the centre, also the long one in autumn; every notice is
// counted once, on the day it was written, with how long it took.
func TestEveryNoticeIsCountedOnceOnItsDay(t *testing.T) {
	h := newHouse(t)
	kinds := []channels.Kind{channels.SMS, channels.Email, ""}
	first := time.Date(2026, 10, 23, 0, 0, 0, 0, h.zone) // clocks go back on the 25th
	random := rand.New(rand.NewPCG(7, 7))                //nolint:gosec // a fixed sequence
	byDay, byKind, dead := map[string]int{}, map[channels.Kind]int{}, 0
	const many = 300
	for i := range many {
		at := first.Add(time.Duration(random.Int64N(int64(h.now.Sub(first)))))
		n := &notify.Notice{Meta: store.Meta{ID: fmt.Sprint("n", i)}, Created: at, Since: at, To: channels.Address{Kind: kinds[i%3]}, State: notify.States[i%len(notify.States)]}
		switch n.State {
		case notify.Sent, notify.Delivered, notify.Read:
			n.Went(at.Add(3 * time.Second))
		case notify.Dead:
			n.Reason = "30003"
			dead++
		}
		byDay[at.In(h.zone).Format(time.DateOnly)]++
		byKind[n.To.Kind]++
		h.put(n)
	}
	f := h.of(t.Context(), first, h.now)
	if len(f.Days) != 5 {
		t.Fatalf("23 to 27 October are %d days", len(f.Days))
	}
	total := 0
	for i, lines := range f.Days {
		n := 0
		for _, l := range lines {
			n += l.Total()
		}
		if day := first.AddDate(0, 0, i).Format(time.DateOnly); n != byDay[day] {
			t.Errorf("%s: %d notices, not %d", day, n, byDay[day])
		}
		total += n
	}
	died, took := 0, 0
	for _, l := range f.Lines {
		if l.Total() != byKind[l.Kind] {
			t.Errorf("%q: %d notices, not %d", l.Kind, l.Total(), byKind[l.Kind])
		}
		died += l.Causes["30003"]
		took += l.ToSend.Count
		if l.ToSend.Count > 0 && l.ToSend.Quantile(.5).Round(time.Second) != 3*time.Second {
			t.Errorf("%q: until sent %v, not 3 s", l.Kind, l.ToSend.Quantile(.5))
		}
	}
	if total != many || died != dead || took != many*3/len(notify.States) {
		t.Errorf("%d notices, %d dead, %d timed; not %d, %d, %d", total, died, took, many, dead, many*3/len(notify.States))
	}
}

// What a day's notices came to is kept once it is over for long; until then a
// late word of a provider changes it.
func TestADayIsKeptOnceItIsOver(t *testing.T) {
	h := newHouse(t)
	day := time.Date(2026, 10, 27, 0, 0, 0, 0, h.zone)
	n := &notify.Notice{Meta: store.Meta{ID: "n"}, Created: h.now, Since: h.now, To: channels.Address{Kind: channels.SMS}, State: notify.Sent}
	h.put(n)
	count := func() (sent, delivered int) {
		l := h.of(t.Context(), day, day).Lines
		if len(l) != 1 {
			t.Fatalf("%d lines", len(l))
		}
		return l[0].Sent, l[0].Delivered
	}
	if sent, _ := count(); sent != 1 {
		t.Fatal("the notice is not counted")
	}
	h.now = h.now.Add(48 * time.Hour)
	n.State = notify.Delivered
	h.put(n)
	if _, delivered := count(); delivered != 1 {
		t.Error("a receipt two days later is not counted")
	}
	h.now = h.now.Add(10 * 24 * time.Hour)
	count()
	n.State = notify.Dead
	h.put(n)
	if _, delivered := count(); delivered != 1 {
		t.Error("figures of a day that is over have changed")
	}
	if _, err := h.book.Of(t.Context(), day, day.AddDate(2, 0, 0)); err == nil {
		t.Error("two years are counted in one question")
	}
}

// A centre that moves its zone has other days: what was kept of the old ones is not
// counted among them, so that every notice is on one day.
func TestKeptDaysAreOfOneZone(t *testing.T) {
	h := newHouse(t)
	at := time.Date(2026, 3, 2, 23, 30, 0, 0, time.UTC)
	h.put(&notify.Notice{Meta: store.Meta{ID: "n"}, Created: at, Since: at, State: notify.Sent})
	tokyo, err := time.LoadLocation("Asia/Tokyo")
	if err != nil {
		t.Fatal(err)
	}
	for _, h.zone = range []*time.Location{time.UTC, tokyo, h.zone, tokyo} {
		day := time.Date(2026, 3, 1, 0, 0, 0, 0, h.zone)
		f := h.of(t.Context(), day, day.AddDate(0, 0, 3))
		if len(f.Lines) != 1 || f.Lines[0].Sent != 1 {
			t.Errorf("%s: %+v", h.zone, f.Lines)
		}
		if i := at.In(h.zone).Day() - 1; len(f.Days[i]) != 1 {
			t.Errorf("%s: it is not on day %d", h.zone, i)
		}
	}
}

// writes counts the turns that are taken at the store's writer.
type writes struct {
	store.Store
	n int
}

func (w *writes) Update(ctx context.Context, fn func(tx store.Tx) error) error {
	w.n++
	return w.Store.Update(ctx, fn)
}

// A question writes once for all days that are over, and nothing when they are kept
// already or there was no notice.
func TestAQuestionHardlyWrites(t *testing.T) {
	h := newHouse(t)
	first := time.Date(2026, 3, 1, 0, 0, 0, 0, h.zone)
	for i := range 30 {
		at := first.AddDate(0, 0, i)
		h.put(&notify.Notice{Meta: store.Meta{ID: fmt.Sprint("n", i)}, Created: at, Since: at, State: notify.Sent})
	}
	counted := &writes{Store: h.st}
	h.book = figure.NewBook(counted, func() *time.Location { return h.zone }, func() time.Time { return h.now })
	for _, from := range []time.Time{time.Date(1900, 1, 1, 0, 0, 0, 0, h.zone), first, first} {
		h.of(t.Context(), from, from.AddDate(0, 0, 40))
	}
	if counted.n != 1 {
		t.Errorf("%d writes", counted.n)
	}
}

// Who should have been told and was not is not delivered, whether or not a message was
// ever tried: the figure is that of the list of undelivered notices.
func TestWhoWasNotToldIsNotSkipped(t *testing.T) {
	h := newHouse(t)
	for _, reason := range []string{notify.NoAddress, notify.AllShut, notify.TakenBack, notify.Left} {
		h.put(&notify.Notice{Meta: store.Meta{ID: reason}, State: notify.Skipped, Reason: reason, Created: h.now, HandledAt: h.now})
	}
	f := h.of(t.Context(), h.now.Add(-time.Hour), h.now.Add(time.Hour))
	if len(f.Lines) != 1 {
		t.Fatalf("%+v", f)
	}
	if l := f.Lines[0]; l.Dead != 2 || l.Skipped != 2 || l.Causes[notify.NoAddress] != 1 || l.Causes[notify.AllShut] != 1 {
		t.Errorf("%+v", l)
	}
}
