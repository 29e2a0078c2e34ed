package figure_test

import (
	"context"
	"fmt"
	"math/rand/v2"
	"path/filepath"
	"reflect"
	"testing"
	"time"

	"casewire/casecore/store"
	"casewire/casecore/store/sqlite"
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
	st, err := sqlite.Open(t.Context(), filepath.Join(t.TempDir(), "casewire.db"), sqlite.Options{}, append(notify.Collections(), figure.Collections()...)...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := st.Close(); err != nil {
			t.Error(err)
		}
	})
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
