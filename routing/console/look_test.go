package console_test

import (
	"math"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"casewire/routing/console/words"
)

func read(t *testing.T, name string) string {
	t.Helper()
	data, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	return string(data)
}

var token = regexp.MustCompile(`--([\w-]+): light-dark\((#[0-9a-f]{6}), (#[0-9a-f]{6})\)`)

// Everything that is read stands out from what it stands on: 4.5:1 for text, 3:1
// for shapes, in both themes (WCAG 2.2 AA).
func TestContrast(t *testing.T) {
	colours := map[string][2]string{}
	for _, m := range token.FindAllStringSubmatch(read(t, "assets/css/tokens.css"), -1) {
		colours[m[1]] = [2]string{m[2], m[3]}
	}
	grounds := []string{"canvas", "surface", "raised", "hover", "sunken"}
	soft := []string{"accent-soft", "red-soft", "amber-soft", "green-soft"}
	pairs := map[string][]string{
		"text": slices.Concat(grounds, soft), "text-2": slices.Concat(grounds, soft), "text-3": slices.Concat(grounds, soft),
		"accent": slices.Concat(grounds, soft[:1]), "red": slices.Concat(grounds, soft[1:2]),
		"amber": slices.Concat(grounds, soft[2:3]), "green": slices.Concat(grounds, soft[:1], soft[3:]),
		"on-accent": {"accent-fill", "accent-fill-hover"},
	}
	shapes := map[string][]string{}
	for _, s := range []string{"control", "focus", "red-fill", "amber-fill", "green-fill", "accent-fill"} {
		shapes[s] = []string{"canvas", "surface"}
	}
	check := func(pairs map[string][]string, least float64) {
		for fg, on := range pairs {
			for _, bg := range on {
				for i, theme := range []string{"light", "dark"} {
					if colours[fg][i] == "" || colours[bg][i] == "" {
						t.Fatalf("no colour %s or %s in tokens.css", fg, bg)
					}
					if c := contrast(t, colours[fg][i], colours[bg][i]); c < least {
						t.Errorf("%s on %s, %s: %.2f:1, want %.1f:1", fg, bg, theme, c, least)
					}
				}
			}
		}
	}
	check(pairs, 4.5)
	check(shapes, 3)
}

var hue = regexp.MustCompile(`\.hue-\d \{ background: light-dark\((#\w{6}), (#\w{6})\); color: light-dark\((#\w{6}), (#\w{6})\)`)

func TestAvatarContrast(t *testing.T) {
	all := hue.FindAllStringSubmatch(read(t, "assets/css/components.css"), -1)
	if len(all) != 8 {
		t.Fatalf("%d avatar colours; want 8", len(all))
	}
	for _, m := range all {
		if c := contrast(t, m[1], m[3]); c < 4.5 {
			t.Errorf("%s: %.2f:1", m[0], c)
		}
		if c := contrast(t, m[2], m[4]); c < 4.5 {
			t.Errorf("%s, dark: %.2f:1", m[0], c)
		}
	}
}

func contrast(t *testing.T, a, b string) float64 {
	x, y := luminance(t, a), luminance(t, b)
	return (max(x, y) + 0.05) / (min(x, y) + 0.05)
}

func luminance(t *testing.T, hex string) float64 {
	t.Helper()
	part := func(i int) float64 {
		n, err := strconv.ParseUint(hex[i:i+2], 16, 8)
		if err != nil {
			t.Fatal(err)
		}
		if v := float64(n) / 255; v > 0.04045 {
			return math.Pow((v+0.055)/1.055, 2.4)
		} else {
			return v / 12.92
		}
	}
	return 0.2126*part(1) + 0.7152*part(3) + 0.0722*part(5)
}

