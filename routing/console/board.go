package console

import (
	"cmp"
	"errors"
	"net/http"
	"slices"
	"strings"
	"time"

	"casewire/casecore/store"
	"casewire/routing/console/words"
	"casewire/routing/desk"
)

type boardPage struct {
	shell
	Heading string
	Waiting int
	Overdue int
	Oldest  time.Time
	Groups  []cardGroup
	More    int // waiting beyond what is shown
	Mine    []handCase
	Fill    int // per cent of the capacity
	Blank   cardRow
}

type cardGroup struct {
	Priority string
	Cards    []cardRow
}

// cardRow is one waiting case: nothing here comes from its customer's words.
type cardRow struct {
	Number, Queue, Kind, Category, Priority, Status string

	Back          bool // it was worked on before
	Received, Due time.Time
	SLA           desk.SLA
	Bar           int    // of 40: how much of its time is over
	Say           string // for those who hear the page
	Place         string // sorts within its group
}

type handCase struct {
	Number, Customer, Subject, Status, Stage string

	Waiting bool
	Updated time.Time
}

var priorities = []string{"urgent", "high", "normal", "low"}

func (c *Console) board(v *visit) error { return c.showBoard(v, http.StatusOK, doneNotice(v)) }

// doneNotice confirms what led here, named in the address by a word of ours and a
// case's number; anything else there says nothing.
func doneNotice(v *visit) *notice {
	n, err := desk.ParseNumber(v.r.FormValue("case"))
	text := v.Or("done."+v.r.FormValue("done"), "")
	if err != nil || text == "" {
		return nil
	}
	return &notice{Tone: "green", Icon: "check", Text: v.T("done."+v.r.FormValue("done"), "case", number(n))}
}

func (c *Console) showBoard(v *visit, code int, n *notice) error {
	s, err := c.shell(v, "board", v.T("nav.queues"))
	if err != nil {
		return err
	}
	p := boardPage{shell: s, Heading: v.T("board.title"), Blank: cardRow{Priority: "normal", Kind: "webchat"}}
	p.Notice = n
	want := v.r.FormValue("queue")
	groups := map[string][]cardRow{}
	for _, q := range s.snapshot.Queues {
		if want != "" && q.ID != want {
			continue
		}
		if want != "" {
			p.Queue, p.Heading, p.Title = q.ID, v.Policy(q.Name), v.Policy(q.Name)
		}
		p.Waiting += q.Counts.Waiting
		p.Overdue += q.Counts.Overdue
		p.More += q.Counts.Waiting - len(q.Cards)
		if o := q.Counts.Oldest; !o.IsZero() && (p.Oldest.IsZero() || o.Before(p.Oldest)) {
			p.Oldest = o
		}
		for _, card := range q.Cards {
			groups[card.Priority] = append(groups[card.Priority], c.row(v.Locale, card, v.now))
		}
	}
	if want != "" && p.Queue == "" {
		return errNoPage
	}
	for _, name := range priorities {
		slices.SortFunc(groups[name], func(a, b cardRow) int { return cmp.Compare(a.Place, b.Place) })
		p.Groups = append(p.Groups, cardGroup{name, groups[name]})
	}
	p.Mine, p.Fill = c.hand(v, s), fill(s.Held, v.by.Capacity)
	return c.show(v, code, "board", p)
}

func (c *Console) row(l *words.Locale, d desk.Card, now time.Time) cardRow {
	r := cardRow{
		Number: d.Number, Queue: d.Queue, Kind: d.ChannelKind, Category: d.Category, Priority: d.Priority,
		Status: d.Status, Back: d.Status != c.o.Flow().Spec().Initial, Received: d.ReceivedAt, Due: d.DueAt,
		SLA: d.SLA, Place: store.TimeKey(d.ReceivedAt) + " " + d.Number,
	}
	if total := d.DueAt.Sub(d.ReceivedAt); !d.DueAt.IsZero() && total > 0 {
		r.Bar = int(40 * min(max(now.Sub(d.ReceivedAt), 0), total) / total)
	}
	say := []string{d.Number, l.T("priority." + d.Priority), l.Or("kind."+d.ChannelKind, d.ChannelKind), category(l, d.Category),
		c.queueName(l, d.Queue), l.T("card.waiting", "span", l.Span(now.Sub(d.ReceivedAt)))}
	if !d.DueAt.IsZero() {
		say = append(say, l.T("card.answer", "due", due(l, "due.late", d.DueAt, now)))
	}
	r.Say = strings.Join(say, ", ")
	return r
}

