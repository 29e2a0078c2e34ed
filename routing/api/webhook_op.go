package api

import (
	"context"
	"errors"
	"net/http"
	"reflect"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"casewire/casecore/outside"
	"casewire/routing/desk"
)

// Webhook is one configured subscription and how its receiver fares.
type Webhook struct {
	ID            string     `json:"id" example:"workshop"`
	Host          string     `json:"host" doc:"Where it is posted to, without the path." example:"https://workshop.example.com"`
	Events        []string   `json:"events" doc:"What it asks for." example:"[\"case.status\",\"notice.*\"]"`
	Queues        []string   `json:"queues,omitempty" doc:"Only cases in these; absent: all."`
	Content       bool       `json:"content" doc:"Is sent what people wrote, too."`
	State         string     `json:"state" enum:"ok,failing,gone" doc:"failing: tries fail, and are repeated; gone: the receiver answered 410, and nothing is sent until a test succeeds or its url changes."`
	Waiting       int        `json:"waiting" doc:"Events that it has not taken; at most 1000 are counted."`
	Dead          int        `json:"dead" doc:"Events that were given up; at most 1000 are counted."`
	OldestAt      *time.Time `json:"oldest_at,omitempty" doc:"Time of the oldest event that waits."`
	LastSuccessAt *time.Time `json:"last_success_at,omitempty" doc:"When it last took something, within a few seconds."`
	FailingSince  *time.Time `json:"failing_since,omitempty"`
	NextTryAt     *time.Time `json:"next_try_at,omitempty" doc:"Nothing is tried before."`
	LastStatus    int        `json:"last_status,omitempty" doc:"HTTP status of the last failure."`
	LastReason    string     `json:"last_reason,omitempty" doc:"Why the last try failed: http_ and the status, timeout, refused, dns, tls, inside, redirect, broken." example:"http_503"`
}

// WebhookDelivery is one event on its way to one webhook.
type WebhookDelivery struct {
	ID        string            `json:"id"`
	State     string            `json:"state" enum:"waiting,sending,done,dead"`
	Tries     int               `json:"tries"`
	Status    int               `json:"status,omitempty" doc:"HTTP status of the last answer."`
	Reason    string            `json:"reason,omitempty" doc:"Why the last try failed, or why it was given up."`
	NextTryAt *time.Time        `json:"next_try_at,omitempty"`
	DoneAt    *time.Time        `json:"done_at,omitempty" doc:"When it was taken or given up."`
	Event     outside.HookEvent `json:"event" doc:"What is told, without content."`
}

// WebhookTest is how a ping went.
type WebhookTest struct {
	Event  string `json:"event" doc:"Id of the ping."`
	OK     bool   `json:"ok"`
	Status int    `json:"status,omitempty" doc:"HTTP status of the answer; absent without one."`
	Reason string `json:"reason,omitempty" doc:"Why it failed." example:"timeout"`
	TookMS int64  `json:"took_ms"`
}

// Period is from when until before when.
type Period struct {
	From time.Time `json:"from" doc:"First event's time."`
	To   time.Time `json:"to" doc:"End, not included."`
}

// Replayed says how many are sent again.
type Replayed struct {
	Count int `json:"count"`
}

// Hooked is the part of an input that names a webhook.
type Hooked struct {
	ID string `path:"id" maxLength:"64" doc:"Id of the webhook." example:"workshop"`
}

type (
	webhookDeliveriesInput struct {
		Hooked
		Paged
		State string `query:"state" enum:"waiting,sending,done,dead" doc:"All in this state."`
	}
	webhookDeliveryInput struct {
		Hooked
		Delivery string `path:"delivery" maxLength:"128" doc:"Id of the delivery."`
	}
	webhookPeriodInput struct {
		Hooked
		Body Period
	}
)

func (a *API) webhookOperations(r *registrar) {
	at := func(op operation) operation {
		op.tag, op.refuses = "Webhooks", append(op.refuses, http.StatusNotFound)
		return op
	}
	register(r, operation{id: "list-webhooks", method: http.MethodGet, path: "/webhooks", tag: "Webhooks", summary: "List webhooks and how they fare",
		about: "Webhooks stand in the process file. What they are sent is described under webhooks."}, a.listWebhooks)
	register(r, at(operation{id: "list-webhook-deliveries", method: http.MethodGet, path: "/webhooks/{id}/deliveries", summary: "List what a webhook was told",
		about: "The newest events first, of the last 30 days."}), a.listWebhookDeliveries)
	register(r, at(operation{id: "replay-webhook-delivery", method: http.MethodPost, path: "/webhooks/{id}/deliveries/{delivery}/replay", summary: "Send one event again",
		about: "Under the same event id. What waits or is on its way is 409 late.", refuses: []int{http.StatusConflict}}), a.replayWebhookDelivery)
	register(r, at(operation{id: "replay-webhook", method: http.MethodPost, path: "/webhooks/{id}/replay", summary: "Send the events of a period again",
		about: "All that this webhook was told of them, under the same event ids, in order for each case. What waits or is on its way is left alone.",
		body:  jsonBody, example: map[string]any{"from": "2026-03-01T08:00:00Z", "to": "2026-03-01T12:00:00Z"}}), a.replayWebhook)
	register(r, at(operation{id: "test-webhook", method: http.MethodPost, path: "/webhooks/{id}/test", summary: "Post a ping to a webhook",
		about: "At once, and tells how it went. One that is taken lets what waits go on."}), a.testWebhook)
}

