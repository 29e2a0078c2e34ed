package api_test

import (
	"bytes"
	"image"
	"image/png"
	"net/http"
	"net/http/cookiejar"
	"strings"
	"testing"
	"time"

	"casewire/casecore/staff"
	"casewire/casecore/store"
	"casewire/routing/api"
)

func TestSessions(t *testing.T) {
	h := newHouse(t)
	h.must(h.staff.SetPassword(t.Context(), "anna", password))
	jar, err := cookiejar.New(nil)
	h.must(err)
	c := &http.Client{Jar: jar}
	do := func(method, path, body string) *answer {
		req, err := http.NewRequestWithContext(t.Context(), method, h.url+v1+path, strings.NewReader(body))
		h.must(err)
		req.Header.Set("Content-Type", "application/json")
		res, err := c.Do(req)
		h.must(err)
		var b bytes.Buffer
		_, err = b.ReadFrom(res.Body)
		h.must(err)
		h.must(res.Body.Close())
		return &answer{res, b.Bytes(), t}
	}
	wrong := do("POST", "/sessions", `{"login":"anna","password":"not this one"}`).problem(401, "bad_login")
	unknown := do("POST", "/sessions", `{"login":"nobody","password":"not this one"}`).problem(401, "bad_login")
	if wrong.Detail != unknown.Detail {
		t.Error("the answer tells which logins there are")
	}
	in := do("POST", "/sessions", `{"login":"anna","password":"`+password+`"}`).want(201)
	if strings.Contains(string(in.body), in.Cookies()[0].Value) {
		t.Error("the secret is in the body, where scripts can read it")
	}
	var me api.Me
	do("GET", "/me", "").want(200).json(&me)
	if me.Login != "anna" || me.Program || me.ExpiresAt == nil || me.Queues[0] != "phones" {
		t.Errorf("me %+v", me)
	}
	do("DELETE", "/sessions/current", "").want(204)
	do("GET", "/me", "").problem(401, "not_signed_in")
	for range 12 {
		in = do("POST", "/sessions", `{"login":"anna","password":"not this one"}`)
	}
	if in.problem(429, "too_many"); in.Header.Get("Retry-After") == "" || in.Header.Get("Retry-After") == "0" {
		t.Errorf("Retry-After %q", in.Header.Get("Retry-After"))
	}
	if log := h.log.String(); strings.Contains(log, password) || strings.Contains(log, "not this one") {
		t.Error("a password is in the log")
	}
}

