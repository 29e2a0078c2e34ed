package api_test

import (
	"strings"
	"testing"

	"casewire/casecore/lang"
	"casewire/routing/api"
	"casewire/routing/wording"
)

func TestTemplates(t *testing.T) {
	h := newHouse(t)
	h.wording.Put(wording.Template{Draft: wording.Draft{ID: "ready", Text: lang.Text{"en": "Case {{case}} is ready, TODO"}},
		Uses: []wording.Use{{Kind: "status", Name: "repaired"}}})
	h.wording.Put(wording.Template{Draft: wording.Draft{ID: "spare", Text: lang.Text{"en": "Spare"}}})
	path := v1 + "/policy/templates"

	a := h.as("susan", "GET", path, nil).want(200)
	var all api.Templates
	a.json(&all)
	if a.Header.Get("ETag") != `"r2"` || all.Revision != 2 || len(all.Templates) != 2 || all.Fallback != "en" || len(all.Variables) == 0 {
		t.Errorf("templates %+v", all)
	}
	ready := all.Templates[0]
	if ready.ID != "ready" || len(ready.Uses) != 1 || ready.Uses[0].Name != "repaired" || len(ready.Findings) != 1 || ready.Findings[0].Severity != "warning" || ready.Findings[0].Column != 25 {
		t.Errorf("template %+v", ready)
	}
	var one api.Template
	h.as("susan", "GET", path+"/spare", nil).want(200).json(&one)
	if one.Text["en"] != "Spare" || one.Uses == nil || one.Findings == nil {
		t.Errorf("template %+v", one)
	}
	h.as("susan", "GET", path+"/none", nil).problem(404, "not_found")

	body := m{"text": m{"en": "Ready: {{case}}"}, "note": "shorter"}
	h.as("susan", "PUT", path+"/ready", body).problem(428, "match_required")
	h.as("susan", "PUT", path+"/ready", body, "If-Match", `"v2"`).problem(422, "invalid")
	p := h.as("susan", "PUT", path+"/ready", body, "If-Match", `"r1"`).problem(412, "stale")
	if p.Version != 2 {
		t.Errorf("stale %+v", p)
	}
	a = h.as("susan", "PUT", path+"/ready", body, "If-Match", `"r2"`).want(200)
	if a.json(&one); a.Header.Get("ETag") != `"r3"` || one.Text["en"] != "Ready: {{case}}" || len(one.Uses) != 1 {
		t.Errorf("put %+v", one)
	}
	h.as("susan", "PUT", path+"/fresh", body, "If-Match", `"r3"`).want(200)
	q := h.as("susan", "PUT", path+"/ready", m{"text": m{"en": "\n {{bad}}"}}, "If-Match", `"r4"`).problem(422, "policy")
	if len(q.Errors) != 1 || q.Errors[0].Pointer != "#/text/en" || !strings.Contains(q.Errors[0].Detail, "line 2, column 2: no variable") {
		t.Errorf("faults %+v", q.Errors)
	}
	h.as("susan", "PUT", path+"/ready", m{"text": m{"xx": "x"}}, "If-Match", `"r4"`).problem(422, "invalid")
	h.as("susan", "PUT", path+"/ready", m{"text": m{"en": "a\x00b"}}, "If-Match", `"r4"`).problem(422, "invalid")

	q = h.as("susan", "DELETE", path+"/ready", nil, "If-Match", `"r4"`).problem(409, "in_use")
	if !strings.Contains(q.Detail, "status repaired") {
		t.Errorf("in use %+v", q)
	}
	h.as("susan", "DELETE", path+"/spare", nil).problem(428, "match_required")
	if a := h.as("susan", "DELETE", path+"/spare", nil, "If-Match", `"r4"`).want(204); a.Header.Get("ETag") != `"r5"` {
		t.Errorf("deleted: %q", a.Header.Get("ETag"))
	}
	h.as("susan", "DELETE", path+"/spare", nil, "If-Match", `"r5"`).problem(404, "not_found")
	for _, who := range []string{"anna", "program"} {
		h.as(who, "GET", path, nil).problem(403, "forbidden")
		h.as(who, "PUT", path+"/ready", body, "If-Match", `"r5"`).problem(403, "forbidden")
		h.as(who, "DELETE", path+"/fresh", nil, "If-Match", `"r5"`).problem(403, "forbidden")
		h.as(who, "POST", path+"/preview", body).problem(403, "forbidden")
	}
}

func TestPreviewOfATemplate(t *testing.T) {
	h := newHouse(t)
	path := v1 + "/policy/templates/preview"
	var p api.TemplatePreview
	h.as("susan", "POST", path, m{"text": m{"en": "Ready {{case}} TODO", "ru": "Готово {{bad}}"}, "subject": m{"en": "Hi"}, "languages": []string{"en", "ru"}}).want(200).json(&p)
	if len(p.Previews) != 2 || len(p.Findings) != 2 || p.Previews[0].Text != "Ready CW-000123 TODO" || p.Previews[0].Subject != "Hi" || !p.Previews[1].Broken {
		t.Fatalf("preview %+v", p)
	}
	sms := p.Previews[0].Channels[1]
	if sms.Kind != "sms" || sms.Cost == nil || sms.Cost.Parts != 1 || sms.Cost.Encoding != "UCS-2" || sms.Cost.Characters != 20 || p.Previews[0].Channels[0].Cost != nil {
		t.Errorf("as SMS %+v", sms)
	}
	h.as("susan", "POST", path, m{"text": m{"en": "x"}, "case": "CW-999999"}).problem(404, "not_found")
	h.as("susan", "POST", path, m{"text": m{"en": "x"}, "case": "none"}).problem(404, "not_found")
}
