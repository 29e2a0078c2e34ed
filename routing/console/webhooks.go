package console

import (
	"cmp"
	"errors"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"casewire/casecore"
	"casewire/casecore/store"
	"casewire/routing/desk"
)

const deliveriesShown = 50

// hookStates are those by which deliveries can be looked at.
var hookStates = []string{"waiting", "sending", "done", "dead"}

type hooksPage struct {
	shell
	Rows []hookRow
}

type hookRow struct {
	desk.Hook
	Tone string // "green", "amber", "red"
	Why  string // the last try failed
}

type hookPage struct {
	shell
	Hook   hookRow
	Rows   []deliveryRow
	State  string // shown; empty: all
	States []string
	Older  string // address of the next page
}

type deliveryRow struct {
	desk.HookDelivery
	Why string
}

// Over says that it may be sent again.
func (r deliveryRow) Over() bool { return r.State == "done" || r.State == "dead" }

// seesHooks says whether there are webhooks for this operator.
func (c *Console) seesHooks(by casecore.Actor) bool {
	return c.o.Hooks != nil && by.Is(casecore.RoleAdmin)
}

// hooksFor refuses who may not see webhooks.
func (c *Console) hooksFor(v *visit) (desk.Hooks, error) {
	if c.o.Hooks == nil {
		return nil, errNoPage
	}
	if !c.seesHooks(v.by) {
		return nil, casecore.ErrForbidden
	}
	return c.o.Hooks, nil
}

// webhooks shows the programs outside and how they fare.
func (c *Console) webhooks(v *visit) error {
	room, err := c.hooksFor(v)
	if err != nil {
		return err
	}
	all, err := room.Hooks(v.ctx())
	if err != nil {
		return err
	}
	s, err := c.shell(v, "webhooks", v.T("hook.title"))
	if err != nil {
		return err
	}
	p := &hooksPage{shell: s}
	p.Notice = hookNotice(v)
	for _, h := range all {
		p.Rows = append(p.Rows, hookRowOf(v, h))
	}
	return c.show(v, http.StatusOK, "webhooks", p)
}

func hookRowOf(v *visit, h desk.Hook) hookRow {
	tones := map[string]string{desk.HookOK: "green", desk.HookFailing: "amber", desk.HookGone: "red"}
	return hookRow{Hook: h, Tone: tones[h.State], Why: hookReason(v, h.Reason)}
}

// hookReason says in words why a try failed.
func hookReason(v *visit, reason string) string {
	if status, ok := strings.CutPrefix(reason, "http_"); ok {
		return v.T("hook.why_http", "status", clip(status))
	}
	if reason == "" {
		return ""
	}
	return v.Or("hook.why_"+reason, clip(reason))
}

// webhook shows what one was told.
func (c *Console) webhook(v *visit) error {
	room, err := c.hooksFor(v)
	if err != nil {
		return err
	}
	h, err := hookNamed(v, room)
	if err != nil {
		return err
	}
	q := v.r.URL.Query()
	state := q.Get("state")
	if !slices.Contains(hookStates, state) {
		state = ""
	}
	list, next, err := room.Deliveries(v.ctx(), h.ID, state, store.Mark{ID: q.Get("after"), Key: q.Get("at")}, deliveriesShown)
	if err != nil {
		return err
	}
	s, err := c.shell(v, "webhooks", h.ID)
	if err != nil {
		return err
	}
	p := &hookPage{shell: s, Hook: hookRowOf(v, h), State: state, States: hookStates}
	p.Notice = hookNotice(v)
	for _, d := range list {
		p.Rows = append(p.Rows, deliveryRow{HookDelivery: d, Why: hookReason(v, d.Reason)})
	}
	if next != (store.Mark{}) {
		p.Older = hookPath(h.ID) + "?" + url.Values{"state": {state}, "after": {next.ID}, "at": {next.Key}}.Encode()
	}
	return c.show(v, http.StatusOK, "webhook", p)
}

func hookNamed(v *visit, room desk.Hooks) (desk.Hook, error) {
	all, err := room.Hooks(v.ctx())
	if err != nil {
		return desk.Hook{}, err
	}
	i := slices.IndexFunc(all, func(h desk.Hook) bool { return h.ID == v.r.PathValue("id") })
	if i < 0 {
		return desk.Hook{}, errNoPage
	}
	return all[i], nil
}

func hookPath(id string) string { return Prefix + "webhooks/" + url.PathEscape(id) }

// tryWebhook posts a ping and tells how it went.
func (c *Console) tryWebhook(v *visit) error {
	room, err := c.hooksFor(v)
	if err != nil {
		return err
	}
	t, err := room.Try(v.ctx(), v.r.PathValue("id"))
	switch {
	case isMissing(err):
		return errNoPage
	case err != nil:
		return err
	}
	return v.goTo(hookPath(v.r.PathValue("id")) + "?tested=" + url.QueryEscape(cmp.Or(t.Reason, "ok")))
}

// replayDelivery sends one event again.
func (c *Console) replayDelivery(v *visit) error {
	room, err := c.hooksFor(v)
	if err != nil {
		return err
	}
	done := "one"
	_, err = room.Replay(v.ctx(), v.r.PathValue("id"), v.r.PathValue("delivery"))
	switch {
	case errors.Is(err, desk.ErrOnItsWay):
		done = "busy"
	case isMissing(err):
		return errNoPage
	case err != nil:
		return err
	}
	return v.goTo(hookPath(v.r.PathValue("id")) + "?replayed=" + done)
}

// replayPeriod sends the events of a period again. Its times are those of the
// centre's clocks, as a form has them.
func (c *Console) replayPeriod(v *visit) error {
	room, err := c.hooksFor(v)
	if err != nil {
		return err
	}
	if err := v.readForm(maxForm); err != nil {
		return err
	}
	const form = "2006-01-02T15:04"
	from, err := time.ParseInLocation(form, v.r.PostForm.Get("from"), c.o.Location())
	to, err2 := time.ParseInLocation(form, v.r.PostForm.Get("to"), c.o.Location())
	id := v.r.PathValue("id")
	if err != nil || err2 != nil || !from.Before(to) {
		return v.goTo(hookPath(id) + "?replayed=bad")
	}
	n, err := room.ReplayPeriod(v.ctx(), id, from, to)
	switch {
	case isMissing(err):
		return errNoPage
	case err != nil:
		return err
	}
	return v.goTo(hookPath(id) + "?replayed=" + strconv.Itoa(n))
}

// hookNotice confirms what led here, named in the address; anything else there says
// nothing.
func hookNotice(v *visit) *notice {
	q := v.r.URL.Query()
	good := func(text string) *notice { return &notice{Tone: "green", Icon: "check", Text: text} }
	bad := func(text string) *notice { return &notice{Tone: "amber", Icon: "alarm", Text: text} }
	if t := q.Get("tested"); t == "ok" {
		return good(v.T("hook.test_ok"))
	} else if t != "" {
		return bad(v.T("hook.test_bad", "why", hookReason(v, t)))
	}
	switch r := q.Get("replayed"); r {
	case "":
		return nil
	case "one":
		return good(v.T("hook.replayed"))
	case "busy":
		return bad(v.T("hook.busy"))
	case "bad":
		return bad(v.T("hook.period_bad"))
	default:
		n, err := strconv.Atoi(r)
		if err != nil || n < 0 {
			return nil
		}
		return good(v.T("hook.period_done", "n", v.Number(int64(n))))
	}
}