func TestOperatorsAndTokens(t *testing.T) {
	h := newHouse(t)
	var made api.NewlyMade
	a := h.as("admin", "POST", v1+"/operators", m{"login": "Dora", "name": "Dora", "roles": []string{"operator"}, "queues": []string{"tv"}}).want(201)
	a.json(&made)
	if made.Link == nil {
		t.Fatal("no link for the first password")
	}
	_, err := h.staff.Redeem(t.Context(), made.Link.Secret, password)
	h.must(err)
	p := h.as("admin", "POST", v1+"/operators", m{"login": "dora", "name": "", "roles": []string{"king"}}).problem(422, "invalid")
	if len(p.Errors) != 2 || p.Errors[0].Pointer != "#/name" || p.Errors[1].Pointer != "#/roles/0" {
		t.Errorf("faults %+v", p.Errors)
	}
	h.as("admin", "PATCH", v1+"/operators/dora", m{"queues": []string{"phones"}}, "If-Match", a.Header.Get("ETag")).problem(412, "stale")
	var o api.Operator
	h.as("admin", "PATCH", v1+"/operators/dora", m{"queues": []string{}, "disabled": true}).want(200).json(&o)
	if !o.Disabled || len(o.Queues) != 0 {
		t.Errorf("changed %+v", o)
	}
	h.as("admin", "PATCH", v1+"/operators/nobody", m{}).problem(404, "not_found")
	p = h.as("admin", "PATCH", v1+"/operators/anna", m{"name": "Changed", "password": "short"}).problem(422, "invalid")
	if p.Errors[0].Pointer != "#/password" {
		t.Errorf("faults %+v", p.Errors)
	}
	if o, err := h.staff.Find(t.Context(), "anna"); err != nil || o.Name != "anna" {
		t.Errorf("a refused change was made by half: %+v, %v", o, err)
	}

	var tok api.IssuedToken
	h.as("admin", "POST", v1+"/tokens", m{"name": "1C", "roles": []string{"integrator"}, "expires_at": time.Now().Add(time.Hour)}).want(201).json(&tok)
	h.tokens["1C"] = tok.Secret
	var me api.Me
	h.as("1C", "GET", v1+"/me", nil).want(200).json(&me)
	if !me.Program || me.Name != "1C" {
		t.Errorf("me %+v", me)
	}
	h.as("admin", "DELETE", v1+"/tokens/"+tok.ID, nil).want(200)
	h.as("1C", "GET", v1+"/me", nil).problem(401, "not_signed_in")
	h.as("admin", "POST", v1+"/tokens", m{"name": "1C", "roles": []string{"integrator"}, "expires_at": "2020-01-01T00:00:00Z"}).problem(422, "invalid")
	var l api.List[api.Token]
	h.as("admin", "GET", v1+"/tokens?limit=1", nil).want(200).json(&l)
	if len(l.Items) != 1 || l.Next == "" || l.Items[0].RevokedAt == nil {
		t.Errorf("tokens %+v", l)
	}
	var kept bytes.Buffer
	h.must(h.store.View(t.Context(), func(tx store.Tx) error {
		for _, coll := range append(staff.Collections(), api.Collections()...) {
			for d, err := range tx.Scan(coll, store.Range{}) {
				if err != nil {
					return err
				}
				kept.Write(d.Body)
			}
		}
		return nil
	}))
	if s := kept.String() + h.log.String(); strings.Contains(s, tok.Secret) || strings.Contains(s, made.Link.Secret) {
		t.Error("a secret is kept or logged")
	}
}

func TestPolicy(t *testing.T) {
	h := newHouse(t)
	a := h.as("susan", "GET", v1+"/policy", nil).want(200)
	var p api.Policy
	a.json(&p)
	if p.Revision != 1 || p.Document != "queues: []\n" || a.Header.Get("ETag") != `"r1"` {
		t.Errorf("policy %+v", p)
	}
	if b := h.as("susan", "GET", v1+"/policy", nil, "Accept", "application/yaml").want(200); string(b.body) != p.Document || b.Header.Get("Content-Type") != "application/yaml" {
		t.Errorf("YAML: %s %q", b.Header.Get("Content-Type"), b.body)
	}
	const yaml = "application/yaml"
	h.as("susan", "PUT", v1+"/policy", "queues: [a]\n", "Content-Type", yaml).problem(428, "match_required")
	h.as("susan", "PUT", v1+"/policy", "queues: [a]\n", "Content-Type", yaml, "If-Match", `"v1"`).problem(422, "invalid")
	h.as("susan", "PUT", v1+"/policy", "queues: [a]\n", "Content-Type", yaml, "If-Match", `"r1"`).want(200)
	q := h.as("susan", "PUT", v1+"/policy", "queues: [b]\n", "Content-Type", yaml, "If-Match", `"r1"`).problem(412, "stale")
	if q.Version != 2 {
		t.Errorf("stale at %d", q.Version)
	}
	q = h.as("susan", "PUT", v1+"/policy", "fault", "Content-Type", yaml, "If-Match", `"r2"`).problem(422, "policy")
	if len(q.Errors) != 2 || q.Errors[0].Detail != `line 3, column 7: rules[0]: no queue "x"; did you mean "phones"?` {
		t.Errorf("faults %+v", q.Errors)
	}
	h.as("susan", "PUT", v1+"/policy", m{"document": "queues: [c]\n", "note": "why"}, "If-Match", `"r2"`).want(200)
	h.as("susan", "PUT", v1+"/policy", m{"dokument": "x"}, "If-Match", `"r3"`).problem(422, "invalid")
	h.as("susan", "PUT", v1+"/policy", "a: \xff", "Content-Type", yaml, "If-Match", `"r3"`).problem(400, "malformed")
	h.as("susan", "PUT", v1+"/policy", "a: \x00", "Content-Type", yaml, "If-Match", `"r3"`).problem(400, "malformed")
	if got := h.as("susan", "GET", v1+"/policy", nil, "Accept", yaml); string(got.body) != "queues: [c]\n" {
		t.Errorf("in force: %q", got.body)
	}
	var l api.List[api.Channel]
	h.as("susan", "GET", v1+"/channels", nil).want(200).json(&l)
	if len(l.Items) != 1 || l.Items[0].Words == "" {
		t.Errorf("channels %+v", l)
	}
}