// Values live in tokens.css alone, so that a theme is changed in one place.
func TestStylesUseTokens(t *testing.T) {
	sheets, err := filepath.Glob("assets/css/*.css")
	if err != nil || len(sheets) < 5 {
		t.Fatalf("style sheets: %v %v", sheets, err)
	}
	defined := regexp.MustCompile(`(?m)^\s*--([\w-]+):`)
	used := regexp.MustCompile(`var\(--([\w-]+)\)`)
	known := map[string]bool{}
	for _, m := range defined.FindAllStringSubmatch(read(t, "assets/css/tokens.css"), -1) {
		known[m[1]] = true
	}
	for _, sheet := range sheets {
		for _, m := range used.FindAllStringSubmatch(read(t, sheet), -1) {
			if !known[m[1]] {
				t.Errorf("%s uses --%s, which tokens.css does not define", sheet, m[1])
			}
		}
	}
}

var spoken = regexp.MustCompile(`(?:\bt|\bn|\bT|\bN|\bOr)[ (]"([a-z_]+(?:\.[a-z_]+)+)"|(?:key|say\(|key: )"?([a-z]+\.[a-z_]+)"`)

// Every key that pages, handlers and modules speak is in the catalog.
func TestKeysExist(t *testing.T) {
	all, err := words.Load()
	if err != nil {
		t.Fatal(err)
	}
	known := all["en"].Keys()
	var files []string
	for _, glob := range []string{"*.go", "templates/*.html", "assets/js/*.js"} {
		found, err := filepath.Glob(glob)
		if err != nil {
			t.Fatal(err)
		}
		files = append(files, found...)
	}
	seen := 0
	for _, f := range files {
		if strings.HasSuffix(f, "_test.go") {
			continue
		}
		for _, m := range spoken.FindAllStringSubmatch(read(t, f), -1) {
			key := m[1] + m[2]
			seen++
			if strings.HasSuffix(key, "_") || strings.HasSuffix(key, ".js") {
				continue // the beginning of a key, or a module's name
			}
			if !slices.Contains(known, key) {
				t.Errorf("%s speaks %q, which the catalog does not have", f, key)
			}
		}
	}
	if seen < 200 {
		t.Errorf("found only %d keys; does the pattern still fit?", seen)
	}
}

// Every icon that is asked for is drawn.
func TestIconsExist(t *testing.T) {
	sprite := read(t, "templates/sprite.html")
	asked := regexp.MustCompile(`\bicon(?:\(| )"([a-z]+)"|Icon(?::|\(|, args =| =)\s?"([a-z]+)"|Icon: +"([a-z]+)"`)
	var files []string
	for _, glob := range []string{"*.go", "templates/*.html", "assets/js/*.js"} {
		found, _ := filepath.Glob(glob) //nolint:errcheck // the patterns are well formed
		files = append(files, found...)
	}
	for _, f := range files {
		for _, m := range asked.FindAllStringSubmatch(read(t, f), -1) {
			if name := m[1] + m[2] + m[3]; !strings.Contains(sprite, `id="i-`+name+`"`) {
				t.Errorf("%s asks for icon %q, which the sprite does not have", f, name)
			}
		}
	}
	for _, name := range []string{"email", "sms", "telegram", "webchat", "voice", "desk", "new", "open", "waiting", "done", "closed", "urgent", "high", "normal", "low", "phone", "computer", "appliance", "tv", "general", "check", "checks"} {
		if !strings.Contains(sprite, `id="i-`+name+`"`) {
			t.Errorf("no icon %q", name)
		}
	}
}

// Pages are made from templates in each language: a fault in one must not wait
// for the first who speaks it.
func TestEveryLanguageHasItsPages(t *testing.T) {
	h := newHouse(t)
	h.operator("anna", "Anna", operatorRole, "phones")
	b := h.signIn("anna")
	for _, tag := range []string{"en", "ru", "uk", "sr", "sr-Latn"} {
		b.post("/desk/settings", "lang", tag, "back", "/desk/")
		b.get("/desk/").want(t, 200, `<html lang="`+tag+`"`)
	}
}
