package console_test

import (
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"casewire/casecore"
	"casewire/casecore/lang"
	"casewire/routing/wording"
)

// texts puts two templates in force, one of them in use.
func (h *house) texts() {
	h.wording.Put(wording.Template{Draft: wording.Draft{ID: "ready", Subject: lang.Text{"en": "Ready ({{case}})", "ru": "Готово"},
		Text: lang.Text{"en": "Your case {{case}} is ready.\nCome by <today>.", "ru": "Заявка {{case}} готова.", "uk": "Заявка {{case}} готова, TODO"}},
		Uses: []wording.Use{{Kind: "status", Name: "repaired", Text: text("Repaired, ready for pickup", "Отремонтировано, можно забирать")}, {Kind: "rule", Name: "everything else"}}})
	h.wording.Put(wording.Template{Draft: wording.Draft{ID: "spare", Text: lang.Text{"en": "Nothing sends me, {{case}}"}, Urgent: true}})
}

func (h *house) supervisor() *browser {
	h.operator("susan", "Susan", []string{casecore.RoleSupervisor}, "phones")
	return h.signIn("susan")
}

func TestTemplatesAreForSupervisors(t *testing.T) {
	h := newHouse(t)
	h.texts()
	h.operator("anna", "Anna", operatorRole, "phones")
	b := h.signIn("anna")
	if a := b.get("/desk/"); strings.Contains(a.body, "/desk/policy") {
		t.Error("an operator is led to the templates")
	}
	for _, path := range []string{"/desk/policy", "/desk/policy/revisions/1", "/desk/policy/templates", "/desk/policy/templates/ready", "/desk/policy/templates/none", "/desk/policy/new-template"} {
		b.get(path).want(t, http.StatusForbidden, "Your roles do not include this page.")
	}
	for _, path := range []string{"/desk/policy/templates", "/desk/policy/templates/ready", "/desk/policy/templates/spare/delete", "/desk/policy/preview", "/desk/policy/revisions/1/restore"} {
		b.post(path, "id", "x", "text.en", "x", "revision", "2").want(t, http.StatusForbidden)
	}
	susan := h.supervisor()
	susan.get("/desk/").want(t, http.StatusOK, `href="/desk/policy/templates"`)
	susan.get("/desk/policy/templates").want(t, http.StatusOK, "Repaired, ready for pickup", "status “Repaired, ready for pickup”", "rule “everything else”", "nothing sends it", "1 warning")
	susan.get("/desk/policy/templates/none").want(t, http.StatusNotFound)
}

func TestATemplateIsEdited(t *testing.T) {
	h := newHouse(t)
	h.texts()
	b := h.supervisor()
	page := "/desk/policy/templates/ready"
	a := b.get(page)
	a.want(t, http.StatusOK, "Your case {{case}} is ready.\nCome by &lt;today&gt;.", "Your case CW-000123 is ready.", "Готово", "the subject of the case",
		"1 SMS", "UCS-2", "because of я", "number of the case", `data-insert="{{case}}"`, `data-insert="{{opened:short}}"`, "“TODO” looks left over.", ">1:25<", "gets English")
	b.post(page, "revision", "2", "lang", "ru", "text.en", "It is ready, {{case}}", "text.ru", "Готово: {{case}}", "text.uk", "", "text.sr", " ", "note", "shorter").
		goes(t, page+"?done=saved&revision=3&lang=ru")
	b.get(page+"?done=saved&revision=3&lang=ru").want(t, http.StatusOK, "Saved as revision 3", "It is ready, {{case}}")
	if b.get(page); strings.Contains(b.get(page).body, "TODO") {
		t.Error("a language that was emptied is still there")
	}
	b.post(page, "revision", "3", "text.en", "It is ready, {{case}}", "text.ru", "Готово: {{case}}").goes(t, page+"?done=same&revision=3&lang=")

	// What is wrong changes nothing, and the words come back.
	a = b.post(page, "revision", "3", "text.en", "Hi\n {{bad}} <b>", "text.ru", "Готово", "note", "why not")
	a.want(t, http.StatusUnprocessableEntity, "1 error keeps it from being saved", "{{bad}} &lt;b&gt;", ">2:2<", "Cannot be shown", `value="why not"`)
	// A stale save shows what is in force beside what was typed.
	a = b.post(page, "revision", "2", "text.en", "Mine, {{case}}", "text.ru", "Готово: {{case}}")
	a.want(t, http.StatusPreconditionFailed, "it is at revision 3", "<del>It is ready, {{case}}</del>", "<ins>Mine, {{case}}</ins>", `name="revision" value="3"`, "\nMine, {{case}}</textarea>")
	b.post(page, "revision", "3", "text.en", "Mine, {{case}}", "text.ru", "Готово: {{case}}").goes(t, page+"?done=saved&revision=4&lang=")
	b.post("/desk/policy/templates/none", "revision", "4", "text.en", "x").want(t, http.StatusNotFound)
}

