package api

import (
	"context"
	"strings"

	"casewire/casecore"
	"casewire/casecore/store"
	"casewire/routing/desk"
)

// maxScanned is how many cases one page may look at: what a filter leaves out
// costs time, too. The next page goes on behind them.
const maxScanned = 2000

type listInput struct {
	Paged
	Queue    string `query:"queue" maxLength:"64" doc:"Only of this queue."`
	Status   string `query:"status" maxLength:"64" doc:"Only in this status."`
	Assignee string `query:"assignee" maxLength:"128" doc:"Only held by this operator (id or login); \"me\" for yourself. Closed cases are left out."`
	Customer string `query:"customer" maxLength:"128" doc:"Only of this customer (id)."`
	Q        string `query:"q" maxLength:"100" doc:"A case number, or words that the subject holds."`
}

func (a *API) listCases(ctx context.Context, c *call, in *listInput) (*plain[List[Case]], error) {
	of, err := a.listed(ctx, c, in.Cursor, "cases", in.Queue, in.Status, in.Assignee, in.Customer, in.Q)
	if err != nil {
		return nil, err
	}
	owner, err := a.assignee(ctx, c.actor, in.Assignee)
	if err != nil {
		return nil, err
	}
	if in.Status != "" && !a.Flow().Known(in.Status) {
		return nil, invalid(parameter("status", "no such status in the policy"))
	}
	if _, ok := a.Router().Queue(in.Queue); in.Queue != "" && !ok {
		return nil, invalid(parameter("queue", "no such queue in the policy"))
	}
	r, key := a.caseRange(in, owner)
	r.After, r.Limit = of.mark, maxScanned
	wanted := func(k *casecore.Case) bool {
		return (in.Queue == "" || k.Queue == in.Queue) && (in.Status == "" || k.Status == in.Status) &&
			(owner == "" || k.Owner == owner) && (in.Customer == "" || k.Customer == in.Customer) &&
			said(k, in.Q) && casecore.Authorize(c.actor, casecore.VerbRead, k) == nil
	}
	out := &plain[List[Case]]{}
	err = a.Store.View(ctx, func(tx store.Tx) error {
		out.Body = List[Case]{Items: []Case{}}
		last, scanned := of.mark, 0
		for k, err := range casecore.Cases.Scan(tx, r) {
			if err != nil {
				return err
			}
			ok := wanted(k)
			if ok && len(out.Body.Items) == in.Limit {
				out.Body.Next = of.write(last)
				return nil
			}
			if ok {
				out.Body.Items = append(out.Body.Items, caseOf(k))
			}
			last = store.Mark{Key: key(k), ID: k.ID}
			if scanned++; scanned == maxScanned {
				out.Body.Next = of.write(last)
			}
		}
		return nil
	})
	return out, err
}

// caseRange chooses the index that leaves the least to look at.
func (a *API) caseRange(in *listInput, owner string) (store.Range, func(*casecore.Case) string) {
	r := store.Range{Reverse: true}
	switch {
	case isNumber(in.Q):
		n, _ := desk.ParseNumber(in.Q)
		r.Index, r.From = "number", store.NumberKey(n)
		r.To = r.From + "\x00"
	case owner != "":
		r.Index, r.Prefix = "owner", store.Under(owner)
	case in.Customer != "":
		r.Index, r.Prefix = "customer", store.Under(in.Customer)
	case in.Status != "":
		r.Index, r.Prefix = "stage", store.Under(string(a.Flow().Status(in.Status).Category), in.Status)
	default:
		r.Index = "number"
	}
	return r, func(k *casecore.Case) string {
		if keys := k.Keys()[r.Index]; len(keys) > 0 {
			return keys[0]
		}
		return ""
	}
}

func (a *API) assignee(ctx context.Context, by casecore.Actor, login string) (string, error) {
	switch login {
	case "":
		return "", nil
	case "me":
		return by.ID, nil
	}
	o, err := a.Staff.Find(ctx, login)
	if err != nil {
		return "", a.unknown(err, parameter("assignee", "no such operator"))
	}
	return o.ID, nil
}

func isNumber(q string) bool {
	_, err := desk.ParseNumber(q)
	return err == nil
}

// said tells whether the subject holds every word of q, or q is its number.
func said(k *casecore.Case, q string) bool {
	if isNumber(q) {
		return true // the range has chosen it
	}
	subject := strings.ToLower(k.Subject)
	for w := range strings.FieldsSeq(strings.ToLower(q)) {
		if !strings.Contains(subject, w) {
			return false
		}
	}
	return true
}

// caseByNumber finds a case by the number people see.
func caseByNumber(tx store.Tx, number string) (*casecore.Case, error) {
	n, err := desk.ParseNumber(number)
	if err != nil {
		return nil, err
	}
	return casecore.Cases.Find(tx, "number", store.NumberKey(n))
}
