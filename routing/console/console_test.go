package console_test

import (
	"bytes"
	"fmt"
	"mime/multipart"
	"net/http"
	"regexp"
	"strings"
	"testing"
	"time"

	"casewire/casecore"
	"casewire/casecore/staff"
	"casewire/channels"
	"casewire/routing/console/words"
)

func (a answer) want(t *testing.T, code int, texts ...string) {
	t.Helper()
	if a.code != code {
		t.Errorf("status %d; want %d", a.code, code)
	}
	for _, s := range texts {
		if !strings.Contains(a.body, s) {
			t.Errorf("the page lacks %q", s)
		}
	}
}

func (a answer) goes(t *testing.T, to string) {
	t.Helper()
	if a.code != http.StatusSeeOther || a.header.Get("Location") != to {
		t.Errorf("status %d to %q; want 303 to %q", a.code, a.header.Get("Location"), to)
	}
}

func (h *house) read(by casecore.Actor, number string) *casecore.Case {
	h.t.Helper()
	v, err := h.work.Read(h.t.Context(), by, number)
	h.must(err)
	return v.Case
}

var operatorRole = []string{casecore.RoleOperator}

func TestSignIn(t *testing.T) {
	h := newHouse(t)
	h.operator("anna", "Anna", operatorRole, "phones")
	b := h.browser()
	b.get("/desk/cases/CW-000001").goes(t, "/desk/sign-in?back=%2Fdesk%2Fcases%2FCW-000001")
	b.post("/desk/next").goes(t, "/desk/sign-in")
	b.get("/desk/", "X-Part", "1").want(t, http.StatusUnauthorized)
	b.post("/desk/sign-in", "login", "anna", "password", "wrong").want(t, http.StatusUnauthorized, "Login or password is wrong", `value="anna"`)
	b.post("/desk/sign-in", "login", "nobody", "password", "wrong").want(t, http.StatusUnauthorized, "Login or password is wrong")
	for _, evil := range []string{"https://evil.example/", "//evil.example/desk/", "/desk/\\evil.example", "/chat/", "/desk/sign-out"} {
		h.browser().post("/desk/sign-in", "login", "anna", "password", password, "back", evil).goes(t, "/desk/")
	}
	b.post("/desk/sign-in", "login", "anna", "password", password, "back", "/desk/mine").goes(t, "/desk/mine")
	b.get("/desk/").want(t, http.StatusOK, "Phones and tablets", "Nobody is waiting")
	b.get("/desk/sign-in").goes(t, "/desk/")
	b.post("/desk/sign-out").goes(t, "/desk/sign-in")
	b.get("/desk/").goes(t, "/desk/sign-in")
}

func TestWelcomeLink(t *testing.T) {
	h := newHouse(t)
	secret, err := h.staff.Bootstrap(t.Context(), "admin", time.Hour)
	h.must(err)
	b, path := h.browser(), "/desk/welcome/"+secret
	b.get(path).want(t, http.StatusOK, "Set your password", "Administrator")
	b.post(path, "password", "short", "again", "short").want(t, http.StatusUnprocessableEntity, "At least 10 characters")
	b.post(path, "password", password, "again", password+"!").want(t, http.StatusUnprocessableEntity, "differ")
	b.post(path, "password", password, "again", password).goes(t, "/desk/")
	b.get("/desk/").want(t, http.StatusOK, "Administrator")
	b.get(path).want(t, http.StatusGone, "used or is too old")
	b.post("/desk/welcome/guess", "password", password, "again", password).want(t, http.StatusGone)
}

