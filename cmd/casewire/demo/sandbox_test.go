package demo

import (
	"bytes"
	"io"
	"maps"
	"mime/multipart"
	"net/http"
	"net/http/httptest"
	"regexp"
	"slices"
	"strings"
	"testing"

	"casewire/config/policy"
	"casewire/routing"
)

// stage is the sandbox's pages over providers of their own.
type stage struct {
	t     *testing.T
	world *Counterparts
	pages *Sandbox
}

func open(t *testing.T) *stage { return reopen(t, NewFile(t.TempDir())) }

func reopen(t *testing.T, f *File) *stage {
	t.Helper()
	world, err := OpenCounterparts(t.Context(), f, "http://127.0.0.1:1")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := world.Close(); err != nil {
			t.Error(err)
		}
	})
	p, err := policy.Load("default", policy.Default(), 1)
	if err != nil {
		t.Fatal(err)
	}
	pages, err := NewSandbox(t.Context(), f.Operators, world, func() *routing.Router { return p.Router })
	if err != nil {
		t.Fatal(err)
	}
	return &stage{t, world, pages}
}

// get asks for a page.
func (s *stage) get(target string) *http.Response {
	s.t.Helper()
	w := httptest.NewRecorder()
	s.pages.ServeHTTP(w, httptest.NewRequestWithContext(s.t.Context(), http.MethodGet, target, nil))
	return w.Result()
}

func (s *stage) page(target string) string {
	s.t.Helper()
	res := s.get(target)
	if res.StatusCode != http.StatusOK {
		s.t.Fatalf("%s answers %s", target, res.Status)
	}
	return s.body(res)
}

func (s *stage) body(res *http.Response) string {
	s.t.Helper()
	b, err := io.ReadAll(res.Body)
	if err != nil {
		s.t.Fatal(err)
	}
	return string(b)
}

// post sends a form as a browser does, with one file when it has a name.
func (s *stage) post(target string, fields map[string]string, name string, file []byte) *http.Response {
	s.t.Helper()
	var b bytes.Buffer
	form := multipart.NewWriter(&b)
	for k, v := range fields {
		if err := form.WriteField(k, v); err != nil {
			s.t.Fatal(err)
		}
	}
	if name != "" {
		w, err := form.CreateFormFile("file", name)
		if err != nil {
			s.t.Fatal(err)
		}
		if _, err := w.Write(file); err != nil {
			s.t.Fatal(err)
		}
	}
	if err := form.Close(); err != nil {
		s.t.Fatal(err)
	}
	r := httptest.NewRequestWithContext(s.t.Context(), http.MethodPost, target, &b)
	r.Header.Set("Content-Type", form.FormDataContentType())
	w := httptest.NewRecorder()
	s.pages.ServeHTTP(w, r)
	return w.Result()
}

// done posts a form that must be taken.
func (s *stage) done(target string, fields map[string]string) {
	s.t.Helper()
	res := s.post(target, fields, "", nil)
	if to := res.Header.Get("Location"); res.StatusCode != http.StatusSeeOther || strings.Contains(to, "error=") {
		s.t.Fatalf("%s with %v: %s to %q\n%s", target, fields, res.Status, to, s.body(res))
	}
}

const (
	mailPage     = "/sandbox/phone/email"
	telegramPage = "/sandbox/phone/telegram"
	smsPage      = "/sandbox/phone/sms"
)

// every page there is, with something on it.
func (s *stage) everyPage() []string {
	s.done(mailPage, map[string]string{"me": "daniel@mail.test", "to": "jovana@mail.test", "subject": "Hello", "text": "Is this <b>you</b>?", "sample": "on"})
	s.done(telegramPage, map[string]string{"me": "70010004", "do": "say", "text": "<script>alert(1)</script>"})
	s.done(smsPage, map[string]string{"me": "+15005553003", "do": "sample", "text": `"><img src=x onerror=alert(1)>`})
	return []string{
		"/sandbox/", "/sandbox/chat", "/sandbox/email", "/sandbox/telegram", "/sandbox/sms",
		mailPage, mailPage + "?box=sent&me=daniel@mail.test&id=Sent+1", mailPage + "?write=new",
		mailPage + "?me=jovana@mail.test&id=INBOX+1", mailPage + "?me=jovana@mail.test&id=INBOX+1&write=reply", mailPage + "?me=jovana@mail.test&id=INBOX+1&write=forward",
		telegramPage, telegramPage + "?me=70010004", telegramPage + "?error=gone", smsPage, smsPage + "?me=%2B15005553003",
	}
}

