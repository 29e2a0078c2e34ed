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
	From                   channels.Kind
	Copy                   string     // the channel that this copy came on
	Instead                string     // what this is sent in place of
	Writer                 string     // who wrote, when answers go to somebody else
	Cancelled              bool       // it was taken back
	Waits                  *waits     // it goes out later
	Move                   *whereElse // it may be moved to another case
}

// waits is a message that goes out later. Notice is its id, empty for whoever may
// not change that.
type waits struct {
	Case, Notice string
	At           time.Time
}

// whereElse is where a message may be moved.
type whereElse struct {
	URL    string
	Others []otherCase
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
	Case               string // another one that it is about
	Undo               string // where to take it back
	Here               string // the case of the page, for Undo
	At                 time.Time
}

// talk lays out the conversation of one case.
type talk struct {
	c        *Console
	v        *visit
	view     *desk.View
	customer string
	notices  map[string]desk.Notice // by message: those that wait, or were not sent
	others   []otherCase
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
			if it := &out[d].Items[i]; len(it.Events) > 2 && !slices.ContainsFunc(it.Events, func(h happening) bool { return h.Undo != "" }) {
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
		last.Channel == m.Channel && last.CopyOf == "" && m.CopyOf == "" && m.Instead == "" && last.Status == m.Status && m.At.Sub(last.At) < 5*time.Minute
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
	// Only mail has a subject: in an SMS nobody reads the template's.
	if s := strings.TrimSpace(m.Body.Subject); m.Customer().Kind == channels.Email && s != strings.TrimSpace(t.view.Case.Subject) {
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
		out.Delivery = t.delivery(m)
		out.Bad = out.Delivery.Tone == "red"
		out.Cancelled = m.Delivery.State == channels.Cancelled
	}
	t.twins(m, &out)
	return out
}

// twins says how a message stands to others, and what may be done with it.
func (t talk) twins(m *casecore.Message, out *message) {
	if m.CopyOf != "" {
		out.Copy, out.From = channelName(t.v, m.Channel), m.From.Kind
	}
	if w := m.Writer; w.Handle != "" && w.Key() != m.From.Key() {
		out.Writer = clip(plain(w.Handle))
		out.Follows = false
	}
	if m.Instead != "" {
		out.Instead = t.v.T("message.instead")
		if i := slices.IndexFunc(t.view.Messages, func(o *casecore.Message) bool { return o.ID == m.Instead }); i >= 0 {
			out.Instead = t.v.T("message.instead_of", "channel", t.v.Or("kind."+string(t.view.Messages[i].To.Kind), t.view.Messages[i].Channel))
		}
	}
	if n := t.notices[m.ID]; n.Held {
		out.Waits, out.Delivery = &waits{Case: t.view.Case.CaseNumber(), At: n.Due}, nil
		if t.view.MayWork {
			out.Waits.Notice = n.ID
		}
	}
	if m.Direction == casecore.In && t.view.MayWork && t.c.o.Refile != nil {
		out.Move = &whereElse{URL: t.at(m) + "/refile", Others: t.others}
	}
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
	key := "event." + string(e.Kind)
	who := e.ActorName
	if strings.HasPrefix(e.Actor, "system:") {
		who = ""
	}
	args := []any{"name", who, "from", e.From, "to", e.To}
	switch e.Kind {
	case casecore.Opened:
		h.Icon, h.Case, args = "inbox", e.From, []any{"to", t.c.queueName(v.Locale, e.To), "from", e.From}
		if e.From != "" {
			key = "event.opened_from"
		}
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
		h.Icon, args = "offline", []any{"to", v.Or("cause."+e.Reason, cause(v, e.To, e.To))}
		if v.Or("cause."+e.Reason, "") != "" {
			h.Reason = "" // said in words
		}
	case casecore.ShutOver:
		h.Icon = "check"
	case casecore.Refiled:
		h.Icon, h.Case, key = "transfer", e.From+e.To, "event.refiled_from"
		if e.To != "" {
			key, h.Undo, h.Here = "event.refiled_to", t.undo(e), t.view.Case.CaseNumber()
		}
	case casecore.Asked:
		h.Icon = "route"
	case casecore.Bound:
		h.Icon, args = "link", []any{"to", v.Or("kind."+e.To, e.To)}
	case casecore.Preferred, casecore.LangChosen, casecore.OptedOut, casecore.OptedIn:
		var to string
		key, h.Icon, to = t.wished(e)
		args, who = []any{"to", to}, cmp.Or(who, t.by(e))
	case casecore.PageRenewed:
		h.Icon = "link"
	case casecore.CallWanted:
		h.Icon, args = "voice", []any{"to", cause(v, e.To, e.To)}
	case casecore.Calling:
		h.Icon = "voice"
	case casecore.CallMade, casecore.CallTaken:
		outcome, own := strings.CutPrefix(e.To, "operator_")
		if h.Icon = "voice"; own {
			key = "event.called_operator"
		}
		args = []any{"to", v.Or("outcome."+outcome, outcome)}
	}
	h.Text = v.T(key, args...)
	if d := time.Duration(e.Seconds) * time.Second; d >= time.Minute {
		h.Text += " · " + v.Span(d)
	} else if d > 0 {
		h.Text += " · " + v.T("event.seconds", "n", e.Seconds)
	}
	if who != "" {
		h.Text += " · " + who
	}
	return h
}

// undo is where to take back that a message went to another case: for who moved it,
// as long as it is not here again.
func (t talk) undo(e *casecore.Event) string {
	here := slices.ContainsFunc(t.view.Messages, func(m *casecore.Message) bool { return m.ID == e.Message })
	later := slices.ContainsFunc(t.view.Events, func(o *casecore.Event) bool {
		return o.Kind == casecore.Refiled && o.Message == e.Message && o.Seq > e.Seq
	})
	if here || later || !t.view.MayWork || t.c.o.Refile == nil || e.Actor != t.v.by.ID && !t.v.by.Wide() {
		return ""
	}
	return fmt.Sprintf("%scases/%s/messages/%s/refile", Prefix, t.view.Case.CaseNumber(), e.Message)
}

func (t talk) edited(names string) string {
	list := strings.Split(names, ", ")
	for i, k := range list {
		list[i] = strings.ToLower(t.v.Or("attr.key."+k, t.v.Or("attr."+k, k)))
	}
	return strings.Join(list, ", ")
}