// What the customer wrote, and who they are, is in no answer of the console until
// somebody has taken the case.
func TestUnclaimedCaseShowsNothing(t *testing.T) {
	const canary = "KANARIENVOGEL"
	h := newHouse(t)
	anna := h.operator("anna", "Anna", operatorRole, "phones")
	h.operator("boris", "Boris", operatorRole, "tv")
	f, err := h.files.Put(t.Context(), canary+".png", bytes.NewReader(picture()), 1<<20)
	h.must(err)
	c := h.open(ask{who: canary, subject: canary, text: canary, attrs: map[string]string{"model": canary}, tags: []string{canary}, files: []channels.File{f}, react: time.Hour})
	h.settled(anna, 1)
	number, message := c.CaseNumber(), h.messageID(c)
	file := fmt.Sprintf("/desk/cases/%s/files/%s/0", number, message)
	for who, code := range map[string]int{"anna": http.StatusForbidden, "boris": http.StatusNotFound} {
		b := h.signIn(who)
		for _, path := range []string{"/desk/", "/desk/?queue=phones", "/desk/mine", "/desk/find?q=" + number, "/desk/cases/" + number, "/desk/cases/" + number + "?all=1", "/desk/cases/" + number + "/dossier", file, "/desk/settings"} {
			for _, part := range []string{"", "1"} {
				if a := b.get(path, "X-Part", part); strings.Contains(a.body, canary) {
					t.Errorf("%s sees the content at %s", who, path)
				}
			}
		}
		b.get("/desk/cases/"+number).want(t, code)
		b.get(file).want(t, code)
		for _, verb := range []string{"release", "transfer", "assign", "status", "attributes", "tags", "write", "typing"} {
			a := b.post("/desk/cases/"+number+"/"+verb, "kind", "answer", "text", "hello", "to", "in_work", "queue", "tv", "operator", "anna", "attr.model", "x", "add", "x")
			if a.code < 400 {
				t.Errorf("%s: %s of an unclaimed case: %d", who, verb, a.code)
			}
			if strings.Contains(a.body, canary) {
				t.Errorf("%s sees the content after %s", who, verb)
			}
		}
	}
	// To who does not serve the queue it is as if there were no such case.
	boris := h.signIn("boris")
	for _, path := range []string{"/claim", "/release", "/status", "/write"} {
		there := boris.post("/desk/cases/"+number+path, "kind", "note", "text", "x")
		not := boris.post("/desk/cases/CW-009999"+path, "kind", "note", "text", "x")
		if there.code != http.StatusNotFound || there.code != not.code || there.body != strings.ReplaceAll(not.body, "CW-009999", number) {
			t.Errorf("%s: %d, and %d where there is no case", path, there.code, not.code)
		}
	}
	b := h.signIn("anna")
	b.get("/desk/cases/"+number).want(t, http.StatusForbidden, number+" is waiting", "Take the case", "Phones and tablets")
	b.post("/desk/cases/"+number+"/claim").goes(t, "/desk/cases/"+number)
	b.get("/desk/cases/"+number).want(t, http.StatusOK, canary)
}

func (h *house) messageID(c *casecore.Case) string {
	h.t.Helper()
	super := casecore.System("test")
	v, err := h.work.Read(h.t.Context(), super, c.CaseNumber())
	h.must(err)
	return v.Messages[0].ID
}

// No address that a link or a crawler can follow changes anything.
func TestGetChangesNothing(t *testing.T) {
	h := newHouse(t)
	anna := h.operator("anna", "Anna", operatorRole, "phones", "tv")
	c := h.open(ask{who: "Olena"})
	b := h.signIn("anna")
	b.post("/desk/cases/" + c.CaseNumber() + "/claim")
	before := h.read(anna, c.CaseNumber())
	for _, verb := range []string{"claim", "release", "transfer?queue=tv", "assign?operator=anna", "status?to=awaiting", "attributes?attr.model=x", "tags?add=x", "write?kind=note&text=x", "typing"} {
		if a := b.get("/desk/cases/" + c.CaseNumber() + "/" + verb); a.code != http.StatusNotFound && a.code != http.StatusMethodNotAllowed {
			t.Errorf("GET %s: %d", verb, a.code)
		}
	}
	b.get("/desk/next")
	b.get("/desk/sign-out")
	b.get("/desk/mine").want(t, http.StatusOK)
	if after := h.read(anna, c.CaseNumber()); after.Version != before.Version {
		t.Errorf("version %d became %d", before.Version, after.Version)
	}
	other := b.do(http.MethodPost, "/desk/cases/"+c.CaseNumber()+"/release", nil, "Origin", "https://evil.example", "Sec-Fetch-Site", "cross-site")
	other.want(t, http.StatusForbidden)
}

