package main

import (
	"context"
	"io"
	"net/http"
	"regexp"
	"time"

	"casewire/casecore"
	vocabulary "casewire/casecore/outside"
	"casewire/channels"
	"casewire/notify/webhook"
)

// isOwed checks what the subscriber was told against what there was to tell: what has
// happened is owed since the same commit (W2), what is recorded as taken was heard,
// nothing was heard that is not recorded as tried (W3), and all that was heard was
// signed, in order, and repeated only as it was (W1).
func (b *book) isOwed(w *world) {
	b.t.Helper()
	s := w.out.hooks
	for _, f := range s.complaints() {
		b.t.Error(f)
	}
	b.isOwedInFull()
	s.mu.Lock()
	defer s.mu.Unlock()
	for id, d := range b.owed {
		times := 0
		if was := s.told[id]; was != nil {
			times = was.times
		}
		number := d.Event.Data.Case.Number
		if times == 0 && d.State == webhook.Done || times > d.Tries || times > 1+len(w.deaths) || d.State == webhook.Dead {
			b.t.Errorf("W3: %s of %s is %s (%s) after %d tries and %d deaths, and was heard %d times",
				d.Event.Type, number, d.State, d.Reason, d.Tries, len(w.deaths), times)
		}
	}
	for id, was := range s.told {
		if b.owed[id] == nil {
			b.t.Errorf("W3: %s of %s was told and is not there", was.event.Type, was.event.Data.Case.Number)
		}
	}
	b.isTimeline(s)
}

// isOwedInFull checks that each commit owes what it did (W2).
func (b *book) isOwedInFull() {
	b.t.Helper()
	entries, states := 0, map[string]map[string]bool{} // by message
	for _, d := range b.owed {
		switch {
		case d.Event.Data.Seq != 0:
			entries++
		case states[d.Message] == nil:
			states[d.Message] = map[string]bool{}
			fallthrough
		default:
			states[d.Message][d.Event.Type] = true
		}
	}
	due := 0
	for _, c := range b.cases {
		for _, e := range b.events[c.ID] {
			name, ok := vocabulary.Named(casecore.Happening{Event: e})
			if !ok {
				continue
			}
			due++
			if d := b.owed[e.ID]; d == nil || d.Event.Type != name || d.Event.Data.Seq != e.Seq || d.Case != c.ID {
				b.t.Errorf("W2: entry %d (%s) of %s is owed as %+v", e.Seq, e.Kind, c.CaseNumber(), d)
			}
		}
	}
	if entries != due {
		b.t.Errorf("W2: %d entries are owed, %d there are", entries, due)
	}
	for _, m := range b.messages {
		if m.Direction != casecore.Out || m.Delivery == nil {
			continue
		}
		name := map[channels.State]string{
			channels.Sent: vocabulary.NoticeSent, channels.Delivered: vocabulary.NoticeDelivered, channels.Read: vocabulary.NoticeRead,
		}[m.Delivery.State]
		if name != "" && !states[m.ID][name] {
			b.t.Errorf("W2: message %s is %s, and owed is %v", m.ID, m.Delivery.State, states[m.ID])
		}
	}
}

// isTimeline checks that of each case the timeline was told from the beginning,
// without gaps. The caller has locked s.
func (b *book) isTimeline(s *subscriber) {
	b.t.Helper()
	for number, c := range b.cases {
		l := s.lanes[number]
		if l == nil {
			continue
		}
		for _, e := range b.events[c.ID] {
			if d := b.owed[e.ID]; d != nil && e.Seq < l.seq && s.told[e.ID] == nil {
				b.t.Errorf("W1: entry %d (%s) of %s was passed over; the last that was told is %d", e.Seq, e.Kind, number, l.seq)
			}
		}
	}
}

var nobodyWaits = regexp.MustCompile(`(?m)^casewire_webhook_waiting\{webhook="workshop"\} 0$`)

// tellAll waits until nothing waits for the subscriber, and returns the time before
// which all that was owed has been told.
func (w *world) tellAll() time.Time {
	w.t.Helper()
	var asked time.Time
	w.play(together("all is told outside", func(ctx context.Context, _ bool) error {
		look := time.NewTicker(50 * time.Millisecond)
		defer look.Stop()
		for {
			asked = time.Now()
			page, err := w.metrics(ctx)
			if err != nil || nobodyWaits.Match(page) {
				return err
			}
			select {
			case <-look.C:
			case <-ctx.Done():
				return ctx.Err()
			}
		}
	}))
	return asked
}

func (w *world) metrics(ctx context.Context) ([]byte, error) {
	o := w.workers[0]
	o.mu.Lock()
	url := o.url
	o.mu.Unlock()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, url+"/metrics", nil)
	if err != nil {
		return nil, err
	}
	res, err := once.Do(req)
	if err != nil {
		return nil, err
	}
	defer res.Body.Close()
	return io.ReadAll(res.Body)
}

// isAllTold checks that nothing waits that was owed before the program was asked
// whether anything did (W3).
func (b *book) isAllTold(asked time.Time) {
	b.t.Helper()
	done := 0
	for _, d := range b.owed {
		late := d.State == webhook.Waiting && d.Since.After(asked)
		if d.State == webhook.Done {
			done++
		} else if !late {
			b.t.Errorf("W3: %s of %s is %s since %v, %v before nothing waited", d.Event.Type, d.Event.Data.Case.Number, d.State, d.Since, asked.Sub(d.Since))
		}
	}
	if done == 0 {
		b.t.Error("W3: nothing was told")
	}
}
