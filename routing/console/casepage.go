package console

import (
	"cmp"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"casewire/casecore"
	"casewire/casecore/flow"
	"casewire/casecore/lang"
	"casewire/channels"
	"casewire/routing/desk"
)

// latest is how many messages a case page shows unless all are asked for.
const latest = 200

// casePage is the case as its page shows it.
type casePage struct {
	shell
	casePerson
	casePlace
	caseClocks
	caseTrace

	Number, Subject, Stage, Priority string

	Linked string // number of the case that it may belong to
	Call   *call
	Invite *invitation
	Full   bool // the whole page, not parts of it

	Status     string // id
	Waiting    bool
	Broken     bool
	MayWork    bool
	MayClaim   bool
	MayNote    bool
	MayAttach  bool
	MayInvite  bool
	Version    uint64
	ClaimNo    int64
	LastIn     int64 // Seq of the customer's last message
	InboundAt  time.Time
	BackTo     string
	Kind       channels.Kind
	Days       []day
	Earlier    int
	Moves      []move
	Attributes []attribute
	Suggested  []string
	Priorities []string
	Tags       []string
	MaxText    int
	Measured   bool // answers are paid by their length
	Draft      draft
	Typed      typed
	Top        *notice // above everything; Notice is the composer's
}

// draft is a text that could not be sent and is shown again.
type draft struct{ Kind, Text string }

type move struct {
	ID, Name, Missing, Subject, Told, Untold string

	Stage     flow.Category
	ToldBy    channels.Kind
	Parts     int       // that are paid, where texts are paid by their length
	At        time.Time // when it would be told
	Held      bool      // not at once
	Tells     bool
	TakesBack bool
	Asks      bool // the page shows what it does before it is done
}

// attribute has what the case says in Value, and in Typed what its field shows.
type attribute struct{ Key, Label, Value, Typed, Needed string }

func (c *Console) casePage(v *visit) error {
	view, err := c.o.Work.Read(v.ctx(), v.by, v.r.PathValue("number"))
	if errors.Is(err, casecore.ErrForbidden) {
		return c.claimPage(v, err)
	}
	if err != nil {
		return err
	}
	return c.showCase(v, http.StatusOK, view, nil)
}

// again is what a failed change leaves on the page.
type again struct {
	draft draft
	typed url.Values // of the other forms; nil: show what the case says
	at    string     // "write": beside the composer
	n     *notice

	invite *invitation // not of a failure: what is to be seen once
}

func (c *Console) showCase(v *visit, code int, view *desk.View, a *again) error {
	s, err := c.shell(v, "case", view.Case.CaseNumber())
	if err != nil {
		return err
	}
	p := c.present(v, view)
	if err := c.lay(v, view, &p); err != nil {
		return err
	}
	p.shell, p.Title = s, p.Number+" "+p.Subject
	p.Path = Prefix + "cases/" + p.Number
	if p.MayWork && c.o.Preview != nil {
		c.preview(v, view.Case, p.Moves)
	}
	if p.MayWork && c.o.Colleagues != nil {
		if p.Colleagues, err = c.o.Colleagues(v.ctx()); err != nil {
			return fmt.Errorf("list colleagues: %w", err)
		}
	}
	if a != nil {
		p.Draft, p.Invite = a.draft, a.invite
		p.keep(a.typed)
		if a.at == "write" {
			p.Notice = a.n
		} else {
			p.Top = a.n
		}
	}
	v.w.Header().Add("Vary", "X-Part")
	if v.r.Header.Get("X-Part") != "" {
		return c.show(v, code, "regions", p)
	}
	p.Full = true
	return c.show(v, code, "case", p)
}

func (c *Console) preview(v *visit, k *casecore.Case, moves []move) {
	for i := range moves {
		if moves[i].Missing != "" {
			continue
		}
		told, err := c.o.Preview(v.ctx(), k, moves[i].ID)
		if err != nil {
			c.o.Log.WarnContext(v.ctx(), "preview of a notice", "status", moves[i].ID, "error", err)
			continue
		}
		if moves[i].Tells = told != nil; told == nil {
			continue
		}
		m := &moves[i]
		m.Subject, m.Parts = told.Subject, told.Parts
		m.Told, m.ToldBy, m.At, m.Held, m.TakesBack = told.Text, told.Kind, told.At, told.At.After(v.now.Add(time.Second)), told.TakesBack
		if told.Reason != "" {
			m.Untold = cause(v, told.Reason, "")
		}
		m.Asks = m.Told != "" || m.TakesBack || m.Untold != ""
	}
}

