package outbox_test

import (
	"context"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"casewire/casecore/flow"
	"casewire/casecore/store/storetest"
	"casewire/channels"
	"casewire/notify"
	"casewire/notify/outbox"
)

// gated is a door whose first send to a channel lasts until it is let go.
func gated(d *door) (let func()) {
	gate := make(chan struct{})
	d.on(func(ctx context.Context, _ channels.Outbound, _ int) (channels.Receipt, error) {
		select {
		case <-gate:
			return channels.Receipt{State: channels.Sent}, nil
		case <-ctx.Done():
			return channels.Receipt{}, &channels.SendError{Reason: channels.Unreachable, Retry: true, Err: ctx.Err()}
		}
	})
	return sync.OnceFunc(func() { close(gate) })
}

// A notice that one node writes behind another, which a second node has sent at just
// that moment, goes out at once: neither has seen what the other wrote.
func TestANoticeBehindOneThatJustEndsIsCalledUp(t *testing.T) {
	room(t, func(t *testing.T, h *house) {
		d := h.door(chat)
		let := gated(d)
		ctx, cancel := context.WithCancel(t.Context())
		planned := 0
		far := storetest.Apart(h.st, func(changes []string) {
			if !slices.Contains(changes, notify.Notices.Coll().Name) {
				return
			}
			if planned++; planned == 2 { // the answer is about to wait behind the receipt
				let()
				time.Sleep(time.Second) // until that is recorded as sent
			}
		})
		planner := notify.NewPlanner(far, h.ledger, h.inForce, notify.Options{Poll: seldom, Log: h.log})
		box := outbox.New(h.st, h.ledger, h.doorOf, outbox.Options{Poll: seldom, Log: h.log})
		var wg sync.WaitGroup
		wg.Go(func() { h.must(planner.Run(ctx)) })
		wg.Go(func() { h.must(box.Run(ctx)) })
		c := h.openCase(chat, channels.WebChat, "visitor", false)
		synctest.Wait()
		h.answer(c, "Bring it in.")
		time.Sleep(3 * time.Second)
		if got := d.texts(); len(got) != 2 || planned != 3 {
			t.Errorf("told %q after three seconds; planned %d times, want the answer twice", got, planned)
		}
		cancel()
		wg.Wait()
	})
}

// The same for a notice whose hold ends while another node, which is about to stop, is
// sending the one before.
func TestANoticeThatTakesItsPlaceBehindOneThatJustEndsIsCalledUp(t *testing.T) {
	room(t, func(t *testing.T, h *house) {
		h.deliver(notify.Manner{Hold: flow.Duration(hold)})
		d := h.door(chat)
		let := gated(d)
		_, stop := h.start(outbox.Options{Workers: 1})
		c := h.openCase(chat, channels.WebChat, "visitor", true)
		h.answer(c, "Bring it in.") // which is not over when the hold is
		h.move(c, "ready")
		time.Sleep(hold - time.Second)
		ctx, cancel := context.WithCancel(t.Context())
		var wg sync.WaitGroup
		met := sync.OnceFunc(func() {
			wg.Go(stop)
			time.Sleep(time.Second)
			let()
			time.Sleep(time.Second) // until that is recorded as sent
		})
		far := storetest.Apart(h.st, func([]string) { met() })
		rival := outbox.New(far, h.ledger, h.doorOf, outbox.Options{Poll: seldom, Log: h.log})
		wg.Go(func() { h.must(rival.Run(ctx)) })
		time.Sleep(10 * time.Second)
		if got := d.texts(); len(got) != 2 {
			t.Errorf("told %q in ten seconds", got)
		}
		met()
		cancel()
		wg.Wait()
	})
}
