package api

import (
	"context"
	"errors"
	"net/http"
	"slices"
	"time"

	"casewire/casecore"
	"casewire/casecore/lang"
	"casewire/casecore/store"
	"casewire/routing/desk"
)

// Queue is a queue and how it stands.
type Queue struct {
	ID      string     `json:"id"`
	Name    lang.Text  `json:"name" doc:"By language."`
	Owner   string     `json:"owner,omitempty" doc:"Login, for a personal queue."`
	Waiting int        `json:"waiting" doc:"Cases that wait in it."`
	Overdue int        `json:"overdue" doc:"Of them, those that somebody should have answered."`
	Oldest  *time.Time `json:"oldest_received_at,omitempty"`
}

// Card is all that is shown of a case before somebody claims it.
type Card struct {
	Number      string     `json:"number" example:"CW-000123"`
	Queue       string     `json:"queue"`
	ChannelKind string     `json:"channel_kind"`
	Category    string     `json:"category"`
	Priority    string     `json:"priority" enum:"urgent,high,normal,low"`
	Status      string     `json:"status"`
	ReceivedAt  time.Time  `json:"received_at"`
	DueAt       *time.Time `json:"due_at,omitempty"`
	SLA         desk.SLA   `json:"sla" enum:"none,ok,soon,overdue"`
	Position    int        `json:"position" doc:"Place in the queue, from 1."`
}

type nextInput struct {
	ID string `path:"id" maxLength:"64" doc:"Id of the queue." example:"phones"`
	Creating
}

type cardsInput struct {
	ID string `path:"id" maxLength:"64" doc:"Id of the queue." example:"phones"`
}

func (a *API) queueOperations(r *registrar) {
	register(r, operation{
		id: "list-queues", method: http.MethodGet, path: "/queues", tag: "Queues", summary: "List queues",
		about: "Those you serve; all of them for supervisors and programs.",
	}, a.listQueues)
	register(r, operation{
		id: "list-cards", method: http.MethodGet, path: "/queues/{id}/cards", tag: "Queues", summary: "List what waits in a queue",
		about: "The first cards in the order in which they are to be taken. A card has nothing of what the customer wrote and nothing that tells who they are.", refuses: []int{404},
	}, a.listCards)
	register(r, operation{
		id: "take-next", method: http.MethodPost, path: "/queues/{id}/next", tag: "Queues", summary: "Take the next case of a queue",
		about:   "Claims the most pressing one, of those the oldest. With an Idempotency-Key a repeat takes no second one.",
		refuses: []int{404, 409},
	}, a.takeNext)
}

// snapshot asks the board for these queues; one that the actor may not see and
// one that does not exist are the same.
func (a *API) snapshot(ctx context.Context, c *call, queues ...string) (*desk.Snapshot, error) {
	s, err := a.Board.Snapshot(ctx, c.actor, queues...)
	if errors.Is(err, casecore.ErrForbidden) {
		return nil, notFound()
	}
	return s, err
}

func (a *API) listQueues(ctx context.Context, c *call, _ *struct{}) (*plain[List[Queue]], error) {
	out := &plain[List[Queue]]{Body: List[Queue]{Items: []Queue{}}}
	var ids []string
	for _, q := range a.Router().Queues() {
		if c.actor.Serves(q.ID) || c.actor.Wide() {
			ids = append(ids, q.ID)
		}
	}
	if len(ids) == 0 {
		return out, nil
	}
	s, err := a.snapshot(ctx, c, ids...)
	if err != nil {
		return nil, err
	}
	for _, q := range s.Queues {
		v := Queue{ID: q.ID, Name: q.Name, Waiting: q.Counts.Waiting, Overdue: q.Counts.Overdue, Oldest: moment(q.Counts.Oldest)}
		if spec, ok := a.Router().Queue(q.ID); ok {
			v.Owner = spec.Owner
		}
		out.Body.Items = append(out.Body.Items, v)
	}
	return out, nil
}

func (a *API) listCards(ctx context.Context, c *call, in *cardsInput) (*plain[List[Card]], error) {
	s, err := a.snapshot(ctx, c, in.ID)
	if err != nil {
		return nil, err
	}
	out := &plain[List[Card]]{Body: List[Card]{Items: []Card{}}}
	i := slices.IndexFunc(s.Queues, func(q desk.Queue) bool { return q.ID == in.ID })
	if i < 0 {
		return nil, notFound()
	}
	for _, k := range s.Queues[i].Cards {
		out.Body.Items = append(out.Body.Items, Card{
			Number: k.Number, Queue: k.Queue, ChannelKind: k.ChannelKind, Category: k.Category, Priority: k.Priority, Status: k.Status,
			ReceivedAt: k.ReceivedAt.UTC(), DueAt: moment(k.DueAt), SLA: k.SLA, Position: k.Position,
		})
	}
	return out, nil
}

func (a *API) takeNext(ctx context.Context, c *call, in *nextInput) (*created[Case], error) {
	return once(ctx, a, c, in.Key, "", func(keep keep[Case]) (*created[Case], error) {
		var out *created[Case]
		_, err := a.Work.Also(func(tx store.Tx, k *casecore.Case, _ *casecore.Message) error {
			out = &created[Case]{Status: http.StatusOK, ETag: etag(k.Version), Location: Prefix + "/cases/" + k.CaseNumber(), Body: caseOf(k)}
			return keep(tx, out)
		}).Next(ctx, c.actor, in.ID)
		if errors.Is(err, store.ErrNotFound) {
			if _, ok := a.Router().Queue(in.ID); ok && (c.actor.Serves(in.ID) || c.actor.Wide()) {
				return nil, problem("nothing_waiting", "nothing waits there at the moment")
			}
		}
		return out, err
	})
}
