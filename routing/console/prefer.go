package console

import (
	"cmp"
	"errors"
	"net/http"
	"strings"

	"casewire/casecore"
	"casewire/casecore/lang"
	"casewire/routing/desk"
)

// wishes are how the customer wants to be told things, and the page on which they
// choose it themselves.
type wishes struct {
	Lang, Address string // as chosen, "" for neither; Address is an id
	Languages     []option
	Addresses     []option
	PageURL       string // empty: there is none
}

// option is one entry of a list to choose from.
type option struct {
	Value, Label string
	On           bool
}

// wishes are for whoever may change them.
func (c *Console) wishes(v *visit, view *desk.View) *wishes {
	if !view.MayWork {
		return nil
	}
	who := view.Customer
	out := &wishes{
		Languages: []option{{Label: v.T("wish.lang_own"), On: !who.LangSet}},
		Addresses: []option{{Label: v.T("wish.last"), On: true}},
	}
	if c.o.Page != nil {
		out.PageURL = c.o.Page(view.Case)
	}
	if who.LangSet {
		out.Lang = who.Lang
	}
	for _, tag := range lang.Supported {
		out.Languages = append(out.Languages, option{tag, languageName(v, tag), out.Lang == tag})
	}
	if known := lang.Base(out.Lang); known != "" && !inList(out.Languages, out.Lang) {
		out.Languages = append(out.Languages, option{out.Lang, languageName(v, out.Lang), true})
	}
	for _, i := range view.Identities {
		on := i.Address.Key() == who.Preferred
		if !casecore.Writable(i.Address.Kind) || i.Shut != nil && !on {
			continue
		}
		label := v.Or("kind."+string(i.Address.Kind), string(i.Address.Kind))
		if !i.Address.Kind.Hosted() {
			label += " " + i.Address.Handle
		}
		if on {
			out.Address, out.Addresses[0].On = i.ID, false
		}
		out.Addresses = append(out.Addresses, option{i.ID, label, on})
	}
	return out
}

func inList(list []option, value string) bool {
	for _, o := range list {
		if o.Value == value {
			return true
		}
	}
	return false
}

// standing says of one address what the customer wants, and what may be done.
func (c *Console) standing(v *visit, view *desk.View, i *casecore.Identity, id *identity) {
	id.First = i.Address.Key() == view.Customer.Preferred
	writable := casecore.Writable(i.Address.Kind)
	if i.Shut == nil {
		id.Away = writable && c.o.Reaches != nil && !c.o.Reaches(view.Case, i.Address)
		if view.MayWork && writable {
			id.OptOut = i.ID
		}
		return
	}
	id.Shut = shut(v, i)
	if i.Shut.Code != casecore.StopCode {
		if view.MayWork {
			id.Reopen = i.ID
		}
		return
	}
	id.ShutAt, id.ShutBy, id.ShutWhy = i.Shut.At, wisher(v, i.Shut), clip(plain(i.Shut.Note))
	if view.MayWork && i.Shut.By != "" {
		id.OptIn = i.ID
	}
}

// wisher says by which way a wish became known, or who took it down.
func wisher(v *visit, s *casecore.Shut) string {
	switch {
	case s.By == "":
		return v.T("wish.by_word", "channel", channelName(v, s.Channel))
	case strings.HasPrefix(s.By, "system:"):
		return v.Or("wish.by_"+strings.TrimPrefix(s.By, "system:"), s.ByName)
	}
	return cmp.Or(s.ByName, s.By)
}

// prefer sets language and address as the customer wishes. What the operator left
// as it was is left, whoever has changed it meanwhile.
func (c *Console) prefer(v *visit) error {
	return c.change(v, func(f form) (string, error) {
		var w casecore.Wish
		set := func(to **string, name string) {
			if value := f.Get(name); f.Has(name) && value != f.Get("was."+name) {
				*to = &value
			}
		}
		set(&w.Lang, "lang")
		set(&w.Address, "address")
		_, err := c.o.Work.Prefer(v.ctx(), v.by, f.number, w)
		if errors.Is(err, casecore.ErrShut) {
			return "", &saying{code: http.StatusConflict, key: "error.shut"}
		}
		return casePath(f.number), err
	})
}

// optOut has an address not written to any more, on the customer's wish.
func (c *Console) optOut(v *visit) error {
	return c.change(v, func(f form) (string, error) {
		_, err := c.o.Work.OptOut(v.ctx(), v.by, f.number, f.Get("identity"), whyIn(f))
		return casePath(f.number), err
	})
}

// optIn takes that back.
func (c *Console) optIn(v *visit) error {
	return c.change(v, func(f form) (string, error) {
		_, err := c.o.Work.OptIn(v.ctx(), v.by, f.number, f.Get("identity"), whyIn(f))
		if errors.Is(err, casecore.ErrWish) {
			return "", &saying{code: http.StatusConflict, key: "error.wish"}
		}
		return casePath(f.number), err
	})
}

// renewPage ends the links to the customer's page that there are.
func (c *Console) renewPage(v *visit) error {
	return c.change(v, func(f form) (string, error) {
		if c.o.Page == nil {
			return "", errNoPage
		}
		_, err := c.o.Work.RenewPage(v.ctx(), v.by, f.number)
		return casePath(f.number), err
	})
}

// wished puts an event that tells of a wish into words; key names them.
func (t talk) wished(e *casecore.Event) (key, icon, to string) {
	key = "event." + string(e.Kind)
	if e.Kind == casecore.LangChosen {
		if to = languageName(t.v, e.To); e.To == "" {
			key += "_own"
		}
		return key, "edit", to
	}
	if to = strings.TrimSpace(t.v.Or("kind."+e.To, e.To) + " " + e.ToName); e.To == "" {
		to, key = "", key+"_last"
	}
	return key, map[casecore.EventKind]string{casecore.Preferred: "route", casecore.OptedOut: "offline", casecore.OptedIn: "check"}[e.Kind], to
}

// by is by which of our doors a customer said something, for events without a
// person.
func (t talk) by(e *casecore.Event) string {
	switch e.Kind {
	case casecore.Preferred, casecore.LangChosen, casecore.OptedOut, casecore.OptedIn:
		return t.v.Or("wish.by_"+strings.TrimPrefix(e.Actor, "system:"), "")
	}
	return ""
}

// wishForm is the form by which an operator takes a wish down.
type wishForm struct{ Number, Verb, Identity, Name, Do string }

func newWishForm(number, verb, identity, name, do string) wishForm {
	return wishForm{number, verb, identity, name, do}
}