func TestCustomers(t *testing.T) {
	h := newHouse(t)
	var k api.Customer
	h.as("anna", "POST", v1+"/customers", m{"name": " Olha ", "time_zone": "Europe/Kyiv", "addresses": []m{{"kind": "email", "handle": "Olha@Example.ORG"}}}).want(201).json(&k)
	if k.Name != "Olha" || k.Addresses[0].Handle != "Olha@example.org" {
		t.Errorf("made %+v", k)
	}
	h.as("anna", "POST", v1+"/customers", m{"name": "Twin", "addresses": []m{{"kind": "email", "handle": "Olha@example.org"}}}).problem(409, "conflict")
	p := h.as("anna", "POST", v1+"/customers", m{"name": "x", "time_zone": "Kyiv", "addresses": []m{{"kind": "sms", "handle": "12"}, {"kind": "email", "handle": "Olha <o@x.org>"}, {"kind": "telegram", "handle": "@olha"}}}).problem(422, "invalid")
	if len(p.Errors) != 4 {
		t.Errorf("faults %+v", p.Errors)
	}
	h.as("anna", "GET", v1+"/customers/"+k.ID, nil).want(200)
	h.as("anna", "PATCH", v1+"/customers/"+k.ID, m{"name": "Mine"}).problem(403, "forbidden") // without a case in hand
	h.as("susan", "PATCH", v1+"/customers/"+k.ID, m{"lang": "uk"}).want(200)
	c := h.held("phones", "anna")
	at := v1 + "/customers/" + c.Customer
	a := h.as("anna", "GET", at, nil).want(200)
	h.as("boris", "GET", at, nil).want(200) // a colleague of the queue reads along
	h.as("boris", "PATCH", at, m{"lang": "uk"}).problem(403, "forbidden")
	h.as("anna", "PATCH", at, m{"lang": "uk", "attributes": m{"vip": "yes"}, "addresses": []m{{"kind": "telegram", "handle": "77"}}, "preferred": m{"kind": "telegram", "handle": "77"}}, "If-Match", a.Header.Get("ETag")).want(200).json(&k)
	if k.Lang != "uk" || k.Attributes["vip"] != "yes" || k.Preferred == nil || k.Preferred.Handle != "77" || len(k.Addresses) != 2 {
		t.Errorf("changed %+v", k)
	}
	h.as("anna", "PATCH", at, m{"lang": "en"}, "If-Match", a.Header.Get("ETag")).problem(412, "stale")
	h.as("anna", "PATCH", at, m{"preferred": m{"kind": "telegram", "handle": "78"}}).problem(422, "invalid")
	h.as("clara", "PATCH", at, m{"lang": "en"}).problem(404, "not_found")
	var l api.List[api.Customer]
	h.as("clara", "GET", v1+"/customers", nil).want(200).json(&l)
	if len(l.Items) != 1 || l.Items[0].Name != "Olha" {
		t.Errorf("clara sees %+v, want only the customer without a case", l.Items)
	}
	h.as("susan", "GET", v1+"/customers?name=Ivan", nil).want(200).json(&l)
	if len(l.Items) != 1 {
		t.Errorf("by name: %+v", l.Items)
	}
}

