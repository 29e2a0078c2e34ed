package console

import (
	"cmp"
	"errors"
	"net/http"
	"slices"
	"strings"
	"time"

	"casewire/casecore"
	"casewire/channels"
	"casewire/routing/desk"
	"casewire/routing/dossier"
)

// dossierPage is what can be proved of a case, made to be printed.
type dossierPage struct {
	Title, Centre, Number, Subject, Zone string

	Facts     []fact
	Addresses []identity
	Sendings  []sendingRow
	Entries   []entry
	Proof     proofPart
	Made      time.Time
	MadeBy    string
}

// sendingRow is one notice or answer, and what became of it.
type sendingRow struct {
	What, Handle, Tone, Icon, State, Why, Code, Handled string

	Kind                channels.Kind
	Message             int64 // Seq of what it says; 0: nothing was written
	Created, Due, Ended time.Time
	Tries               int
}

// entry is one event, with the message that came with it.
type entry struct {
	Seq                int64
	At                 time.Time
	Icon, Text, Reason string
	Hash               string // empty: from before there were seals
	Bad                bool
	Message            *evidence
}

// evidence is a message, and how it fared.
type evidence struct {
	Seq                  int64
	Side, Author, Handle string
	Kind                 channels.Kind
	Template, Subject    string
	Text, Quoted, Broken string
	Files                []filed
	Earlier              []evidence // what it said before its sender edited it, oldest first
	Until                time.Time  // of those
	Note                 bool       // for colleagues: not shown
	Delivery             *delivery
	Steps                []stepped
	Hash                 string
}

type filed struct {
	Name, Hash string
	Size       int64
}

// stepped is one change of a delivery.
type stepped struct {
	No, Attempt    int64
	At             time.Time
	Word, By, Hash string
}

// proofPart is what checking the chains found.
type proofPart struct {
	Tone, Icon, Text string

	Since  int64 // the first event that is chained, when there are older ones
	Events int64
	Head   string
	Faults []wrong
}

type wrong struct{ Where, What, Text string }

func (c *Console) dossier(v *visit) error {
	p, err := dossier.Gather(v.ctx(), c.o.Work, c.o.Post, v.by, v.r.PathValue("number"), v.now)
	if errors.Is(err, casecore.ErrForbidden) {
		return c.claimPage(v, err)
	}
	if err != nil {
		return err
	}
	k := p.Case
	page := dossierPage{
		Centre: c.o.Centre(), Number: k.CaseNumber(), Subject: cmp.Or(strings.TrimSpace(k.Subject), v.T("case.no_subject")),
		Zone: c.o.Location().String() + v.now.Format(" (-07:00)"), Made: v.now, MadeBy: v.by.Name,
	}
	page.Title = v.T("dossier.of", "case", page.Number)
	who := c.person(v, p.View)
	page.Addresses = who.Identities
	page.Facts = c.dossierFacts(v, p, who.CustomerName)
	for _, n := range p.Notices {
		page.Sendings = append(page.Sendings, c.sendingRow(v, n, p))
	}
	page.Entries = c.entries(v, p, who.CustomerName)
	page.Proof = proofOf(v, p.Proof)
	return c.show(v, http.StatusOK, "dossier", page)
}

func (c *Console) dossierFacts(v *visit, p *dossier.Papers, customer string) []fact {
	k := p.Case
	stamp := func(t time.Time) string {
		if t.IsZero() {
			return ""
		}
		return exact(t.In(c.o.Location()))
	}
	facts := []fact{
		{v.T("customer.title"), customer},
		{v.T("status.title"), v.Policy(c.o.Flow().Status(k.Status).Name)},
		{v.T("place.queue"), c.queueName(v.Locale, k.Queue)},
		{v.T("dossier.holder"), k.OwnerName},
		{v.T("customer.channel"), channelName(v, k.Channel)},
		{v.T("dossier.opened_at"), stamp(k.Received)},
		{v.T("dossier.closed_at"), stamp(k.ClosedAt)},
		{v.T("attr.category"), category(v.Locale, k.Category)},
	}
	for _, a := range c.attributeList(v, p.View) {
		facts = append(facts, fact{a.Label, a.Value})
	}
	return slices.DeleteFunc(facts, func(f fact) bool { return f.Value == "" })
}

// exact writes a time to the second, the same in every language.
func exact(t time.Time) string { return t.Format("2006-01-02 15:04:05") }

// sent is how the state of a notice is drawn and called.
var sent = map[string]channels.State{
	"pending": channels.Queued, "retry": channels.Queued, "sending": channels.Sending, "uncertain": channels.Uncertain,
	"sent": channels.Sent, "delivered": channels.Delivered, "read": channels.Read, "dead": channels.Failed,
}

func (c *Console) sendingRow(v *visit, n desk.Notice, p *dossier.Papers) sendingRow {
	r := sendingRow{
		What: c.whatWasTold(v, n.Template), Kind: n.To.Kind, Handle: shownHandle(v, n.To), Created: n.Created, Due: n.Due, Ended: n.Done,
		Tries: n.Tries, Handled: n.Handled, Tone: "quiet", Icon: "clock", State: v.Or("dossier.state."+n.State, n.State),
		Why: unsent(v, n.Reason),
	}
	if s, ok := sent[n.State]; ok {
		r.Tone, r.Icon, r.State = look[s].tone, look[s].icon, v.T("delivery."+string(s))
	} else if n.State == "skipped" {
		r.Icon = "x"
	}
	if m := p.Message(n.Message); m != nil {
		r.Message = m.Seq
		if d := m.Delivery; d != nil && len(d.Attempts) > 0 && d.Attempts[len(d.Attempts)-1].Code != n.Reason {
			r.Code = d.Attempts[len(d.Attempts)-1].Code
		}
	}
	return r
}

