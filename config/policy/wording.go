package policy

import (
	"context"
	"errors"
	"fmt"
	"regexp"
	"slices"
	"time"

	"casewire/casecore"
	"casewire/casecore/lang"
	"casewire/casecore/store"
	"casewire/channels"
	"casewire/config/internal/strict"
	"casewire/notify"
	"casewire/notify/render"
	"casewire/routing/wording"
)

// Wording lets supervisors change the templates of a Live policy. It is safe for
// concurrent use.
type Wording struct {
	Store store.Store
	Live  *Live
	// Read returns a case with its customer, if the actor may read it.
	Read func(ctx context.Context, by casecore.Actor, number string) (*casecore.Case, *casecore.Customer, error)
	// Link is the address of a case's own page; nil or empty: none.
	Link func(c *casecore.Case) string
	// Channel returns a channel for addresses of a kind; nil: there is none.
	Channel func(kind channels.Kind) (id string, ok bool)
	// Measure says what sending a text takes, and false for a channel that does not
	// count.
	Measure func(channel, text, tag string) (channels.Measure, bool)
	Now     func() time.Time
}

var _ wording.Room = (*Wording)(nil)

var kinds = []channels.Kind{channels.Email, channels.SMS, channels.Telegram, channels.WebChat}

// Book returns the templates in force.
func (w *Wording) Book(_ context.Context, by casecore.Actor) (*wording.Book, error) {
	if !wording.May(by) {
		return nil, casecore.ErrForbidden
	}
	p := w.Live.Current()
	out := &wording.Book{Revision: p.Revision, Languages: p.Notify.Languages(), Fallback: p.Notify.Fallback()}
	for _, t := range p.Document.Notices.Templates {
		out.Templates = append(out.Templates, wording.Template{
			Draft: wording.Draft{ID: t.ID, Subject: t.Subject, Text: t.Text, Urgent: t.Urgent},
			Uses:  usesOf(p.Document, t.ID), Findings: w.lint(p, t, nil, nil),
		})
	}
	for _, v := range render.Variables() {
		out.Variables = append(out.Variables, wording.Variable{Name: v.Name, Meaning: v.Meaning, Example: v.Example, Optional: v.Optional, Shapes: v.Shapes})
	}
	return out, nil
}

func usesOf(d *Document, id string) []wording.Use {
	var out []wording.Use
	for _, u := range d.Uses(id) {
		out = append(out, wording.Use(u))
	}
	return out
}

// on returns a channel of a kind.
func (w *Wording) on(kind channels.Kind) (string, bool) {
	if w.Channel == nil {
		return "", false
	}
	return w.Channel(kind)
}

// lint judges a template by the channels that there are and the values of a case.
func (w *Wording) lint(p *Policy, t notify.Template, c *casecore.Case, who *casecore.Customer) []wording.Finding {
	_, mail := w.on(channels.Email)
	o := notify.LintOptions{Languages: p.Notify.Languages(), Fallback: p.Notify.Fallback(), Mail: mail,
		Values: func(tag string) render.Values { return w.values(p, t.ID, tag, c, who) }}
	if id, ok := w.on(channels.SMS); ok && w.Measure != nil {
		if _, counts := w.Measure(id, "", lang.Fallback); counts {
			o.Measure = func(text, tag string) channels.Measure { m, _ := w.Measure(id, text, tag); return m }
		}
	}
	var out []wording.Finding
	for _, f := range notify.Lint(t, o) {
		out = append(out, wording.Finding{Error: f.Severity == notify.Wrong, Hint: f.Severity == notify.Hint, Field: f.Field, Lang: f.Lang,
			Line: f.Line, Col: f.Col, Code: f.Code, Args: f.Args, Detail: f.Msg, Mend: f.Mend})
	}
	return out
}

