package console

import (
	"cmp"
	"errors"
	"net/http"
	"time"

	"casewire/casecore"
	"casewire/casecore/store"
	"casewire/channels"
	"casewire/routing/desk"
)

// How much of what did not arrive is looked at for one page: a page of the post
// room may have nothing for this operator.
const (
	lostShown = 50
	lostPages = 4
)

// lost is how much did not arrive, for the side bar.
type lost struct {
	N    int
	More bool // there is more than N
}

// lost counts what did not arrive, as far as it is worth knowing. Parts of a page
// have no side bar.
func (c *Console) lost(v *visit) (*lost, error) {
	if c.o.Post == nil || v.r.Header.Get("X-Part") != "" {
		return nil, nil
	}
	all, more, err := c.undelivered(v)
	return &lost{len(all), more}, err
}

// undelivered returns the oldest of what did not arrive and nobody has seen to.
func (c *Console) undelivered(v *visit) (out []desk.Notice, more bool, err error) {
	if v.lost != nil {
		return v.lost, v.lostMore, nil
	}
	out = []desk.Notice{}
	var at store.Mark
	for range lostPages {
		page, next, err := c.o.Post.Notices(v.ctx(), v.by, desk.NoticeFilter{}, at, lostShown)
		if err != nil {
			return nil, false, err
		}
		out, at = append(out, page...), next
		if len(out) >= lostShown || at == (store.Mark{}) {
			break
		}
	}
	more = at != (store.Mark{})
	if len(out) > lostShown {
		out, more = out[:lostShown], true
	}
	v.lost, v.lostMore = out, more
	return out, more, nil
}

type noticesPage struct {
	shell
	Rows []lostRow
	More bool
}

// lostRow is one message that did not arrive.
type lostRow struct {
	ID, Case, Customer, What, Handle, Cause, Code, Holder string

	Kind    channels.Kind
	At      time.Time
	Call    bool // the customer is to be called
	MayWork bool
	To      []address // where it may be sent again
	Message bool
}

// address is one of the customer's that may be written to.
type address struct {
	ID, Handle string
	Kind       channels.Kind
	Same       bool // where it was sent before
}

// notices shows what did not arrive, oldest first.
func (c *Console) notices(v *visit) error { return c.showNotices(v, http.StatusOK, nil) }

func (c *Console) showNotices(v *visit, code int, n *notice) error {
	if c.o.Post == nil {
		return errNoPage
	}
	s, err := c.shell(v, "notices", v.T("notices.title"))
	if err != nil {
		return err
	}
	p := noticesPage{shell: s}
	p.Notice = n
	if n == nil {
		p.Notice = doneNotice(v)
	}
	all, more, err := c.undelivered(v)
	if err != nil {
		return err
	}
	p.More = more
	views := map[string]*desk.View{}
	for _, n := range all {
		view := views[n.Case]
		if view == nil {
			view, err = c.o.Work.Glance(v.ctx(), v.by, n.Case)
			if errors.Is(err, casecore.ErrForbidden) || isMissing(err) {
				continue // it has just gone elsewhere
			}
			if err != nil {
				return err
			}
			views[n.Case] = view
		}
		p.Rows = append(p.Rows, c.lostRow(v, n, view))
	}
	return c.show(v, code, "notices", p)
}

func (c *Console) lostRow(v *visit, n desk.Notice, view *desk.View) lostRow {
	r := lostRow{
		ID: n.ID, Case: n.Case, Customer: cmp.Or(view.Customer.Name, view.Case.To.Name, v.T("customer.unknown")), What: c.whatWasTold(v, n.Template),
		Kind: n.To.Kind, Handle: shownHandle(v, n.To), At: n.Created, Cause: cause(v, n.Reason, ""), Call: view.Case.Call != nil,
		MayWork: view.MayWork, Holder: view.Case.OwnerName, Message: n.State == "dead" && n.Message != "",
	}
	if r.Cause != n.Reason && coded(v, n.Reason) != "" {
		r.Code = n.Reason
	}
	switch {
	case !r.MayWork || !r.Message:
	case n.Aside:
		r.To = []address{{Kind: n.To.Kind, Handle: n.To.Handle, Same: true}}
	default:
		r.To = openAddresses(v, view, n.To)
	}
	return r
}

