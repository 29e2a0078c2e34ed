package api_test

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"casewire/casecore"
	"casewire/casecore/outside"
	"casewire/casecore/store"
	"casewire/routing/api"
	"casewire/routing/desk"
)

// hooks is one webhook, "shop", with three deliveries, of which "busy" is on its way.
type hooks struct{ replayed []string }

func (h *hooks) Hooks(context.Context) ([]desk.Hook, error) {
	return []desk.Hook{{ID: "shop", Host: "https://shop.example", Events: []string{"*"}, State: desk.HookFailing, Waiting: 2, Reason: "http_503"}}, nil
}

func (h *hooks) known(id string) error {
	if id != "shop" {
		return fmt.Errorf("webhook: %w", store.ErrNotFound)
	}
	return nil
}

func delivery(id string) desk.HookDelivery {
	return desk.HookDelivery{ID: id, State: "dead", Reason: "http_422", Event: outside.HookEvent{ID: "e-" + id, Type: "case.status"}}
}

func (h *hooks) Deliveries(_ context.Context, id, state string, after store.Mark, limit int) ([]desk.HookDelivery, store.Mark, error) {
	all := []string{"a", "b", "busy"}
	if i := slices.Index(all, after.ID); i >= 0 {
		all = all[i+1:]
	}
	var out []desk.HookDelivery
	for _, d := range all {
		if len(out) == limit {
			return out, store.Mark{ID: out[limit-1].ID}, h.known(id)
		}
		if state == "" || state == "dead" {
			out = append(out, delivery(d))
		}
	}
	return out, store.Mark{}, h.known(id)
}

func (h *hooks) Replay(_ context.Context, id, d string) (desk.HookDelivery, error) {
	if err := h.known(id); err != nil {
		return desk.HookDelivery{}, err
	}
	if d == "busy" {
		return desk.HookDelivery{}, desk.ErrOnItsWay
	}
	h.replayed = append(h.replayed, d)
	return delivery(d), nil
}

func (h *hooks) ReplayPeriod(_ context.Context, id string, from, to time.Time) (int, error) {
	h.replayed = append(h.replayed, from.UTC().Format(time.RFC3339)+" "+to.UTC().Format(time.RFC3339))
	return 7, h.known(id)
}

func (h *hooks) Try(_ context.Context, id string) (desk.HookTrial, error) {
	return desk.HookTrial{Event: "p", Reason: "timeout"}, h.known(id)
}

func TestWebhooksAreSeenAndReplayed(t *testing.T) {
	h := newHouse(t)
	const at = v1 + "/webhooks"
	for _, who := range []string{"anna", "susan"} {
		h.as(who, "GET", at, nil).problem(403, "forbidden")
		h.as(who, "POST", at+"/shop/test", nil).problem(403, "forbidden")
	}
	var all api.List[api.Webhook]
	h.as("program", "GET", at, nil).want(200).json(&all)
	if len(all.Items) != 1 || all.Items[0].ID != "shop" || all.Items[0].Waiting != 2 {
		t.Errorf("%+v", all)
	}
	var page api.List[api.WebhookDelivery]
	h.as("program", "GET", at+"/shop/deliveries?limit=2&state=dead", nil).want(200).json(&page)
	if len(page.Items) != 2 || page.Next == "" || page.Items[0].Event.Type != "case.status" {
		t.Fatalf("%+v", page)
	}
	next := page.Next
	page = api.List[api.WebhookDelivery]{}
	h.as("program", "GET", at+"/shop/deliveries?limit=2&state=dead&cursor="+next, nil).want(200).json(&page)
	if len(page.Items) != 1 || page.Next != "" {
		t.Errorf("%+v", page)
	}
	h.as("program", "GET", at+"/shop/deliveries?cursor="+next, nil).problem(422, "invalid")
	h.as("program", "GET", at+"/shop/deliveries?state=lost", nil).problem(422, "invalid")
	h.as("program", "POST", at+"/shop/deliveries/a/replay", nil).want(200)
	h.as("program", "POST", at+"/shop/deliveries/busy/replay", nil).problem(409, "late")
	h.as("admin", "POST", at+"/shop/replay", m{"from": "2026-03-01T10:00:00+02:00", "to": "2026-03-02T00:00:00Z"}).want(200)
	h.as("admin", "POST", at+"/shop/replay", m{"from": "2026-03-02T00:00:00Z", "to": "2026-03-02T00:00:00Z"}).problem(422, "invalid")
	var try api.WebhookTest
	h.as("admin", "POST", at+"/shop/test", nil).want(200).json(&try)
	if try.OK || try.Reason != "timeout" {
		t.Errorf("%+v", try)
	}
	for _, path := range []string{"/x/test", "/x/deliveries/a/replay"} {
		h.as("admin", "POST", at+path, nil).problem(404, "not_found")
	}
	h.as("admin", "GET", at+"/x/deliveries", nil).problem(404, "not_found")
	if want := []string{"a", "2026-03-01T08:00:00Z 2026-03-02T00:00:00Z"}; !slices.Equal(h.hooks.replayed, want) {
		t.Errorf("replayed %q", h.hooks.replayed)
	}
}

