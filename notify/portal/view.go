package portal

import (
	"net/http"
	"net/url"
	"strconv"
	"time"

	"casewire/casecore"
	"casewire/casecore/flow"
	"casewire/casecore/lang"
	"casewire/channels"
)

// view is the page as its template shows it.
type view struct {
	Centre, Number, Device, Status, Since, SinceISO string

	Stage   flow.Category
	Repair  bool // rather than a question
	Steps   []stepView
	Ahead   []string
	Told    []toldView
	Answer  string // how to write to us
	Contact string
	News    string // what has just been saved, or why it was not
	Bad     bool   // News is a refusal

	Path      string // of the page, for its forms
	Query     string // with which the language is kept that the page is read in
	Languages []choice
	Wishes    wishesView
}

type stepView struct {
	Label, At, ISO string
	Now            bool
}

type toldView struct{ Status, Text, Lang, At, ISO, By string }

// choice is one of several.
type choice struct {
	Value, Label, Note string
	On                 bool
}

// wishesView is what the customer may choose.
type wishesView struct {
	Languages []choice
	Where     []choice
	Addresses []addressView
	NoneLeft  bool
}

// addressView is one address of the customer, masked.
type addressView struct {
	Ref, Kind, Label, Note string

	First      bool // where they are told first
	Stop, Back bool // what may be asked of us
}

func (p *Portal) present(v *voice, r *http.Request, d *data, news string) view {
	f := p.o.Ledger.Flow()
	zone := p.zone(d.who)
	out := view{
		Centre: p.o.Centre(), Number: d.c.CaseNumber(), Device: device(d.c),
		Path: Prefix + r.PathValue("token"), Contact: p.o.Contact().In(v.tag),
	}
	for _, s := range way(f, d.events, d.held, p.o.Hold(), p.o.Now()) {
		status := f.Status(s.status)
		label := status.Label(v.tag)
		if s.state == ahead {
			out.Ahead = append(out.Ahead, label)
			continue
		}
		at := s.at
		if at.IsZero() {
			at = d.c.Received
		}
		one := stepView{Label: label, At: v.stamp(at.In(zone)), ISO: at.UTC().Format(time.RFC3339), Now: s.state == present}
		if one.Now {
			out.Status, out.Since, out.SinceISO, out.Stage = label, one.At, one.ISO, status.Category
		}
		if n := len(out.Steps); n > 0 && out.Steps[n-1].Label == label {
			out.Steps[n-1].Now = one.Now
			continue
		}
		out.Steps = append(out.Steps, one)
	}
	out.Ahead = distinct(out.Ahead, out.Status)
	out.Repair = out.Device != "" || d.c.Attributes["product"] != ""
	for _, m := range d.told {
		out.Told = append(out.Told, toldView{
			Status: m.Status, Text: discreet(m.Body.Text, d), At: v.stamp(m.At.In(zone)), ISO: m.At.UTC().Format(time.RFC3339),
			By: v.t("by." + string(m.To.Kind)), Lang: p.written(m.Body.Lang),
		})
	}
	out.Answer = v.t("answer", "where", name(v, d.c.To))
	if !casecore.Writable(d.c.To.Kind) || channels.IsDesk(d.c.Channel) {
		out.Answer = v.t("answer_call")
	}
	out.Languages = p.languages(r, v)
	if tag := r.URL.Query().Get("lang"); tag == v.tag {
		out.Query = "?lang=" + tag
	}
	out.Wishes = p.wishes(v, d)
	if news != "" {
		if out.Bad = news == "stale"; !out.Bad {
			news = "saved_" + news
		}
		out.News = v.t(news)
	}
	return out
}

// written is the language of a text, for whoever has it read aloud; empty when it is
// none of ours.
func (p *Portal) written(tag string) string {
	if v := p.voices[lang.Base(tag)]; v != nil {
		return v.htmlLang()
	}
	return ""
}

// distinct leaves out what is called like the one before.
func distinct(labels []string, before string) []string {
	var out []string
	for _, l := range labels {
		if l != before {
			out = append(out, l)
		}
		before = l
	}
	return out
}

