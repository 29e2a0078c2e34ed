package console

import (
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"rsc.io/qr"

	"casewire/casecore"
	"casewire/channels"
	"casewire/routing/desk"
)

// call is the task to call the customer, as the page shows it.
type call struct {
	Reason string
	Since  time.Time
	Stamp  string // Since, exactly
	Tries  int
	Phones []phone
	Note   string // typed and refused
}

// phone is a number to call: as people write it, and as machines dial it.
type phone struct{ Number, Dial string }

func (c *Console) call(v *visit, view *desk.View) *call {
	t := view.Case.Call
	if t == nil {
		return nil
	}
	out := &call{Reason: cause(v, t.Reason, ""), Since: t.Since, Stamp: t.Since.Format(time.RFC3339Nano), Tries: t.Tries}
	add := func(number string) {
		dial := strings.Map(func(r rune) rune {
			if r == '+' || '0' <= r && r <= '9' {
				return r
			}
			return -1
		}, number)
		if len(dial) < 5 || slices.ContainsFunc(out.Phones, func(p phone) bool { return p.Dial == dial }) {
			return
		}
		out.Phones = append(out.Phones, phone{clip(plain(strings.TrimSpace(number))), dial})
	}
	for _, kind := range []channels.Kind{channels.Voice, channels.SMS} {
		for _, i := range view.Identities {
			if i.Address.Kind == kind {
				add(i.Address.Handle)
			}
		}
	}
	add(view.Case.Attributes["phone"])
	add(view.Customer.Attributes["phone"])
	return out
}

// called records how a call went. Sent twice, it counts once.
func (c *Console) called(v *visit) error {
	return c.change(v, func(f form) (string, error) {
		since, err := time.Parse(time.RFC3339Nano, f.Get("since"))
		tries, bad := strconv.Atoi(f.Get("tries"))
		if err != nil || bad != nil || !slices.Contains(casecore.Outcomes, f.Get("outcome")) {
			return "", &saying{code: http.StatusBadRequest, key: "error.bad_form"}
		}
		seen := &casecore.Call{Since: since, Tries: tries}
		_, err = c.o.Work.Called(v.ctx(), v.by, f.number, f.Get("outcome"), strings.TrimSpace(f.Get("note")), seen)
		return casePath(f.number), err
	})
}

// dial calls the customer: the operator's phone rings first.
func (c *Console) dial(v *visit) error {
	return c.change(v, func(f form) (string, error) {
		if c.o.Dial == nil {
			return "", errNoPage
		}
		return casePath(f.number), c.o.Dial(v.ctx(), v.by, f.number, f.Get("identity"))
	})
}

// otherCase is where a message of the customer may be moved.
type otherCase struct{ Number, Name string }

// others lists the customer's other cases, for whoever may move a message to one.
func (c *Console) others(v *visit, view *desk.View) ([]otherCase, error) {
	if c.o.Refile == nil || !view.MayWork {
		return nil, nil
	}
	list, err := c.o.Work.Others(v.ctx(), v.by, view.Case.CaseNumber())
	if err != nil {
		return nil, err
	}
	out := make([]otherCase, len(list))
	for i, o := range list {
		name := limit(strings.TrimSpace(o.Subject), 60)
		if name == "" {
			name = v.Policy(c.o.Flow().Status(o.Status).Name)
		}
		out[i] = otherCase{o.CaseNumber(), name}
	}
	return out, nil
}

// refile moves a message of the customer to another case. To the case of the page
// itself, it takes back what moved it elsewhere. What is where it should be stays:
// sent twice, it is done once.
func (c *Console) refile(v *visit) error {
	return c.change(v, func(f form) (string, error) {
		if c.o.Refile == nil {
			return "", errNoPage
		}
		view, err := c.o.Work.Read(v.ctx(), v.by, f.number)
		if err != nil {
			return "", c.why(v, f, err)
		}
		id, to := v.r.PathValue("message"), f.Get("to")
		here := slices.ContainsFunc(view.Messages, func(m *casecore.Message) bool { return m.ID == id })
		undo := to == view.Case.CaseNumber()
		switch {
		case here == undo:
			if !here && !wasHere(view, id) {
				return "", errNoPage
			}
			return casePath(f.number), nil
		case undo && !wasHere(view, id):
			return "", errNoPage
		}
		_, err = c.o.Refile(v.ctx(), v.by, id, to)
		return casePath(f.number), err
	})
}

// wasHere says that the case's timeline tells of the message.
func wasHere(view *desk.View, id string) bool {
	return slices.ContainsFunc(view.Events, func(e *casecore.Event) bool { return e.Message == id })
}

// invitation is a link by which the customer adds their chat, to be shown once.
type invitation struct {
	URL  string
	QR   string // path of the code in an SVG
	Size int    // its width in modules, with the quiet zone
}

// invite makes a link and shows it: it is stored nowhere.
func (c *Console) invite(v *visit) error {
	f, err := v.form()
	if err == nil && c.o.Link == nil {
		err = errNoPage
	}
	var url string
	if err == nil {
		url, err = c.o.Link(v.ctx(), v.by, f.number)
	}
	if err == nil && url == "" {
		err = &saying{code: http.StatusConflict, key: "invite.none", icon: "telegram"}
	}
	var view *desk.View
	if err == nil {
		view, err = c.o.Work.Read(v.ctx(), v.by, f.number)
	}
	if err != nil {
		return c.refuse(v, err, again{})
	}
	i, err := invitationFor(url)
	if err != nil {
		return err
	}
	return c.showCase(v, http.StatusOK, view, &again{invite: i})
}

// quietZone is how many light modules a code needs around it.
const quietZone = 4

func invitationFor(url string) (*invitation, error) {
	code, err := qr.Encode(url, qr.M)
	if err != nil {
		return nil, fmt.Errorf("draw the code of a link: %w", err)
	}
	var b strings.Builder
	for y := range code.Size {
		for x := 0; x < code.Size; x++ {
			from := x
			for x < code.Size && code.Black(x, y) {
				x++
			}
			if x > from {
				fmt.Fprintf(&b, "M%d %dh%dv1h-%dz", from+quietZone, y+quietZone, x-from, x-from)
			}
		}
	}
	return &invitation{URL: url, QR: b.String(), Size: code.Size + 2*quietZone}, nil
}
