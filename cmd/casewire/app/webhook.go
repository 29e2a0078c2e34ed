package app

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"casewire/casecore/store"
	"casewire/notify/webhook"
	"casewire/routing/desk"
)

// openWebhooks lets the ledger owe webhooks to the configured programs outside, and
// builds what sends them. A reload of the configuration changes both.
func (a *App) openWebhooks() {
	subs := func() []webhook.Subscription { return a.o.Config.Snapshot().Webhooks }
	a.ledger.Outside = webhook.Recorder{Subscriptions: subs, Now: a.o.Now}.Record
	a.webhooks = webhook.New(a.store, subs, webhook.Options{
		Now: a.o.Now, Log: a.o.Log, Alone: a.engine.alone, Lease: max(a.o.Lease, 0), Check: a.o.Check, Agent: "Casewire/" + cmp.Or(a.o.Version, "dev"),
		Grace: min(5*time.Second, time.Duration(a.Static().Grace)/6),
	})
}

// webhooksPart says which programs outside take nothing, and why, and which ask for
// queues that there are not.
func webhooksPart(a *App) part {
	return part{name: "webhooks", check: func(ctx context.Context) string {
		ill, err := a.webhooks.Ailing(ctx)
		if err != nil {
			return err.Error()
		}
		var out []string
		for _, s := range a.o.Config.Snapshot().Webhooks {
			for _, q := range s.Queues {
				if _, ok := a.Router().Queue(q); !ok {
					out = append(out, fmt.Sprintf("%s asks for the queue %q, which the policy does not have", s.ID, q))
				}
			}
		}
		for _, h := range ill {
			if !h.Gone.IsZero() {
				out = append(out, h.ID+" is gone for good, says its receiver; test it when it is back")
				continue
			}
			out = append(out, fmt.Sprintf("%s takes nothing since %s UTC: %s", h.ID, h.Since.UTC().Format(time.DateTime), h.Reason))
		}
		return strings.Join(out, "; ")
	}}
}

// hookRoom shows the webhooks to administrators and programs (desk.Hooks).
type hookRoom struct{ app *App }

var _ desk.Hooks = hookRoom{}

// Hooks lists those that are configured.
func (r hookRoom) Hooks(ctx context.Context) ([]desk.Hook, error) {
	all, err := r.app.webhooks.Statuses(ctx)
	if err != nil {
		return nil, err
	}
	out := make([]desk.Hook, 0, len(all))
	for _, s := range all {
		state := desk.HookOK
		switch {
		case !s.Health.Gone.IsZero():
			state = desk.HookGone
		case s.Health.Fails > 0:
			state = desk.HookFailing
		}
		out = append(out, desk.Hook{
			ID: s.Subscription.ID, Host: s.Subscription.Host(), Events: s.Subscription.Events, Queues: s.Subscription.Queues,
			Content: s.Subscription.Content, State: state, Waiting: s.Waiting, Dead: s.Dead, Oldest: s.Oldest,
			Succeeded: s.Health.Succeeded, Since: s.Health.Since, NextTry: s.Health.Until, Status: s.Health.Status, Reason: s.Health.Reason,
		})
	}
	return out, nil
}

// Deliveries lists what a webhook was told.
func (r hookRoom) Deliveries(ctx context.Context, hook, state string, after store.Mark, limit int) ([]desk.HookDelivery, store.Mark, error) {
	all, next, err := r.app.webhooks.List(ctx, hook, webhook.State(state), after, limit)
	out := make([]desk.HookDelivery, 0, len(all))
	for _, d := range all {
		out = append(out, deliveryOf(d))
	}
	return out, next, err
}

// Replay sends one delivery again.
func (r hookRoom) Replay(ctx context.Context, hook, delivery string) (desk.HookDelivery, error) {
	d, err := r.app.webhooks.Replay(ctx, hook, delivery)
	switch {
	case errors.Is(err, webhook.ErrBusy):
		return desk.HookDelivery{}, fmt.Errorf("%w: %w", desk.ErrOnItsWay, err)
	case err != nil:
		return desk.HookDelivery{}, err
	}
	return deliveryOf(d), nil
}

// ReplayPeriod sends the events of a period again.
func (r hookRoom) ReplayPeriod(ctx context.Context, hook string, from, to time.Time) (int, error) {
	return r.app.webhooks.ReplayPeriod(ctx, hook, from, to)
}

// Try posts a ping.
func (r hookRoom) Try(ctx context.Context, hook string) (desk.HookTrial, error) {
	t, err := r.app.webhooks.Try(ctx, hook)
	return desk.HookTrial(t), err
}

func deliveryOf(d *webhook.Delivery) desk.HookDelivery {
	return desk.HookDelivery{
		ID: d.ID, State: string(d.State), Tries: d.Tries, Status: d.Status, Reason: d.Reason,
		NextTry: d.NextAt, Done: d.Done, Event: d.Event,
	}
}

// webhookCounts reads how the programs outside fare.
type webhookCounts struct{ app *App }

// Describe sends nothing: which webhooks there are depends on the configuration.
func (webhookCounts) Describe(chan<- *prometheus.Desc) {}

// Collect reads what was counted and what waits.
func (w webhookCounts) Collect(out chan<- prometheus.Metric) {
	s := w.app.webhooks.Stats()
	for what, n := range map[string]uint64{"sent": s.Sent, "failed": s.Failed, "dead": s.Dead, "fenced": s.Fenced, "rescued": s.Rescued} {
		out <- prometheus.MustNewConstMetric(prometheus.NewDesc("casewire_webhook_deliveries_total",
			"What became of tries to tell programs outside, on this node.", []string{"what"}, nil), prometheus.CounterValue, float64(n), what)
	}
	ctx, cancel := context.WithTimeout(w.app.base, 2*time.Second)
	defer cancel()
	all, err := w.app.webhooks.Statuses(ctx)
	if err != nil {
		return // the store's own part of /readyz tells
	}
	waiting := prometheus.NewDesc("casewire_webhook_waiting", "Events that a program outside has not taken, at most 1000 are counted.", []string{"webhook"}, nil)
	down := prometheus.NewDesc("casewire_webhook_out", "1 while a program outside takes nothing.", []string{"webhook"}, nil)
	for _, st := range all {
		out <- prometheus.MustNewConstMetric(waiting, prometheus.GaugeValue, float64(st.Waiting), st.Subscription.ID)
		is := 0.0
		if st.Health.Out() {
			is = 1
		}
		out <- prometheus.MustNewConstMetric(down, prometheus.GaugeValue, is, st.Subscription.ID)
	}
}
