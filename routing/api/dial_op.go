package api

import (
	"context"
	"errors"
	"net/http"

	"casewire/casecore"
	"casewire/casecore/store"
	"casewire/routing/desk"
)

// Dialling says where to call a customer.
type Dialling struct {
	Identity string `json:"identity,omitempty" maxLength:"128" doc:"Id of one of the customer's addresses with a phone number; left out: where they last wrote from, or any."`
}

type dialInput struct {
	Numbered
	Creating
	Body Dialling `required:"false"`
}

func (a *API) dialOperations(r *registrar) {
	register(r, operation{
		id: "call-customer", method: http.MethodPost, path: "/cases/{number}/call", tag: "Work", summary: "Call the customer",
		about: "Your own phone rings, and when you answer, the customer's. The answer comes once the provider has agreed; what becomes of the call is on the timeline: an event called, with the call of the event calling. " +
			"When the call cannot be made: 409 no_call, which the timeline says, too.",
		status: http.StatusAccepted, body: optionalJSON, refuses: []int{403, 404, 409}, example: map[string]any{},
	}, a.callCustomer)
}

func (a *API) callCustomer(ctx context.Context, c *call, in *dialInput) (*created[Case], error) {
	return once(ctx, a, c, in.Key, "", func(keep keep[Case]) (*created[Case], error) {
		var out *created[Case]
		err := a.Dial(ctx, c.actor, c.number, in.Body.Identity, func(tx store.Tx, k *casecore.Case, _ *casecore.Message) error {
			out = &created[Case]{Status: http.StatusAccepted, ETag: etag(k.Version), Body: caseOf(k)}
			return keep(tx, out)
		})
		if err != nil {
			return nil, refuseCall(err)
		}
		return out, nil
	})
}

// refuseCall says why there is no call; other errors are not about calls.
func refuseCall(err error) error {
	if n, ok := errors.AsType[*desk.NoCall](err); ok {
		return problem("no_call", n.Words)
	}
	if o, ok := errors.AsType[*casecore.OnCall](err); ok {
		return problem("calling", o.Error())
	}
	switch {
	case errors.Is(err, desk.ErrNoPhone):
		return problem("no_phone", err.Error())
	case errors.Is(err, casecore.ErrNoNumber):
		return problem("no_number", err.Error())
	}
	return err
}
