package webchat

import (
	"strings"
	"testing"
	"unicode"
	"unicode/utf8"

	"github.com/gorilla/websocket"
)

func TestCleanText(t *testing.T) {
	for in, want := range map[string]string{
		"  hello \n":                 "hello",
		"a\r\nb\rc\u2028d":           "a\nb\nc\nd",
		"a\x00b\x1b[31mc\x7f\u0085d": "ab[31mc\nd",
		"tab\tstays":                 "tab\tstays",
		"\xff\xfe":                   "\uFFFD",
		"👩‍🔧 ходит":                  "👩‍🔧 ходит",
		"\uFEFFbom":                  "bom",
		"<script>alert(1)</script>":  "<script>alert(1)</script>",
	} {
		if got := cleanText(in); got != want {
			t.Errorf("%q became %q, want %q", in, got, want)
		}
	}
}

func TestCleanName(t *testing.T) {
	for in, want := range map[string]string{
		"../../etc/passwd":         "_.._etc_passwd",
		"photo\u202Egpj.exe":       "photogpj.exe",
		"a\nb\r\n\x00.txt":         "a b .txt",
		`C:\Windows\x.dll`:         "C__Windows_x.dll",
		"":                         "file",
		" . ":                      "file",
		"Фото экрана (1).jpg":      "Фото экрана (1).jpg",
		strings.Repeat("a", 500):   strings.Repeat("a", 110) + "…" + strings.Repeat("a", 9),
		"<img src=x onerror=1>.js": "_img src=x onerror=1_.js",
	} {
		if got := cleanName(in); got != want {
			t.Errorf("%q became %q, want %q", in, got, want)
		}
	}
}

func TestCanonicalID(t *testing.T) {
	const id = "0b6f7a52-6ad7-4a3e-9a3e-3f4b1f0c2d11"
	for in, want := range map[string]string{
		id: id, strings.ToUpper(id): id,
		"": "", "1": "", "{" + id + "}": "", "urn:uuid:" + id: "", strings.ReplaceAll(id, "-", ""): "",
		id + "|x": "", strings.Replace(id, "0", "|", 1): "",
	} {
		if got, _ := canonicalID(in); got != want {
			t.Errorf("%q became %q, want %q", in, got, want)
		}
	}
}

func TestCleanPage(t *testing.T) {
	for in, want := range map[string]string{
		"https://shop.example/p/1?token=secret#frag": "https://shop.example/p/1",
		"https://user:pass@shop.example/":            "https://shop.example/",
		"javascript:alert(1)":                        "",
		"data:text/html,x":                           "",
		"//shop.example/":                            "",
		"":                                           "",
	} {
		if got := cleanPage(in); got != want {
			t.Errorf("%q became %q, want %q", in, got, want)
		}
	}
}

// Whatever a client sends, the server goes on serving it or closes with a code,
// and what it stores is clean text.
func FuzzFrame(f *testing.F) {
	s := open(f)
	var c *client
	f.Fuzz(func(t *testing.T, b []byte, binary bool) {
		if s.t = t; c == nil {
			c = s.visitor()
		}
		c.t = t
		kind := websocket.TextMessage
		if binary {
			kind = websocket.BinaryMessage
		}
		before := len(s.house.Book.Messages())
		if c.ws.WriteMessage(kind, b) != nil || c.ws.WriteMessage(websocket.TextMessage, []byte(`{"t":"ping"}`)) != nil {
			c = nil
			return
		}
		for {
			answer, err := c.read()
			if err != nil {
				if c.code == 0 || c.code == websocket.CloseAbnormalClosure {
					t.Fatalf("the connection broke off: %v", err)
				}
				c = nil
				break
			}
			if answer.T == "pong" {
				break
			}
		}
		for _, m := range s.house.Book.Messages()[before:] {
			text := m.Body.Text
			if !utf8.ValidString(text) || strings.ContainsFunc(text, func(r rune) bool {
				return unicode.IsControl(r) && r != '\n' && r != '\t'
			}) || text == "" && len(m.Body.Files) == 0 {
				t.Errorf("stored %q", text)
			}
		}
	})
}
