package webchat

import (
	"encoding/json"
	"io"
	"maps"
	"net/http"
	"regexp"
	"slices"
	"strings"
	"testing"
	"unicode"
)

const maxScript = 30 << 10 // bytes a visitor's browser loads as script, uncompressed

func read(t *testing.T, name string) string {
	t.Helper()
	b, err := assets.ReadFile("assets/" + name)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

// fetch follows what a browser would load.
func (s *site) fetch(path string) (string, http.Header) {
	s.t.Helper()
	r := s.get(path, "")
	b, err := io.ReadAll(r.Body)
	if err != nil || r.StatusCode != http.StatusOK {
		s.t.Fatalf("%s: status %d, %v", path, r.StatusCode, err)
	}
	return string(b), r.Header
}

func TestScriptsAreSmall(t *testing.T) {
	s := open(t)
	loader, _ := s.fetch("widget.js")
	frame, _ := s.fetch("frame")
	total := len(loader)
	seen := map[string]bool{}
	for _, m := range regexp.MustCompile(`(?:href|src)="(assets/[0-9a-f]+/\w+\.js)"`).FindAllStringSubmatch(frame, -1) {
		if body, h := s.fetch(m[1]); !seen[m[1]] {
			seen[m[1]] = true
			total += len(body)
			if h.Get("Content-Type") != "text/javascript; charset=utf-8" || !strings.Contains(h.Get("Cache-Control"), "immutable") {
				t.Errorf("%s is %q, kept %q", m[1], h.Get("Content-Type"), h.Get("Cache-Control"))
			}
			for _, i := range regexp.MustCompile(`from '\./(\w+\.js)'`).FindAllStringSubmatch(body, -1) {
				if !strings.Contains(frame, i[1]) {
					t.Errorf("%s imports %s, which the frame does not preload", m[1], i[1])
				}
			}
		}
	}
	if len(seen) != 6 || total > maxScript {
		t.Errorf("%d modules and the loader are %d bytes, want 6 and at most %d", len(seen), total, maxScript)
	}
	t.Logf("%d bytes of script", total)
}

func TestSlimKeepsCode(t *testing.T) {
	in := "// a note\n/** Says\n * what.\n */\nexport const a = `\n  * { x: y }\n`; // kept\n/** one line */\nb();\n"
	want := "\n\n\n\nexport const a = `\n* { x: y }\n`; // kept\n\nb();\n"
	if got := string(slim([]byte(in))); got != want {
		t.Errorf("got %q", got)
	}
}

// W6: the scripts have no way to make markup or code out of text.
func TestScriptsMakeNoMarkup(t *testing.T) {
	bad := regexp.MustCompile(`innerHTML|outerHTML|insertAdjacentHTML|document\.write|\beval\b|new Function|srcdoc|DOMParser|postMessage\([^)]*'\*'`)
	for _, name := range []string{"widget.js", "chat.js", "view.js", "link.js", "files.js", "text.js", "store.js", "sample.js"} {
		if m := bad.FindString(read(t, name)); m != "" {
			t.Errorf("%s has %s", name, m)
		}
	}
	for _, name := range []string{"frame.html", "sample.html"} {
		if m := regexp.MustCompile(`(?i)\son\w+=|style=|<style|<script>|javascript:`).FindString(read(t, name)); m != "" {
			t.Errorf("%s has %s", name, m)
		}
	}
}

func TestWordsAreComplete(t *testing.T) {
	for _, file := range []string{"words.json", "sample.json"} {
		w, err := readWords(file)
		if err != nil {
			t.Fatal(err)
		}
		if got := strings.Join(slices.Sorted(maps.Keys(w)), " "); got != "en ru sr sr-Cyrl uk" {
			t.Errorf("%s is in %s", file, got)
		}
		holes := regexp.MustCompile(`\{\w+\}`)
		for lang, texts := range w {
			for key, en := range w["en"] {
				text := texts[key]
				if text == "" {
					t.Errorf("%s: %s has no %q", file, lang, key)
				}
				if strings.Join(holes.FindAllString(text, -1), "") != strings.Join(holes.FindAllString(en, -1), "") {
					t.Errorf("%s: %s has other places to fill in %q", file, lang, key)
				}
				if lang == "sr" && strings.ContainsFunc(holes.ReplaceAllString(text, ""), func(r rune) bool { return unicode.Is(unicode.Cyrillic, r) }) {
					t.Errorf("%s: %q is Cyrillic in Serbian Latin", file, key)
				}
			}
			if len(texts) != len(w["en"]) {
				t.Errorf("%s: %s has %d texts, English %d", file, lang, len(texts), len(w["en"]))
			}
		}
	}
}

// No text is missing, and none is left over.
func TestWordsAreUsed(t *testing.T) {
	w, err := readWords("words.json")
	if err != nil {
		t.Fatal(err)
	}
	used := map[string]bool{"no_too_large": true, "no_bad_file": true, "no_bad_choice": true}
	code := read(t, "chat.js") + read(t, "view.js") + read(t, "files.js") + read(t, "widget.js") + read(t, "frame.html")
	for _, m := range regexp.MustCompile(`(?:words|\.W)\.(\w+)`).FindAllStringSubmatch(code, -1) {
		used[m[1]] = true
	}
	for key := range w["en"] {
		if !used[key] && !strings.HasPrefix(key, "topic_") {
			t.Errorf("%q is used nowhere", key)
		}
	}
	for key := range used {
		if w["en"][key] == "" && key != "en" { // the loader's fallback language
			t.Errorf("%q is used and not there", key)
		}
	}
}

// WCAG AA, computed from the tokens: 4.5 for text, 3 for marks and edges.
func TestContrast(t *testing.T) {
	css := read(t, "tokens.css")
	light, dark, ok := strings.Cut(css, "@media (prefers-color-scheme: dark)")
	if !ok {
		t.Fatal("no dark theme")
	}
	values := func(css string, into map[string]string) {
		for _, m := range regexp.MustCompile(`--([\w-]+): (#[0-9a-f]{6});`).FindAllStringSubmatch(css, -1) {
			into[m[1]] = m[2]
		}
	}
	day := map[string]string{"white": "#ffffff", "badge": "#b3261e"}
	values(light, day)
	night := maps.Clone(day)
	values(dark, night)
	if !strings.Contains(read(t, "widget.js"), "background: #b3261e") {
		t.Error("the badge has another colour than is tested here")
	}
	for name, theme := range map[string]map[string]string{"light": day, "dark": night} {
		for _, pair := range []struct {
			front, back string
			least       float64
		}{
			{"text", "page", 4.5}, {"text", "surface", 4.5}, {"text", "raised", 4.5}, {"text", "good-soft", 4.5},
			{"muted", "page", 4.5}, {"muted", "surface", 4.5}, {"muted", "raised", 4.5},
			{"on-accent", "accent", 4.5}, {"white", "badge", 4.5},
			{"good", "good-soft", 4.5}, {"warn", "warn-soft", 4.5}, {"bad", "page", 4.5}, {"bad", "surface", 4.5},
			{"edge", "surface", 3}, {"edge", "page", 3}, {"focus", "page", 3}, {"focus", "surface", 3}, {"good", "surface", 3},
		} {
			front, back := theme[pair.front], theme[pair.back]
			if front == "" || back == "" {
				t.Fatalf("no colour %s or %s", pair.front, pair.back)
			}
			if r := contrast(front, back); r < pair.least {
				t.Errorf("%s: %s on %s has %.2f, want %.1f", name, pair.front, pair.back, r, pair.least)
			}
		}
	}
	if day["accent"] != NewConfig().Accent {
		t.Errorf("the accent is %s in the tokens and %s by default", day["accent"], NewConfig().Accent)
	}
}

func TestContrastIsWCAG(t *testing.T) {
	for _, test := range []struct {
		a, b string
		want float64
	}{{"#000000", "#ffffff", 21}, {"#ffffff", "#ffffff", 1}, {"#777777", "#ffffff", 4.48}, {"#ff0000", "#ffffff", 4.0}} {
		if got := contrast(test.a, test.b); got < test.want-0.01 || got > test.want+0.01 {
			t.Errorf("%s on %s: %.3f, want %.2f", test.a, test.b, got, test.want)
		}
	}
}

// Every value of the stylesheets is a token.
func TestStylesUseTokens(t *testing.T) {
	for _, name := range []string{"chat.css", "sample.css"} {
		if m := regexp.MustCompile(`:[^;{}]*(#[0-9a-fA-F]{3,8}\b|rgb\()[^;{}]*;`).FindString(read(t, name)); m != "" {
			t.Errorf("%s has the colour %s", name, m)
		}
	}
}

func TestPagesSayWhatTheyMay(t *testing.T) {
	s := open(t, func(c *Config) {
		c.Origins = []string{"https://shop.example"}
		c.Title = Text{"en": `<script>alert("x")</script>`, "ru": "Сервис"}
		c.Accent = "#123456"
	})
	frame, h := s.fetch("frame")
	csp := h.Get("Content-Security-Policy")
	for _, want := range []string{
		"default-src 'none'", "script-src 'self';", "style-src 'self';", "base-uri 'none'", "form-action 'none'",
		"require-trusted-types-for 'script'", "frame-ancestors 'self' " + s.house.URL, " https://shop.example",
	} {
		if !strings.Contains(csp, want) {
			t.Errorf("the frame's policy has no %q: %s", want, csp)
		}
	}
	if strings.Contains(csp, "unsafe") || strings.Contains(csp, "*") || h.Get("X-Content-Type-Options") != "nosniff" || h.Get("Referrer-Policy") != "no-referrer" {
		t.Errorf("the frame's headers: %v", h)
	}
	if strings.Contains(frame, "<script>alert") {
		t.Error("the title is markup")
	}
	m := regexp.MustCompile(`(?s)id="settings">(.*?)</script>`).FindStringSubmatch(frame)
	var set settings
	if m == nil || json.Unmarshal([]byte(m[1]), &set) != nil {
		t.Fatal("the settings cannot be read")
	}
	if set.Channel != "site" || set.Title != `<script>alert("x")</script>` || !slices.Contains(set.Origins, "https://shop.example") || set.Text != 4000 {
		t.Errorf("settings %+v", set)
	}
	page, h := s.fetch("")
	if strings.Contains(page, "<script>alert") || !strings.Contains(h.Get("Content-Security-Policy"), "script-src 'self'") {
		t.Error("the sample page lets the title in, or has no policy")
	}
	loader, h := s.fetch("widget.js")
	if strings.Contains(loader, "SETTINGS") || strings.Contains(loader, "</script>") || !strings.Contains(loader, "#123456") || h.Get("ETag") == "" {
		t.Error("the loader has no settings, or lets them end the script")
	}
	if theme, _ := s.fetch("theme.css"); theme != ":root{--accent:#123456}\n" {
		t.Errorf("theme %q", theme)
	}
	if r := s.do("GET", "widget.js", "", nil, "If-None-Match", h.Get("ETag")); r.StatusCode != http.StatusNotModified {
		t.Errorf("asked again: %d", r.StatusCode)
	}
	_, h = s.fetch("assets/000000000000/chat.css")
	if h.Get("Cache-Control") != "no-cache" {
		t.Errorf("an old address is kept %q", h.Get("Cache-Control"))
	}
	for _, path := range []string{"assets/x/words.json", "assets/x/frame.html", "assets/x/..%2fpages.go", "assets/x/nothing.js", "nothing", "files"} {
		if r := s.get(path, ""); r.StatusCode != http.StatusNotFound && r.StatusCode != http.StatusMethodNotAllowed {
			t.Errorf("%s: %d", path, r.StatusCode)
		}
	}
}

func TestWithoutSlash(t *testing.T) {
	s := open(t)
	client := &http.Client{CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	for _, handler := range []string{s.house.URL + "/chat"} {
		r, err := client.Get(handler)
		if err != nil {
			t.Fatal(err)
		}
		r.Body.Close()
		if r.StatusCode/100 != 3 || r.Header.Get("Location") != "/chat/" {
			t.Errorf("%d to %q", r.StatusCode, r.Header.Get("Location"))
		}
	}
}

func TestLanguages(t *testing.T) {
	for _, test := range []struct{ query, header, want string }{
		{"", "", "en"}, {"ru", "", "ru"}, {"uk-UA", "en", "uk"}, {"", "ru-RU,ru;q=0.9,en;q=0.8", "ru"},
		{"de", "uk", "uk"}, {"de", "fr", "en"}, {"sr", "", "sr"}, {"sr-Latn-RS", "", "sr"}, {"sr-Cyrl", "", "sr-Cyrl"},
		{"<script>", "", "en"},
	} {
		r, err := http.NewRequestWithContext(t.Context(), "GET", "/?lang="+test.query, nil)
		if err != nil {
			t.Fatal(err)
		}
		r.Header.Set("Accept-Language", test.header)
		if got := chooseLanguage(r); got != test.want {
			t.Errorf("%q, %q: %s, want %s", test.query, test.header, got, test.want)
		}
	}
	if got := (Text{"uk": "б", "ru": "а"}).in("de"); got != "а" {
		t.Errorf("a text without the language is %q", got)
	}
	if got := toLatin("Љубав, Њива, Џак, ђак, ћуп"); got != "Ljubav, Njiva, Džak, đak, ćup" {
		t.Errorf("Latin: %q", got)
	}
}
