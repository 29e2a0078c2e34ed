package console_test

import (
	"bytes"
	"encoding/base64"
	"fmt"
	"image"
	"image/color"
	"image/png"
	"net/http"
	"strings"
	"testing"

	"casewire/casecore"
	"casewire/casecore/store"
	"casewire/channels"
)

// rewrite changes a message as it is stored, for what only a door can bring.
func (h *house) rewrite(c *casecore.Case, seq int64, do func(*casecore.Message)) (id string) {
	h.t.Helper()
	v, err := h.work.Read(h.t.Context(), casecore.System("test"), c.CaseNumber())
	h.must(err)
	h.must(h.store.Update(h.t.Context(), func(tx store.Tx) error {
		m, err := casecore.Messages.Get(tx, v.Messages[seq-1].ID)
		if err != nil {
			return err
		}
		id = m.ID
		do(m)
		return casecore.Messages.Put(tx, m)
	}))
	return id
}

// keep stores a file that a letter may show in place.
func (h *house) keep(name, cid string, data []byte) channels.File {
	h.t.Helper()
	f, err := h.files.Put(h.t.Context(), name, bytes.NewReader(data), 1<<20)
	h.must(err)
	f.CID = cid
	return f
}

// plane is a picture of one colour.
func plane(c color.Color) []byte {
	img := image.NewRGBA(image.Rect(0, 0, 80, 60))
	for y := range 60 {
		for x := range 80 {
			img.Set(x, y, c)
		}
	}
	var b bytes.Buffer
	_ = png.Encode(&b, img) //nolint:errcheck // into memory
	return b.Bytes()
}

var (
	red   = color.RGBA{220, 10, 10, 255}
	blue  = color.RGBA{10, 10, 220, 255}
	green = color.RGBA{10, 200, 10, 255}
)

// A letter and its raw form are for whoever may read the case, and for nobody else:
// as its attachments are.
func TestLettersAreForWhoMayReadTheCase(t *testing.T) {
	const canary = "KANARIENVOGEL"
	h := newHouse(t)
	anna := h.operator("anna", "Anna", operatorRole, "phones")
	h.operator("boris", "Boris", operatorRole, "tv")
	h.operator("vera", "Vera", []string{casecore.RoleSupervisor})
	mail := func() (number, path string) {
		c := h.open(ask{who: canary, subject: canary, text: canary, kind: channels.Email})
		raw := h.keep("raw", "", []byte("Subject: "+canary))
		id := h.rewrite(c, 1, func(m *casecore.Message) {
			m.Body.HTML, m.Body.Quoted = "<p>"+canary+"</p>", canary
			m.Broken, m.Source = canary, raw.Blob
			m.Versions = []casecore.Version{{ExternalID: "e", Body: channels.Body{Text: canary}}}
		})
		return c.CaseNumber(), "/desk/cases/" + c.CaseNumber() + "/messages/" + id
	}
	number, path := mail()
	h.settled(anna, 1)
	for _, what := range []string{"/html", "/html?remote=1", "/source"} {
		for who, code := range map[string]int{"": http.StatusSeeOther, "anna": http.StatusForbidden, "boris": http.StatusNotFound, "vera": http.StatusOK} {
			b := h.browser()
			if who != "" {
				b = h.signIn(who)
			}
			a := b.get(path + what)
			a.want(t, code)
			if all := a.body + fmt.Sprint(a.header); strings.Contains(all, canary) != (who == "vera") {
				t.Errorf("%q at %s: %s", who, what, all)
			}
		}
	}
	b := h.signIn("anna")
	for _, part := range []string{"", "1"} {
		if a := b.get("/desk/cases/"+number, "X-Part", part); strings.Contains(a.body, canary) || strings.Contains(a.body, "/messages/") {
			t.Error("the page of a waiting case has its letter")
		}
	}
	b.post("/desk/cases/"+number+"/claim").goes(t, "/desk/cases/"+number)
	b.get(path+"/html").want(t, http.StatusOK, "<p>"+canary+"</p>")
	b.get(path+"/source").want(t, http.StatusOK, "Subject: "+canary)

	// A message of another case, or none, is not found through one's own.
	_, foreign := mail()
	own := "/desk/cases/" + number + "/messages/"
	for _, id := range []string{foreign[strings.LastIndex(foreign, "/")+1:], "nothing", "..", "%2e%2e"} {
		for _, what := range []string{"/html", "/source"} {
			if a := b.get(own + id + what); a.code == http.StatusOK || strings.Contains(a.body, canary) {
				t.Errorf("%s%s: %d", id, what, a.code)
			}
		}
	}
	plain := h.open(ask{who: "Olena", text: "no letter"})
	b.post("/desk/cases/" + plain.CaseNumber() + "/claim")
	at := "/desk/cases/" + plain.CaseNumber() + "/messages/" + h.messageID(plain)
	b.get(at+"/html").want(t, http.StatusNotFound)
	b.get(at+"/source").want(t, http.StatusNotFound)
	page := b.get("/desk/cases/" + plain.CaseNumber())
	for _, no := range []string{"<iframe", "/source", "message-more"} {
		if strings.Contains(page.body, no) {
			t.Errorf("a message without a letter offers %s", no)
		}
	}
}

