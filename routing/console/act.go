package console

import (
	"errors"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"

	"casewire/casecore"
	"casewire/routing/desk"
)

// maxForm is how many bytes a form without attachments may have.
const maxForm = 1 << 20

// form is what was posted about a case, as far as every change needs it.
type form struct {
	url.Values
	number string
	guard  casecore.Guard
	seen   int64 // Seq of the customer's last message that the operator had before them
}

func (v *visit) form() (form, error) {
	if err := v.readForm(maxForm); err != nil {
		return form{}, err
	}
	return formOf(v.r.PostForm, v.r.PathValue("number")), nil
}

// readForm reads a form of at most so many bytes, or says why it cannot be read.
func (v *visit) readForm(most int64) error {
	v.r.Body = http.MaxBytesReader(v.w, v.r.Body, most)
	err := v.r.ParseForm()
	var long *http.MaxBytesError
	if err == nil || errors.As(err, &long) {
		return err
	}
	return &saying{code: http.StatusBadRequest, key: "error.bad_form"}
}

func formOf(values url.Values, number string) form {
	f := form{Values: values, number: number}
	f.guard.Version, _ = strconv.ParseUint(f.Get("version"), 10, 64)
	f.guard.ClaimNo, _ = strconv.ParseInt(f.Get("claim_no"), 10, 64)
	f.seen, _ = strconv.ParseInt(f.Get("seen"), 10, 64)
	return f
}

// change runs do and then shows the case again, as it is now or with what stood
// in the way.
func (c *Console) change(v *visit, do func(f form) (next string, err error)) error {
	f, err := v.form()
	if err == nil {
		var next string
		if next, err = do(f); err == nil {
			return v.goTo(next)
		}
	}
	return c.refuse(v, err, again{typed: typedIn(f.Values, err)})
}

// refuse shows the case with the reason why it was not changed and with the
// text that somebody wrote. Who may no longer read it gets the text alone.
func (c *Console) refuse(v *visit, err error, a again) error {
	code, n := c.explain(v, err)
	a.n = n
	view, lost := c.o.Work.Read(v.ctx(), v.by, v.r.PathValue("number"))
	if lost == nil {
		return c.showCase(v, code, view, &a)
	}
	p := faultPage{Title: n.Text, Centre: c.o.Centre(), Heading: n.Text, Text: n.Mend, Tone: n.Tone, Icon: n.Icon, Code: n.Code, Draft: a.draft.Text}
	return c.show(v, code, "fault", p)
}

// stillSo repeats do with the case's new version when it was refused as stale but
// what the operator decided upon has not changed.
func (c *Console) stillSo(v *visit, f form, same func(*desk.View) bool, do func(casecore.Guard) error) error {
	const tries = 4
	g := f.guard
	var err error
	for range tries {
		var stale *casecore.Stale
		if err = do(g); !errors.As(err, &stale) {
			return err
		}
		if g.ClaimNo != 0 && stale.Now.ClaimNo != g.ClaimNo {
			return err
		}
		view, readErr := c.o.Work.Read(v.ctx(), v.by, f.number)
		if readErr != nil || !same(view) {
			return err
		}
		g.Version = view.Case.Version
	}
	return err
}

func casePath(number string) string { return Prefix + "cases/" + strings.ToUpper(number) }

func done(what, number string) string {
	return Prefix + "?done=" + what + "&case=" + queryEscape(number)
}

// claim takes a case. Refused, the operator stays at the board.
func (c *Console) claim(v *visit) error {
	got, err := c.o.Work.Claim(v.ctx(), v.by, v.r.PathValue("number"))
	if err != nil {
		code, n := c.explain(v, err)
		if code == http.StatusInternalServerError {
			return c.show(v, code, "fault", faultPage{Title: n.Text, Centre: c.o.Centre(), Heading: n.Text, Text: n.Mend, Tone: n.Tone, Icon: n.Icon, Code: n.Code})
		}
		return c.showBoard(v, code, n)
	}
	return v.goTo(casePath(got.CaseNumber()))
}

func (c *Console) release(v *visit) error {
	return c.change(v, func(f form) (string, error) {
		got, err := c.o.Work.Release(v.ctx(), v.by, f.number, whyIn(f), casecore.Guard{ClaimNo: f.guard.ClaimNo})
		if err != nil {
			return "", err
		}
		return done("released", got.CaseNumber()), nil
	})
}

func (c *Console) transfer(v *visit) error {
	return c.change(v, func(f form) (string, error) {
		got, err := c.o.Work.Transfer(v.ctx(), v.by, f.number, f.Get("queue"), whyIn(f), casecore.Guard{ClaimNo: f.guard.ClaimNo})
		if err != nil {
			return "", err
		}
		return done("transferred", got.CaseNumber()), nil
	})
}

func (c *Console) assign(v *visit) error {
	return c.change(v, func(f form) (string, error) {
		to := strings.TrimSpace(f.Get("operator"))
		got, err := c.o.Work.Assign(v.ctx(), v.by, f.number, to, whyIn(f), casecore.Guard{ClaimNo: f.guard.ClaimNo})
		if isMissing(err) {
			return "", &saying{code: http.StatusUnprocessableEntity, key: "error.no_operator", args: []any{"login", clip(to)}}
		}
		if err != nil {
			return "", err
		}
		if got.Owner == v.by.ID {
			return casePath(got.CaseNumber()), nil
		}
		return done("assigned", got.CaseNumber()), nil
	})
}

