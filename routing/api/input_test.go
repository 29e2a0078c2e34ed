package api_test

import (
	"bytes"
	"encoding/json"
	"strings"
	"testing"

	"casewire/casecore/store"
	"casewire/routing/api"
)

// Each kind of bad input gets its own answer, which names the place and what to
// do, and costs nothing that was stored.
func TestBadInput(t *testing.T) {
	h := newHouse(t)
	c := h.held("phones", "anna")
	at := v1 + "/cases/" + c.CaseNumber() + "/messages"
	before := h.everything()
	long := strings.Repeat("ї", 20_001)
	for _, tt := range []struct {
		name, body string
		status     int
		code       string
		want       string // in the detail
		pointer    string
		says       string // in the fault's detail
	}{
		{"nothing", "", 415, "unsupported_media_type", "no Content-Type; send application/json", "", ""},
		{"blank", "  \n", 400, "malformed", "the body is empty", "", ""},
		{"cut off", `{"text": "x`, 400, "malformed", "line 1, column 12: it ends too early", "", ""},
		{"comma too many", "{\n  \"text\": \"x\",\n}", 400, "malformed", "line 3, column 1", "", ""},
		{"not quoted", `{text: "x"}`, 400, "malformed", "line 1, column 2", "", ""},
		{"an array", `["x"]`, 400, "malformed", "is not a JSON object", "", ""},
		{"two objects", `{"text":"x"} {}`, 400, "malformed", "something follows", "", ""},
		{"rubbish behind", `{"text":"x"} x`, 400, "malformed", "something follows", "", ""},
		{"too deep", `{"text":` + strings.Repeat(`[`, 40) + strings.Repeat(`]`, 40) + `}`, 400, "malformed", "nested more than 16", "", ""},
		{"invalid UTF-8", "{\"text\": \"a\xffb\"}", 400, "malformed", "not valid UTF-8 at line 1, column 12", "", ""},
		{"NUL", `{"text": "a\u0000b", "claim_no": 1}`, 422, "invalid", "", "#/text", "U+0000 at character 2"},
		{"escape", `{"text": "a\u001b[31mb", "claim_no": 1}`, 422, "invalid", "", "#/text", "U+001B"},
		{"NUL in a name", `{"te\u0000xt": "a"}`, 422, "invalid", "", "#/?", "the name of this field"},
		{"twice", `{"text": "a", "text": "b", "claim_no": 1}`, 422, "invalid", "", "#/text", "is there twice"},
		{"twice in another case", `{"text": "a", "TEXT": "b", "claim_no": 1}`, 422, "invalid", "", "#/TEXT", "is there twice"},
		{"unknown field", `{"text": "x", "claim_no": 1, "txet": "y"}`, 422, "invalid", "", "#/txet", "unknown field; leave it out or take one of claim_no, files, text"},
		{"required", `{"claim_no": 1}`, 422, "invalid", "", "#", "required: text"},
		{"wrong type", `{"text": 5, "claim_no": 1}`, 422, "invalid", "", "#/text", "must be a string"},
		{"null", `{"text": null, "claim_no": 1}`, 422, "invalid", "", "#/text", "must be a string"},
		{"wrong type inside", `{"text": "x", "claim_no": 1, "files": ["a", 7]}`, 422, "invalid", "", "#/files/1", "must be a string"},
		{"too long", `{"text": "` + long + `", "claim_no": 1}`, 422, "invalid", "", "#/text", "too long; characters at most: 20000"},
		{"blank text", `{"text": " \n", "claim_no": 1}`, 422, "invalid", "", "#/text", "write something"},
		{"fraction", `{"text": "x", "claim_no": 1.5}`, 422, "invalid", "", "#/claim_no", "must be an integer"},
		{"too small", `{"text": "x", "claim_no": 0}`, 422, "invalid", "", "#/claim_no", "must be a number >= 1"},
		{"unknown upload", `{"text": "x", "claim_no": 1, "files": ["zz"]}`, 422, "invalid", "", "#/files/0", "upload the file again"},
		{"twice by folding", `{"kind": "a", "KIND": "b"}`, 422, "invalid", "", "#/KIND", "is there twice"},
		{"too many values", `{"text": [` + strings.Repeat("1,", 20_000) + `1]}`, 400, "malformed", "more than 20000 values, names and brackets; send less", "", ""},
		{"a megabyte", `{"text": "` + strings.Repeat("x", 1<<20) + `"}`, 413, "too_large", "more than 1048576 bytes (1 MB)", "", ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			a := h.as("anna", "POST", at, tt.body)
			if tt.name == "nothing" {
				a = h.as("anna", "POST", at, nil)
			}
			p := a.problem(tt.status, tt.code)
			if !strings.Contains(p.Detail, tt.want) {
				t.Errorf("detail %q, want %q in it", p.Detail, tt.want)
			}
			if tt.pointer != "" && (len(p.Errors) != 1 || p.Errors[0].Pointer != tt.pointer || !strings.Contains(p.Errors[0].Detail, tt.says)) {
				t.Errorf("errors %+v, want one at %s with %q", p.Errors, tt.pointer, tt.says)
			}
			if strings.Contains(string(a.body), "їїїї") || strings.Contains(string(a.body), "xxxx") {
				t.Error("the answer repeats what was sent")
			}
		})
	}
	for name, header := range map[string][]string{
		"form":          {"Content-Type", "application/x-www-form-urlencoded"},
		"plain text":    {"Content-Type", "text/plain"},
		"nonsense":      {"Content-Type", ";;"},
		"other charset": {"Content-Type", "application/json; charset=windows-1251"},
		"compressed":    {"Content-Encoding", "gzip"},
	} {
		t.Run(name, func(t *testing.T) {
			h.as("anna", "POST", at, `{"text":"x","claim_no":1}`, header...).problem(415, "unsupported_media_type")
		})
	}
	for path, code := range map[string]int{
		"/cases?q=%00": 422, "/cases?q=%ff": 422, "/cases?q=%zz": 400, "/cases/%00": 422, "/cases/%ff": 422, "/cases/" + strings.Repeat("9", 100): 422,
		"/cases/CW-1e9": 404, "/cases/CW--1": 404, "/cases/CW-99999999999999999999": 404,
		"/cases?q=" + strings.Repeat("x", 101): 422, "/cases?q=" + strings.Repeat("x", 9000): 400,
	} {
		if got := h.as("anna", "GET", v1+path, nil).StatusCode; got != code {
			t.Errorf("%.40s: %d, want %d", path, got, code)
		}
	}
	for _, key := range []string{"a b", "ключ", strings.Repeat("x", 201)} {
		h.as("anna", "POST", at, `{"text":"x","claim_no":1}`, "Idempotency-Key", key).problem(422, "invalid")
	}
	p := h.as("anna", "PATCH", v1+"/cases/"+c.CaseNumber(), m{"claim_no": 1, "tags": []string{"", strings.Repeat("x", 41)}, "attributes": m{" a": "x", "b": strings.Repeat("x", 501)}, "priority": "asap", "subject": "two\nlines"}).problem(422, "invalid")
	if p.Errors[0].Pointer != "#/subject" || !strings.Contains(p.Errors[0].Detail, "U+000A") {
		t.Errorf("a line break in a subject: %+v", p.Errors)
	}
	p = h.as("anna", "PATCH", v1+"/cases/"+c.CaseNumber(), m{"claim_no": 1, "tags": []string{"", strings.Repeat("x", 41)}, "attributes": m{" a": "x", "b": strings.Repeat("x", 501)}}).problem(422, "invalid")
	if len(p.Errors) != 4 {
		t.Errorf("not all faults at once: %+v", p.Errors)
	}
	if after := h.everything(); !bytes.Equal(before, after) {
		t.Error("bad input changed what is stored")
	}
}

