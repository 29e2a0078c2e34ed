package webchat

import (
	"bytes"
	"context"
	"encoding/base64"
	"encoding/json"
	"image"
	"image/color"
	"image/gif"
	"image/jpeg"
	"image/png"
	"io"
	"net/http"
	"net/url"
	"strings"
	"testing"

	"casewire/channels"
	"casewire/channels/channeltest"

	"github.com/google/uuid"
)

func (s *site) do(method, path, token string, body []byte, header ...string) *http.Response {
	s.t.Helper()
	r, err := http.NewRequestWithContext(s.t.Context(), method, s.house.URL+"/chat/"+path, bytes.NewReader(body))
	if err != nil {
		s.t.Fatal(err)
	}
	if token != "" {
		r.Header.Set("Authorization", "Bearer "+token)
	}
	for i := 0; i+1 < len(header); i += 2 {
		r.Header.Set(header[i], header[i+1])
	}
	got, err := http.DefaultClient.Do(r)
	if err != nil {
		s.t.Fatal(err)
	}
	b, err := io.ReadAll(got.Body)
	if err != nil {
		s.t.Fatal(err)
	}
	got.Body.Close()
	got.Body = io.NopCloser(bytes.NewReader(b))
	return got
}

func (s *site) get(path, token string) *http.Response { return s.do("GET", path, token, nil) }

// upload returns the id of a file that must be taken.
func (s *site) upload(token, name string, body []byte) string {
	s.t.Helper()
	r := s.do("POST", "files", token, body, "X-File-Name", url.PathEscape(name))
	var got struct{ ID, Name string }
	if err := json.NewDecoder(r.Body).Decode(&got); err != nil || r.StatusCode != http.StatusCreated {
		s.t.Fatalf("upload of %s: %d, %v", name, r.StatusCode, err)
	}
	return got.ID
}

type problem struct {
	Status       int
	Code, Detail string
}

// problemIn returns the problem details of a refusal, which always say what to do.
func problemIn(t *testing.T, r *http.Response) problem {
	t.Helper()
	var p problem
	if err := json.NewDecoder(r.Body).Decode(&p); err != nil || p.Status != r.StatusCode || p.Detail == "" {
		t.Errorf("no problem details: %v, status %d in %d, detail %q", err, p.Status, r.StatusCode, p.Detail)
	}
	return p
}

func code(t *testing.T, r *http.Response) string {
	t.Helper()
	return problemIn(t, r).Code
}