func (c *Console) hand(v *visit, s shell) []handCase {
	var out []handCase
	for _, m := range s.snapshot.Mine {
		out = append(out, handCase{
			Number: m.Number, Customer: cmp.Or(m.Customer, v.T("customer.unknown")), Subject: m.Subject,
			Status: v.Policy(c.o.Flow().Status(m.Status).Name), Stage: m.Stage,
			Waiting: m.Waiting, Updated: m.UpdatedAt,
		})
	}
	// Who waits for an answer comes first.
	slices.SortStableFunc(out, func(a, b handCase) int { return cmp.Compare(before(a.Waiting), before(b.Waiting)) })
	return out
}

func before(yes bool) int {
	if yes {
		return 0
	}
	return 1
}

func fill(held, capacity int) int {
	if capacity <= 0 {
		return 0
	}
	return min(100, 100*held/capacity)
}

// next takes the most pressing case and opens it.
func (c *Console) next(v *visit) error {
	got, err := c.o.Work.Next(v.ctx(), v.by, v.r.FormValue("queue"))
	if errors.Is(err, store.ErrNotFound) {
		return c.showBoard(v, http.StatusNotFound, &notice{Tone: "green", Icon: "check", Text: v.T("board.nothing"), Mend: v.T("board.empty_do")})
	}
	if err != nil {
		return err
	}
	return v.goTo("/desk/cases/" + got.CaseNumber())
}

type minePage struct {
	shell
	Rows   []mineRow
	Answer int // cases whose customer waits for an answer
	Late   int
}

type mineRow struct {
	Number, Customer, Subject, Status, Stage, Kind, Priority string

	Waiting      bool
	Due, Updated time.Time
	SLA          string
}

// mine lists the cases that the operator holds.
func (c *Console) mine(v *visit) error {
	s, err := c.shell(v, "mine", v.T("mine.title"))
	if err != nil {
		return err
	}
	p := minePage{shell: s}
	for _, m := range s.snapshot.Mine {
		r := mineRow{
			Number: m.Number, Customer: cmp.Or(m.Customer, v.T("customer.unknown")), Subject: m.Subject,
			Status: v.Policy(c.o.Flow().Status(m.Status).Name), Stage: m.Stage, Kind: m.ChannelKind,
			Priority: m.Priority, Waiting: m.Waiting, Due: m.DueAt, Updated: m.UpdatedAt,
			SLA: slaWord(m.ReceivedAt, m.DueAt, v.now),
		}
		if m.Waiting {
			p.Answer++
		}
		if r.SLA == "overdue" {
			p.Late++
		}
		p.Rows = append(p.Rows, r)
	}
	slices.SortStableFunc(p.Rows, func(a, b mineRow) int { return cmp.Compare(before(a.Waiting), before(b.Waiting)) })
	return c.show(v, http.StatusOK, "mine", p)
}

// find opens a case by its number.
func (c *Console) find(v *visit) error {
	q := strings.TrimSpace(v.r.FormValue("q"))
	if q == "" {
		return v.goTo("/desk/")
	}
	n, err := desk.ParseNumber(q)
	if err != nil {
		n, err = desk.ParseNumber("CW-" + q)
	}
	if err != nil {
		return &saying{code: http.StatusNotFound, key: "find.bad", icon: "search"}
	}
	return v.goTo("/desk/cases/" + number(n))
}

func slaWord(received, due, now time.Time) string {
	switch {
	case due.IsZero():
		return string(desk.SLANone)
	case !now.Before(due):
		return string(desk.SLAOverdue)
	case !now.Before(due.Add(-due.Sub(received) / 4)):
		return string(desk.SLASoon)
	}
	return string(desk.SLAOK)
}