// openAddresses are those of the customer that may be written to, the one that was
// tried last.
func openAddresses(v *visit, view *desk.View, tried channels.Address) []address {
	var others, same []address
	for _, i := range view.Identities {
		if i.Shut != nil || i.Address.Kind == channels.Desk || i.Address.Kind == channels.Voice {
			continue
		}
		a := address{ID: i.ID, Kind: i.Address.Kind, Handle: i.Address.Handle, Same: i.Address.Key() == tried.Key()}
		if a.Kind.Hosted() {
			a.Handle = v.T("customer.visitor")
		}
		if a.Same {
			same = append(same, a)
		} else {
			others = append(others, a)
		}
	}
	return append(same, others...)
}

// whatWasTold names a template by the status that it tells of.
func (c *Console) whatWasTold(v *visit, template string) string {
	if template == "" {
		return v.T("notices.answer")
	}
	for _, s := range c.o.Flow().Spec().Statuses {
		if s.Notice == template {
			return v.T("message.status", "status", v.Policy(s.Name))
		}
	}
	return v.Or("template."+template, template)
}

// noticeInList does something with a notice on the page of those.
func (c *Console) noticeInList(v *visit) error {
	f, err := v.form()
	var n desk.Notice
	if err == nil {
		n, err = c.noticeDo(v, f)
	}
	switch {
	case err == nil:
		return v.goTo(Prefix + "notices?done=" + v.r.PathValue("verb") + "&case=" + queryEscape(n.Case))
	case errors.Is(err, errNoPage):
		return err
	}
	code, say := c.explain(v, err)
	if code == http.StatusInternalServerError {
		return c.show(v, code, "fault", faultPage{Title: say.Text, Centre: c.o.Centre(), Heading: say.Text, Text: say.Mend, Tone: say.Tone, Icon: say.Icon, Code: say.Code})
	}
	return c.showNotices(v, code, say)
}

// noticeInCase does something with a notice beside its message in the case.
func (c *Console) noticeInCase(v *visit) error {
	return c.change(v, func(f form) (string, error) {
		_, err := c.noticeDo(v, f)
		return casePath(f.number), err
	})
}

func (c *Console) noticeDo(v *visit, f form) (desk.Notice, error) {
	if c.o.Post == nil {
		return desk.Notice{}, errNoPage
	}
	id := v.r.PathValue("id")
	switch v.r.PathValue("verb") {
	case "send":
		return c.o.Post.Hurry(v.ctx(), v.by, id)
	case "cancel":
		return c.o.Post.Cancel(v.ctx(), v.by, id)
	case "resend":
		return c.o.Post.Resend(v.ctx(), v.by, id, f.Get("identity"))
	case "handled":
		return c.o.Post.Handled(v.ctx(), v.by, id)
	}
	return desk.Notice{}, errNoPage
}

// heldBack returns the notices of a case that are held or were not sent, by their
// message. Most cases have none, and then nobody is asked.
func (c *Console) heldBack(v *visit, view *desk.View) (map[string]desk.Notice, error) {
	if c.o.Post == nil || !anyUnsent(view) {
		return nil, nil
	}
	var all []desk.Notice
	var at store.Mark
	for range lostPages {
		page, next, err := c.o.Post.Notices(v.ctx(), v.by, desk.NoticeFilter{Case: view.Case.CaseNumber()}, at, 200)
		if errors.Is(err, casecore.ErrForbidden) || isMissing(err) {
			return nil, nil // it has just gone into other hands
		}
		if err != nil {
			return nil, err
		}
		all = append(all, page...)
		if at = next; at == (store.Mark{}) {
			break
		}
	}
	return byMessage(all), nil
}

// byMessage sorts out the notices that are held or were not sent.
func byMessage(all []desk.Notice) map[string]desk.Notice {
	out := map[string]desk.Notice{}
	for _, n := range all {
		if n.Held || n.State == "skipped" && !out[n.Message].Held {
			out[n.Message] = n
		}
	}
	return out
}

func anyUnsent(view *desk.View) bool {
	for _, m := range view.Messages {
		if m.Direction == casecore.Out && m.Delivery != nil && (m.Delivery.State == channels.Queued || m.Delivery.State == channels.Cancelled) {
			return true
		}
	}
	return false
}