func picture(t *testing.T, w, h int, kind string) []byte {
	t.Helper()
	var b bytes.Buffer
	img := image.NewPaletted(image.Rect(0, 0, w, h), color.Palette{color.White})
	var err error
	switch kind {
	case "png":
		err = png.Encode(&b, img)
	case "jpeg":
		err = jpeg.Encode(&b, img, nil)
	case "gif":
		err = gif.Encode(&b, img, nil)
	}
	if err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

func webp(t *testing.T) []byte {
	t.Helper()
	b, err := base64.StdEncoding.DecodeString("UklGRhoAAABXRUJQVlA4TA0AAAAvAAAAEAcQERGIiP4HAA==")
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// W6: the type is what the content is, whatever the name says.
func TestUploadTypes(t *testing.T) {
	s := open(t)
	c := s.visitor()
	for _, test := range []struct {
		name string
		body []byte
		ok   bool
	}{
		{"a.png", picture(t, 2, 2, "png"), true},
		{"a.jpg", picture(t, 2, 2, "jpeg"), true},
		{"a.gif", picture(t, 2, 2, "gif"), true},
		{"a.webp", webp(t), true},
		{"a.pdf", []byte("%PDF-1.7\n..."), true},
		{"a.txt", []byte("the pump hums"), true},
		{"a.heic", []byte("\x00\x00\x00\x18ftypheic\x00\x00\x00\x00"), true},
		{"a.mov", []byte("\x00\x00\x00\x14ftypqt  \x00\x00\x00\x00"), true},
		{"a.mp4", []byte("\x00\x00\x00\x18ftypisom\x00\x00\x00\x00"), true},
		{"page.png", []byte("<!doctype html><script>alert(1)</script>"), false},
		{"a.svg", []byte(`<?xml version="1.0"?><svg xmlns="http://www.w3.org/2000/svg" onload="alert(1)"/>`), false},
		{"photo.jpg", []byte("MZ\x90\x00\x03\x00\x00\x00\x04\x00\x00\x00\xff\xff\x00\x00"), false},
		{"a.zip", []byte("PK\x03\x04\x14\x00\x00\x00"), false},
		{"a.js.gz", []byte("\x1f\x8b\x08\x00\x00\x00\x00\x00"), false},
		{"empty.txt", nil, false},
	} {
		r := s.do("POST", "files", c.token, test.body, "X-File-Name", test.name, "Content-Type", "image/png")
		if ok := r.StatusCode == http.StatusCreated; ok != test.ok {
			t.Errorf("%s: status %d", test.name, r.StatusCode)
		} else if !ok {
			p := problemIn(t, r)
			if r.StatusCode != http.StatusUnsupportedMediaType || p.Code != codeBadFile {
				t.Errorf("%s: %d %s", test.name, r.StatusCode, p.Code)
			}
			if !strings.Contains(p.Detail, "taken: image/jpeg, image/png, ") || !strings.Contains(p.Detail, "at most 10485760 bytes") {
				t.Errorf("%s: %q does not say what is taken", test.name, p.Detail)
			}
		}
	}
}

func TestUploadSize(t *testing.T) {
	s := open(t, func(c *Config) { c.Limits.FileBytes = 1000 })
	c := s.visitor()
	if r := s.do("POST", "files", c.token, bytes.Repeat([]byte("a"), 1000)); r.StatusCode != http.StatusCreated {
		t.Errorf("as much as is allowed: %d", r.StatusCode)
	}
	if r := s.do("POST", "files", c.token, bytes.Repeat([]byte("a"), 1001)); r.StatusCode != http.StatusRequestEntityTooLarge || code(t, r) != codeTooLarge {
		t.Errorf("a byte more: %d", r.StatusCode)
	}
	// And without a length that could be looked at.
	r, err := http.NewRequestWithContext(t.Context(), "POST", s.house.URL+"/chat/files", struct{ io.Reader }{strings.NewReader(strings.Repeat("a", 5000))})
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("Authorization", "Bearer "+c.token)
	got, err := http.DefaultClient.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	got.Body.Close()
	if got.StatusCode != http.StatusRequestEntityTooLarge {
		t.Errorf("in pieces: %d", got.StatusCode)
	}
}

func TestUploadIsForVisitors(t *testing.T) {
	s := open(t, func(c *Config) { c.Limits.Uploads = 10; c.Limits.Files = 1 })
	c := s.visitor()
	for _, token := range []string{"", "x", strings.Repeat("A", 43)} {
		if r := s.do("POST", "files", token, []byte("x")); r.StatusCode != http.StatusUnauthorized || code(t, r) != codeExpired {
			t.Errorf("token %q: %d", token, r.StatusCode)
		}
	}
	if r := s.do("POST", "files", c.token, []byte("x"), "Origin", "https://evil.example"); r.StatusCode != http.StatusForbidden {
		t.Errorf("from another site: %d", r.StatusCode)
	}
	if r := s.do("POST", "files?token="+c.token, "", []byte("x")); r.StatusCode != http.StatusUnauthorized {
		t.Errorf("a token in the URL: %d", r.StatusCode)
	}
	for range 5 {
		s.upload(c.token, "a.txt", []byte("x"))
	}
	if r := s.do("POST", "files", c.token, []byte("x")); r.StatusCode != http.StatusTooManyRequests || r.Header.Get("Retry-After") == "" {
		t.Errorf("one too many: %d", r.StatusCode)
	}
}

// A file goes up, along with a message, and comes down to its visitor alone (W1).
func TestFilesAreTheirVisitorsOwn(t *testing.T) {
	s := open(t)
	a, b := s.visitor(), s.visitor()
	body := picture(t, 3, 2, "png")
	up := s.upload(a.token, "Фото ✓.png", body)
	note := s.upload(a.token, "../note\u202Etxt.exe", []byte("not a page, only text with <b>"))
	b.say("somebody else")
	b.send(map[string]any{"t": "send", "id": uuid.NewString(), "text": "x", "files": []string{up}})
	if f := b.of("error"); f.Code != codeBadFile {
		t.Errorf("another visitor's upload: %+v", f)
	}
	a.send(map[string]any{"t": "send", "id": uuid.NewString(), "text": "a photo", "files": []string{up, note}})
	f := a.of("message")
	if len(f.Files) != 2 || f.Files[0].Name != "Фото ✓.png" || !f.Files[0].Image || f.Files[1].Image || f.Files[1].Name != "_notetxt.exe" {
		t.Fatalf("files %+v", f.Files)
	}
	if got := s.house.Book.Messages()[1].Body.Files; len(got) != 2 || got[0].Size != int64(len(body)) {
		t.Errorf("stored %+v", got)
	}
	r := s.get("files/1/0", a.token)
	got, _ := io.ReadAll(r.Body)
	if r.StatusCode != http.StatusOK || !bytes.Equal(got, body) {
		t.Fatalf("status %d with %d bytes", r.StatusCode, len(got))
	}
	for name, want := range map[string]string{
		"Content-Type": "image/png", "X-Content-Type-Options": "nosniff",
		"Content-Security-Policy": "default-src 'none'; sandbox", "Cache-Control": "private, no-cache",
		"Content-Disposition": "inline; filename*=utf-8''%D0%A4%D0%BE%D1%82%D0%BE%20%E2%9C%93.png",
	} {
		if got := r.Header.Get(name); got != want {
			t.Errorf("%s: %q, want %q", name, got, want)
		}
	}
	r = s.get("files/1/1", a.token)
	if r.Header.Get("Content-Type") != "application/octet-stream" || r.Header.Get("Content-Disposition") != "attachment; filename=_notetxt.exe" {
		t.Errorf("a text is served as %q, %q", r.Header.Get("Content-Type"), r.Header.Get("Content-Disposition"))
	}
	for path, want := range map[string]int{
		"files/1/0": http.StatusNotFound, "files/1/1": http.StatusNotFound, "files/2/0": http.StatusNotFound,
	} {
		if r := s.get(path, b.token); r.StatusCode != want {
			t.Errorf("%s for another visitor: %d", path, r.StatusCode)
		}
	}
	for _, path := range []string{"files/1/2", "files/1/-1", "files/0/0", "files/-1/0", "files/99999999999999999999/0", "files/x/0", "files/1/x"} {
		if r := s.get(path, a.token); r.StatusCode != http.StatusNotFound {
			t.Errorf("%s: %d", path, r.StatusCode)
		}
	}
	for _, token := range []string{"", "x"} {
		if r := s.get("files/1/0", token); r.StatusCode != http.StatusUnauthorized {
			t.Errorf("with token %q: %d", token, r.StatusCode)
		}
	}
}

// What an operator sends is looked at as well before it is shown in place.
func TestOnlyCheckedImagesAreInline(t *testing.T) {
	s := open(t)
	c := s.visitor()
	c.say("x")
	to := s.visitorOf("x")
	huge := []byte("\x89PNG\r\n\x1a\n\x00\x00\x00\rIHDR\x00\x01\x00\x00\x00\x01\x00\x00\x08\x02\x00\x00\x00\x77\x00\x7d\x59")
	bodies := [][]byte{
		picture(t, 2, 2, "gif"), webp(t), []byte("<svg xmlns='http://www.w3.org/2000/svg'/>"),
		[]byte("\x89PNG\r\n\x1a\n cut off"), huge, []byte("<html><script>alert(1)</script>"),
	}
	want := []string{"inline", "inline", "attachment", "attachment", "attachment", "attachment"}
	var files []channels.File
	for _, b := range bodies {
		f, err := s.house.Files.Put(t.Context(), "a.png", bytes.NewReader(b), 1<<20)
		if err != nil {
			t.Fatal(err)
		}
		files = append(files, f)
	}
	_, err := s.door.Send(t.Context(), channels.Outbound{ID: "m", Channel: channelID, To: to, Body: channels.Body{Files: files}})
	if err != nil {
		t.Fatal(err)
	}
	for i, kind := range want {
		r := s.get("files/2/"+string(rune('0'+i)), c.token)
		if got := r.Header.Get("Content-Disposition"); !strings.HasPrefix(got, kind) || kind == "attachment" && r.Header.Get("Content-Type") != "application/octet-stream" {
			t.Errorf("file %d is %q as %s", i, got, r.Header.Get("Content-Type"))
		}
	}
}

func TestFilesWhileTheStoreIsAway(t *testing.T) {
	s := open(t)
	c := s.visitor()
	s.house.Files.Fail = func(string) error { return channeltest.ErrStore }
	r := s.do("POST", "files", c.token, []byte("x"))
	if r.StatusCode != http.StatusServiceUnavailable || code(t, r) != codeTryAgain || r.Header.Get("Retry-After") == "" {
		t.Errorf("status %d", r.StatusCode)
	}
}

// A resend must find its message even when the uploads have been forgotten.
func TestResendOutlivesItsUploads(t *testing.T) {
	s := open(t)
	c := s.visitor()
	up := s.upload(c.token, "a.txt", []byte("x"))
	id, _ := c.say("with a file", up)
	if err := s.house.Memory.Forget(context.WithoutCancel(t.Context()), uploadKey(s.visitorOf("with a file").Handle, up)); err != nil {
		t.Fatal(err)
	}
	c.send(map[string]any{"t": "send", "id": id, "text": "with a file", "files": []string{up}})
	if f := c.of("ack"); f.ID != id || f.Seq != 1 {
		t.Errorf("got %+v", f)
	}
}
