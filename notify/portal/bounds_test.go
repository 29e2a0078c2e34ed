package portal_test

import (
	"context"
	"net/http"
	"net/url"
	"testing"
	"time"

	"casewire/casecore"
	"casewire/casecore/store"
)

// writes counts the turns that are taken at the store's writer.
type writes struct {
	store.Store
	n int
}

func (w *writes) Update(ctx context.Context, fn func(tx store.Tx) error) error {
	w.n++
	return w.Store.Update(ctx, fn)
}

// Forms without a good link are held up like all else, and none takes a turn at the
// store's writer, whatever path they are sent to.
func TestFormsWithoutALinkAreCheap(t *testing.T) {
	h := newHouse(t)
	counted := &writes{Store: h.store}
	h.store = counted
	h.portal = h.with([]byte("0123456789abcdef0123456789abcdef"))
	for _, token := range []string{"nonsense", "assets"} {
		h.now = h.now.Add(time.Hour)
		codes := map[int]int{}
		for range 40 {
			codes[h.do("POST", "/c/"+token+"/language", url.Values{"lang": {"en"}}).code]++
		}
		if codes[http.StatusNotFound] != 30 || codes[http.StatusTooManyRequests] != 10 {
			t.Errorf("%s: %v", token, codes)
		}
	}
	if counted.n > 0 {
		t.Errorf("%d turns of the writer", counted.n)
	}
}

// However much is written in a case, its page shows where it stands.
func TestThePageOfALongCase(t *testing.T) {
	h := newHouse(t)
	c := h.opens(phone)
	h.moves(c, "accepted", time.Hour)
	for range 10 {
		h.update(func(tx store.Tx) error {
			k, err := casecore.Cases.Get(tx, c.ID)
			if err != nil {
				return err
			}
			for range 200 {
				k.Events++
				if err := casecore.Events.Put(tx, &casecore.Event{Case: c.ID, Seq: k.Events, Kind: casecore.Received, At: h.now}); err != nil {
					return err
				}
			}
			return casecore.Cases.Put(tx, k)
		})
	}
	h.moves(c, "diagnosing", time.Hour)
	h.moves(c, "in_repair", time.Hour)
	h.moves(c, "ready", time.Hour)
	h.now = h.now.Add(time.Hour)
	h.reads(h.path(c)).want(t, http.StatusOK, `<h1 id="status">Repaired, ready for pickup`, `>Received<span class="quiet"> (done)`, `>In repair<span class="quiet"> (done)`)
}
