package notify_test

import (
	"context"
	"errors"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"casewire/casecore"
	"casewire/casecore/store"
	"casewire/casecore/store/tempstore"
	"casewire/channels"
	"casewire/notify"
)

// unplanned returns what the house shows of what it could not plan: the notices, as
// "to: reason", and the case's events.
func (d *desk) unplanned(c *casecore.Case) (notices, events []string) {
	d.t.Helper()
	for _, n := range d.notices(notify.Dead) {
		if n.Undelivered() && n.Case == c.ID {
			notices = append(notices, n.To.Key()+": "+n.Reason)
		}
	}
	err := d.st.View(d.t.Context(), func(tx store.Tx) error {
		events = nil
		for e, err := range casecore.Events.Scan(tx, store.Range{Index: "case", Prefix: store.Under(c.ID)}) {
			if err != nil {
				return err
			}
			if e.Kind == casecore.Undelivered || e.Kind == casecore.CallWanted {
				events = append(events, string(e.Kind)+": "+e.To)
			}
		}
		return nil
	})
	if err != nil {
		d.t.Fatal(err)
	}
	return notices, events
}

// Of several who are to be told, one with whom that fails takes nothing from the
// others. The house sees it, and calls a customer who was to be told what matters.
func TestOneFailsAlone(t *testing.T) {
	broken := func(channels.Kind) (string, bool) { panic("no such kind") }
	for _, tc := range []struct {
		name            string
		o               notify.Options
		said, aside     []string
		notices, events []string
	}{
		{"the manager", notify.Options{Reach: notify.Reach{Channel: broken}},
			[]string{"webchat:site: Ready."}, nil, []string{"email:boss@shop.example: unplannable"}, []string{"undelivered: unplannable"}},
		{"the customer", notify.Options{Reach: notify.Reach{Channel: reached}, Link: func(*casecore.Case) string { panic("no page") }},
			nil, []string{"email:boss@shop.example: CW-000001 is late: Ready for pickup."}, []string{":: unplannable"}, []string{"undelivered: unplannable", "call_wanted: unplannable"}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			stores.Bubble(t, func(t *testing.T, at *tempstore.Place) {
				d := newDesk(t, at, tc.o)
				d.observe(nil, []notify.OnEvent{{Event: "status", Status: "ready", Template: "late", To: &notify.Recipient{Email: "boss@shop.example"}}})
				d.start()
				c := d.openCase()
				d.move(c, "ready")
				time.Sleep(time.Minute)
				d.want(c, tc.said...)
				d.wantAsides(c, tc.aside...)
				if notices, events := d.unplanned(c); !slices.Equal(notices, tc.notices) || !slices.Equal(events, tc.events) {
					t.Errorf("the house sees %q, the case %q", notices, events)
				}
				if s := d.box.Stats(); s.Failed != 1 || s.Planned != 1 || d.pending(casecore.PendingNotify)+d.pending(notify.PendingFailed) != 0 {
					t.Errorf("stats %+v", s)
				}
				d.stop()
				d.must(d.st.Close())
			})
		})
	}
}

func (d *desk) must(err error) {
	d.t.Helper()
	if err != nil {
		d.t.Fatal(err)
	}
}

// An event that is put aside whole is no secret either.
func TestPutAsideIsShown(t *testing.T) {
	with(t, notify.Options{}, func(t *testing.T, d *desk) {
		c := d.openCase(func(_ *casecore.Draft, m *casecore.Message, _ *casecore.Customer) { m.Auto = true })
		d.update(func(tx store.Tx) error {
			return casecore.Events.Put(tx, &casecore.Event{Case: c.ID, Kind: casecore.Answered, Message: "gone", Pending: []string{casecore.PendingNotify}})
		})
		time.Sleep(time.Minute)
		notices, events := d.unplanned(c)
		if !slices.Equal(notices, []string{":: unplannable"}) || !slices.Equal(events, []string{"undelivered: unplannable", "call_wanted: unplannable"}) {
			t.Errorf("the house sees %q, the case %q", notices, events)
		}
		if n := d.pending(notify.PendingFailed); n != 1 {
			t.Errorf("%d events put aside, want 1", n)
		}
	})
}

// A reminder that is given up is shown, too.
func TestReminderGivenUpIsShown(t *testing.T) {
	stores.Bubble(t, func(t *testing.T, at *tempstore.Place) {
		var broken atomic.Bool
		link := func(*casecore.Case) string {
			if broken.Load() {
				panic("no page")
			}
			return ""
		}
		d := newDesk(t, at, notify.Options{Link: link})
		d.o.Poll = 5 * time.Minute
		d.observe(nil, nil)
		c := d.openCase()
		d.move(c, "repair")
		d.move(c, "odd")
		d.start()
		synctest.Wait()
		broken.Store(true)
		time.Sleep(80 * time.Hour)
		if notices, events := d.unplanned(c); !slices.Equal(notices, []string{":: unplannable"}) || len(events) != 2 {
			t.Errorf("the house sees %q, the case %q", notices, events)
		}
		d.stop()
		d.must(d.st.Close())
	})
}

var errNoRoom = errors.New("no room")

// sick is a store that refuses commits until it is well: all of them, or those that
// write more than a little.
type sick struct {
	store.Store
	most int // documents of a commit that it takes
	mu   sync.Mutex
	well bool
}

func (s *sick) be(well bool) { s.mu.Lock(); defer s.mu.Unlock(); s.well = well }

func (s *sick) Update(ctx context.Context, fn func(store.Tx) error) error {
	return s.Store.Update(ctx, func(tx store.Tx) error {
		w := &weighed{Tx: tx}
		if err := fn(w); err != nil {
			return err
		}
		s.mu.Lock()
		defer s.mu.Unlock()
		if !s.well && w.puts > s.most {
			return errNoRoom
		}
		return nil
	})
}

// weighed counts what a transaction writes.
type weighed struct {
	store.Tx
	puts int
}

func (w *weighed) Put(c *store.Coll, d store.Doc) (uint64, error) {
	w.puts++
	return w.Tx.Put(c, d)
}

// What the store refuses to take is no fault of an event or a reminder: all of it is
// planned when the store is well again, whatever it has taken meanwhile.
func TestSickStoreLosesNoNotice(t *testing.T) {
	for name, most := range map[string]int{"nothing is taken": 0, "a little is taken": 2} {
		t.Run(name, func(t *testing.T) {
			stores.Bubble(t, func(t *testing.T, at *tempstore.Place) {
				d := newDesk(t, at, notify.Options{})
				d.observe(nil, []notify.OnEvent{{Event: "opened", Template: "still"}})
				d.o.Poll = 5 * time.Minute
				st := d.st
				s := &sick{Store: st, most: most}
				var cases []*casecore.Case
				for range 5 {
					c := d.openCase()
					d.move(c, "repair")
					d.move(c, "odd")
					cases = append(cases, c)
				}
				d.st = s
				d.start()
				time.Sleep(time.Hour)
				s.be(true)
				time.Sleep(70 * time.Hour)
				s.be(false) // when the reminders are due
				time.Sleep(5 * time.Hour)
				s.be(true)
				time.Sleep(d.o.Poll)
				for _, c := range cases {
					d.want(c, still, "webchat:site: "+c.CaseNumber()+" is late: Odd.")
				}
				if got := d.box.Stats(); got.Failed != 0 || d.pending(notify.PendingFailed) != 0 {
					t.Errorf("stats %+v", got)
				}
				d.stop()
				d.must(st.Close())
			})
		})
	}
}
