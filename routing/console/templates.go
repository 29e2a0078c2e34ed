package console

import (
	"cmp"
	"errors"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"

	"casewire/casecore"
	"casewire/casecore/lang"
	"casewire/casecore/store"
	"casewire/routing/wording"
)

const templatesPath = Prefix + "policy/templates"

func templatePath(id string) string { return templatesPath + "/" + url.PathEscape(id) }

// wording is the room behind the pages about texts, for who may see them.
func (c *Console) wording(v *visit) (wording.Room, error) {
	switch {
	case c.o.Wording == nil:
		return nil, errNoPage
	case !wording.May(v.by):
		return nil, casecore.ErrForbidden
	}
	return c.o.Wording, nil
}

type templatesPage struct {
	shell
	Rows []templateRow
}

// templateRow is one template in the list.
type templateRow struct {
	ID, Path, Name, Begin string

	Uses             []string
	Langs            []string
	Errors, Warnings int
	Urgent           bool
}

// templates lists what customers are told.
func (c *Console) templates(v *visit) error { return c.showTemplates(v, http.StatusOK, nil) }

func (c *Console) showTemplates(v *visit, code int, n *notice) error {
	room, err := c.wording(v)
	if err != nil {
		return err
	}
	book, err := room.Book(v.ctx(), v.by)
	if err != nil {
		return err
	}
	s, err := c.shell(v, "templates", v.T("tpl.title"))
	if err != nil {
		return err
	}
	p := templatesPage{shell: s}
	if p.Notice = n; n == nil {
		p.Notice = changedNotice(v)
	}
	for _, t := range book.Templates {
		r := templateRow{ID: t.ID, Path: templatePath(t.ID), Name: templateName(v, &t), Urgent: t.Urgent, Uses: usesIn(v, t.Uses), Langs: languagesOf(book, t.Draft)}
		r.Begin, _, _ = strings.Cut(v.Policy(t.Text), "\n")
		for _, f := range t.Findings {
			switch {
			case f.Error:
				r.Errors++
			case !f.Hint:
				r.Warnings++
			}
		}
		p.Rows = append(p.Rows, r)
	}
	return c.show(v, code, "templates", p)
}

// templateName names a template by the status that tells it, or by what we call it.
func templateName(v *visit, t *wording.Template) string {
	for _, u := range t.Uses {
		if u.Kind == "status" {
			return v.Policy(u.Text)
		}
	}
	return v.Or("template."+t.ID, t.ID)
}

func languagesOf(b *wording.Book, d wording.Draft) []string {
	var out []string
	for _, l := range allLanguages(b, d) {
		if d.Text.Has(l) {
			out = append(out, l)
		}
	}
	return out
}

// allLanguages are those of the centre and those of the draft.
func allLanguages(b *wording.Book, d wording.Draft) []string {
	out := slices.Clone(b.Languages)
	for _, l := range lang.Supported {
		if !slices.Contains(out, l) && (d.Text.Has(l) || d.Subject.Has(l)) {
			out = append(out, l)
		}
	}
	return out
}

// usesIn says in words where a template is sent.
func usesIn(v *visit, uses []wording.Use) []string {
	var out []string
	for _, u := range uses {
		name := u.Name
		switch {
		case len(u.Text) > 0:
			name = v.Policy(u.Text)
		case u.Kind == "event":
			name = v.Or("tpl.event."+u.Name, u.Name)
		}
		out = append(out, v.T("tpl.use_"+u.Kind, "name", name))
	}
	return out
}

// changedNotice says what has just been done to the policy.
func changedNotice(v *visit) *notice {
	q := v.r.URL.Query()
	key := "tpl.done_" + q.Get("done")
	if _, ok := v.Phrase(key); !ok {
		return nil
	}
	return &notice{Tone: "green", Icon: "check", Text: v.T(key, "n", clip(q.Get("revision")))}
}

// draftIn reads a draft from the form, with what else the editor has.
type draftIn struct {
	wording.Draft
	url.Values
	revision int64
	langs    []string // that the form has fields for
}

func (v *visit) draft() (draftIn, error) {
	if err := v.readForm(maxForm); err != nil {
		return draftIn{Values: url.Values{}}, err
	}
	d := draftIn{Values: v.r.PostForm, Draft: wording.Draft{ID: strings.TrimSpace(v.r.PostForm.Get("id")), Subject: lang.Text{}, Text: lang.Text{}}}
	d.Urgent = d.Get("urgent") != ""
	d.revision, _ = strconv.ParseInt(d.Get("revision"), 10, 64)
	for _, l := range lang.Supported {
		if d.Has("text." + l) {
			d.langs = append(d.langs, l)
		}
		for at, into := range map[string]lang.Text{"subject." + l: d.Subject, "text." + l: d.Text} {
			if s := plain(strings.ReplaceAll(d.Get(at), "\r\n", "\n")); strings.TrimSpace(s) != "" {
				into[l] = s
			}
		}
	}
	return d, nil
}

// template shows the editor of one template, or of a new one.
func (c *Console) template(v *visit) error {
	room, err := c.wording(v)
	if err != nil {
		return err
	}
	book, err := room.Book(v.ctx(), v.by)
	if err != nil {
		return err
	}
	t, ok := book.Find(v.r.PathValue("id"))
	if !ok {
		return store.ErrNotFound
	}
	return c.edit(v, room, book, editing{draft: t.Draft, revision: book.Revision, notice: changedNotice(v), lang: v.r.URL.Query().Get("lang")})
}

