// Package wordingtest is a wording.Room in memory, for tests of the faces that show
// one. It fills in {{case}} alone and finds two things wrong: "{{bad}}" as an
// error and "TODO" as a warning.
package wordingtest

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"
	"time"

	"casewire/casecore"
	"casewire/casecore/lang"
	"casewire/casecore/store"
	"casewire/channels"
	"casewire/routing/wording"
)

// Room is a wording.Room. The zero value is one without templates.
type Room struct {
	// Read returns the name of a case's customer, if the actor may read it.
	Read func(ctx context.Context, by casecore.Actor, number string) (string, error)

	mu        sync.Mutex
	templates map[string]wording.Template
	history   []wording.Revision
}

var _ wording.Room = (*Room)(nil)

// Put puts a template in force, as somebody else would.
func (r *Room) Put(t wording.Template) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.templates == nil {
		r.templates = map[string]wording.Template{}
	}
	r.templates[t.ID] = t
	r.publish("house", "template "+t.ID)
}

// publish adds a revision; its text lists the templates.
func (r *Room) publish(author, note string) int64 {
	n := int64(len(r.history) + 1)
	var text strings.Builder
	for _, id := range slices.Sorted(maps.Keys(r.templates)) {
		for _, l := range slices.Sorted(maps.Keys(r.templates[id].Text)) {
			fmt.Fprintf(&text, "%s %s: %s\n", id, l, r.templates[id].Text[l])
		}
	}
	r.history = append(r.history, wording.Revision{Number: n, Author: author, Note: note, At: time.Date(2026, 3, 1, 9, int(n), 0, 0, time.UTC), Text: text.String()})
	return n
}

func (r *Room) enter(by casecore.Actor) error {
	if !wording.May(by) {
		return casecore.ErrForbidden
	}
	r.mu.Lock()
	return nil
}

// Book lists all templates.
func (r *Room) Book(_ context.Context, by casecore.Actor) (*wording.Book, error) {
	if err := r.enter(by); err != nil {
		return nil, err
	}
	defer r.mu.Unlock()
	b := &wording.Book{Revision: int64(len(r.history)), Languages: lang.Supported, Fallback: lang.Fallback, Variables: []wording.Variable{
		{Name: "case", Meaning: lang.Text{"en": "number of the case", "ru": "номер обращения"}, Example: "CW-000123"},
		{Name: "opened", Meaning: lang.Text{"en": "when it was opened", "ru": "когда открыто"}, Example: "9 March 2026", Shapes: []string{"date", "short"}},
		{Name: "attr.*", Optional: true, Meaning: lang.Text{"en": "an attribute", "ru": "атрибут"}, Example: "Galaxy S24"},
	}}
	for _, id := range slices.Sorted(maps.Keys(r.templates)) {
		t := r.templates[id]
		t.Findings = findings(t.Draft)
		b.Templates = append(b.Templates, t)
	}
	return b, nil
}

func findings(d wording.Draft) []wording.Finding {
	var out []wording.Finding
	for _, l := range slices.Sorted(maps.Keys(d.Text)) {
		for code, sign := range map[string]string{"fault": "{{bad}}", "rest": "TODO"} {
			if i := strings.Index(d.Text[l], sign); i >= 0 {
				before := d.Text[l][:i]
				out = append(out, wording.Finding{Error: code == "fault", Field: "text", Lang: l, Code: code, Args: map[string]string{"what": sign},
					Line: strings.Count(before, "\n") + 1, Col: len([]rune(before[strings.LastIndex(before, "\n")+1:])) + 1,
					Detail: "no variable " + sign, Mend: "take it out"})
			}
		}
	}
	return out
}

