package api

import (
	"context"
	"errors"
	"fmt"
	"net/http"

	"casewire/casecore"
	"casewire/casecore/store"
	"casewire/routing/desk"
)

// Called is how a call to the customer went.
type Called struct {
	Outcome string `json:"outcome" enum:"reached,no_answer,wrong" doc:"The customer knows; nobody answered, so call again; or the number is not theirs."`
	Note    string `json:"note,omitempty" maxLength:"500" doc:"For colleagues, on the timeline."`
}

// Refiling says where a message belongs.
type Refiling struct {
	To string `json:"to" minLength:"1" maxLength:"40" doc:"Number of another case of the same customer, or new for a case of its own." example:"CW-000124"`
}

// Link is an address that opens a chat with us.
type Link struct {
	URL string `json:"url" doc:"Whoever opens it first, within 30 days, is taken for this customer: give it to nobody else." example:"https://t.me/orbita_bot?start=TOKEN"`
}

// newCase stands for a new case where a number is asked.
const newCase = "new"

type (
	calledInput struct {
		Numbered
		Creating
		Body Called
	}
	refileInput struct {
		Numbered
		Message string `path:"message" maxLength:"128" doc:"Id of the message."`
		Body    Refiling
	}
	reopenInput struct {
		Numbered
		Identity string `path:"identity" maxLength:"128" doc:"Id of the customer's address."`
	}
)

func (a *API) reachOperations(r *registrar) {
	step := func(op operation) operation {
		op.method, op.tag, op.refuses = http.MethodPost, "Work", append(op.refuses, 403, 404, 409)
		return op
	}
	register(r, step(operation{id: "called-customer", path: "/cases/{number}/called", summary: "Say how a call to the customer went",
		about: "Ends the case's call, unless nobody answered. With an Idempotency-Key a repeat counts once.", body: jsonBody,
		example: map[string]any{"outcome": "reached", "note": "will pick it up on Friday"}}), a.calledCustomer)
	register(r, step(operation{id: "refile-message", path: "/cases/{number}/messages/{message}/refile", summary: "Move a customer's message to another case",
		about: "For when it was filed under the wrong one; moving it back is the undo. A new case is placed by the rules.", body: jsonBody,
		example: map[string]any{"to": "CW-000124"}}), a.refileMessage)
	register(r, step(operation{id: "link-customer", path: "/cases/{number}/link", summary: "Make a link by which the customer adds their chat",
		about: "With the bot, once. Each request makes another link."}), a.linkCustomer)
	register(r, step(operation{id: "reopen-address", path: "/cases/{number}/addresses/{identity}/reopen", summary: "Write to an address again",
		about: "After it was given up. A customer's own wish not to be written to stays: 409 wish."}), a.reopenAddress)
	a.preferOperations(r)
}

func (a *API) calledCustomer(ctx context.Context, c *call, in *calledInput) (*created[Case], error) {
	return once(ctx, a, c, in.Key, "", func(keep keep[Case]) (*created[Case], error) {
		var out *created[Case]
		_, err := a.Work.Also(func(tx store.Tx, k *casecore.Case, _ *casecore.Message) error {
			out = &created[Case]{Status: http.StatusOK, ETag: etag(k.Version), Body: caseOf(k)}
			return keep(tx, out)
		}).Called(ctx, c.actor, c.number, in.Body.Outcome, in.Body.Note, nil)
		return out, err
	})
}

func (a *API) refileMessage(ctx context.Context, c *call, in *refileInput) (*stated[Case], error) {
	if _, err := desk.ParseNumber(in.Body.To); err != nil && in.Body.To != newCase {
		return nil, invalid(at("to", "write the number of a case, like CW-000124, or "+newCase))
	}
	if err := a.holds(ctx, c, in.Message); err != nil {
		return nil, err
	}
	k, err := a.Refile(ctx, c.actor, in.Message, in.Body.To)
	switch {
	case errors.Is(err, casecore.ErrNotTheirs):
		return nil, invalid(at("to", "this customer has no such case"))
	case errors.Is(err, casecore.ErrNotMovable):
		return nil, invalid(parameter("message", casecore.ErrNotMovable.Error()))
	case err != nil:
		return nil, err
	}
	return &stated[Case]{ETag: etag(k.Version), Body: openedBy(c.actor, k)}, nil
}

// holds says whether the case that the address names has this message, to whoever
// may know of the case. Whether they may move it is the book's to say.
func (a *API) holds(ctx context.Context, c *call, message string) error {
	return a.Store.View(ctx, func(tx store.Tx) error {
		k, err := caseByNumber(tx, c.number)
		if err != nil {
			return err
		}
		if err := casecore.Authorize(c.actor, casecore.VerbCard, k); err != nil {
			return err
		}
		m, err := casecore.Messages.Get(tx, message)
		if err == nil && m.Case != k.ID {
			err = fmt.Errorf("message: %w", store.ErrNotFound)
		}
		return err
	})
}

func (a *API) linkCustomer(ctx context.Context, c *call, _ *caseInput) (*plain[Link], error) {
	url, err := a.Link(ctx, c.actor, c.number)
	if err != nil {
		return nil, err
	}
	if url == "" {
		return nil, problem("no_link", "no channel has links that open a chat; set up a Telegram bot, or wait until it has started")
	}
	return &plain[Link]{Body: Link{URL: url}}, nil
}

func (a *API) reopenAddress(ctx context.Context, c *call, in *reopenInput) (*stated[Case], error) {
	return stateOf(a.Work.Reopen(ctx, c.actor, c.number, in.Identity))
}
