package console

import (
	"cmp"
	"fmt"
	"regexp"
	"slices"
	"strings"
	"time"

	"casewire/casecore"
	"casewire/casecore/flow"
	"casewire/channels"
	"casewire/routing/desk"
)

// day is one day of the conversation: messages, and what happened between them.
type day struct {
	ID, Name string
	Items    []item
}

// item is one message, or the events since the last one.
type item struct {
	ID      string
	Message *message
	Events  []happening
	Folded  bool
	Last    string
}

type message struct {
	Seq                    int64
	Side, Author, Initials string
	Direction              casecore.Direction
	Hue                    int
	Auto, Follows, Bad     bool
	Kind                   channels.Kind // only where it differs from the case's own
	Status, BodySubject    string
	Text, Quoted           []piece
	Images, Files          []attached
	Letter                 *letterBox // a mail as it was formatted
	Source                 string     // where its raw form is
	Earlier                []earlier  // what it said before its sender edited it, the latest first
	Buttons                []string
	Broken                 string
	At                     time.Time
	Delivery               *delivery
}

// piece is a stretch of text, and where it leads when it is a link.
type piece struct{ Text, URL string }

type attached struct {
	URL, Name string
	Size      int64
}

// earlier is what an edited message said until At.
type earlier struct {
	Text  []piece
	Files []string
	At    time.Time
}

type happening struct {
	Icon, Text, Reason string
	At                 time.Time
}

// talk lays out the conversation of one case.
type talk struct {
	c        *Console
	v        *visit
	view     *desk.View
	customer string
}

// moment is a message or an event, for putting both in order.
type moment struct {
	at    time.Time
	m     *casecore.Message
	e     *casecore.Event
	order int
}

func (t talk) days(all bool) (out []day, earlier int) {
	messages := t.view.Messages
	if !all && len(messages) > latest {
		earlier = len(messages) - latest
		messages = messages[earlier:]
	}
	var since time.Time
	if earlier > 0 {
		since = messages[0].At
	}
	var last *casecore.Message
	for _, x := range t.moments(messages, since) {
		at := x.at.In(t.v.now.Location())
		id := at.Format("2006-01-02")
		if n := len(out); n == 0 || out[n-1].ID != id {
			out = append(out, day{ID: id, Name: t.v.Day(at, t.v.now)})
			last = nil
		}
		items := &out[len(out)-1].Items
		if x.m != nil {
			m := t.message(x.m)
			m.Follows = follows(last, x.m)
			*items = append(*items, item{ID: fmt.Sprintf("m-%d", x.m.Seq), Message: &m})
			last = x.m
			continue
		}
		h := t.happening(x.e)
		if n := len(*items); n > 0 && (*items)[n-1].Message == nil {
			(*items)[n-1].Events = append((*items)[n-1].Events, h)
		} else {
			*items = append(*items, item{ID: fmt.Sprintf("e-%d", x.e.Seq), Events: []happening{h}})
		}
		last = nil
	}
	for d := range out {
		for i := range out[d].Items {
			if it := &out[d].Items[i]; len(it.Events) > 2 {
				it.Folded, it.Last = true, it.Events[len(it.Events)-1].Text
			}
		}
	}
	return out, earlier
}

func (t talk) moments(messages []*casecore.Message, since time.Time) []moment {
	var all []moment
	for _, m := range messages {
		all = append(all, moment{at: m.At, m: m, order: 1})
	}
	for _, e := range t.view.Events {
		switch e.Kind {
		case casecore.Received, casecore.Answered, casecore.Told, casecore.Noted:
			continue // the message itself is shown
		}
		if !e.At.Before(since) {
			all = append(all, moment{at: e.At, e: e, order: 2})
		}
	}
	slices.SortStableFunc(all, func(a, b moment) int {
		return cmp.Or(a.at.Compare(b.at), cmp.Compare(a.order, b.order))
	})
	return all
}

// follows says that m goes on where its author left off a moment ago.
func follows(last, m *casecore.Message) bool {
	return last != nil && last.Direction == m.Direction && last.Author == m.Author && last.Auto == m.Auto &&
		last.Channel == m.Channel && last.Status == m.Status && m.At.Sub(last.At) < 5*time.Minute
}

