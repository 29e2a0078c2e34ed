package console

import (
	"cmp"
	"maps"
	"slices"
	"strings"
	"time"

	"casewire/casecore"
	"casewire/casecore/flow"
	"casewire/channels"
	"casewire/routing/desk"
)

// casePerson is the customer's panel.
type casePerson struct {
	CustomerID, CustomerName, CustomerLang string

	Identities []identity
	Facts      []fact
	Wishes     *wishes
}

type identity struct {
	Kind               channels.Kind
	Handle             string
	Verified, Answered bool
	First, Away        bool   // where they want to be told first; no channel can write there
	Shut               string // why nothing may be sent there
	ShutBy, ShutWhy    string // of a wish: who took it down, and the reason they gave
	ShutAt             time.Time
	Reopen             string // id, when an operator's word is enough to send there again
	OptOut, OptIn      string // id, when the operator may take down that wish
	Call               string // id, when the operator may have it called
}

func (c *Console) person(v *visit, view *desk.View) casePerson {
	k, who := view.Case, view.Customer
	p := casePerson{
		CustomerID:   who.ID,
		CustomerName: cmp.Or(strings.TrimSpace(who.Name), strings.TrimSpace(k.To.Name), v.T("customer.unknown")),
		CustomerLang: languageName(v, who.Reads(k)),
	}
	dials := view.MayWork && c.o.Dials != nil && c.o.Dials(v.ctx(), k.CaseNumber())
	for _, i := range view.Identities {
		if i.Address.Kind == channels.Desk {
			continue // it stands for a case that was entered by hand
		}
		id := identity{Kind: i.Address.Kind, Handle: shownHandle(v, i.Address), Verified: i.Verified, Answered: i.Address.Key() == k.To.Key()}
		c.standing(v, view, i, &id)
		if dials && (id.Kind == channels.SMS || id.Kind == channels.Voice) && !withheld(i) {
			id.Call = i.ID
		}
		p.Identities = append(p.Identities, id)
	}
	p.Wishes = c.wishes(v, view)
	for _, a := range slices.Sorted(maps.Keys(who.Attributes)) {
		p.Facts = append(p.Facts, fact{v.Or("attr.key."+a, a), who.Attributes[a]})
	}
	return p
}

// withheld says that a caller did not give their number.
func withheld(i *casecore.Identity) bool { return i.Shut != nil && i.Shut.Code == "withheld" }

// shut says why an address may not be written to: in our words, with the provider's
// code to look up.
func shut(v *visit, i *casecore.Identity) string {
	switch {
	case i.Shut.Code == casecore.StopCode:
		return v.T("customer.shut_stop")
	case i.Shut.Reason == channels.BadAddress && i.Address.Kind == channels.Email:
		return v.T("customer.shut_mail", "code", cmp.Or(clip(plain(i.Shut.Code)), "—"))
	}
	why := cause(v, string(i.Shut.Reason), "")
	if i.Shut.Code != "" {
		why += ": " + clip(plain(i.Shut.Code))
	}
	return why
}

// casePlace says in whose hands the case is and where it could go.
type casePlace struct {
	QueueID, OwnerName string

	Owned      bool
	Others     []queueName
	Colleagues []Colleague
}

type queueName struct{ ID, Name string }

func (c *Console) place(v *visit, view *desk.View) casePlace {
	p := casePlace{QueueID: view.Case.Queue, Owned: view.Case.Owner != "", OwnerName: view.Case.OwnerName}
	for _, q := range c.o.Router().Queues() {
		if q.ID != p.QueueID {
			p.Others = append(p.Others, queueName{q.ID, v.Policy(q.Name)})
		}
	}
	return p
}

// caseClocks are the times of the case.
type caseClocks struct {
	Received, Due, StatusAt time.Time

	SLA     string
	Running time.Duration // on the clock that the centre answers for
	Spent   []spent
}

type spent struct {
	Name  string
	Stage flow.Category
	Time  time.Duration
	Share int // of 100
	Over  bool
}

func (c *Console) clocks(v *visit, view *desk.View) caseClocks {
	k, f := view.Case, c.o.Flow()
	p := caseClocks{Received: k.Received, Due: k.DueAt, StatusAt: k.StatusAt, SLA: slaWord(k.Received, k.DueAt, v.now)}
	spans := casecore.Spans(f.Spec().Initial, view.Events)
	for id, d := range casecore.Spent(spans, f, v.now) {
		if f.Status(id).Category.Active() {
			p.Running += d
		}
	}
	all := casecore.Spent(spans, nil, v.now)
	var longest time.Duration
	for _, s := range spans {
		status := f.Status(s.Status)
		d, ok := all[s.Status]
		if !ok || status.Category == flow.Closed {
			continue
		}
		delete(all, s.Status)
		d = d.Truncate(minute) // so that a page differs only when it reads differently
		longest = max(longest, d)
		limit := time.Duration(status.Limit)
		p.Spent = append(p.Spent, spent{
			Name: v.Policy(status.Name), Stage: status.Category, Time: d, Over: limit > 0 && d > limit,
		})
	}
	for i := range p.Spent {
		if longest > 0 {
			p.Spent[i].Share = max(2, int(100*p.Spent[i].Time/longest))
		}
	}
	return p
}

// caseTrace answers "why is it here?".
type caseTrace struct {
	TraceSays, TraceFoot string

	Reasons   []reason
	TraceOpen bool
}

type reason struct {
	Name    string
	Matched []string
}

func (c *Console) trace(v *visit, view *desk.View) caseTrace {
	t, queue := view.Case.Trace, view.Case.Queue
	for _, e := range view.Events {
		if e.Kind == casecore.Opened {
			queue = e.To
			break
		}
	}
	p := caseTrace{TraceOpen: true}
	if t.Rule == "" {
		p.TraceSays = v.T("trace.no_rule", "queue", c.queueName(v.Locale, queue))
		return p
	}
	p.TraceSays = v.T("trace.rule", "rule", t.Rule, "queue", c.queueName(v.Locale, queue))
	foot := []string{v.T("trace.revision", "n", t.Revision)}
	if t.Skipped > 0 {
		foot = append(foot, v.N("trace.skipped", t.Skipped))
	}
	p.TraceFoot = strings.Join(foot, " · ")
	for _, r := range t.Reasons {
		shown := make([]string, len(r.Matched))
		for i, m := range r.Matched {
			shown[i] = clip(m)
		}
		p.Reasons = append(p.Reasons, reason{v.Or("trace.on."+r.Condition, r.Condition), shown})
	}
	return p
}