// Try shows a draft as SMS and mail.
func (r *Room) Try(ctx context.Context, by casecore.Actor, d wording.Draft, t wording.Trial) (*wording.Tried, error) {
	if !wording.May(by) {
		return nil, casecore.ErrForbidden
	}
	out, number := &wording.Tried{Findings: findings(d)}, "CW-000123"
	if t.Case != "" {
		who, err := r.Read(ctx, by, t.Case)
		if err != nil {
			return nil, err
		}
		out.Customer, number = who, t.Case
	}
	for _, l := range t.Langs {
		in := l
		if !d.Text.Has(l) {
			in = lang.Fallback
		}
		text := strings.ReplaceAll(d.Text[in], "{{case}}", number)
		x := wording.Rendered{Lang: l, In: in, Subject: d.Subject[in], Text: text, Broken: strings.Contains(text, "{{bad}}")}
		if n := len([]rune(text)); !x.Broken {
			x.Shown = []wording.Shown{{Kind: channels.Email, Text: text}, {Kind: channels.SMS, Text: text,
				Measure: &channels.Measure{Sent: text, Runes: n, Parts: n/70 + 1, Left: 70 - n%70, Wide: true, Signs: "я"}}}
		}
		out.Rendered = append(out.Rendered, x)
	}
	return out, nil
}

// Save puts a draft in force.
func (r *Room) Save(_ context.Context, by casecore.Actor, d wording.Draft, c wording.Change) (int64, error) {
	if err := r.enter(by); err != nil {
		return 0, err
	}
	defer r.mu.Unlock()
	old, there := r.templates[d.ID]
	bad := slices.DeleteFunc(findings(d), func(f wording.Finding) bool { return !f.Error })
	switch {
	case c.Expect != int64(len(r.history)):
		return 0, &wording.Moved{Newest: int64(len(r.history))}
	case c.New && there:
		return 0, &wording.Taken{ID: d.ID}
	case !c.New && !there:
		return 0, fmt.Errorf("template: %w", store.ErrNotFound)
	case len(bad) > 0:
		return 0, &wording.Invalid{Findings: bad}
	case maps.Equal(old.Text, d.Text) && maps.Equal(old.Subject, d.Subject) && old.Urgent == d.Urgent && there:
		return c.Expect, nil
	}
	if r.templates == nil {
		r.templates = map[string]wording.Template{}
	}
	old.Draft = d
	r.templates[d.ID] = old
	return r.publish(by.Name, c.Note), nil
}

// Drop takes a template out.
func (r *Room) Drop(_ context.Context, by casecore.Actor, id string, c wording.Change) (int64, error) {
	if err := r.enter(by); err != nil {
		return 0, err
	}
	defer r.mu.Unlock()
	t, there := r.templates[id]
	switch {
	case c.Expect != int64(len(r.history)):
		return 0, &wording.Moved{Newest: int64(len(r.history))}
	case !there:
		return 0, fmt.Errorf("template: %w", store.ErrNotFound)
	case len(t.Uses) > 0:
		return 0, &wording.Used{Uses: t.Uses}
	}
	delete(r.templates, id)
	return r.publish(by.Name, c.Note), nil
}

// History lists revisions, newest first.
func (r *Room) History(_ context.Context, by casecore.Actor, before int64, limit int) ([]wording.Revision, error) {
	if err := r.enter(by); err != nil {
		return nil, err
	}
	defer r.mu.Unlock()
	var out []wording.Revision
	for _, rev := range slices.Backward(r.history) {
		if (before == 0 || rev.Number < before) && len(out) < limit {
			rev.Text, rev.Force = "", rev.Number == int64(len(r.history))
			out = append(out, rev)
		}
	}
	return out, nil
}

// Revision returns one of them.
func (r *Room) Revision(_ context.Context, by casecore.Actor, number int64) (*wording.Revision, error) {
	if err := r.enter(by); err != nil {
		return nil, err
	}
	defer r.mu.Unlock()
	if number == 0 {
		number = int64(len(r.history))
	}
	if number < 1 || number > int64(len(r.history)) {
		return nil, store.ErrNotFound
	}
	rev := r.history[number-1]
	rev.Force = number == int64(len(r.history))
	return &rev, nil
}

// Restore publishes the text of an older revision; the templates stay.
func (r *Room) Restore(_ context.Context, by casecore.Actor, number int64, c wording.Change) (int64, error) {
	if err := r.enter(by); err != nil {
		return 0, err
	}
	defer r.mu.Unlock()
	switch now := int64(len(r.history)); {
	case c.Expect != now:
		return 0, &wording.Moved{Newest: now}
	case number < 1 || number > now:
		return 0, store.ErrNotFound
	}
	n := r.publish(by.Name, c.Note)
	r.history[n-1].Text = r.history[number-1].Text
	return n, nil
}