func TestClaims(t *testing.T) {
	h := newHouse(t)
	anna := h.operator("anna", "Anna Kovalchuk", operatorRole, "phones")
	h.operator("boris", "Boris", operatorRole, "phones")
	first, second := h.open(ask{who: "One"}), h.open(ask{who: "Two", priority: casecore.Urgent})
	h.settled(anna, 2)
	a, b := h.signIn("anna"), h.signIn("boris")
	a.post("/desk/next").goes(t, "/desk/cases/"+second.CaseNumber())
	b.post("/desk/cases/"+second.CaseNumber()+"/claim").want(t, http.StatusConflict, "Anna Kovalchuk holds "+second.CaseNumber())
	b.post("/desk/next", "queue", "phones").goes(t, "/desk/cases/"+first.CaseNumber())
	h.settled(anna, 0)
	a.post("/desk/next").want(t, http.StatusNotFound, "Nothing is waiting right now")
	a.post("/desk/cases/"+second.CaseNumber()+"/release", "claim_no", "1").goes(t, "/desk/?done=released&case="+second.CaseNumber())
	a.get("/desk/?done=released&case="+second.CaseNumber()).want(t, http.StatusOK, second.CaseNumber()+" is back in its queue")
	if p := a.get("/desk/?done=%3Cb%3E&case=CW-000001"); strings.Contains(p.body, "notice is-green") {
		t.Error("a word that is not ours was confirmed")
	}
	a.post("/desk/cases/CW-999999/claim").want(t, http.StatusNotFound)
	a.post("/desk/cases/nonsense/claim").want(t, http.StatusNotFound)
	a.get("/desk/?queue=nonsense").want(t, http.StatusNotFound)
	a.get("/desk/find?q=1").goes(t, "/desk/cases/CW-000001")
	a.get("/desk/find?q=hello").want(t, http.StatusNotFound, "not a case number")
}

// An answer goes out unless the customer has written something that the operator
// has not seen; whatever else changed meanwhile does not matter. The text stays.
func TestAnswer(t *testing.T) {
	h := newHouse(t)
	anna := h.operator("anna", "Anna", operatorRole, "phones")
	boris := h.operator("boris", "Boris", operatorRole, "phones")
	c := h.open(ask{who: "Olena", text: "Hello"})
	b := h.signIn("anna")
	path := "/desk/cases/" + c.CaseNumber()
	b.post(path + "/claim")
	b.post(path+"/write", "kind", "answer", "text", "  ", "claim_no", "1", "seen", "1").want(t, http.StatusUnprocessableEntity, "nothing to send")
	_, _, err := h.work.Note(t.Context(), boris, c.CaseNumber(), "by the way")
	h.must(err)
	b.post(path+"/write", "kind", "answer", "text", "First answer", "claim_no", "1", "seen", "1").goes(t, path)

	h.says(c, "Wait, one more thing")
	refused := b.post(path+"/write", "kind", "answer", "text", "Second answer <b>", "claim_no", "1", "seen", "1")
	refused.want(t, http.StatusConflict, "wrote again meanwhile", "Second answer &lt;b&gt;", "Wait, one more thing")
	seen := regexp.MustCompile(`name="seen" value="(\d+)"`).FindStringSubmatch(refused.body)
	if seen == nil {
		t.Fatal("the page does not say what was seen")
	}
	b.post(path+"/write", "kind", "answer", "text", "Second answer <b>", "claim_no", "1", "seen", seen[1]).goes(t, path)
	b.get(path).want(t, http.StatusOK, "First answer", "Second answer &lt;b&gt;", "by the way", "Queued")

	_, err = h.work.Release(t.Context(), anna, c.CaseNumber(), "", casecore.Guard{})
	h.must(err)
	b.post(path+"/write", "kind", "answer", "text", "Too late", "claim_no", "1", "seen", seen[1]).want(t, http.StatusConflict, "Too late")
	_, err = h.work.Claim(t.Context(), boris, c.CaseNumber())
	h.must(err)
	b.post(path+"/write", "kind", "answer", "text", "Still mine?", "claim_no", "1", "seen", "9").want(t, http.StatusConflict, "Boris holds", "Still mine?")
	b.post(path+"/write", "kind", "note", "text", "For Boris").goes(t, path)
	var sent int
	v, err := h.work.Read(t.Context(), boris, c.CaseNumber())
	h.must(err)
	for _, m := range v.Messages {
		if m.Direction == casecore.Out {
			sent++
		}
	}
	if sent != 2 {
		t.Errorf("%d answers went out; want 2", sent)
	}
	b.post(path+"/write", "kind", "note", "text", strings.Repeat("ы", 1<<20)).want(t, http.StatusRequestEntityTooLarge)
}

