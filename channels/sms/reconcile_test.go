package sms

import (
	"slices"
	"sync/atomic"
	"testing"
	"time"

	"casewire/channels/sms/sandbox"
)

func (r *rig) bodies() (out []string) {
	for _, m := range r.house.Book.Messages() {
		out = append(out, m.Body.Text)
	}
	return out
}

// clock is a time that tests move.
type clock struct{ at atomic.Int64 }

func newClock() *clock {
	c := &clock{}
	c.at.Store(time.Now().Add(-30 * 24 * time.Hour).Unix())
	return c
}
func (c *clock) now() time.Time          { return time.Unix(c.at.Load(), 0) }
func (c *clock) advance(d time.Duration) { c.at.Add(int64(d / time.Second)) }

// After an outage of any length what came meanwhile is handed over, in order, with
// its pictures and its STOP; what was there before is not looked at, and nothing
// comes twice.
func TestMissedMessagesAreFound(t *testing.T) {
	c := newClock()
	r := assemble(t, sandbox.Options{Tries: 1, Now: c.now})
	r.now = c.now
	lose := func(text string, media ...sandbox.Media) {
		t.Helper()
		r.twilio.Point(ourNumber, "")
		if _, err := r.twilio.Text(customer, ourNumber, text, media...); err != nil {
			t.Fatal(err)
		}
	}
	lose("before the channel was ever open")
	c.advance(time.Hour)
	r.twilio.Point(ourNumber, r.url)
	r.open(nil)
	r.text("0, as usual")
	r.close()
	var want []string
	want = append(want, r.bodies()...)
	for day := range 9 {
		c.advance(20 * time.Hour)
		text := "day " + string(rune('1'+day))
		lose(text)
		want = append(want, text)
	}
	lose("STOP")
	lose("", sandbox.Media{Data: png})
	want = append(want, "")
	c.advance(time.Minute)
	r.open(nil)
	r.wait("pictures", func() bool { return len(r.house.Book.Messages()) == len(want)+1 })
	got := r.bodies()[:len(want)]
	if !slices.Equal(got, want) {
		t.Errorf("%q, want %q", got, want)
	}
	if s := r.house.Book.Standings(); len(s) != 1 || s[0].Open {
		t.Errorf("%+v", s)
	}
	if m := r.house.Book.Messages()[len(want)]; len(m.Body.Files) != 1 || m.Broken != "" {
		t.Errorf("the picture: %+v", m)
	}
	r.twilio.Point(ourNumber, r.url)
	for range 2 {
		r.close()
		c.advance(time.Minute)
		r.open(nil)
		r.text("again " + c.now().String())
	}
	if n := len(r.house.Book.Messages()); n != len(want)+3 {
		t.Errorf("%d messages, want %d", n, len(want)+3)
	}
}

// A search that fails half-way goes on where it was.
func TestASearchThatFailsIsRepeated(t *testing.T) {
	c := newClock()
	r := assemble(t, sandbox.Options{Tries: 1, Now: c.now})
	d := r.closedAt(c)
	if err := d.catchUp(t.Context(), r.house.Book); err != nil {
		t.Fatal(err)
	}
	for range 3 {
		c.advance(30 * time.Hour)
		if _, err := r.twilio.Text(customer, ourNumber, "x"); err != nil {
			t.Fatal(err)
		}
	}
	c.advance(time.Minute)
	undo := r.twilio.Fail(sandbox.Fault{Op: "list", Status: 503})
	if err := d.catchUp(t.Context(), r.house.Book); err == nil || d.Health().OK {
		t.Errorf("the search did not fail: %v, %+v", err, d.Health())
	}
	undo()
	r.house.Book.Fail = nil
	if err := d.catchUp(t.Context(), r.house.Book); err != nil || len(r.house.Book.Messages()) != 3 || !d.Health().OK {
		t.Errorf("%v, %d messages, %+v", err, len(r.house.Book.Messages()), d.Health())
	}
	if d.Counts()["missed"] != 3 {
		t.Errorf("%d missed", d.Counts()["missed"])
	}
}

// Many pages, several numbers and the messages of others in the same account.
func TestTheSearchReadsEveryPageOfItsOwn(t *testing.T) {
	c := newClock()
	const second, others = "+15005550007", "+15005550008"
	for name, change := range map[string]func(*Config){
		"numbers": func(cfg *Config) { cfg.Numbers = []string{second} },
		"service": func(cfg *Config) {
			cfg.From, cfg.MessagingService, cfg.Numbers = "", service, []string{ourNumber, second}
		},
	} {
		r := assemble(t, sandbox.Options{Tries: 1, Now: c.now, Numbers: []string{ourNumber, second, others}})
		d := r.closedAt(c)
		change(&d.cfg)
		d.own = d.cfg.own()
		if err := d.catchUp(t.Context(), r.house.Book); err != nil {
			t.Fatal(err)
		}
		c.advance(time.Hour)
		r.twilio.Point(ourNumber, "")
		r.twilio.Point(second, "")
		r.twilio.Point(others, "")
		for i := range 450 {
			if _, err := r.twilio.Text(customer, []string{ourNumber, second, others}[i%3], "x"); err != nil {
				t.Fatal(err)
			}
		}
		if err := d.catchUp(t.Context(), r.house.Book); err != nil || len(r.house.Book.Messages()) != 300 {
			t.Errorf("%s: %v, %d messages", name, err, len(r.house.Book.Messages()))
		}
	}
}

func (r *rig) closedAt(c *clock) *Door {
	r.Helper()
	env := r.house.Env(channelID)
	env.Now = c.now
	ch, err := r.config(nil).Open(env)
	if err != nil {
		r.Fatal(err)
	}
	return ch.(*Door)
}

// A YES that was an answer stays one when the search brings it again after a STOP.
func TestARepeatIsJudgedAsBefore(t *testing.T) {
	c := newClock()
	r := assemble(t, sandbox.Options{Now: c.now})
	r.now = c.now
	r.open(nil)
	for _, word := range []string{"yes", "stop", "yes"} {
		r.text(word)
		c.advance(time.Minute)
	}
	for range 2 {
		r.close()
		r.open(nil)
		if err := r.door.catchUp(t.Context(), r.house.Book); err != nil {
			t.Fatal(err)
		}
	}
	if m, s := r.house.Book.Messages(), r.house.Book.Standings(); len(m) != 1 || len(s) != 2 || s[0].Open || !s[1].Open {
		t.Errorf("%d messages, standings %+v", len(m), s)
	}
}

func TestSeenForgetsTheOldest(t *testing.T) {
	var s seen
	for i := range seenRoom + 1 {
		s.add(sid(i + 1))
		s.add(sid(i + 1))
	}
	if s.has(sid(1)) || !s.has(sid(2)) || !s.has(sid(seenRoom+1)) || len(s.known) > seenRoom+1 {
		t.Errorf("%d known", len(s.known))
	}
}
