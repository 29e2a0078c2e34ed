package api

import (
	"context"
	"net/http"
	"time"

	"casewire/routing/desk"
)

// Notice is one message on its way to a customer.
type Notice struct {
	ID        string     `json:"id"`
	Case      string     `json:"case" example:"CW-000123"`
	Message   string     `json:"message,omitempty" doc:"Id of what it says; absent when nothing was written."`
	Template  string     `json:"template,omitempty" doc:"Absent for an operator's own words."`
	Channel   string     `json:"channel,omitempty" doc:"Id of the channel it goes through."`
	To        *Address   `json:"to,omitempty"`
	State     string     `json:"state" enum:"held,pending,sending,retry,uncertain,sent,delivered,read,dead,skipped"`
	Reason    string     `json:"reason,omitempty" doc:"Why it was not sent: a word of ours, or the provider's code."`
	Open      bool       `json:"open" doc:"Did not arrive, and nobody has seen to it."`
	Held      bool       `json:"held" doc:"May still be sent at once, or stopped."`
	Tries     int        `json:"tries"`
	CreatedAt time.Time  `json:"created_at"`
	DueAt     *time.Time `json:"due_at,omitempty" doc:"When it goes out or is tried again."`
	DoneAt    *time.Time `json:"done_at,omitempty" doc:"When it was sent or given up."`
	HandledBy string     `json:"handled_by,omitempty" doc:"Who saw to it."`
}

// Resend says where to send a notice once more.
type Resend struct {
	Identity string `json:"identity,omitempty" maxLength:"128" doc:"Id of one of the customer's addresses; left out: where it was sent before."`
}

type (
	noticesInput struct {
		Paged
		Case  string `query:"case" maxLength:"40" doc:"All of this case, in the order they were planned."`
		State string `query:"state" enum:"held,pending,sending,retry,uncertain,sent,delivered,read,dead,skipped" doc:"All in this state, oldest first."`
	}
	noticeInput struct {
		ID string `path:"id" maxLength:"128" doc:"Id of the notice."`
	}
	resendInput struct {
		ID   string `path:"id" maxLength:"128" doc:"Id of the notice."`
		Body Resend `required:"false"`
	}
)

func (a *API) noticeOperations(r *registrar) {
	verb := func(op operation) operation {
		op.method, op.tag, op.refuses = http.MethodPost, "Notices", []int{403, 404, 409}
		return op
	}
	register(r, operation{id: "list-notices", method: http.MethodGet, path: "/notices", tag: "Notices", summary: "List notices to customers",
		about: "Those of cases that you may read. Without a filter: what did not arrive and nobody has seen to, oldest first.", refuses: []int{403, 404}}, a.listNotices)
	register(r, verb(operation{id: "send-notice", path: "/notices/{id}/send", summary: "Let a held notice go out now",
		about: "Once it has gone out: 409 late."}), a.sendNotice)
	register(r, verb(operation{id: "cancel-notice", path: "/notices/{id}/cancel", summary: "Stop a held notice",
		about: "The customer is told nothing. Once it has gone out: 409 late."}), a.cancelNotice)
	register(r, verb(operation{id: "resend-notice", path: "/notices/{id}/resend", summary: "Send once more what did not arrive",
		about: "To the same address, or to another one of the customer. A repeat to the same address is 409 late and sends nothing.",
		body:  optionalJSON, example: map[string]any{}}), a.resendNotice)
	register(r, verb(operation{id: "handle-notice", path: "/notices/{id}/handled", summary: "Mark what did not arrive as seen to"}), a.handleNotice)
}

func noticeOf(n desk.Notice) Notice {
	return Notice{
		ID: n.ID, Case: n.Case, Message: n.Message, Template: n.Template, Channel: n.Channel, To: addressOf(n.To), State: n.State,
		Reason: n.Reason, Open: n.Open, Held: n.Held, Tries: n.Tries, CreatedAt: n.Created.UTC(), DueAt: moment(n.Due), DoneAt: moment(n.Done), HandledBy: n.Handled,
	}
}

func (a *API) listNotices(ctx context.Context, c *call, in *noticesInput) (*plain[List[Notice]], error) {
	if in.Case != "" && in.State != "" {
		return nil, invalid(parameter("state", "leave it out with case, or leave case out"))
	}
	c.number = in.Case // whose content a refusal is about
	of, err := a.listed(ctx, c, in.Cursor, "notices", in.Case, in.State)
	if err != nil {
		return nil, err
	}
	all, next, err := a.Post.Notices(ctx, c.actor, desk.NoticeFilter{Case: in.Case, State: in.State}, of.mark, in.Limit)
	if err != nil {
		return nil, err
	}
	out := &plain[List[Notice]]{Body: List[Notice]{Items: []Notice{}, Next: of.write(next)}}
	for _, n := range all {
		out.Body.Items = append(out.Body.Items, noticeOf(n))
	}
	return out, nil
}

func noticed(n desk.Notice, err error) (*plain[Notice], error) {
	if err != nil {
		return nil, err
	}
	return &plain[Notice]{Body: noticeOf(n)}, nil
}

func (a *API) sendNotice(ctx context.Context, c *call, in *noticeInput) (*plain[Notice], error) {
	return noticed(a.Post.Hurry(ctx, c.actor, in.ID))
}

func (a *API) cancelNotice(ctx context.Context, c *call, in *noticeInput) (*plain[Notice], error) {
	return noticed(a.Post.Cancel(ctx, c.actor, in.ID))
}

func (a *API) resendNotice(ctx context.Context, c *call, in *resendInput) (*plain[Notice], error) {
	return noticed(a.Post.Resend(ctx, c.actor, in.ID, in.Body.Identity))
}

func (a *API) handleNotice(ctx context.Context, c *call, in *noticeInput) (*plain[Notice], error) {
	return noticed(a.Post.Handled(ctx, c.actor, in.ID))
}