func TestStatus(t *testing.T) {
	h := newHouse(t)
	anna := h.operator("anna", "Anna", operatorRole, "phones")
	c := h.open(ask{who: "Olena", lang: "en"})
	b := h.signIn("anna")
	path := "/desk/cases/" + c.CaseNumber()
	b.post(path + "/claim")
	page := b.get(path)
	page.want(t, http.StatusOK, "Repaired, ready for pickup", "Fill in first: model", "Needed for: Repaired", "Repair declined")
	if strings.Contains(page.body, `value="issued"`) {
		t.Error("a status that does not follow is offered")
	}
	b.post(path+"/status", "to", "issued", "from", "in_work", "claim_no", "1").want(t, http.StatusUnprocessableEntity, "does not follow")
	b.post(path+"/status", "to", "repaired", "from", "in_work", "claim_no", "1").want(t, http.StatusUnprocessableEntity, "must be filled in first")
	b.post(path+"/attributes", "attr.model", "iPhone 13", "was.attr.model", "", "version", "1", "claim_no", "1").goes(t, path)
	v := fmt.Sprint(h.read(anna, c.CaseNumber()).Version)
	h.says(c, "Please stop the repair")
	b.post(path+"/status", "to", "repaired", "from", "in_work", "seen", "1", "version", v, "claim_no", "1").want(t, http.StatusPreconditionFailed, "changed meanwhile", "Please stop the repair")
	b.post(path+"/status", "to", "repaired", "from", "in_work", "seen", "2", "version", v, "claim_no", "1").goes(t, path)
	b.get(path).want(t, http.StatusOK, "Repaired, ready for pickup", "In work → Repaired")
	if got := h.read(anna, c.CaseNumber()).Status; got != "repaired" {
		t.Errorf("status %s", got)
	}
}

// Two people who change different fields do not get in each other's way; two who
// change the same one do.
func TestAttributes(t *testing.T) {
	h := newHouse(t)
	anna := h.operator("anna", "Anna", operatorRole, "phones")
	c := h.open(ask{who: "Olena", attrs: map[string]string{"brand": "Apple"}})
	b := h.signIn("anna")
	path := "/desk/cases/" + c.CaseNumber()
	b.post(path + "/claim")
	old := fmt.Sprint(h.read(anna, c.CaseNumber()).Version)
	edit := func(fields ...string) answer {
		return b.post(path+"/attributes", append(fields, "version", old, "claim_no", "1")...)
	}
	edit("attr.model", "13", "was.attr.model", "", "attr.brand", "Apple", "was.attr.brand", "Apple").goes(t, path)
	edit("attr.serial", "F2L", "was.attr.serial", "", "priority", "high", "was.priority", "normal").goes(t, path)
	edit("attr.brand", "Samsung", "was.attr.brand", "Apple").goes(t, path)
	edit("attr.brand", "Nokia", "was.attr.brand", "Apple").want(t, http.StatusPreconditionFailed, "changed meanwhile", "Samsung")
	edit("new.key", "Колір корпусу", "new.value", "синій").goes(t, path)
	edit("priority", "whatever", "was.priority", "high").want(t, http.StatusBadRequest)
	got := h.read(anna, c.CaseNumber())
	want := map[string]string{"brand": "Samsung", "model": "13", "serial": "F2L", "колір_корпусу": "синій"}
	if fmt.Sprint(got.Attributes) != fmt.Sprint(want) || got.Priority != casecore.High {
		t.Errorf("attributes %v, priority %v", got.Attributes, got.Priority)
	}
	b.post(path+"/tags", "add", "vip, urgent", "was", "").goes(t, path)
	b.post(path+"/tags", "remove", "urgent", "was", "vip,urgent").goes(t, path)
	if got := h.read(anna, c.CaseNumber()); fmt.Sprint(got.Tags) != "[vip]" {
		t.Errorf("tags %v", got.Tags)
	}
}