// present turns a view into what the templates show.
func (c *Console) present(v *visit, view *desk.View) casePage {
	k := view.Case
	p := casePage{
		Number: k.CaseNumber(), Subject: cmp.Or(strings.TrimSpace(k.Subject), v.T("case.no_subject")),
		Linked: k.Linked, Stage: string(k.Stage), Status: k.Status, Priority: k.Priority.String(), Waiting: k.Waiting, Broken: k.Broken,
		MayWork: view.MayWork, MayClaim: view.MayClaim,
		MayNote:   casecore.Authorize(v.by, casecore.VerbNote, k) == nil,
		MayAttach: view.MayWork && c.o.Files != nil,
		Version:   k.Version, ClaimNo: k.ClaimNo, InboundAt: k.InboundAt, BackTo: "/desk/mine", Kind: k.To.Kind,
		Tags: k.Tags, Priorities: priorities, MaxText: casecore.MaxText, Measured: c.measured(k),
	}
	if k.Owner != v.by.ID {
		p.BackTo = "/desk/?queue=" + queryEscape(k.Queue)
		if !v.by.Serves(k.Queue) {
			p.BackTo = Prefix
		}
	}
	for _, m := range view.Messages {
		if m.Direction == casecore.In {
			p.LastIn = m.Seq
		}
	}
	p.Typed.Subject = p.Subject
	p.casePerson = c.person(v, view)
	p.casePlace = c.place(v, view)
	p.caseClocks = c.clocks(v, view)
	p.caseTrace = c.trace(v, view)
	for _, m := range view.Moves {
		p.Moves = append(p.Moves, move{
			ID: m.Status.ID, Name: v.Policy(m.Status.Name), Stage: m.Status.Category,
			Missing: c.attributeNames(v, m.Missing), Tells: m.Status.Notice != "",
		})
	}
	p.Attributes = c.attributeList(v, view)
	for _, key := range usual {
		if _, shown := k.Attributes[key]; !shown {
			p.Suggested = append(p.Suggested, key)
		}
	}
	p.Call = c.call(v, view)
	p.MayInvite = view.MayWork && c.o.Link != nil && c.o.Links != nil && c.o.Links()
	return p
}

// lay puts the conversation onto the page.
func (c *Console) lay(v *visit, view *desk.View, p *casePage) error {
	t := talk{c: c, v: v, view: view, customer: p.CustomerName}
	var err error
	if t.notices, err = c.heldBack(v, view); err != nil {
		return fmt.Errorf("notices of a case: %w", err)
	}
	if t.others, err = c.others(v, view); err != nil {
		return fmt.Errorf("other cases of a customer: %w", err)
	}
	p.Days, p.Earlier = t.days(v.r.FormValue("all") != "")
	return nil
}

// usual are the attributes that a repair centre asks for, in that order.
var usual = []string{"product", "brand", "model", "serial"}

func (c *Console) attributeList(v *visit, view *desk.View) []attribute {
	needed := map[string][]string{}
	for _, m := range view.Moves {
		for _, a := range m.Missing {
			needed[a] = append(needed[a], v.Policy(m.Status.Name))
		}
	}
	keys := slices.Clone(usual)
	for _, k := range slices.Concat(slices.Sorted(maps.Keys(needed)), slices.Sorted(maps.Keys(view.Case.Attributes))) {
		if !slices.Contains(keys, k) {
			keys = append(keys, k)
		}
	}
	var out []attribute
	for _, k := range keys {
		a := attribute{Key: k, Label: v.Or("attr.key."+k, k), Value: view.Case.Attributes[k], Typed: view.Case.Attributes[k]}
		if n := needed[k]; len(n) > 0 {
			a.Needed = v.T("attr.needed", "statuses", strings.Join(n, ", "))
		}
		out = append(out, a)
	}
	return out
}

func (c *Console) attributeNames(v *visit, keys []string) string {
	names := make([]string, len(keys))
	for i, k := range keys {
		names[i] = strings.ToLower(v.Or("attr.key."+k, k))
	}
	return strings.Join(names, ", ")
}

// claimPage is shown instead of a case that may not be read yet. It is made of
// the card alone, so that it cannot show more.
func (c *Console) claimPage(v *visit, refusal error) error {
	snap, err := c.o.Board.Snapshot(v.ctx(), v.by)
	if err != nil {
		return err
	}
	want, err := desk.ParseNumber(v.r.PathValue("number"))
	if err != nil {
		return err
	}
	for _, q := range snap.Queues {
		for _, card := range q.Cards {
			if card.Number != number(want) {
				continue
			}
			p := faultPage{
				Title: card.Number, Centre: c.o.Centre(), Tone: "accent", Icon: "lock", Number: card.Number, Claim: true,
				Heading: v.T("claim.title", "case", card.Number), Text: v.T("claim.text"),
				Facts: []fact{
					{v.T("place.queue"), v.Policy(q.Name)},
					{v.T("customer.channel"), v.Or("kind."+card.ChannelKind, card.ChannelKind)},
					{v.T("attr.category"), category(v.Locale, card.Category)},
					{v.T("attr.priority"), v.T("priority." + card.Priority)},
					{v.T("clocks.waits"), v.Span(v.now.Sub(card.ReceivedAt))},
				},
			}
			if !card.DueAt.IsZero() {
				p.Facts = append(p.Facts, fact{v.T("clocks.due"), due(v.Locale, "due.late", card.DueAt, v.now)})
			}
			return c.show(v, http.StatusForbidden, "fault", p)
		}
	}
	return refusal
}

// languageName is a language in the operator's words.
func languageName(v *visit, tag string) string {
	base := lang.Base(tag)
	if base == "" {
		return ""
	}
	return v.Or("language."+base, base)
}
