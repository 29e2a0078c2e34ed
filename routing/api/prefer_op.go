package api

import (
	"context"
	"net/http"

	"casewire/casecore"
)

// Wished is why an address is written to no more, or again.
type Wished struct {
	Reason string `json:"reason" minLength:"1" maxLength:"500" doc:"How the customer said so. It is kept on the case." example:"asked on the phone"`
}

// Page is the address of a customer's own page.
type Page struct {
	URL string `json:"url" doc:"Whoever has it sees how the case stands and may choose how the customer is written to: give it to nobody else." example:"https://help.example.com/c/AQAxk0TOKEN"`
}

type wishedInput struct {
	Numbered
	Identity string `path:"identity" maxLength:"128" doc:"Id of the customer's address."`
	Body     Wished
}

func (a *API) preferOperations(r *registrar) {
	step := func(op operation) operation {
		op.tag, op.refuses = "Work", append(op.refuses, 403, 404, 409)
		if op.method == "" {
			op.method = http.MethodPost
		}
		return op
	}
	reason := map[string]any{"reason": "asked on the phone"}
	register(r, step(operation{id: "opt-out-address", path: "/cases/{number}/addresses/{identity}/opt-out", summary: "Write to an address no more",
		about: "On the customer's wish. Notices go to their other addresses.", body: jsonBody, example: reason}), a.optOut)
	register(r, step(operation{id: "opt-in-address", path: "/cases/{number}/addresses/{identity}/opt-in", summary: "Write to an address again, as the customer wishes",
		about: "Takes an opt-out back that was told to us. One that the customer sent to their provider, STOP, only they can take back: 409 wish.", body: jsonBody, example: reason}), a.optIn)
	register(r, step(operation{id: "get-page", method: http.MethodGet, path: "/cases/{number}/page", summary: "Get the link to the customer's own page"}), a.getPage)
	register(r, step(operation{id: "renew-page", path: "/cases/{number}/page", summary: "Make a new link to the customer's own page",
		about: "All earlier links to the page open nothing any more."}), a.renewPage)
}

func (a *API) optOut(ctx context.Context, c *call, in *wishedInput) (*stated[Case], error) {
	return stateOf(a.Work.OptOut(ctx, c.actor, c.number, in.Identity, in.Body.Reason))
}

func (a *API) optIn(ctx context.Context, c *call, in *wishedInput) (*stated[Case], error) {
	return stateOf(a.Work.OptIn(ctx, c.actor, c.number, in.Identity, in.Body.Reason))
}

func (a *API) getPage(ctx context.Context, c *call, _ *caseInput) (*plain[Page], error) {
	view, err := a.Work.Glance(ctx, c.actor, c.number)
	if err != nil {
		return nil, err
	}
	if err := casecore.Authorize(c.actor, casecore.VerbWork, view.Case); err != nil {
		return nil, err
	}
	return a.pageOf(view.Case)
}

func (a *API) renewPage(ctx context.Context, c *call, _ *caseInput) (*plain[Page], error) {
	k, err := a.Work.RenewPage(ctx, c.actor, c.number)
	if err != nil {
		return nil, err
	}
	return a.pageOf(k)
}

func (a *API) pageOf(k *casecore.Case) (*plain[Page], error) {
	url := ""
	if a.Page != nil {
		url = a.Page(k)
	}
	if url == "" {
		return nil, problem("no_page", "customers have no pages while public_url is not set")
	}
	return &plain[Page]{Body: Page{URL: url}}, nil
}