func (p *Portal) zone(who *casecore.Customer) *time.Location {
	if who.Zone != "" {
		if z, err := time.LoadLocation(who.Zone); err == nil {
			return z
		}
	}
	return p.o.Zone()
}

// languages are those that the page can be read in.
func (p *Portal) languages(r *http.Request, v *voice) []choice {
	out := make([]choice, 0, len(lang.Supported))
	for _, tag := range lang.Supported {
		to := Prefix + r.PathValue("token") + "?" + url.Values{"lang": {tag}}.Encode()
		out = append(out, choice{Value: to, Label: p.voices[tag].words["name"], Note: p.voices[tag].htmlLang(), On: tag == v.tag})
	}
	return out
}

// wishes are what the customer has chosen, and could.
func (p *Portal) wishes(v *voice, d *data) wishesView {
	var out wishesView
	out.Languages = append(out.Languages, choice{Label: v.t("language_own"), On: !d.who.LangSet})
	for _, tag := range lang.Supported {
		out.Languages = append(out.Languages, choice{
			Value: tag, Label: p.voices[tag].words["name"], Note: p.voices[tag].htmlLang(), On: d.who.LangSet && lang.Base(d.who.Lang) == tag,
		})
	}
	last := choice{Label: v.t("where_last"), On: true}
	out.NoneLeft = true
	for n, i := range d.addresses {
		a := p.address(v, d, n)
		out.Addresses = append(out.Addresses, a)
		out.NoneLeft = out.NoneLeft && i.Shut != nil
		if a.First || d.proven[i.ID] && i.Shut == nil && d.served[i.ID] {
			out.Where = append(out.Where, choice{Value: a.Ref, Label: a.Kind, Note: a.Label, On: a.First})
			last.On = last.On && !a.First
		}
	}
	out.NoneLeft = out.NoneLeft && len(d.addresses) > 0
	if len(out.Where) == 1 && len(d.addresses) == 1 && last.On {
		out.Where = nil // nothing to choose
	}
	if len(out.Where) > 0 {
		out.Where = append([]choice{last}, out.Where...)
	}
	return out
}

// address is the n-th address of the customer as the page shows it.
func (p *Portal) address(v *voice, d *data, n int) addressView {
	i := d.addresses[n]
	out := addressView{
		Ref: p.ref(d.c.ID, i.ID), Kind: v.t("kind." + string(i.Address.Kind)), Label: casecore.Mask(i.Address),
		First: i.Address.Key() == d.who.Preferred,
	}
	if same := d.alike(i); out.Label == "" && len(same) > 1 {
		for k, o := range same {
			if o.ID == i.ID {
				out.Label = "№ " + strconv.Itoa(k+1)
			}
		}
	}
	switch {
	case i.Shut == nil && !d.served[i.ID]:
		out.Note, out.Stop = v.t("no_channel"), true
	case i.Shut == nil:
		out.Stop = true
		if !d.proven[i.ID] {
			out.Note = v.t("unproven")
		}
	case i.Shut.By != "" && i.Shut.Code == casecore.StopCode:
		out.Note, out.Back = v.t("stopped"), true
	case i.Shut.Code == casecore.StopCode && i.Address.Kind == channels.SMS:
		out.Note = v.t("stopped_sms")
	case i.Shut.Reason == channels.Blocked && i.Address.Kind == channels.Telegram:
		out.Note = v.t("stopped_telegram")
	default:
		out.Note = v.t("stopped_else")
	}
	return out
}

// alike are the customer's addresses of one kind.
func (d *data) alike(i *casecore.Identity) []*casecore.Identity {
	var out []*casecore.Identity
	for _, o := range d.addresses {
		if o.Address.Kind == i.Address.Kind {
			out = append(out, o)
		}
	}
	return out
}

// name is an address in words: its kind, and as much of it as its owner needs.
func name(v *voice, a channels.Address) string {
	kind, mask := v.t("kind."+string(a.Kind)), casecore.Mask(a)
	if mask == "" {
		return kind
	}
	return kind + " " + mask
}