func TestTransferAndAssign(t *testing.T) {
	h := newHouse(t)
	h.operator("anna", "Anna", operatorRole, "phones")
	boris := h.operator("boris", "Boris", operatorRole, "tv")
	c := h.open(ask{who: "Olena"})
	b := h.signIn("anna")
	path := "/desk/cases/" + c.CaseNumber()
	b.post(path + "/claim")
	b.post(path+"/transfer", "queue", "nonsense").want(t, http.StatusNotFound)
	b.post(path+"/assign", "operator", "nobody").want(t, http.StatusUnprocessableEntity, "no colleague “nobody”")
	b.post(path+"/transfer", "queue", "tv", "claim_no", "9").want(t, http.StatusPreconditionFailed)
	b.post(path+"/transfer", "queue", "tv", "reason", "It is a television", "claim_no", "1").goes(t, "/desk/?done=transferred&case="+c.CaseNumber())
	b.get(path).want(t, http.StatusNotFound, "another queue")
	b.post(path+"/write", "kind", "answer", "text", "Half an answer").want(t, http.StatusNotFound, "Half an answer")
	h.settled(boris, 1)
	h.signIn("boris").post(path+"/claim").goes(t, path)
	h.signIn("boris").get(path).want(t, http.StatusOK, "Moved from Phones and tablets to TV and audio", "It is a television")
}

func TestFiles(t *testing.T) {
	h := newHouse(t)
	h.operator("anna", "Anna", operatorRole, "phones")
	c := h.open(ask{who: "Olena"})
	b := h.signIn("anna")
	path := "/desk/cases/" + c.CaseNumber()
	b.post(path + "/claim")
	send := func(files map[string][]byte) answer {
		var body bytes.Buffer
		w := multipart.NewWriter(&body)
		for _, f := range [][2]string{{"kind", "answer"}, {"text", "See the files"}, {"claim_no", "1"}, {"seen", "1"}} {
			h.must(w.WriteField(f[0], f[1]))
		}
		for name, data := range files {
			part, err := w.CreateFormFile("files", name)
			h.must(err)
			_, err = part.Write(data)
			h.must(err)
		}
		h.must(w.Close())
		return b.do(http.MethodPost, path+"/write", &body, "Content-Type", w.FormDataContentType())
	}
	send(map[string][]byte{"big.bin": make([]byte, 1<<16+1)}).want(t, http.StatusRequestEntityTooLarge, "big.bin", "See the files")
	send(map[string][]byte{"page.html": []byte("<script>alert(1)</script>")}).goes(t, path)
	send(map[string][]byte{"фото.png": picture()}).goes(t, path)
	links := regexp.MustCompile(`/desk/cases/[^"]+/files/[^"]+/\d+`).FindAllString(b.get(path).body, -1)
	if len(links) < 2 {
		t.Fatalf("links to the files: %v", links)
	}
	page, photo := b.get(links[0]), b.get(links[len(links)-1])
	page.want(t, http.StatusOK, "<script>alert(1)</script>")
	if page.header.Get("Content-Type") != "application/octet-stream" || !strings.HasPrefix(page.header.Get("Content-Disposition"), "attachment;") {
		t.Errorf("a page from outside is sent as %s, %s", page.header.Get("Content-Type"), page.header.Get("Content-Disposition"))
	}
	if photo.header.Get("Content-Type") != "image/png" || !strings.HasPrefix(photo.header.Get("Content-Disposition"), "inline;") {
		t.Errorf("a photo is sent as %s, %s", photo.header.Get("Content-Type"), photo.header.Get("Content-Disposition"))
	}
	for _, a := range []answer{page, photo} {
		if csp := a.header.Get("Content-Security-Policy"); !strings.Contains(csp, "sandbox") || a.header.Get("X-Content-Type-Options") != "nosniff" {
			t.Errorf("policy %q, sniffing %q", csp, a.header.Get("X-Content-Type-Options"))
		}
	}
	b.get(strings.TrimSuffix(links[0], "0")+"7").want(t, http.StatusNotFound)
	b.get(path+"/files/nonsense/0").want(t, http.StatusNotFound)
	h.operator("boris", "Boris", operatorRole, "tv")
	h.signIn("boris").get(links[0]).want(t, http.StatusNotFound)
}