func TestLetterFrame(t *testing.T) {
	h := newHouse(t)
	h.operator("anna", "Anna", operatorRole, "phones")
	logo, photo := h.keep("logo.png", "<logo@mail>", plane(blue)), h.keep("photo.png", "photo", plane(red))
	vector := h.keep("vector.svg", "vector", []byte(`<svg xmlns="http://www.w3.org/2000/svg"><script>alert(1)</script></svg>`))
	later := h.keep("later.png", "later", plane(green))
	c := h.open(ask{who: "Olena", kind: channels.Email, files: []channels.File{logo}})
	h.says(c, "see the photo")
	h.says(c, "later")
	id := h.rewrite(c, 2, func(m *casecore.Message) {
		m.Body.Files = []channels.File{photo, vector}
		m.Body.HTML = `<b onclick=alert(1)>Hi</b><script>alert(1)</script><img src="cid:photo"><img src="cid:LOGO@mail"><img src="cid:vector"><img src="cid:later"><img src="https://elsewhere.example/a.png">`
	})
	h.rewrite(c, 3, func(m *casecore.Message) { m.Body.Files = []channels.File{later} })
	b := h.signIn("anna")
	b.post("/desk/cases/" + c.CaseNumber() + "/claim")
	url := "/desk/cases/" + c.CaseNumber() + "/messages/" + id + "/html"
	a := b.get(url)
	a.want(t, http.StatusOK, "<b>Hi</b>", base64.StdEncoding.EncodeToString(plane(red)), base64.StdEncoding.EncodeToString(plane(blue)))
	for _, no := range []string{"alert", "svg", "elsewhere", "desk/", base64.StdEncoding.EncodeToString(plane(green))} {
		if strings.Contains(a.body, no) {
			t.Errorf("the frame has %q", no)
		}
	}
	for k, want := range map[string]string{
		"Content-Security-Policy": "default-src 'none'; img-src data:; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'; frame-ancestors 'self'; sandbox allow-popups allow-popups-to-escape-sandbox",
		"X-Content-Type-Options":  "nosniff", "Cache-Control": "no-store", "Referrer-Policy": "no-referrer", "Content-Type": "text/html; charset=utf-8",
	} {
		if got := a.header.Get(k); got != want {
			t.Errorf("%s is %q", k, got)
		}
	}
	remote := b.get(url + "?remote=1")
	remote.want(t, http.StatusOK, `src="https://elsewhere.example/a.png"`)
	if csp := remote.header.Get("Content-Security-Policy"); !strings.Contains(csp, "img-src data: https:;") || !strings.Contains(csp, "sandbox allow-popups") {
		t.Errorf("policy %q", csp)
	}
	if again := b.get(url); strings.Contains(again.body, "elsewhere") {
		t.Error("pictures from elsewhere are shown beyond the view that was asked for")
	}
	page := b.get("/desk/cases/" + c.CaseNumber())
	page.want(t, http.StatusOK, `sandbox="allow-popups allow-popups-to-escape-sandbox"`, "Show remote images (1)", `src="`+url+`"`, `name="letter-2"`, `target="letter-2"`)

	// What cannot be shown is not offered; its text and its raw form are there.
	h.rewrite(c, 2, func(m *casecore.Message) { m.Body.HTML = strings.Repeat("<div>", 600) })
	b.get(url).want(t, http.StatusNotFound)
	if page := b.get("/desk/cases/" + c.CaseNumber()); strings.Contains(page.body, "<iframe") || !strings.Contains(page.body, "see the photo") {
		t.Error("a letter that is nested too deeply is offered, or its text is gone")
	}
}

func TestRawMailIsSavedAndNeverOpened(t *testing.T) {
	h := newHouse(t)
	h.operator("anna", "Anna", operatorRole, "phones")
	const raw = "Content-Type: text/html\r\n\r\n<script>alert(1)</script>"
	for kind, want := range map[channels.Kind][2]string{
		channels.Email: {"message/rfc822", "eml"}, channels.Telegram: {"application/octet-stream", "raw"},
	} {
		c := h.open(ask{who: "Olena", kind: kind})
		id := h.rewrite(c, 1, func(m *casecore.Message) {
			m.Source, m.Broken = h.keep("raw", "", []byte(raw)).Blob, "two boundaries"
		})
		b := h.signIn("anna")
		b.post("/desk/cases/" + c.CaseNumber() + "/claim")
		url := "/desk/cases/" + c.CaseNumber() + "/messages/" + id + "/source"
		b.get("/desk/cases/"+c.CaseNumber()).want(t, http.StatusOK, "Could not be read in full: two boundaries", url, "Download as received")
		a := b.get(url)
		if a.body != raw {
			t.Errorf("got %q", a.body)
		}
		for k, v := range map[string]string{
			"Content-Type": want[0], "Content-Disposition": "attachment; filename=" + c.CaseNumber() + "-1." + want[1],
			"X-Content-Type-Options": "nosniff", "Content-Security-Policy": "default-src 'none'; sandbox", "Cache-Control": "no-store",
		} {
			if got := a.header.Get(k); got != v {
				t.Errorf("%s is %q", k, got)
			}
		}
	}
}