func TestFiles(t *testing.T) {
	h := newHouse(t)
	c := h.held("phones", "anna")
	var picture bytes.Buffer
	h.must(png.Encode(&picture, image.NewGray(image.Rect(0, 0, 4, 4))))
	ids := []string{
		h.upload("anna", "../../etc/photo \u202egnp.png", picture.String()),
		h.upload("anna", "page.png", "<html><script>alert(1)</script></html>"),
		h.upload("anna", "vector.svg", `<svg xmlns="http://www.w3.org/2000/svg"><script>alert(1)</script></svg>`),
	}
	var w api.Written
	h.as("anna", "POST", v1+"/cases/"+c.CaseNumber()+"/messages", m{"text": "see", "files": ids, "claim_no": 1}).want(201).json(&w)
	for i, want := range []struct{ kind, how string }{{"image/png", "inline"}, {"application/octet-stream", "attachment"}, {"application/octet-stream", "attachment"}} {
		a := h.as("anna", "GET", w.Message.Files[i].Href, nil).want(200)
		d := a.Header.Get("Content-Disposition")
		if a.Header.Get("Content-Type") != want.kind || !strings.HasPrefix(d, want.how) || strings.ContainsAny(d, "/\\\u202e") {
			t.Errorf("file %d is %s, %s", i+1, a.Header.Get("Content-Type"), d)
		}
		if cc := a.Header.Get("Cache-Control"); cc != "private, no-cache" {
			t.Errorf("file %d may be kept without asking who looks: %s", i+1, cc)
		}
		if a.Header.Get("X-Content-Type-Options") != "nosniff" || !strings.HasPrefix(a.Header.Get("Content-Security-Policy"), "sandbox") {
			t.Errorf("file %d: %v", i+1, a.Header)
		}
	}
	part := h.as("anna", "GET", w.Message.Files[1].Href, nil, "Range", "bytes=1-4").want(206)
	if string(part.body) != "html" {
		t.Errorf("range: %q", part.body)
	}
	h.as("anna", "GET", v1+"/cases/"+c.CaseNumber()+"/files/"+w.Message.ID+"/9", nil).problem(404, "not_found")

	upload := func(field, name, content string) *answer {
		body, kind := form(field, name, content)
		return h.as("anna", "POST", v1+"/files", body, "Content-Type", kind)
	}
	upload("file", "big.bin", strings.Repeat("x", 10<<20)).want(201)
	upload("file", "big.bin", strings.Repeat("x", 10<<20+1)).problem(413, "too_large")
	upload("file", "bigger.bin", strings.Repeat("x", 11<<20)).problem(413, "too_large")
	upload("file", "empty.bin", "").problem(422, "invalid")
	upload("other", "a.bin", "x").problem(422, "invalid")
	h.as("anna", "POST", v1+"/files", "x", "Content-Type", "text/plain").problem(415, "unsupported_media_type")
	h.as("anna", "POST", v1+"/files", "x", "Content-Type", "multipart/form-data").problem(400, "malformed")
	h.as("anna", "POST", v1+"/files", "--b\r\nContent-Disposition: form-data; name=\"file\"; filename=\"a\"\r\n\r\nhalf", "Content-Type", "multipart/form-data; boundary=b").problem(400, "malformed")

	body, kind := form("file", "once.txt", "once")
	var a, b api.Upload
	h.as("anna", "POST", v1+"/files", body, "Content-Type", kind, "Idempotency-Key", "f").want(201).json(&a)
	h.as("anna", "POST", v1+"/files", body, "Content-Type", kind, "Idempotency-Key", "f").want(201).json(&b)
	if a.ID != b.ID {
		t.Error("a repeat makes another upload")
	}
	body, kind = form("file", "once.txt", "other")
	h.as("anna", "POST", v1+"/files", body, "Content-Type", kind, "Idempotency-Key", "f").problem(422, "key_reused")
}