// Whatever comes from outside is text, wherever it is shown (W6).
func TestHostileText(t *testing.T) {
	const evil = `"><script>alert(1)</script><img src=x onerror=alert(1)>`
	h := newHouse(t)
	anna := h.operator("anna", "Anna "+evil, operatorRole, "phones")
	c := h.open(ask{who: evil, subject: evil, text: evil + " javascript:alert(1) https://good.example/?a=1&b=<script>", tags: []string{evil}, attrs: map[string]string{evil: evil}, category: evil})
	h.settled(anna, 1)
	b := h.signIn("anna")
	path := "/desk/cases/" + c.CaseNumber()
	pages := []answer{b.get("/desk/"), b.get(path)}
	b.post(path + "/claim")
	h.must(func() error {
		_, _, err := h.work.Note(t.Context(), anna, c.CaseNumber(), evil)
		return err
	}())
	pages = append(pages, b.get(path), b.get("/desk/mine"), b.get("/desk/"), b.get("/desk/find?q="+evil), b.post(path+"/assign", "operator", evil), b.post("/desk/sign-in", "login", evil, "password", "x"))
	for i, p := range pages {
		for _, bad := range []string{"<script>alert", "<img src=x", `href="javascript:`} {
			if strings.Contains(p.body, bad) {
				t.Errorf("page %d has %q unescaped", i, bad)
			}
		}
	}
	pages[2].want(t, http.StatusOK, `href="https://good.example/?a=1&amp;b="`, `rel="noopener noreferrer nofollow"`)
}

// Pages obey their own policy: nothing inline that runs or styles.
func TestPagesObeyThePolicy(t *testing.T) {
	h := newHouse(t)
	anna := h.operator("anna", "Anna", []string{casecore.RoleOperator}, "phones", "computers", "appliances", "tv", "general")
	number := furnish(h, anna)
	h.settled(anna, 43)
	inline := regexp.MustCompile(`(?i)\sstyle="|<style|\son[a-z]+="|<script>|<script [^>]*>[^<\s]`)
	unspoken := regexp.MustCompile(`>(?:[a-z]+)\.[a-z_]+(?:\.[a-z_]+)?<`)
	b := h.signIn("anna")
	for _, tag := range words.Tags {
		b.post("/desk/settings", "lang", tag, "back", "/desk/mine").goes(t, "/desk/mine")
		for _, path := range []string{"/desk/", "/desk/mine", "/desk/settings", "/desk/cases/" + number, "/desk/cases/" + number + "/dossier", "/desk/cases/CW-000001", "/desk/cases/CW-999999"} {
			a := b.get(path)
			if !strings.Contains(a.body, `<html lang="`+tag+`">`) {
				t.Errorf("%s is not in %s", path, tag)
			}
			for _, m := range inline.FindAllString(a.body, -1) {
				if !strings.Contains(m, "application/json") {
					t.Errorf("%s has %q inline", path, m)
				}
			}
			if m := unspoken.FindString(a.body); m != "" {
				t.Errorf("%s in %s shows the key %s", path, tag, m)
			}
			if !strings.Contains(a.header.Get("Content-Security-Policy"), "default-src 'self'") {
				t.Errorf("%s has no policy", path)
			}
			if strings.Contains(a.body, "src=\"http") || strings.Contains(a.body, "//cdn") {
				t.Errorf("%s loads from elsewhere", path)
			}
		}
	}
}