func whyIn(f form) string { return strings.TrimSpace(f.Get("reason")) }

func (c *Console) move(v *visit) error {
	return c.change(v, func(f form) (string, error) {
		same := func(view *desk.View) bool {
			return view.Case.Status == f.Get("from") && lastIn(view) <= f.seen
		}
		return casePath(f.number), c.stillSo(v, f, same, func(g casecore.Guard) error {
			_, err := c.o.Work.Move(v.ctx(), v.by, f.number, f.Get("to"), g)
			return err
		})
	})
}

// attributes changes what differs from what the operator had before them, so
// that two people editing different fields do not get in each other's way.
func (c *Console) attributes(v *visit) error {
	return c.change(v, func(f form) (string, error) {
		e, was, err := edits(f)
		if err != nil {
			return "", err
		}
		same := func(view *desk.View) bool {
			for k, old := range was {
				if current(view.Case, k) != old {
					return false
				}
			}
			return true
		}
		return casePath(f.number), c.stillSo(v, f, same, func(g casecore.Guard) error {
			_, err := c.o.Work.Edit(v.ctx(), v.by, f.number, e, g)
			return err
		})
	})
}

// edits reads the changed fields, and what each had been.
func edits(f form) (casecore.Edit, map[string]string, error) {
	e, was := casecore.Edit{Attributes: map[string]string{}}, map[string]string{}
	changed := func(name string) (string, bool) {
		now, old := strings.TrimSpace(f.Get(name)), f.Get("was."+name)
		if !f.Has(name) || now == strings.TrimSpace(old) {
			return "", false
		}
		was[name] = old
		return now, true
	}
	if s, ok := changed("subject"); ok {
		e.Subject = &s
	}
	if s, ok := changed("priority"); ok {
		p, err := casecore.ParsePriority(s)
		if err != nil {
			return e, nil, &saying{code: http.StatusBadRequest, key: "error.bad_form"}
		}
		e.Priority = &p
	}
	for name := range f.Values {
		key, ok := strings.CutPrefix(name, "attr.")
		if !ok || key == "" {
			continue
		}
		if s, ok := changed(name); ok {
			e.Attributes[key] = s
		}
	}
	if k := attributeKey(f.Get("new.key")); k != "" && strings.TrimSpace(f.Get("new.value")) != "" {
		e.Attributes[k] = strings.TrimSpace(f.Get("new.value"))
	}
	return e, was, nil
}

func current(k *casecore.Case, name string) string {
	switch name {
	case "subject":
		return k.Subject
	case "priority":
		return k.Priority.String()
	}
	return k.Attributes[strings.TrimPrefix(name, "attr.")]
}

// attributeKey makes a key of what somebody typed.
func attributeKey(s string) string {
	s = strings.ToLower(strings.Join(strings.Fields(s), "_"))
	return strings.ReplaceAll(s, ".", "_")
}

// tags adds or removes some. Two people who do so at once both get their way, so
// it starts each time from the tags that the case has.
func (c *Console) tags(v *visit) error {
	return c.change(v, func(f form) (string, error) {
		view, err := c.o.Work.Read(v.ctx(), v.by, f.number)
		if err != nil {
			return "", c.why(v, f, err)
		}
		had := view.Case.Tags
		f.guard.Version = view.Case.Version
		again := func(now *desk.View) bool { had = now.Case.Tags; return true }
		return casePath(f.number), c.stillSo(v, f, again, func(g casecore.Guard) error {
			_, err := c.o.Work.Edit(v.ctx(), v.by, f.number, casecore.Edit{Tags: tagged(had, f.Get("add"), f.Get("remove"))}, g)
			return err
		})
	})
}

// reopen lets an address of the customer be written to again.
func (c *Console) reopen(v *visit) error {
	return c.change(v, func(f form) (string, error) {
		_, err := c.o.Work.Reopen(v.ctx(), v.by, f.number, f.Get("identity"))
		if errors.Is(err, casecore.ErrWish) {
			return "", &saying{code: http.StatusConflict, key: "error.wish"}
		}
		return casePath(f.number), err
	})
}

// tagged is had without one tag, or with those of a list between commas.
func tagged(had []string, add, remove string) []string {
	tags := append([]string{}, had...)
	if remove != "" {
		return slices.DeleteFunc(tags, func(s string) bool { return s == remove })
	}
	for t := range strings.SplitSeq(add, ",") {
		if t = strings.TrimSpace(t); t != "" && !slices.Contains(tags, t) {
			tags = append(tags, t)
		}
	}
	return tags
}

func lastIn(view *desk.View) int64 {
	for _, m := range slices.Backward(view.Messages) {
		if m.Direction == casecore.In {
			return m.Seq
		}
	}
	return 0
}

// limit cuts s to at most n characters.
func limit(s string, n int) string {
	if r := []rune(s); len(r) > n {
		return string(r[:n])
	}
	return s
}