// What strangers may send is small, and costs no more to read than it is long.
func TestSignInTakesLittle(t *testing.T) {
	h := newHouse(t)
	p := h.as("", "POST", v1+"/sessions", `{"login":"anna","password":"x"}`+strings.Repeat(" ", 4<<10)).problem(413, "too_large")
	if !strings.Contains(p.Detail, "4096 bytes (4 KB)") {
		t.Errorf("detail %q", p.Detail)
	}
	widest := strings.Repeat(`\u0457`, 200)
	h.as("", "POST", v1+"/sessions", `{"login":"anna","password":"`+widest+`"}`).problem(401, "bad_login")
}

// everything is all that is stored but API bookkeeping.
func (h *house) everything() []byte {
	h.t.Helper()
	var b bytes.Buffer
	h.must(h.store.View(h.t.Context(), func(tx store.Tx) error {
		for _, coll := range bookCollections() {
			for d, err := range tx.Scan(coll, store.Range{}) {
				if err != nil {
					return err
				}
				b.WriteString(d.ID)
				b.Write(d.Body)
			}
		}
		return nil
	}))
	return b.Bytes()
}

// Whatever the bytes, the answer is a problem or a success, never a 500, and a
// case is as it was or as the API says.
func FuzzBody(f *testing.F) {
	h := newHouse(f)
	c := h.held("phones", "anna")
	f.Fuzz(func(t *testing.T, body []byte) {
		h := *h
		h.t = t
		a := h.as("anna", "PATCH", v1+"/cases/"+c.CaseNumber(), string(body))
		if a.StatusCode >= 500 {
			t.Fatalf("%d: %s", a.StatusCode, a.body)
		}
		if a.StatusCode >= 400 {
			var p api.Problem
			if err := json.Unmarshal(a.body, &p); err != nil || p.Code == "" || p.Detail == "" {
				t.Fatalf("%d without a code: %s", a.StatusCode, a.body)
			}
		}
	})
}
