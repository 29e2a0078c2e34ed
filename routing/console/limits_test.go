package console_test

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"mime/multipart"
	"net/http"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"

	"casewire/casecore"
	"casewire/casecore/store"
	"casewire/channels"
	"casewire/routing/console/words"
)

// What is too long or cannot be shown is refused in place, whichever way the form
// comes, and what was typed is there again.
func TestLimitsKeepWhatWasTyped(t *testing.T) {
	h := newHouse(t)
	anna := h.operator("anna", "Anna", operatorRole, "phones")
	c := h.open(ask{who: "Olena", attrs: map[string]string{"model": "13"}})
	b := h.signIn("anna")
	path := "/desk/cases/" + c.CaseNumber()
	b.post(path + "/claim")
	before := h.read(anna, c.CaseNumber()).Version
	long := "begin" + strings.Repeat("ы", 20_000)
	parts := func(text string) answer {
		var body bytes.Buffer
		w := multipart.NewWriter(&body)
		for _, f := range [][2]string{{"kind", "answer"}, {"text", text}, {"claim_no", "1"}, {"seen", "1"}} {
			h.must(w.WriteField(f[0], f[1]))
		}
		h.must(w.Close())
		return b.do(http.MethodPost, path+"/write", &body, "Content-Type", w.FormDataContentType())
	}
	for kind, send := range map[string]func(string) answer{
		"form": func(s string) answer {
			return b.post(path+"/write", "kind", "answer", "text", s, "claim_no", "1", "seen", "1")
		},
		"note":  func(s string) answer { return b.post(path+"/write", "kind", "note", "text", s) },
		"parts": parts,
	} {
		t.Run(kind, func(t *testing.T) {
			send(long).want(t, http.StatusUnprocessableEntity, "at most 20000 characters", long)
			send("kept \xff\x00text").want(t, http.StatusUnprocessableEntity, "cannot be shown", "kept text")
		})
	}
	parts(strings.Repeat("ы", 1<<20)).want(t, http.StatusRequestEntityTooLarge)

	wide := strings.Repeat("w", 501)
	edit := func(fields ...string) answer {
		return b.post(path+"/attributes", append(fields, "version", fmt.Sprint(before), "claim_no", "1")...)
	}
	edit("attr.model", wide, "was.attr.model", "13", "subject", "About it", "was.subject", "x").want(t, http.StatusUnprocessableEntity,
		"Model: at most 500 characters", `value="`+wide+`"`, `name="was.attr.model" value="13"`, `value="About it"`)
	edit("subject", strings.Repeat("s", 201), "was.subject", "").want(t, http.StatusUnprocessableEntity, "Subject: at most 200 characters")
	edit("subject", "two\x07bells", "was.subject", "").want(t, http.StatusUnprocessableEntity, "cannot be shown", `value="twobells"`)
	edit("new.key", strings.Repeat("k", 61), "new.value", "blue").want(t, http.StatusUnprocessableEntity, "at most 60 characters", `value="blue"`)
	var many []string
	for i := range 51 {
		many = append(many, fmt.Sprint("attr.k", i), "v")
	}
	edit(many...).want(t, http.StatusUnprocessableEntity, "at most 50")
	b.post(path+"/tags", "add", strings.Repeat("t", 41)).want(t, http.StatusUnprocessableEntity, "Tags: at most 40 characters", strings.Repeat("t", 41))
	b.post(path+"/tags", "add", "a,b,c,d,e,f,g,h,i,j,k,l,m,n,o,p,q,r,s,t,u").want(t, http.StatusUnprocessableEntity, "Tags: at most 20.")
	b.post(path+"/transfer", "queue", "tv", "reason", strings.Repeat("r", 501), "claim_no", "1").want(t, http.StatusUnprocessableEntity, "Why: at most 500")
	if after := h.read(anna, c.CaseNumber()); after.Version != before || len(after.Tags) != 0 {
		t.Errorf("version %d became %d, tags %v", before, after.Version, after.Tags)
	}
}

// Tags change from those that the case has, not from those that a form says.
func TestTagsStartFromTheCase(t *testing.T) {
	h := newHouse(t)
	anna := h.operator("anna", "Anna", operatorRole, "phones")
	c := h.open(ask{who: "Olena", tags: []string{"vip", "one, two"}})
	b := h.signIn("anna")
	path := "/desk/cases/" + c.CaseNumber()
	b.post(path + "/claim")
	b.post(path+"/tags", "add", "urgent", "was", "made,up", "claim_no", "1").goes(t, path)
	b.post(path+"/tags", "add", "vip", "claim_no", "1").goes(t, path)
	b.post(path+"/tags", "remove", "one, two", "claim_no", "1").goes(t, path)
	if got := h.read(anna, c.CaseNumber()).Tags; !slices.Equal(got, []string{"vip", "urgent"}) {
		t.Errorf("tags %q", got)
	}
	b.post(path+"/tags", "add", "late", "claim_no", "9").want(t, http.StatusPreconditionFailed)
}