// shownHandle is an address as people know it; empty where they know none.
func shownHandle(v *visit, a channels.Address) string {
	switch {
	case a.Kind.Hosted():
		return v.T("customer.visitor")
	case a.Kind == channels.Desk:
		return ""
	}
	return a.Handle
}

// entries lays out the events in their order, each message at the event that
// brought it.
func (c *Console) entries(v *visit, p *dossier.Papers, customer string) []entry {
	t := talk{c: c, v: v, view: p.View, customer: customer, notices: byMessage(p.Notices)}
	bad := map[int64]bool{}
	for _, f := range p.Proof.Faults {
		bad[f.Event] = true
	}
	shown := map[string]bool{}
	var out []entry
	for _, e := range p.Events {
		h := t.happening(e)
		x := entry{Seq: e.Seq, At: e.At, Icon: h.Icon, Text: h.Text, Reason: h.Reason, Hash: e.Hash, Bad: bad[e.Seq]}
		if key := "dossier.event." + string(e.Kind); brings(e) && v.Or(key, "") != "" {
			x.Text, x.Reason = v.T(key, "name", cmp.Or(e.ActorName, customer)), ""
			x.Icon = map[casecore.EventKind]string{casecore.Noted: "note", casecore.Received: "inbox"}[e.Kind]
			x.Icon = cmp.Or(x.Icon, "send")
		}
		if m := p.Message(e.Message); m != nil && brings(e) && !shown[m.ID] {
			shown[m.ID] = true
			x.Message = t.evidence(m)
		}
		out = append(out, x)
	}
	return out
}

// brings says that the event's message came into the case by it.
func brings(e *casecore.Event) bool {
	switch e.Kind {
	case casecore.Opened, casecore.Received, casecore.Answered, casecore.Told, casecore.Noted:
		return true
	case casecore.Refiled:
		return e.From != ""
	}
	return false
}

func (t talk) evidence(m *casecore.Message) *evidence {
	out := &evidence{
		Seq: m.Seq, Side: string(m.Direction), Author: m.AuthorName, Kind: m.Customer().Kind, Handle: shownHandle(t.v, m.Customer()),
		Subject: m.Body.Subject, Broken: m.Broken, Hash: m.Digest(),
	}
	switch m.Direction {
	case casecore.Note:
		out.Note = true
		return out
	case casecore.In:
		out.Author = cmp.Or(m.From.Name, t.customer)
	default:
		out.Author = cmp.Or(out.Author, t.c.o.Centre())
	}
	if m.Template != "" {
		out.Template = t.c.whatWasTold(t.v, m.Template)
	}
	out.Text, out.Quoted, out.Files = m.Body.Text, m.Body.Quoted, files(m.Body.Files)
	for _, old := range m.Versions {
		out.Earlier = append(out.Earlier, evidence{Text: old.Body.Text, Files: files(old.Body.Files), Until: old.At})
	}
	if d := m.Delivery; d != nil && m.Direction == casecore.Out {
		out.Delivery = t.delivery(m)
		for i := range d.Evidence {
			out.Steps = append(out.Steps, t.step(m, &d.Evidence[i]))
		}
	}
	return out
}

func (t talk) step(m *casecore.Message, e *casecore.Evidence) stepped {
	s := stepped{No: e.No, At: e.At, By: t.v.Or("dossier.by."+string(e.By), ""), Hash: e.Hash}
	state := e.State
	if e.Attempt != nil {
		s.Attempt, state = int64(e.Attempt.No), e.Attempt.State
	}
	s.Word = t.v.Or("delivery."+string(state), string(state))
	if state == channels.Cancelled {
		s.Word = t.stopped(m)
	}
	if e.Attempt != nil {
		if why := t.cause(*e.Attempt); why != "" {
			s.Word += ": " + why
		}
	}
	return s
}

func files(list []channels.File) []filed {
	var out []filed
	for _, f := range list {
		out = append(out, filed{Name: fileName(f.Name), Hash: f.Blob, Size: f.Size})
	}
	return out
}

func proofOf(v *visit, p casecore.Proof) proofPart {
	out := proofPart{Tone: "green", Icon: "check", Text: v.N("dossier.verified", int(p.Events)), Events: p.Events, Head: p.Head}
	switch {
	case len(p.Faults) > 0:
		out.Tone, out.Icon, out.Text = "red", "alarm", v.N("dossier.faulty", len(p.Faults))
	case p.From == 0:
		out.Tone, out.Icon, out.Text = "amber", "alarm", v.T("dossier.unsealed")
	}
	if p.From > 1 {
		out.Since = p.From
	}
	for _, f := range p.Faults {
		w := wrong{What: v.T("dossier.is." + string(f.What)), Text: f.Text}
		switch {
		case f.Message == 0:
			w.Where = v.T("dossier.at_event", "n", f.Event)
		case f.Entry > 0:
			w.Where = v.T("dossier.at_step", "message", f.Message, "n", f.Entry)
		default:
			w.Where = v.T("dossier.at_message", "n", f.Message)
		}
		out.Faults = append(out.Faults, w)
	}
	return out
}