// Every page has what it needs in every language, from our own files alone, and
// what people wrote is text in it.
func TestPagesKeepToTheirPolicy(t *testing.T) {
	s := open(t)
	inline := regexp.MustCompile(`(?i)<script[^>]*>[^<]|<style|<[a-z][^<>]*\s(on[a-z]+|style)\s*=|javascript:|https?://`)
	for _, path := range s.everyPage() {
		for lang := range s.pages.words {
			target := path + "?lang=" + lang
			if strings.Contains(path, "?") {
				target = path + "&lang=" + lang
			}
			res := s.get(target)
			body := s.body(res)
			if res.StatusCode != http.StatusOK || !strings.Contains(body, `<html lang="`+lang+`">`) {
				t.Errorf("%s: %s", target, res.Status)
			}
			if found := inline.FindString(body); found != "" {
				t.Errorf("%s holds %q", target, found)
			}
			if strings.Contains(body, "<no value>") || strings.Contains(body, `aria-label=""`) {
				t.Errorf("%s lacks words", target)
			}
			policy := res.Header.Get("Content-Security-Policy")
			if !strings.HasPrefix(policy, "default-src 'none';") || strings.Contains(policy, "unsafe") {
				t.Errorf("%s: policy %q", target, policy)
			}
		}
	}
}

func TestEveryLanguageHasAllWords(t *testing.T) {
	s := open(t)
	want := slices.Sorted(maps.Keys(s.pages.words["en"]))
	for lang, words := range s.pages.words {
		if got := slices.Sorted(maps.Keys(words)); !slices.Equal(got, want) {
			t.Errorf("%s has other words than English: %q", lang, got)
		}
		for key, word := range words {
			if word == "" {
				t.Errorf("%s: %s is empty", lang, key)
			}
		}
	}
}

// What people write is text; only addresses in it become links.
func TestOnlyAddressesBecomeLinks(t *testing.T) {
	for text, want := range map[string]string{
		"see http://127.0.0.1:8080/c/abc.":    `see <a href="http://127.0.0.1:8080/c/abc" target="_blank" rel="noreferrer">http://127.0.0.1:8080/c/abc</a>.`,
		`"><script>alert(1)</script>`:         `&#34;&gt;&lt;script&gt;alert(1)&lt;/script&gt;`,
		`https://a.test/?a=1&b="onclick="x"`:  `<a href="https://a.test/?a=1&amp;b=" target="_blank" rel="noreferrer">https://a.test/?a=1&amp;b=</a>&#34;onclick=&#34;x&#34;`,
		"javascript:alert(1) ftp://a.test":    "javascript:alert(1) ftp://a.test",
		"(https://a.test/x), https://b.test!": `(<a href="https://a.test/x" target="_blank" rel="noreferrer">https://a.test/x</a>), <a href="https://b.test" target="_blank" rel="noreferrer">https://b.test</a>!`,
	} {
		if got := string(linked(text)); got != want {
			t.Errorf("%s\n got %s\nwant %s", text, got, want)
		}
	}
}

func TestThereIsNothingElseBelowTheSandbox(t *testing.T) {
	s := open(t)
	for _, path := range []string{
		"/sandbox/fax", "/sandbox/assets/words.json", "/sandbox/assets/overview.html", "/sandbox/assets/..%2fdemo.go", "/sandbox/phone/fax",
		telegramPage + "/file?id=AgAC99999999AQ", smsPage + "/file?id=x&n=0", mailPage + "/file?id=INBOX+9",
	} {
		if res := s.get(path); res.StatusCode != http.StatusNotFound {
			t.Errorf("%s answers %s", path, res.Status)
		}
	}
	for _, name := range served {
		if res := s.get("/sandbox/assets/" + name); res.StatusCode != http.StatusOK {
			t.Errorf("%s: %s", name, res.Status)
		}
	}
	if res := s.post(telegramPage, map[string]string{"me": "1", "do": "format the disk"}, "", nil); !strings.Contains(res.Header.Get("Location"), "error=gone") {
		t.Errorf("an unknown wish is answered with %q", res.Header.Get("Location"))
	}
}