// The words of a mail come first; what is below a reply is folded, what it said
// before it was edited is kept.
func TestQuotedEditedAndAutomatic(t *testing.T) {
	h := newHouse(t)
	h.operator("anna", "Anna", operatorRole, "phones")
	c := h.open(ask{who: "Olena", kind: channels.Email, text: "My own words"})
	h.rewrite(c, 1, func(m *casecore.Message) {
		m.Body.Quoted, m.Auto = "On Monday you wrote: https://good.example/x", true
		m.Versions = []casecore.Version{
			{ExternalID: "1", Body: channels.Body{Text: "The first words"}, At: m.At},
			{ExternalID: "2", Body: channels.Body{Text: "The second words", Files: []channels.File{{Name: "gone.pdf"}}}, At: m.At},
		}
	})
	h.must(h.store.Update(t.Context(), func(tx store.Tx) error {
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
		i.Shut = &casecore.Shut{Reason: channels.BadAddress, Code: "5.1.1", Channel: "email:main", At: h.now()}
		return casecore.Identities.Put(tx, i)
	}))
	b := h.signIn("anna")
	b.post("/desk/cases/" + c.CaseNumber() + "/claim")
	a := b.get("/desk/cases/" + c.CaseNumber())
	a.want(t, http.StatusOK, "My own words", "automatic", "Show quoted text", "On Monday you wrote", `href="https://good.example/x"`,
		"edited · 2 earlier versions", "The first words", "The second words", "gone.pdf",
		`<a href="/desk/cases/CW-000777">`, "May belong to CW-000777", "address does not take mail: 5.1.1")
	if i, j := strings.Index(a.body, "The second words"), strings.Index(a.body, "The first words"); i > j {
		t.Error("the latest of the earlier versions is not the first")
	}
	if strings.Contains(a.body, "<details class=\"fold quoted\" open") {
		t.Error("what is quoted is not folded")
	}
}

// An address that does not take mail is opened again by who works on the case, with
// one button; a customer's own wish is not an operator's to undo.
func TestWriteHereAgain(t *testing.T) {
	h := newHouse(t)
	h.operator("anna", "Anna", operatorRole, "phones")
	h.operator("boris", "Boris", operatorRole, "phones")
	h.operator("clara", "Clara", operatorRole, "tv")
	c := h.open(ask{who: "Olena", kind: channels.Email})
	id := casecore.IdentityID(c.To)
	shut := func(code string) {
		h.must(h.store.Update(t.Context(), func(tx store.Tx) error {
			i, err := casecore.Identities.Get(tx, id)
			if err != nil {
				return err
			}
			i.Shut = &casecore.Shut{Reason: channels.BadAddress, Code: code, Channel: "email:main", At: h.now()}
			return casecore.Identities.Put(tx, i)
		}))
	}
	path := "/desk/cases/" + c.CaseNumber()
	shut("5.1.1")
	h.signIn("anna").post(path+"/reopen", "identity", id).want(t, http.StatusConflict)
	b := h.signIn("anna")
	b.post(path + "/claim")
	b.get(path).want(t, http.StatusOK, "does not take mail: 5.1.1", "Write here again", `value="`+id+`"`)
	boris := h.signIn("boris")
	if a := boris.get(path); !strings.Contains(a.body, "does not take mail") || strings.Contains(a.body, "Write here again") {
		t.Error("who does not hold the case is offered to open its address")
	}
	boris.post(path+"/reopen", "identity", id).want(t, http.StatusConflict)
	h.signIn("clara").post(path+"/reopen", "identity", id).want(t, http.StatusNotFound)
	other := h.open(ask{who: "Ivan", kind: channels.Email})
	b.post(path+"/reopen", "identity", casecore.IdentityID(other.To)).want(t, http.StatusNotFound)
	b.post(path+"/reopen", "identity", id).goes(t, path)
	a := b.get(path)
	a.want(t, http.StatusOK, "Messages to this address again")
	if strings.Contains(a.body, "does not take mail") {
		t.Error("it is still shut")
	}
	b.post(path+"/reopen", "identity", id).goes(t, path) // twice changes nothing

	shut(casecore.StopCode)
	if a := b.get(path); !strings.Contains(a.body, "asked not to be written to") || strings.Contains(a.body, "Write here again") {
		t.Error("a customer's wish is offered to be undone")
	}
	b.post(path+"/reopen", "identity", id).want(t, http.StatusConflict, "Only their own word")
}