// The document describes each event that can be subscribed to.
func TestWebhooksAreDescribed(t *testing.T) {
	h := newHouse(t)
	var d struct {
		Webhooks map[string]struct {
			Post struct {
				Summary    string
				Parameters []struct{ Name string }
				Body       struct {
					Content map[string]struct {
						Schema struct {
							Ref string `json:"$ref"`
						}
					}
				} `json:"requestBody"`
			}
		}
		Components struct{ Schemas map[string]any }
	}
	h.as("", "GET", "/api/openapi.json", nil).want(200).json(&d)
	if len(d.Webhooks) != len(outside.Types()) {
		t.Fatalf("%d webhooks of %d types", len(d.Webhooks), len(outside.Types()))
	}
	for name, w := range d.Webhooks {
		ref := w.Post.Body.Content["application/json"].Schema.Ref
		if w.Post.Summary == "" || len(w.Post.Parameters) != 3 || d.Components.Schemas[ref[strings.LastIndex(ref, "/")+1:]] == nil {
			t.Errorf("%s: %+v", name, w)
		}
	}
}

// A workshop's program knows the status it changes and not the version: it names the
// one it comes from, and its repeats change nothing.
func TestAProgramMovesACaseOnce(t *testing.T) {
	h := newHouse(t)
	c := h.held("phones", "anna")
	at := v1 + "/cases/" + c.CaseNumber() + "/status"
	key := []string{"Idempotency-Key", "workshop-4711"}
	var first, again api.Case
	h.as("program", "POST", at, m{"to": "ready", "from": "in_repair"}, key...).want(200).json(&first)
	a := h.as("program", "POST", at, m{"to": "ready", "from": "in_repair"}, key...).want(200)
	a.json(&again)
	if first.Status != "ready" || again.Status != "ready" || a.Header.Get("Idempotent-Replayed") != "true" || a.Header.Get("ETag") == "" || a.Header["Location"] != nil {
		t.Errorf("%s, then %s, %v", first.Status, again.Status, a.Header)
	}
	moved := 0
	h.must(h.store.View(t.Context(), func(tx store.Tx) error {
		for e, err := range casecore.Events.Scan(tx, store.Range{Index: "case", Prefix: store.Under(c.ID)}) {
			if err != nil {
				return err
			}
			if e.Kind == casecore.Moved {
				moved++
			}
		}
		return nil
	}))
	if moved != 1+1 { // taking it moved it, too
		t.Errorf("moved %d times", moved)
	}
	// Without the key, or with another one, the condition still holds.
	h.as("program", "POST", at, m{"to": "ready", "from": "in_repair"}).problem(412, "stale")
	h.as("program", "POST", at, m{"to": "issued", "from": "ready"}, key...).problem(422, "key_reused")
	h.as("program", "POST", at, m{"to": "issued"}).problem(428, "match_required")
	h.as("program", "POST", at, m{"to": "issued", "from": "ready"}, "If-Match", "\"v1\"").problem(412, "stale")
	h.as("program", "POST", at, m{"to": "issued", "from": "ready"}).want(200)
}
