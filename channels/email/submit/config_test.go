package submit

import (
	"slices"
	"strings"
	"testing"
	"time"

	"casewire/channels/email/link"
)

func TestConfigFaults(t *testing.T) {
	good := NewConfig()
	good.Server.Host = "mail.shop.test"
	if f := good.Faults("smtp"); len(f) != 0 {
		t.Fatalf("defaults: %v", f)
	}
	for path, change := range map[string]func(*Config){
		"smtp.host":        func(c *Config) { c.Server.Host = "" },
		"smtp.tls":         func(c *Config) { c.Server.TLS = "maybe" },
		"smtp.connections": func(c *Config) { c.Connections = 0 },
		"smtp.idle":        func(c *Config) { c.Idle = time.Hour },
		"smtp.reply":       func(c *Config) { c.Reply = 0 },
		"smtp.hello":       func(c *Config) { c.Hello = "a b\r\n" },
	} {
		c := good
		change(&c)
		var got []string
		for _, f := range c.Faults("smtp") {
			if f.Mend == "" || f.Msg == "" {
				t.Errorf("%s: a fault must say what is wrong and what to write: %v", path, f)
			}
			got = append(got, f.Path)
		}
		if !slices.Equal(got, []string{path}) {
			t.Errorf("%s: %q", path, got)
		}
	}
	if c := NewConfig(); c.Server.TLS != link.StartTLS || c.NoLogin {
		t.Error("by default mail must be encrypted and logged in")
	}
}

func TestGreeting(t *testing.T) {
	for address, want := range map[string]string{shop: "shop.test", "a@почта.test": "xn--80a1acny.test", "": "localhost", "a@b c": "localhost"} {
		if got := New(NewConfig(), nil, Options{Address: address}).cfg.Hello; got != want {
			t.Errorf("%s: %s", address, got)
		}
	}
}

func TestHTMLOfText(t *testing.T) {
	link := func(u string) string { return `<a href="` + u + `">` + u + `</a>` }
	for text, want := range map[string]string{
		"a & b <script>":                         "<p>a &amp; b &lt;script&gt;</p>",
		"one\ntwo\n\nthree":                      "<p>one<br>\ntwo</p>\n<p>three</p>",
		"see https://a.test/x.":                  "<p>see " + link("https://a.test/x") + ".</p>",
		"(https://a.test/x_(y))":                 "<p>(" + link("https://a.test/x_(y)") + ")</p>",
		"https://a.test, http://b.test!":         "<p>" + link("https://a.test") + ", " + link("http://b.test") + "!</p>",
		`https://a.test/"onmouseover="x`:         "<p>" + link("https://a.test/") + `&#34;onmouseover=&#34;x</p>`,
		"javascript:alert(1)":                    "<p>javascript:alert(1)</p>",
		"https://a.test/?q=<b>":                  "<p>" + link("https://a.test/?q=") + "&lt;b&gt;</p>",
		"https://a.test/шлях":                    "<p>" + link("https://a.test/шлях") + "</p>",
		strings.Repeat("\n", 3) + "x\n\n\n\n\ny": "<p>x</p>\n<p>y</p>",
	} {
		page := toHTML(text, "", "", nil)
		if _, body, _ := strings.Cut(page, "<body"); !strings.Contains(body, ">\n"+want+"\n</body>") {
			t.Errorf("%q: %s", text, body)
		}
	}
	if page := toHTML("x", `en" onload="x`, `m"><b>`, []string{`c"><b>`}); strings.Contains(page, `" onload="`) || strings.Contains(page, `"><b>`) {
		t.Errorf("escapes: %s", page)
	}
}