func TestPartsAndAssets(t *testing.T) {
	h := newHouse(t)
	h.operator("anna", "Anna", operatorRole, "phones")
	c := h.open(ask{who: "Olena", text: "Hello"})
	b := h.signIn("anna")
	path := "/desk/cases/" + c.CaseNumber()
	b.post(path + "/claim")
	part := b.get(path, "X-Part", "1")
	part.want(t, http.StatusOK, "Hello", `data-region="status"`)
	if strings.Contains(part.body, "<html") {
		t.Error("a part has the whole page around it")
	}
	b.get(path, "X-Part", "1", "If-None-Match", part.header.Get("ETag")).want(t, http.StatusNotModified)
	h.says(c, "Again")
	b.get(path, "X-Part", "1", "If-None-Match", part.header.Get("ETag")).want(t, http.StatusOK, "Again")

	sheet := regexp.MustCompile(`/desk/assets/[^"]+/css/tokens.css`).FindString(b.get("/desk/").body)
	a := h.browser().get(sheet)
	a.want(t, http.StatusOK, "--accent")
	if !strings.Contains(a.header.Get("Cache-Control"), "immutable") {
		t.Errorf("cached %q", a.header.Get("Cache-Control"))
	}
	h.browser().get(sheet, "If-None-Match", a.header.Get("ETag")).want(t, http.StatusNotModified)
	old := h.browser().get("/desk/assets/000000/css/tokens.css")
	if strings.Contains(old.header.Get("Cache-Control"), "immutable") {
		t.Error("an old address is kept for ever")
	}
	for _, bad := range []string{"/desk/assets/x/../console.go", "/desk/assets/x/css/", "/desk/assets/x/nothing.css"} {
		if a := h.browser().get(bad); a.code == http.StatusOK {
			t.Errorf("%s: %d", bad, a.code)
		}
	}
}

func TestLanguageFollowsTheOperator(t *testing.T) {
	h := newHouse(t)
	_, err := h.staff.Create(t.Context(), staff.Operator{Login: "milica", Name: "Милица", Roles: operatorRole, Queues: []string{"tv"}, Lang: "sr"}, password)
	h.must(err)
	b := h.browser()
	b.get("/desk/sign-in", "Accept-Language", "uk-UA,uk;q=0.9,en;q=0.5").want(t, http.StatusOK, "Вхід")
	b.post("/desk/sign-in", "login", "milica", "password", password).goes(t, "/desk/")
	b.get("/desk/").want(t, http.StatusOK, "Нико не чека")
	b.post("/desk/settings", "lang", "sr-Latn", "back", "//evil.example").goes(t, "/desk/")
	b.get("/desk/").want(t, http.StatusOK, "Niko ne čeka")
	b.post("/desk/settings", "lang", "tlh", "back", "/desk/").goes(t, "/desk/")
	b.get("/desk/").want(t, http.StatusOK, "Niko ne čeka")
}

// A supervisor reads a waiting case without taking it, and may act on it.
func TestSupervisor(t *testing.T) {
	h := newHouse(t)
	anna := h.operator("anna", "Anna", operatorRole, "phones")
	h.operator("vera", "Vera", []string{casecore.RoleSupervisor})
	c := h.open(ask{who: "Olena", text: "Hello"})
	h.settled(anna, 1)
	v := h.signIn("vera")
	path := "/desk/cases/" + c.CaseNumber()
	v.get(path).want(t, http.StatusOK, "Hello", "Take the case", "nobody")
	v.post(path+"/assign", "operator", "anna", "reason", "She knows it").goes(t, "/desk/?done=assigned&case="+c.CaseNumber())
	h.signIn("anna").get(path).want(t, http.StatusOK, "Given to Anna", "She knows it")
}
