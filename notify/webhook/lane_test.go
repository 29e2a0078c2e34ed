package webhook_test

import (
	"context"
	"net/http"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"casewire/casecore/store/storetest"
	"casewire/notify/webhook"
)

// A delivery that one node puts behind another, which a second node, about to stop, ends
// at just that moment, goes out at once: neither has seen what the other wrote.
func TestADeliveryBehindOneThatJustEndsIsCalledUp(t *testing.T) {
	room(t, one(), func(t *testing.T, h *house) {
		gate := make(chan struct{})
		h.net.on(func(ctx context.Context, _ got, _ int) (int, http.Header, error) {
			select {
			case <-gate:
				return http.StatusNoContent, nil, nil
			case <-ctx.Done():
				return 0, nil, ctx.Err()
			}
		})
		_, stop := h.start(webhook.Options{Workers: 1})
		c := h.openCase("phones")
		synctest.Wait()
		h.move(c, "ready") // behind what is being posted
		var wg sync.WaitGroup
		met := sync.OnceFunc(func() {
			wg.Go(stop)
			time.Sleep(time.Second)
			close(gate)
			time.Sleep(time.Second) // until that is recorded as done
		})
		_, stopRival := h.startOn(storetest.Apart(h.st, func([]string) { met() }), webhook.Options{})
		time.Sleep(8 * time.Second)
		if got := types(h.net.to("shop")); !slices.Equal(got, []string{"case.opened", "case.status"}) {
			t.Errorf("heard %q in eight seconds", got)
		}
		met()
		stopRival()
		wg.Wait()
	})
}
