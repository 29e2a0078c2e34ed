package console_test

import (
	"context"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"casewire/casecore"
	"casewire/casecore/outside"
	"casewire/casecore/store"
	"casewire/routing/desk"
)

// hooks is two webhooks, of which "shop" was told three things.
type hooks struct{ replayed []string }

func (h *hooks) Hooks(context.Context) ([]desk.Hook, error) {
	return []desk.Hook{
		{ID: "shop", Host: "https://shop.example", Events: []string{"notice.*"}, State: desk.HookFailing, Waiting: 12, Dead: 1, Since: time.Now().Add(-2 * time.Hour), Status: 503, Reason: "http_503"},
		{ID: "crm", Host: "https://crm.example", Events: []string{"*"}, State: desk.HookOK, Succeeded: time.Now()},
	}, nil
}

func (h *hooks) Deliveries(_ context.Context, hook, state string, after store.Mark, limit int) ([]desk.HookDelivery, store.Mark, error) {
	var out []desk.HookDelivery
	for i, s := range []string{"waiting", "done", "dead"} {
		d := desk.HookDelivery{ID: "d-" + s, State: s, Tries: i, Event: outside.HookEvent{Type: "notice.delivered", Timestamp: time.Now()}}
		d.Event.Data.Case.Number = "CW-000007"
		if s == "dead" {
			d.Reason = "<b>odd</b>"
		}
		if (state == "" || s == state) && after.ID == "" {
			out = append(out, d)
		}
	}
	if state == "done" && after.ID == "" {
		return out, store.Mark{ID: "d-done", Key: "shop\x1fk"}, nil
	}
	return out, store.Mark{}, nil
}

func (h *hooks) Replay(_ context.Context, hook, delivery string) (desk.HookDelivery, error) {
	switch delivery {
	case "d-waiting":
		return desk.HookDelivery{}, desk.ErrOnItsWay
	case "none":
		return desk.HookDelivery{}, fmt.Errorf("delivery: %w", store.ErrNotFound)
	}
	h.replayed = append(h.replayed, hook+" "+delivery)
	return desk.HookDelivery{}, nil
}

func (h *hooks) ReplayPeriod(_ context.Context, hook string, from, to time.Time) (int, error) {
	h.replayed = append(h.replayed, fmt.Sprint(hook, " ", to.Sub(from)))
	return 5, nil
}

func (h *hooks) Try(_ context.Context, hook string) (desk.HookTrial, error) {
	if hook == "shop" {
		return desk.HookTrial{Reason: "timeout"}, nil
	}
	return desk.HookTrial{Status: 204}, nil
}

// An administrator sees how programs outside fare, tests them and sends again what
// they missed; nobody else has the pages or the way to them.
func TestWebhooks(t *testing.T) {
	h := newHouse(t)
	h.operator("vera", "Vera", []string{casecore.RoleSupervisor}, "phones")
	h.operator("adam", "Adam", []string{casecore.RoleAdmin}, "phones")
	adam := h.signIn("adam")
	list := adam.get("/desk/webhooks")
	list.want(t, http.StatusOK, "https://shop.example", "does not take events", "the answer was 503", "takes events", `href="/desk/webhooks/crm"`)
	if !strings.Contains(adam.get("/desk/").body, `href="/desk/webhooks"`) || strings.Contains(list.body, "notice.*") {
		t.Error("the way to the page, or the list")
	}
	adam.get("/desk/webhooks/shop").want(t, http.StatusOK, "notice.delivered", "CW-000007", "given up: &lt;b&gt;odd", "/desk/webhooks/shop/deliveries/d-dead/replay", "<code>notice.*</code>")
	if page := adam.get("/desk/webhooks/shop?state=waiting"); strings.Contains(page.body, "/deliveries/") {
		t.Error("what waits can be sent again")
	}
	adam.get("/desk/webhooks/shop?state=done").want(t, http.StatusOK, "after=d-done")
	adam.get("/desk/webhooks/nobody").want(t, http.StatusNotFound, "")
	for _, tc := range []struct{ path, form, says string }{
		{"/desk/webhooks/shop/test", "", "The test failed: no answer in time."},
		{"/desk/webhooks/crm/test", "", "The test arrived."},
		{"/desk/webhooks/shop/deliveries/d-dead/replay", "", "It is sent again."},
		{"/desk/webhooks/shop/deliveries/d-waiting/replay", "", "It has not ended yet."},
		{"/desk/webhooks/shop/replay", "2026-03-01T08:00 2026-03-01T09:30", "Events that are sent again: 5."},
		{"/desk/webhooks/shop/replay", "2026-03-01T08:00 2026-03-01T08:00", "Say from when to when"},
		{"/desk/webhooks/shop/replay", "x y", "Say from when to when"},
	} {
		from, to, _ := strings.Cut(tc.form, " ")
		a := adam.post(tc.path, "from", from, "to", to)
		if a.code == http.StatusSeeOther {
			a = adam.get(a.header.Get("Location"))
		}
		a.want(t, http.StatusOK, tc.says)
	}
	adam.post("/desk/webhooks/shop/deliveries/none/replay").want(t, http.StatusNotFound, "")
	if want := []string{"shop d-dead", "shop 1h30m0s"}; !slices.Equal(h.hooks.replayed, want) {
		t.Errorf("replayed %q", h.hooks.replayed)
	}
	vera := h.signIn("vera")
	if strings.Contains(vera.get("/desk/").body, "/desk/webhooks") {
		t.Error("a supervisor is shown the way")
	}
	for _, path := range []string{"/desk/webhooks", "/desk/webhooks/shop"} {
		vera.get(path).want(t, http.StatusForbidden, "Your roles do not include this page.")
	}
	vera.post("/desk/webhooks/shop/test").want(t, http.StatusForbidden, "")
	for _, tag := range []string{"ru", "uk", "sr", "sr-Latn"} {
		adam.post("/desk/settings", "lang", tag, "back", "/desk/")
		adam.get("/desk/webhooks/shop").want(t, http.StatusOK, `<html lang="`+tag+`"`)
	}
}
