package main

import (
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"casewire/casecore/lang"
	"casewire/channels"
	"casewire/config/policy"
	"casewire/notify"
	"casewire/routing/console/words"
)

// Whatever is found in a template is said in the operator's own language.
func TestFindingsHaveWordsInEveryLanguage(t *testing.T) {
	all, err := words.Load()
	if err != nil {
		t.Fatal(err)
	}
	seen := map[string]bool{}
	for _, text := range []string{
		"{{staus}}", "{{zzzzzz}}", "Dear {{customer}},", "a {{device|}}", "a {{case b", "a {{device|{b}}", "a {{device|b\nc}}", "a {{ }}", "a {{#device}}b", "a {{/device}}",
		"a {{#device}}b{{#link}}c{{/device}}d{{/link}}", "a {{#case}}b{{/case}}", "{{#device}}b{{/device}}", strings.Repeat("{{#device}}", 9) + "x" + strings.Repeat("{{/device}}", 9),
		strings.Repeat("x", 20_001), "a\xff", "{{case:short}}", "{{opened:iso}}", "{{days:a/b/c|x}}", "TODO", "{case}", "a ", "{{link|x}}", "a…b", "a\u200bb", strings.Repeat("long ", 200),
	} {
		for _, tpl := range []notify.Template{{Text: lang.Text{"en": text}}, {Text: lang.Text{"ru": text, "uk": text}, Subject: lang.Text{"ru": text}}} {
			measure := func(text, _ string) channels.Measure {
				return channels.Measure{Parts: len(text)/150 + 1, Wide: len(text) != len([]rune(text))}
			}
			for _, f := range notify.Lint(tpl, notify.LintOptions{Languages: lang.Supported, Fallback: "en", Mail: true, Measure: measure}) {
				seen[f.Code] = true
				for _, tag := range lang.Supported {
					if _, ok := all[tag].Phrase("lint." + f.Code); !ok {
						t.Errorf("%s has no words for %s: %s", tag, f.Code, f.Msg)
					}
				}
			}
		}
	}
	for _, key := range all["en"].Keys() {
		code, ok := strings.CutPrefix(key, "lint.")
		if ok && !seen[code] && !strings.Contains(code, "_do") && !strings.HasSuffix(code, "_near") && !strings.HasSuffix(code, "_leave") && !strings.HasSuffix(code, "_braces") && code != "bad_id" && code != "variable" {
			t.Errorf("nothing is ever found that %s speaks of", key)
		}
	}
}

// "check" tells what may be wrong with a policy's templates, by file and line, and is
// content with them none the less.
func TestCheckWarnsOfTemplates(t *testing.T) {
	file := filepath.Join(t.TempDir(), "policy.yaml")
	text := strings.Replace(string(policy.Default()), "The repair of {{device|your device}} has begun.", "TODO: {{device|your device}} – it’s begun.", 1)
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	got := command(t, "", "check", "--policy", file)
	if got.code != 0 || got.out != "nothing wrong\n" {
		t.Errorf("check: %+v", got)
	}
	for _, want := range []string{`"TODO" looks left over; finish it, or take it out`, `"–" makes an SMS hold 70 characters instead of 160; write "-"`, `"’" makes an SMS hold`} {
		if !strings.Contains(got.err, want) || !strings.Contains(got.err, "warning: "+file+":") {
			t.Errorf("%q is missing in\n%s", want, got.err)
		}
	}
}

// A template changed through the API is what customers are told from then on, and
// nothing else of the policy has changed.
func TestTemplatesThroughTheAPI(t *testing.T) {
	c := openCentre(t)
	api := caller{t: t, url: c.url, token: c.file.APIToken}
	before := c.policyText(t)
	all := api.wants(http.StatusOK, http.MethodGet, "/policy/templates", nil)
	if n := len(all["templates"].([]any)); n < 10 {
		t.Fatalf("%d templates", n)
	}
	shown := api.wants(http.StatusOK, http.MethodPost, "/policy/templates/preview", map[string]any{
		"id": "ready", "text": map[string]any{"en": "It’s {{status}}, {{days:# day/# days|today}} – TODO"}, "languages": []string{"en"}})
	text := shown["previews"].([]any)[0].(map[string]any)
	if text["text"] != "It’s Repaired, ready for pickup, 5 days – TODO" || len(text["channels"].([]any)) != 4 {
		t.Errorf("preview %v", text)
	}
	if n := len(shown["findings"].([]any)); n < 3 {
		t.Errorf("findings %v", shown["findings"])
	}
	one := api.wants(http.StatusOK, http.MethodGet, "/policy/templates/in_repair", nil)
	texts := one["text"].(map[string]any)
	texts["en"] = "We have begun. Case {{case}}."
	etag := func() string {
		return fmt.Sprintf(`"r%v"`, api.wants(http.StatusOK, http.MethodGet, "/policy", nil)["revision"])
	}
	api.wants(http.StatusOK, http.MethodPut, "/policy/templates/in_repair", map[string]any{"text": texts, "note": "shorter"}, "If-Match", etag())
	after := c.policyText(t)
	old, now := strings.Split(before, "\n"), strings.Split(after, "\n")
	if len(old) != len(now) {
		t.Fatalf("the policy has %d lines; it had %d", len(now), len(old))
	}
	var differs []string
	for i := range old {
		if old[i] != now[i] {
			differs = append(differs, strings.TrimSpace(now[i]))
		}
	}
	if len(differs) != 1 || differs[0] != "We have begun. Case {{case}}." {
		t.Errorf("changed: %q", differs)
	}
	api.wants(http.StatusPreconditionFailed, http.MethodPut, "/policy/templates/in_repair", map[string]any{"text": texts}, "If-Match", `"r1"`)
	api.wants(http.StatusConflict, http.MethodDelete, "/policy/templates/in_repair", nil, "If-Match", etag())
	api.wants(http.StatusOK, http.MethodPut, "/policy/templates/in_repair", map[string]any{"text": one["text"]}, "If-Match", etag())
	api.wants(http.StatusUnprocessableEntity, http.MethodPut, "/policy/templates/in_repair", map[string]any{"text": map[string]any{"en": "{{staus}}"}}, "If-Match", etag())
}