func (w *Wording) values(p *Policy, id, tag string, c *casecore.Case, who *casecore.Customer) render.Values {
	t := notify.Trial{Case: c, Customer: who, At: w.now()}
	if c != nil && w.Link != nil {
		t.Link = w.Link(c)
	}
	return p.Notify.Sample(id, tag, t)
}

func (w *Wording) now() time.Time {
	if w.Now == nil {
		return time.Now()
	}
	return w.Now()
}

// Try shows a draft on each kind of channel that there is.
func (w *Wording) Try(ctx context.Context, by casecore.Actor, d wording.Draft, t wording.Trial) (*wording.Tried, error) {
	if !wording.May(by) {
		return nil, casecore.ErrForbidden
	}
	p, out := w.Live.Current(), &wording.Tried{}
	var c *casecore.Case
	var who *casecore.Customer
	if t.Case != "" {
		var err error
		if c, who, err = w.Read(ctx, by, t.Case); err != nil {
			return nil, err
		}
		out.Customer = who.Name
	}
	tpl := templateOf(d)
	out.Findings = w.lint(p, tpl, c, who)
	draft := p.Notify.Draft(tpl)
	langs := t.Langs
	if len(langs) == 0 {
		langs = p.Notify.Languages()
	}
	for _, tag := range langs {
		r := wording.Rendered{Lang: tag, In: draft.Lang(tag)}
		var ok bool
		if r.Subject, r.Text, ok = draft.Render(tag, w.values(p, d.ID, r.In, c, who)); !ok {
			r.Broken = true
		} else {
			r.Shown = w.shown(r.Text, r.In)
		}
		out.Rendered = append(out.Rendered, r)
	}
	return out, nil
}

// shown is a text on each kind of channel that there is.
func (w *Wording) shown(text, tag string) []wording.Shown {
	var out []wording.Shown
	for _, k := range kinds {
		id, ok := w.on(k)
		if !ok {
			continue
		}
		s := wording.Shown{Kind: k, Text: text}
		if w.Measure != nil {
			if m, counts := w.Measure(id, text, tag); counts {
				s.Measure, s.Text = &m, m.Sent
			}
		}
		out = append(out, s)
	}
	return out
}

func templateOf(d wording.Draft) notify.Template {
	return tidied(notify.Template{ID: d.ID, Subject: d.Subject, Text: d.Text, Urgent: d.Urgent})
}

var templateID = regexp.MustCompile(`^[a-z][a-z0-9_-]{0,63}$`)

// Save puts a draft in force.
func (w *Wording) Save(ctx context.Context, by casecore.Actor, d wording.Draft, c wording.Change) (int64, error) {
	return w.change(ctx, by, c, "template "+d.ID, func(p *Policy, document []byte) ([]byte, error) {
		t := templateOf(d)
		there := slices.ContainsFunc(p.Document.Notices.Templates, func(o notify.Template) bool { return o.ID == d.ID })
		switch {
		case c.New && there:
			return nil, &wording.Taken{ID: d.ID}
		case c.New && !templateID.MatchString(d.ID):
			return nil, &wording.Invalid{Findings: []wording.Finding{{Error: true, Field: "id", Code: "bad_id",
				Detail: fmt.Sprintf("%q is no id", d.ID), Mend: "write small letters, digits, - and _, such as ready-again"}}}
		case !c.New && !there:
			return nil, fmt.Errorf("template %q: %w", d.ID, store.ErrNotFound)
		}
		var faults []wording.Finding
		for _, f := range w.lint(p, t, nil, nil) {
			if f.Error {
				faults = append(faults, f)
			}
		}
		if len(faults) > 0 {
			return nil, &wording.Invalid{Findings: faults}
		}
		return SetTemplate(document, t)
	})
}

