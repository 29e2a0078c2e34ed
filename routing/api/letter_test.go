package api_test

import (
	"strings"
	"testing"
	"time"

	"casewire/casecore"
	"casewire/casecore/store"
	"casewire/channels"
	"casewire/routing/api"
)

// Programs get a mail's letter made safe, with its history, its files' names in it
// and what it said before; the raw form is a download for whoever may read the case.
func TestLetters(t *testing.T) {
	h := newHouse(t)
	c := h.arrive("phones")
	view, err := h.work.Read(t.Context(), h.ids["susan"], c.CaseNumber())
	h.must(err)
	at := time.Now().Add(-time.Hour)
	h.must(h.store.Update(t.Context(), func(tx store.Tx) error {
		m, err := casecore.Messages.Get(tx, view.Messages[0].ID)
		if err != nil {
			return err
		}
		m.From.Kind, m.Auto = channels.Email, true
		m.Body.HTML = `<p onclick=x()>Hi <script>x()</script><img src="cid:photo"><img src="https://elsewhere.example/a.png" alt="ad"></p>`
		m.Body.Files[0].CID = "photo"
		m.Versions = []casecore.Version{{ExternalID: "e", Body: channels.Body{Text: "before"}, At: at}}
		if err := casecore.Messages.Put(tx, m); err != nil {
			return err
		}
		k, err := casecore.Cases.Get(tx, c.ID)
		if err != nil {
			return err
		}
		k.Linked = "CW-000777"
		if err := casecore.Cases.Put(tx, k); err != nil {
			return err
		}
		i, err := casecore.Identities.Get(tx, casecore.IdentityID(c.To))
		if err != nil {
			return err
		}
		i.Shut = &casecore.Shut{Reason: channels.BadAddress, Code: "5.1.1", Channel: "email:main", At: at}
		return casecore.Identities.Put(tx, i)
	}))
	source := api.Prefix + "/cases/" + c.CaseNumber() + "/messages/" + view.Messages[0].ID + "/source"
	for who, code := range map[string]int{"": 401, "anna": 403, "clara": 404, "susan": 200} {
		if a := h.as(who, "GET", source, nil).want(code); strings.Contains(string(a.body), canary) != (code == 200) {
			t.Errorf("%q gets %s", who, a.body)
		}
	}

	h.as("anna", "POST", api.Prefix+"/cases/"+c.CaseNumber()+"/claim", nil).want(200)
	var l struct{ Items []api.Event }
	h.as("anna", "GET", api.Prefix+"/cases/"+c.CaseNumber()+"/timeline", nil).want(200).json(&l)
	m := l.Items[0].Message
	if want := `<div><p>Hi <img src="cid:photo"/><img alt="ad"/></p></div>`; m.HTML != want {
		t.Errorf("html %s\nwant %s", m.HTML, want)
	}
	if m.Quoted != canary || m.Broken != canary || !m.Auto || m.Source != source || m.Files[0].CID != "photo" {
		t.Errorf("got %+v", m)
	}
	if len(m.Versions) != 1 || m.Versions[0].Text != "before" || !m.Versions[0].Until.Equal(at) {
		t.Errorf("versions %+v", m.Versions)
	}
	var d api.CaseDetail
	h.as("anna", "GET", api.Prefix+"/cases/"+c.CaseNumber(), nil).want(200).json(&d)
	if s := d.Customer.Addresses[0].Shut; d.Linked != "CW-000777" || s == nil || s.Code != "5.1.1" || s.Reason != channels.BadAddress {
		t.Errorf("linked %q, shut %+v", d.Linked, s)
	}

	a := h.as("anna", "GET", source, nil).want(200)
	for k, want := range map[string]string{
		"Content-Type": "message/rfc822", "Content-Disposition": "attachment; filename=" + c.CaseNumber() + "-1.eml",
		"X-Content-Type-Options": "nosniff", "Content-Security-Policy": "sandbox; default-src 'none'", "Cache-Control": "private, no-cache",
	} {
		if got := a.Header.Get(k); got != want {
			t.Errorf("%s is %q", k, got)
		}
	}
	if string(a.body) != "raw "+canary {
		t.Errorf("got %s", a.body)
	}
	if part := h.as("anna", "GET", source, nil, "Range", "bytes=0-2").want(206); string(part.body) != "raw" {
		t.Errorf("range: %q", part.body)
	}
	h.as("anna", "GET", strings.Replace(source, view.Messages[0].ID, "nothing", 1), nil).problem(404, "not_found")
}

// What cannot be made safe is left out; the rest of the message is there.
func TestUnshowableLetter(t *testing.T) {
	h := newHouse(t)
	c := h.held("phones", "anna")
	h.must(h.store.Update(t.Context(), func(tx store.Tx) error {
		m, err := casecore.Messages.First(tx, store.Range{Index: "case", Prefix: store.Under(c.ID)})
		if err != nil {
			return err
		}
		m.Body.HTML, m.Source = strings.Repeat("<i><div>", 300), ""
		return casecore.Messages.Put(tx, m)
	}))
	var l struct{ Items []api.Event }
	h.as("anna", "GET", api.Prefix+"/cases/"+c.CaseNumber()+"/timeline", nil).want(200).json(&l)
	m := l.Items[0].Message
	if m.HTML != "" || m.Source != "" || !strings.Contains(m.Text, canary) {
		t.Errorf("got %+v", m)
	}
	h.as("anna", "GET", api.Prefix+"/cases/"+c.CaseNumber()+"/messages/"+m.ID+"/source", nil).problem(404, "not_found")
}