func (c *Console) newTemplate(v *visit) error {
	room, err := c.wording(v)
	if err != nil {
		return err
	}
	book, err := room.Book(v.ctx(), v.by)
	if err != nil {
		return err
	}
	return c.edit(v, room, book, editing{fresh: true, revision: book.Revision})
}

// saveTemplate puts what was written in force. Whatever stands in the way, the
// words come back.
func (c *Console) saveTemplate(v *visit) error {
	room, err := c.wording(v)
	if err != nil {
		return err
	}
	d, err := v.draft()
	fresh := v.r.PathValue("id") == ""
	if !fresh {
		d.ID = v.r.PathValue("id")
	}
	revision := int64(0)
	if err == nil {
		revision, err = room.Save(v.ctx(), v.by, d.Draft, wording.Change{Note: strings.TrimSpace(limit(d.Get("note"), 200)), Expect: d.revision, New: fresh})
	}
	if err == nil {
		done := "saved"
		if revision == d.revision {
			done = "same"
		}
		return v.goTo(templatePath(d.ID) + "?done=" + done + "&revision=" + strconv.FormatInt(revision, 10) + "&lang=" + queryEscape(d.Get("lang")))
	}
	return c.refuseTemplate(v, room, d, fresh, err)
}

// refuseTemplate shows the editor again with what was typed, and why it is not in
// force.
func (c *Console) refuseTemplate(v *visit, room wording.Room, d draftIn, fresh bool, why error) error {
	book, err := room.Book(v.ctx(), v.by)
	if err != nil {
		return err
	}
	e := editing{draft: d.Draft, fresh: fresh, revision: d.revision, values: d.Values, lang: d.Get("lang"), code: http.StatusUnprocessableEntity}
	var bad *wording.Invalid
	var moved *wording.Moved
	var taken *wording.Taken
	switch {
	case errors.As(why, &bad):
		e.notice = &notice{Tone: "red", Icon: "alarm", Text: v.N("tpl.invalid", len(bad.Findings)), Mend: v.T("tpl.invalid_do")}
		e.faults = bad.Findings
	case errors.As(why, &moved):
		e.code = http.StatusPreconditionFailed
		e.notice = &notice{Tone: "amber", Icon: "alarm", Text: v.T("tpl.moved", "n", moved.Newest), Mend: v.T("tpl.moved_do")}
		if now, ok := book.Find(d.ID); ok {
			e.against = &now.Draft
		}
		e.revision = book.Revision // whoever has seen the difference saves over it
	case errors.As(why, &taken):
		e.code = http.StatusConflict
		e.notice = &notice{Tone: "amber", Icon: "alarm", Text: v.T("tpl.taken", "id", clip(taken.ID)), Mend: v.T("tpl.taken_do")}
	case errors.Is(why, wording.ErrByHand):
		e.code = http.StatusConflict
		e.notice = &notice{Tone: "amber", Icon: "alarm", Text: v.T("tpl.by_hand"), Mend: v.T("tpl.by_hand_do")}
	default:
		e.code, e.notice = c.explain(v, why)
		if e.code == http.StatusNotFound || e.code == http.StatusForbidden {
			return why
		}
	}
	return c.edit(v, room, book, e)
}

// dropTemplate takes a template out that nothing sends.
func (c *Console) dropTemplate(v *visit) error {
	room, err := c.wording(v)
	if err != nil {
		return err
	}
	f, err := v.form()
	if err != nil {
		return err
	}
	expect, _ := strconv.ParseInt(f.Get("revision"), 10, 64)
	id := v.r.PathValue("id")
	n, err := room.Drop(v.ctx(), v.by, id, wording.Change{Expect: expect})
	if err == nil {
		return v.goTo(templatesPath + "?done=dropped&revision=" + strconv.FormatInt(n, 10))
	}
	var used *wording.Used
	var moved *wording.Moved
	switch {
	case errors.As(err, &used):
		return c.showTemplates(v, http.StatusConflict, &notice{Tone: "amber", Icon: "alarm", Text: v.T("tpl.used", "id", id), Mend: strings.Join(usesIn(v, used.Uses), "; ")})
	case errors.As(err, &moved):
		return c.showTemplates(v, http.StatusPreconditionFailed, &notice{Tone: "amber", Icon: "alarm", Text: v.T("tpl.moved", "n", moved.Newest), Mend: v.T("tpl.drop_moved")})
	}
	return err
}

// tryTemplate shows a draft without keeping it: as parts for the module, which asks
// while somebody types, or as the whole page.
func (c *Console) tryTemplate(v *visit) error {
	room, err := c.wording(v)
	if err != nil {
		return err
	}
	d, err := v.draft()
	if err != nil {
		return err
	}
	book, err := room.Book(v.ctx(), v.by)
	if err != nil {
		return err
	}
	_, there := book.Find(d.ID)
	e := editing{draft: d.Draft, fresh: !there || d.Get("fresh") != "", revision: d.revision, values: d.Values, lang: d.Get("lang"), part: v.r.Header.Get("X-Part") != ""}
	return c.edit(v, room, book, e)
}

// languageTitle names a language in itself.
func languageTitle(tag string) string {
	i := slices.IndexFunc(languages, func(l language) bool { return l.Tag == tag })
	if i < 0 {
		return tag
	}
	return languages[i].Name
}

func firstOf(tag string, of []string) string {
	if slices.Contains(of, tag) {
		return tag
	}
	if len(of) == 0 {
		return ""
	}
	return cmp.Or(of[0], tag)
}