// Drop takes a template out that nothing sends.
func (w *Wording) Drop(ctx context.Context, by casecore.Actor, id string, c wording.Change) (int64, error) {
	return w.change(ctx, by, c, "without template "+id, func(p *Policy, document []byte) ([]byte, error) {
		if !slices.ContainsFunc(p.Document.Notices.Templates, func(o notify.Template) bool { return o.ID == id }) {
			return nil, fmt.Errorf("template %q: %w", id, store.ErrNotFound)
		}
		if uses := usesOf(p.Document, id); len(uses) > 0 {
			return nil, &wording.Used{Uses: uses}
		}
		return DropTemplate(document, id)
	})
}

// Restore puts an older text in force again.
func (w *Wording) Restore(ctx context.Context, by casecore.Actor, number int64, c wording.Change) (int64, error) {
	return w.change(ctx, by, c, fmt.Sprintf("revision %d again", number), func(*Policy, []byte) ([]byte, error) {
		rev, err := w.at(ctx, number)
		if err != nil {
			return nil, err
		}
		return []byte(rev.Text), nil
	})
}

// change publishes what edit makes of the document in force.
func (w *Wording) change(ctx context.Context, by casecore.Actor, c wording.Change, note string, edit func(*Policy, []byte) ([]byte, error)) (int64, error) {
	if !wording.May(by) {
		return 0, casecore.ErrForbidden
	}
	p := w.Live.Current()
	if p.Revision != c.Expect {
		return 0, &wording.Moved{Newest: p.Revision}
	}
	rev, err := w.at(ctx, p.Revision)
	if err != nil {
		return 0, err
	}
	text, err := edit(p, []byte(rev.Text))
	if errors.Is(err, ErrUnspliceable) {
		return 0, fmt.Errorf("%w (%w)", wording.ErrByHand, err)
	}
	if err != nil {
		return 0, err
	}
	if string(text) == rev.Text {
		return rev.Number, nil
	}
	if c.Note != "" {
		note = c.Note
	}
	next, err := w.Live.Publish(ctx, Draft{Author: by.Name, Note: note, Text: string(text), Expect: c.Expect})
	if stale, ok := errors.AsType[*Stale](err); ok {
		return 0, &wording.Moved{Newest: stale.Newest}
	}
	if faults, ok := errors.AsType[strict.Errors](err); ok {
		bad := &wording.Invalid{}
		for _, f := range faults {
			bad.Findings = append(bad.Findings, wording.Finding{Error: true, Code: notify.LintFault,
				Detail: fmt.Sprintf("policy, line %d, column %d: %s", f.Line, f.Column, f.Msg), Mend: f.Mend})
		}
		return 0, bad
	}
	if err != nil {
		return 0, err
	}
	return next.Number, nil
}

func (w *Wording) at(ctx context.Context, number int64) (rev *Revision, err error) {
	err = w.Store.View(ctx, func(tx store.Tx) error {
		rev, err = At(tx, number)
		return err
	})
	return rev, err
}

// History lists revisions without their texts.
func (w *Wording) History(ctx context.Context, by casecore.Actor, before int64, limit int) ([]wording.Revision, error) {
	if !wording.May(by) {
		return nil, casecore.ErrForbidden
	}
	var out []wording.Revision
	err := w.Store.View(ctx, func(tx store.Tx) error {
		out = nil
		revs, err := History(tx, before, limit)
		for _, r := range revs {
			shown := w.revision(r)
			shown.Text = ""
			out = append(out, shown)
		}
		return err
	})
	return out, err
}

// Revision returns one of them whole.
func (w *Wording) Revision(ctx context.Context, by casecore.Actor, number int64) (*wording.Revision, error) {
	if !wording.May(by) {
		return nil, casecore.ErrForbidden
	}
	if number == 0 {
		number = w.Live.Current().Revision
	}
	rev, err := w.at(ctx, number)
	if err != nil {
		return nil, err
	}
	out := w.revision(rev)
	return &out, nil
}

func (w *Wording) revision(r *Revision) wording.Revision {
	return wording.Revision{Number: r.Number, Author: r.Author, Note: r.Note, At: r.At, Text: r.Text, Force: r.Number == w.Live.Current().Revision}
}