// What the store cannot keep is too large, not our fault.
func TestStoreLimit(t *testing.T) {
	h := newHouse(t)
	h.operator("anna", "Anna", operatorRole, "phones")
	c := h.open(ask{who: "Olena"})
	full := h.work.Also(func(store.Tx, *casecore.Case, *casecore.Message) error { return fmt.Errorf("put: %w", store.ErrLimit) })
	_, err := full.Claim(t.Context(), casecore.System("test"), c.CaseNumber())
	if !errors.Is(err, store.ErrLimit) {
		t.Fatal(err)
	}
	*h.work = *full
	h.signIn("anna").post("/desk/cases/"+c.CaseNumber()+"/claim").want(t, http.StatusRequestEntityTooLarge, "too much at once")
}

// A small file that unpacks to a huge picture is never shown in place.
func TestHugePictureIsAFile(t *testing.T) {
	h := newHouse(t)
	h.operator("anna", "Anna", operatorRole, "phones")
	bomb := picture()
	binary.BigEndian.PutUint32(bomb[16:], 30_000)
	binary.BigEndian.PutUint32(bomb[20:], 30_000)
	binary.BigEndian.PutUint32(bomb[29:], crc32.ChecksumIEEE(bomb[12:29]))
	fake, err := h.files.Put(t.Context(), "fake.png", strings.NewReader("<script>alert(1)</script>"), 1<<20)
	h.must(err)
	fake.Type = "image/png"
	huge, err := h.files.Put(t.Context(), "bomb.png", bytes.NewReader(bomb), 1<<20)
	h.must(err)
	small, err := h.files.Put(t.Context(), "photo.png", bytes.NewReader(picture()), 1<<20)
	h.must(err)
	c := h.open(ask{who: "Olena", files: []channels.File{fake, huge, small}})
	b := h.signIn("anna")
	path := "/desk/cases/" + c.CaseNumber()
	b.post(path + "/claim")
	page := b.get(path)
	page.want(t, http.StatusOK, "bomb.png", "fake.png", "photo.png")
	images := regexp.MustCompile(`<img[^>]+/files/[^"]+/(\d)"`).FindAllStringSubmatch(page.body, -1)
	if len(images) != 1 || images[0][1] != "2" {
		t.Errorf("shown in place: %v; want the small one only", images)
	}
	base := path + "/files/" + h.messageID(c) + "/"
	for i, want := range []string{"attachment", "attachment", "inline"} {
		a := b.get(base + fmt.Sprint(i))
		if how := a.header.Get("Content-Disposition"); a.code != http.StatusOK || !strings.HasPrefix(how, want) {
			t.Errorf("file %d: %d, %s; want %s", i, a.code, how, want)
		}
	}
	if a := b.get(base + "2"); a.body != string(picture()) {
		t.Error("the picture is not sent from its first byte")
	}
}

// A form that could not be read says so; it is no wrong password and no other
// language.
func TestUnreadableEntryForms(t *testing.T) {
	h := newHouse(t)
	h.operator("anna", "Anna", operatorRole, "phones")
	big := strings.Repeat("x", 1<<16)
	for _, path := range []string{"/desk/sign-in", "/desk/settings", "/desk/welcome/guess"} {
		a := h.browser().post(path, "login", "anna", "password", password, "pad", big)
		a.want(t, http.StatusRequestEntityTooLarge, "too much at once")
		if strings.Contains(a.body, "Login or password is wrong") {
			t.Errorf("%s: called a wrong password", path)
		}
		h.browser().do(http.MethodPost, path, strings.NewReader("login=%zz"), "Content-Type", "application/x-www-form-urlencoded").
			want(t, http.StatusBadRequest, "arrived incomplete")
	}
}

func TestWrongMethods(t *testing.T) {
	h := newHouse(t)
	h.operator("anna", "Anna", operatorRole, "phones")
	b := h.signIn("anna")
	for _, c := range []struct{ method, path, allow string }{
		{http.MethodGet, "/desk/next", "POST"},
		{http.MethodGet, "/desk/cases/CW-000001/claim", "POST"},
		{http.MethodDelete, "/desk/cases/CW-000001", "GET, HEAD"},
		{http.MethodPost, "/desk/mine", "GET, HEAD"},
		{http.MethodPut, "/desk/settings", "GET, HEAD, POST"},
		{http.MethodPost, "/desk/", "GET, HEAD"},
	} {
		a := b.do(c.method, c.path, nil)
		if a.code != http.StatusMethodNotAllowed || a.header.Get("Allow") != c.allow {
			t.Errorf("%s %s: %d, Allow %q; want 405, %q", c.method, c.path, a.code, a.header.Get("Allow"), c.allow)
		}
	}
	b.do(http.MethodDelete, "/desk/nothing", nil).want(t, http.StatusNotFound)
}

// Every category of the policy that the program comes with has its own word.
func TestCategoriesOfThePolicyHaveWords(t *testing.T) {
	policy, err := os.ReadFile("../../config/policy/default.yaml")
	if err != nil {
		t.Fatal(err)
	}
	all, err := words.Load()
	if err != nil {
		t.Fatal(err)
	}
	found := regexp.MustCompile(`(?m)^      category: (\S+)$`).FindAllSubmatch(policy, -1)
	if len(found) < 5 {
		t.Fatalf("%d categories in the policy", len(found))
	}
	for _, m := range found {
		for tag, l := range all {
			if key := "category." + string(m[1]); l.Or(key, "") == "" {
				t.Errorf("%s has no word for %s", tag, key)
			}
		}
	}
}