func TestATemplateIsMadeAndDeleted(t *testing.T) {
	h := newHouse(t)
	h.texts()
	b := h.supervisor()
	b.get("/desk/policy/new-template").want(t, http.StatusOK, `name="id"`, "Create")
	b.post("/desk/policy/templates", "id", "ready", "revision", "2", "fresh", "1", "text.en", "mine").want(t, http.StatusConflict, "There is a template ready already", "\nmine</textarea>")
	b.post("/desk/policy/templates", "id", "again", "revision", "2", "fresh", "1", "text.en", "Hello {{case}}").goes(t, "/desk/policy/templates/again?done=saved&revision=3&lang=")
	b.get("/desk/policy/templates/ready").want(t, http.StatusOK, "It can be deleted once nothing sends it")
	b.get("/desk/policy/templates/spare").want(t, http.StatusOK, "Delete the template")
	b.post("/desk/policy/templates/ready/delete", "revision", "3").want(t, http.StatusConflict, "ready is in use", "status “Repaired, ready for pickup”; rule “everything else”")
	b.post("/desk/policy/templates/spare/delete", "revision", "2").want(t, http.StatusPreconditionFailed, "Nothing was deleted")
	b.post("/desk/policy/templates/spare/delete", "revision", "3").goes(t, "/desk/policy/templates?done=dropped&revision=4")
	b.get("/desk/policy/templates?done=dropped&revision=4").want(t, http.StatusOK, "Deleted with revision 4")
	b.get("/desk/policy/templates/spare").want(t, http.StatusNotFound)
}

// The preview is the same whether a module asks for its parts or a form for the
// page, and fills in only cases that the operator may read.
func TestPreviewOfATemplate(t *testing.T) {
	h := newHouse(t)
	h.texts()
	anna := h.operator("anna", "Anna", operatorRole, "phones", "tv")
	mine := h.open(ask{who: "Olena Bondar", text: "hello", react: time.Hour})
	_, err := h.work.Claim(t.Context(), anna, mine.CaseNumber())
	h.must(err)
	b := h.supervisor()
	fields := []string{"id", "ready", "revision", "2", "lang", "en", "text.en", "Case {{case}} {{bad}}?", "text.ru", "Дело {{case}}"}
	part := b.part("/desk/policy/preview", fields...)
	part.want(t, http.StatusOK, `id="tpl-findings-en"`, ">1:15<", "Cannot be shown", `id="tpl-badge-ru"`)
	if strings.Contains(part.body, "<html") || strings.Contains(part.body, "Дело CW-000123") {
		t.Error("a part brings more than was asked for")
	}
	b.post("/desk/policy/preview", fields...).want(t, http.StatusOK, "<html", "Дело CW-000123", "\nCase {{case}} {{bad}}?</textarea>", `action="/desk/policy/templates/ready"`)
	fields = append(fields, "case", mine.CaseNumber())
	b.post("/desk/policy/preview", fields...).want(t, http.StatusOK, "Дело "+mine.CaseNumber(), "Filled in from the case of Olena Bondar.")

	fields[len(fields)-1] = "CW-009999"
	b.post("/desk/policy/preview", fields...).want(t, http.StatusOK, "CW-009999 is not there, or not for you to see", "Дело CW-000123")
	// Nobody sees more of a case here than on its own page.
	unclaimed := h.open(ask{who: "KANARIENVOGEL", text: "x", queue: "tv"})
	fields[len(fields)-1] = unclaimed.CaseNumber()
	if a := b.post("/desk/policy/preview", fields...); strings.Contains(a.body, "KANARIENVOGEL") && b.get("/desk/cases/"+unclaimed.CaseNumber()).code != http.StatusOK {
		t.Error("the preview shows a case that its page does not")
	}
}

func TestRevisionsOfThePolicy(t *testing.T) {
	h := newHouse(t)
	h.texts()
	b := h.supervisor()
	b.post("/desk/policy/templates/spare", "revision", "2", "text.en", "Another <word>", "note", "a <note>").goes(t, "/desk/policy/templates/spare?done=saved&revision=3&lang=")
	b.get("/desk/policy").want(t, http.StatusOK, "Revision 3", "Susan", "a &lt;note&gt;", "in force", "template ready")
	b.get("/desk/policy?before=3").want(t, http.StatusOK, "Revision 2")
	b.get("/desk/policy/revisions/3").want(t, http.StatusOK, "Compared with revision 2", "<ins>spare en: Another &lt;word&gt;</ins>", "<del>spare en: Nothing sends me, {{case}}</del>")
	b.get("/desk/policy/revisions/1").want(t, http.StatusOK, "The first one", "Put in force again")
	for _, n := range []string{"0", "9", "-1", "x"} {
		b.get("/desk/policy/revisions/"+n).want(t, http.StatusNotFound)
	}
	b.post("/desk/policy/revisions/2/restore", "revision", "2").want(t, http.StatusPreconditionFailed, "Nothing was restored")
	b.post("/desk/policy/revisions/2/restore", "revision", "3", "note", "back").goes(t, "/desk/policy?done=restored&revision=4")
	b.get("/desk/policy?done=restored&revision=4").want(t, http.StatusOK, "Restored as revision 4", "back")
	b.get("/desk/policy/revisions/4").want(t, http.StatusOK, "<ins>spare en: Nothing sends me, {{case}}</ins>")
}

// part posts a form as the module does, which wants parts of the page alone.
func (b *browser) part(path string, fields ...string) answer {
	b.h.t.Helper()
	v := url.Values{}
	for i := 0; i+1 < len(fields); i += 2 {
		v.Set(fields[i], fields[i+1])
	}
	return b.do(http.MethodPost, path, strings.NewReader(v.Encode()), "Content-Type", "application/x-www-form-urlencoded", "X-Part", "1")
}
