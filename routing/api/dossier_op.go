package api

import (
	"context"
	"net/http"

	"casewire/routing/dossier"
)

func (a *API) dossierOperations(r *registrar) {
	register(r, operation{
		id: "get-dossier", method: http.MethodGet, path: "/cases/{number}/dossier", tag: "Cases", summary: "Read what can be proved of a case",
		about: "Everything that was said, sent and done, each with its seal, and whether all of it is as it was written. " +
			"A seal is the SHA-256, in hexadecimal, of its record in canonical form (RFC 8785: members sorted by name, no white space). " +
			"Each event's record has the seal of the event before as prev, and says by words and place what the message that it names said; " +
			"the steps of a delivery form a chain that begins there. Reading it is not recorded.",
		refuses: []int{403, 404},
	}, a.getDossier)
}

func (a *API) getDossier(ctx context.Context, c *call, _ *caseInput) (*plain[*dossier.Dossier], error) {
	p, err := dossier.Gather(ctx, a.Work, a.Post, c.actor, c.number, a.o.Now())
	if err != nil {
		return nil, err
	}
	d, err := p.Dossier(a.english.Cause)
	if err != nil {
		return nil, err
	}
	return &plain[*dossier.Dossier]{Body: d}, nil
}