func (t talk) message(m *casecore.Message) message {
	out := message{
		Seq: m.Seq, Side: string(m.Direction), Direction: m.Direction, Auto: m.Auto, At: m.At, Status: t.told(m),
		Author: m.AuthorName, Text: pieces(m.Body.Text), Broken: m.Broken,
	}
	switch {
	case m.Direction == casecore.In:
		out.Author = cmp.Or(m.From.Name, t.customer)
		out.Hue = hue(t.view.Case.Customer)
	case m.Auto, out.Author == "":
		out.Author = t.c.o.Centre()
	}
	out.Initials = initials(out.Author)
	if k := m.Customer().Kind; m.Direction != casecore.Note && k != t.view.Case.To.Kind {
		out.Kind = k
	}
	if s := strings.TrimSpace(m.Body.Subject); s != "" && s != strings.TrimSpace(t.view.Case.Subject) {
		out.BodySubject = s
	}
	for _, b := range m.Body.Buttons {
		out.Buttons = append(out.Buttons, b.Label)
	}
	for i, f := range m.Body.Files {
		a := attached{URL: fmt.Sprintf("/desk/cases/%s/files/%s/%d", t.view.Case.CaseNumber(), m.ID, i), Name: fileName(f.Name), Size: f.Size}
		if t.c.shown(t.v.ctx(), f) {
			out.Images = append(out.Images, a)
		} else {
			out.Files = append(out.Files, a)
		}
	}
	out.Quoted = pieces(m.Body.Quoted)
	out.Letter, out.Source = t.letter(m), t.source(m)
	for _, old := range slices.Backward(m.Versions) {
		e := earlier{Text: pieces(old.Body.Text), At: old.At}
		for _, f := range old.Body.Files {
			e.Files = append(e.Files, fileName(f.Name))
		}
		out.Earlier = append(out.Earlier, e)
	}
	if m.Direction == casecore.Out && m.Delivery != nil {
		out.Delivery = t.delivery(m.Delivery)
		out.Bad = out.Delivery.Tone == "red"
	}
	return out
}

// told names the status that a notice tells of in the operator's words. The notice
// keeps it in the customer's; where that is none of ours any more, it stands alone.
func (t talk) told(m *casecore.Message) string {
	if m.Status == "" {
		return ""
	}
	f := t.c.o.Flow()
	var near []flow.Status
	for _, e := range t.view.Events {
		if (e.Kind == casecore.Moved || e.Kind == casecore.Reopened) && !e.At.After(m.At) {
			near = append(near, f.Status(e.To))
		}
	}
	slices.Reverse(near)
	for _, s := range append(near, f.Spec().Statuses...) {
		for _, name := range s.Name {
			if name == m.Status {
				return t.v.T("message.status", "status", t.v.Policy(s.Name))
			}
		}
	}
	return m.Status
}

var links = regexp.MustCompile(`https?://[^\s<>"'«»]+|[\pL\pN._%+-]+@[\pL\pN-]+(?:\.[\pL\pN-]+)+`)

// pieces cuts a text into plain stretches and links; nothing else in it has a
// meaning.
func pieces(text string) []piece {
	text = strings.TrimRight(text, " \n\r\t")
	var out []piece
	at := 0
	for _, span := range links.FindAllStringIndex(text, -1) {
		link := strings.TrimRight(text[span[0]:span[1]], ".,;:!?)]")
		if span[0] > at {
			out = append(out, piece{Text: text[at:span[0]]})
		}
		url := link
		if !strings.Contains(link, "://") {
			url = "mailto:" + link
		}
		out = append(out, piece{link, url})
		at = span[0] + len(link)
	}
	if at < len(text) {
		out = append(out, piece{Text: text[at:]})
	}
	return out
}

// happening puts an event into words. They name things, not deeds: deeds would
// need the operator's gender in three of the languages.
func (t talk) happening(e *casecore.Event) happening {
	v, f := t.v, t.c.o.Flow()
	status := func(id string) string { return v.Policy(f.Status(id).Name) }
	h := happening{At: e.At, Reason: e.Reason, Icon: "dot"}
	who := e.ActorName
	if strings.HasPrefix(e.Actor, "system:") {
		who = ""
	}
	args := []any{"name", who, "from", e.From, "to", e.To}
	switch e.Kind {
	case casecore.Opened:
		h.Icon, args = "inbox", []any{"to", t.c.queueName(v.Locale, e.To)}
	case casecore.Claimed:
		h.Icon, args = "bolt", []any{"to", cmp.Or(e.ToName, who)}
		who = ""
	case casecore.Assigned:
		h.Icon, args = "assign", []any{"to", e.ToName}
	case casecore.Released:
		h.Icon = "release"
	case casecore.Transferred:
		h.Icon, args = "transfer", []any{"from", t.c.queueName(v.Locale, e.From), "to", t.c.queueName(v.Locale, e.To)}
	case casecore.Moved, casecore.Reopened:
		h.Icon, args = string(f.Status(e.To).Category), []any{"from", status(e.From), "to", status(e.To)}
	case casecore.Edited:
		h.Icon, args = "edit", []any{"to", t.edited(e.To)}
	case casecore.Undelivered:
		h.Icon, args = "alarm", []any{"to", cause(v, e.To, e.To)}
	case casecore.Revised:
		h.Icon = "edit"
	case casecore.ShutOff:
		h.Icon, args = "offline", []any{"to", cause(v, e.To, e.To)}
	case casecore.ShutOver:
		h.Icon = "check"
	}
	h.Text = v.T("event."+string(e.Kind), args...)
	if who != "" {
		h.Text += " · " + who
	}
	return h
}

func (t talk) edited(names string) string {
	list := strings.Split(names, ", ")
	for i, k := range list {
		list[i] = strings.ToLower(t.v.Or("attr.key."+k, t.v.Or("attr."+k, k)))
	}
	return strings.Join(list, ", ")
}