func (a *API) listWebhooks(ctx context.Context, _ *call, _ *struct{}) (*plain[List[Webhook]], error) {
	all, err := a.Hooks.Hooks(ctx)
	if err != nil {
		return nil, err
	}
	out := &plain[List[Webhook]]{Body: List[Webhook]{Items: []Webhook{}}}
	for _, h := range all {
		out.Body.Items = append(out.Body.Items, Webhook{
			ID: h.ID, Host: h.Host, Events: h.Events, Queues: h.Queues, Content: h.Content, State: h.State, Waiting: h.Waiting, Dead: h.Dead,
			OldestAt: moment(h.Oldest), LastSuccessAt: moment(h.Succeeded), FailingSince: moment(h.Since), NextTryAt: moment(h.NextTry),
			LastStatus: h.Status, LastReason: h.Reason,
		})
	}
	return out, nil
}

func (a *API) listWebhookDeliveries(ctx context.Context, c *call, in *webhookDeliveriesInput) (*plain[List[WebhookDelivery]], error) {
	of, err := a.listed(ctx, c, in.Cursor, "webhook", in.ID, in.State)
	if err != nil {
		return nil, err
	}
	all, next, err := a.Hooks.Deliveries(ctx, in.ID, in.State, of.mark, in.Limit)
	if err != nil {
		return nil, err
	}
	out := &plain[List[WebhookDelivery]]{Body: List[WebhookDelivery]{Items: []WebhookDelivery{}, Next: of.write(next)}}
	for _, d := range all {
		out.Body.Items = append(out.Body.Items, hookDeliveryOf(d))
	}
	return out, nil
}

func hookDeliveryOf(d desk.HookDelivery) WebhookDelivery {
	return WebhookDelivery{
		ID: d.ID, State: d.State, Tries: d.Tries, Status: d.Status, Reason: d.Reason,
		NextTryAt: moment(d.NextTry), DoneAt: moment(d.Done), Event: d.Event,
	}
}

func (a *API) replayWebhookDelivery(ctx context.Context, _ *call, in *webhookDeliveryInput) (*plain[WebhookDelivery], error) {
	d, err := a.Hooks.Replay(ctx, in.ID, in.Delivery)
	if errors.Is(err, desk.ErrOnItsWay) {
		return nil, problem("late", desk.ErrOnItsWay.Error()+"; wait until it is done or dead")
	}
	if err != nil {
		return nil, err
	}
	return &plain[WebhookDelivery]{Body: hookDeliveryOf(d)}, nil
}

func (a *API) replayWebhook(ctx context.Context, _ *call, in *webhookPeriodInput) (*plain[Replayed], error) {
	if !in.Body.From.Before(in.Body.To) {
		return nil, invalid(at("to", "must be later than from"))
	}
	n, err := a.Hooks.ReplayPeriod(ctx, in.ID, in.Body.From, in.Body.To)
	if err != nil {
		return nil, err
	}
	return &plain[Replayed]{Body: Replayed{Count: n}}, nil
}

func (a *API) testWebhook(ctx context.Context, _ *call, in *Hooked) (*plain[WebhookTest], error) {
	t, err := a.Hooks.Try(ctx, in.ID)
	if err != nil {
		return nil, err
	}
	return &plain[WebhookTest]{Body: WebhookTest{Event: t.Event, OK: t.Reason == "", Status: t.Status, Reason: t.Reason, TookMS: t.Took.Milliseconds()}}, nil
}

const aboutWebhook = ` Posted with the headers webhook-id, webhook-timestamp (seconds since 1970) and webhook-signature of the Standard Webhooks specification: "v1," and the base64 of HMAC-SHA256 over "id.timestamp.body", two of them with a blank between while the secret changes. Check it and the age of the timestamp, and drop a webhook-id that was seen before. Events of one case come in order; a failed try is repeated for three days.`

// describeWebhooks documents what is posted to programs outside.
func (a *API) describeWebhooks(o *huma.OpenAPI) {
	schema := o.Components.Schemas.Schema(reflect.TypeFor[outside.HookEvent](), true, "HookEvent")
	o.Webhooks = map[string]*huma.PathItem{}
	for _, t := range outside.Types() {
		header := func(name, about string) *huma.Param {
			return &huma.Param{Name: name, In: "header", Required: true, Description: about, Schema: &huma.Schema{Type: huma.TypeString}}
		}
		o.Webhooks[t.Name] = &huma.PathItem{Post: &huma.Operation{
			OperationID: t.Name, Tags: []string{"Webhooks"}, Summary: t.About, Description: t.About + aboutWebhook,
			Parameters: []*huma.Param{
				header("webhook-id", "Id of the event, the same in every repeat."),
				header("webhook-timestamp", "When it was sent, in seconds since 1970."),
				header("webhook-signature", "Signatures with a blank between."),
			},
			RequestBody: &huma.RequestBody{Required: true, Content: map[string]*huma.MediaType{"application/json": {Schema: schema}}},
			Responses: map[string]*huma.Response{
				"2XX":     {Description: "Taken."},
				"410":     {Description: "Gone for good: nothing more is sent until a test succeeds or the url changes."},
				"default": {Description: "Not taken: it is sent again. Retry-After is honoured with 429 and 503."},
			},
		}}
	}
}
