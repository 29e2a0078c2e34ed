package console

import (
	"errors"
	"net/http"
	"strconv"
	"strings"

	"casewire/routing/wording"
)

const revisionsShown = 30

type revisionsPage struct {
	shell
	Rows []wording.Revision
	More int64 // number before which the next page begins; 0: none
}

type revisionPage struct {
	shell
	Rev      *wording.Revision
	Against  int64 // number of the revision it is compared with; 0: none
	Lines    []diffLine
	In, Out  int   // lines that came and went
	Force    int64 // the revision in force
	Findings []findingRow
}

// revisions lists the policy's.
func (c *Console) revisions(v *visit) error {
	room, err := c.wording(v)
	if err != nil {
		return err
	}
	before, _ := strconv.ParseInt(v.r.URL.Query().Get("before"), 10, 64)
	revs, err := room.History(v.ctx(), v.by, max(0, before), revisionsShown+1)
	if err != nil {
		return err
	}
	s, err := c.shell(v, "policy", v.T("rev.title"))
	if err != nil {
		return err
	}
	p := revisionsPage{shell: s, Rows: revs}
	p.Notice = changedNotice(v)
	if len(revs) > revisionsShown {
		p.Rows = revs[:revisionsShown]
		p.More = p.Rows[revisionsShown-1].Number
	}
	return c.show(v, http.StatusOK, "revisions", p)
}

// revision shows what one changed.
func (c *Console) revision(v *visit) error { return c.showRevision(v, http.StatusOK, nil, nil) }

func (c *Console) showRevision(v *visit, code int, n *notice, found []wording.Finding) error {
	room, err := c.wording(v)
	if err != nil {
		return err
	}
	number, err := strconv.ParseInt(v.r.PathValue("n"), 10, 64)
	if err != nil || number < 1 {
		return errNoPage
	}
	rev, err := room.Revision(v.ctx(), v.by, number)
	if err != nil {
		return err
	}
	now, err := room.Revision(v.ctx(), v.by, 0)
	if err != nil {
		return err
	}
	p := revisionPage{Rev: rev, Force: now.Number}
	before := ""
	if number > 1 {
		old, err := room.Revision(v.ctx(), v.by, number-1)
		if err != nil {
			return err
		}
		p.Against, before = old.Number, old.Text
		p.Lines = difference(before, rev.Text, 3)
	}
	for _, l := range p.Lines {
		switch l.Sign {
		case "+":
			p.In++
		case "-":
			p.Out++
		}
	}
	if p.shell, err = c.shell(v, "policy", v.T("rev.one", "n", number)); err != nil {
		return err
	}
	p.Notice = n
	for _, f := range found {
		p.Findings = append(p.Findings, findingIn(v, f))
	}
	return c.show(v, code, "revision", p)
}

// restore puts an older revision in force again.
func (c *Console) restore(v *visit) error {
	room, err := c.wording(v)
	if err != nil {
		return err
	}
	number, err := strconv.ParseInt(v.r.PathValue("n"), 10, 64)
	if err != nil || number < 1 {
		return errNoPage
	}
	f, err := v.form()
	if err != nil {
		return err
	}
	expect, _ := strconv.ParseInt(f.Get("revision"), 10, 64)
	n, err := room.Restore(v.ctx(), v.by, number, wording.Change{Note: strings.TrimSpace(limit(plain(f.Get("note")), 200)), Expect: expect})
	var moved *wording.Moved
	var bad *wording.Invalid
	switch {
	case err == nil:
		return v.goTo(Prefix + "policy?done=restored&revision=" + strconv.FormatInt(n, 10))
	case errors.As(err, &moved):
		return c.showRevision(v, http.StatusPreconditionFailed, &notice{Tone: "amber", Icon: "alarm", Text: v.T("tpl.moved", "n", moved.Newest), Mend: v.T("rev.moved_do")}, nil)
	case errors.As(err, &bad):
		return c.showRevision(v, http.StatusUnprocessableEntity, &notice{Tone: "red", Icon: "alarm", Text: v.N("tpl.invalid", len(bad.Findings)), Mend: v.T("rev.invalid_do")}, bad.Findings)
	}
	return err
}
