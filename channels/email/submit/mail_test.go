package submit

import (
	"bufio"
	"bytes"
	"context"
	"encoding/base64"
	"errors"
	"flag"
	"fmt"
	"io"
	"mime"
	"mime/multipart"
	"mime/quotedprintable"
	"net/mail"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"casewire/channels"
)

var update = flag.Bool("update", false, "write the golden files anew")

// blobs are files by their blob.
type blobs map[string][]byte

func (b blobs) open(_ context.Context, blob string) (io.ReadSeekCloser, error) {
	data, ok := b[blob]
	if !ok {
		return nil, channels.ErrNotFound
	}
	return nopCloser{bytes.NewReader(data)}, nil
}

type nopCloser struct{ io.ReadSeeker }

func (nopCloser) Close() error { return nil }

var noon = time.Date(2026, 11, 22, 12, 0, 0, 0, time.UTC)

// samples are the kinds of mail there are.
func samples() map[string]*Mail {
	files := blobs{"png": []byte("\x89PNG\r\n\x1a\n picture"), "pdf": bytes.Repeat([]byte("0123456789"), 30)}
	refs := make([]string, 30)
	for i := range refs {
		refs[i] = fmt.Sprintf("ref-%02d@mail.test", i)
	}
	reply := &Mail{
		ID: "cw.u1.mac@shop.test", From: Address{"Mill Street Repairs", shop}, To: Address{"Ann Lee", "ann@mail.test"},
		Subject: "Re: Broken screen", InReplyTo: refs[29], References: refs, Date: noon,
		Loop: "casewire-loop", Marker: "casewire-cw000123-abcdefghijklmnop", Lang: "en",
		Text: "Hello Ann,\n\nit is ready (see https://shop.test/s/1?a=1&b=2).\nBye <b>\n.\n..\nFrom here on\n",
	}
	notice := &Mail{
		ID: "cw.u2.mac@shop.test", From: Address{"Ремонт «Млин»", shop}, ReplyTo: Address{"Ремонт «Млин»", "support+cw000123-abc@shop.test"},
		To: Address{"Олена Петренко-Великопреображенська, ФОП", "olena@почта.test"}, ReturnPath: "support+b-u2-abc@shop.test",
		Subject: "Ваш пристрій готовий: заберіть його, будь ласка, до кінця наступного тижня 🙂", Date: noon,
		Auto: Generated, Loop: "casewire-loop", Marker: "casewire-cw000123-abcdefghijklmnop", Lang: "uk",
		Text: "Добрий день!\r\n\r\nВаш пристрій готовий.\r\n" + strings.Repeat("Довгий рядок без кінця ", 60),
	}
	attached := &Mail{
		ID: "cw.u3.mac@shop.test", From: Address{"", shop}, To: Address{"", "ann@mail.test"}, Subject: "Estimate", Date: noon, Auto: Replied,
		InReplyTo: refs[0], References: refs[:1], Text: "See below.", Open: files.open,
		Files: []channels.File{
			{Name: "схема.png", Type: "image/png", Size: 16, Blob: "png", CID: "pic1@shop.test"},
			{Name: "Кошторис № 7 – остаточний варіант для замовника Петренко.pdf", Type: "application/pdf", Size: 300, Blob: "pdf"},
			{Name: `a "quoted" name.pdf`, Type: "application/pdf", Size: 300, Blob: "pdf"},
			{Name: "", Type: "multipart/evil", Size: 300, Blob: "pdf"},
		},
	}
	return map[string]*Mail{"reply": reply, "notice": notice, "attachments": attached}
}

func written(t testing.TB, m *Mail) []byte {
	t.Helper()
	var b bytes.Buffer
	if err := m.Write(t.Context(), &b); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

func TestGoldenMails(t *testing.T) {
	for name, m := range samples() {
		got := written(t, m)
		if again := written(t, m); !bytes.Equal(got, again) {
			t.Errorf("%s: two writings differ", name)
		}
		if int64(len(got)) > m.size() {
			t.Errorf("%s: %d bytes, announced %d", name, len(got), m.size())
		}
		wellFormed(t, name, got)
		file := filepath.Join("testdata", "mail", name+".eml")
		if *update {
			if err := os.WriteFile(file, got, 0o644); err != nil {
				t.Fatal(err)
			}
		}
		want, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		// Whoever checks the files out may change their line ends.
		if unix(got) != unix(want) {
			t.Errorf("%s is not as in %s; look at the difference and use -update\n%s", name, file, got)
		}
	}
}

func unix(b []byte) string { return strings.ReplaceAll(string(b), "\r\n", "\n") }

// wellFormed holds a mail to what every server demands: lines that end in CRLF, none
// longer than 998 octets, and nothing but ASCII unless it had to be.
func wellFormed(t testing.TB, name string, b []byte) {
	t.Helper()
	if !bytes.HasSuffix(b, []byte("\r\n")) {
		t.Errorf("%s: does not end in a line", name)
	}
	for line := range strings.SplitSeq(strings.TrimSuffix(string(b), "\r\n"), "\r\n") {
		if len(line) > 998 || strings.ContainsAny(line, "\r\n\x00") || !isASCII(line) {
			t.Errorf("%s: bad line of %d octets: %.80q", name, len(line), line)
		}
	}
}

// leaf is a part of a mail as the standard library reads it.
type leaf struct {
	kind, disposition, cid, name string
	body                         string
}

func parse(t testing.TB, b []byte) (*mail.Message, []leaf) {
	t.Helper()
	m, err := mail.ReadMessage(bytes.NewReader(b))
	if err != nil {
		t.Fatalf("read: %v\n%s", err, b)
	}
	return m, leaves(t, m.Header.Get("Content-Type"), m.Body)
}

func leaves(t testing.TB, contentType string, r io.Reader) []leaf {
	t.Helper()
	_, params, err := mime.ParseMediaType(contentType)
	if err != nil {
		t.Fatal(err)
	}
	var out []leaf
	for parts := multipart.NewReader(r, params["boundary"]); ; {
		p, err := parts.NextRawPart()
		if err == io.EOF { //nolint:errorlint // as documented
			return out
		}
		if err != nil {
			t.Fatal(err)
		}
		kind, _, err := mime.ParseMediaType(p.Header.Get("Content-Type"))
		if err != nil {
			t.Fatal(err)
		}
		if strings.HasPrefix(kind, "multipart/") {
			out = append(out, leaf{kind: kind})
			out = append(out, leaves(t, p.Header.Get("Content-Type"), p)...)
			continue
		}
		l := leaf{kind: kind, cid: p.Header.Get("Content-Id")}
		var dispo map[string]string
		if l.disposition, dispo, err = mime.ParseMediaType(p.Header.Get("Content-Disposition")); err == nil {
			l.name = dispo["filename"]
		}
		var body io.Reader = p
		switch p.Header.Get("Content-Transfer-Encoding") {
		case "base64":
			body = base64.NewDecoder(base64.StdEncoding, p)
		case "quoted-printable":
			body = quotedprintable.NewReader(p)
		}
		raw, err := io.ReadAll(body)
		if err != nil {
			t.Fatal(err)
		}
		l.body = string(raw)
		out = append(out, l)
	}
}

func decoded(t testing.TB, s string) string {
	t.Helper()
	out, err := (&mime.WordDecoder{}).DecodeHeader(s)
	if err != nil {
		t.Fatal(err)
	}
	return out
}

func TestReplyThreads(t *testing.T) {
	m, parts := parse(t, written(t, samples()["reply"]))
	refs := strings.Fields(m.Header.Get("References"))
	if len(refs) != 11 || refs[0] != "<ref-00@mail.test>" || refs[1] != "<ref-20@mail.test>" || refs[10] != "<ref-29@mail.test>" {
		t.Errorf("References %v", refs)
	}
	for name, want := range map[string]string{
		"Message-Id": "<cw.u1.mac@shop.test>", "In-Reply-To": "<ref-29@mail.test>", "Subject": "Re: Broken screen", "Date": "Sun, 22 Nov 2026 12:00:00 +0000",
		"X-Casewire-Loop": "casewire-loop", "X-Casewire": "casewire-cw000123-abcdefghijklmnop", "Content-Language": "en",
		"Auto-Submitted": "", "Precedence": "", "X-Auto-Response-Suppress": "", "Reply-To": "",
	} {
		if got := m.Header.Get(name); got != want {
			t.Errorf("%s: %q, want %q", name, got, want)
		}
	}
	if len(parts) != 2 || parts[0].kind != "text/plain" || parts[1].kind != "text/html" {
		t.Fatalf("parts %+v", parts)
	}
	if want := strings.ReplaceAll(samples()["reply"].Text, "\n", "\r\n"); parts[0].body != want {
		t.Errorf("text %q", parts[0].body)
	}
	for _, want := range []string{
		`lang="en"`, `(see <a href="https://shop.test/s/1?a=1&amp;b=2">https://shop.test/s/1?a=1&amp;b=2</a>).<br>`,
		"Bye &lt;b&gt;", `display:none`, "casewire-cw000123-abcdefghijklmnop",
	} {
		if !strings.Contains(parts[1].body, want) {
			t.Errorf("%s is missing in %s", want, parts[1].body)
		}
	}
}

// A notice says that a machine wrote it (E10), in whatever letters.
func TestNotice(t *testing.T) {
	src := samples()["notice"]
	m, parts := parse(t, written(t, src))
	for name, want := range map[string]string{"Auto-Submitted": "auto-generated", "X-Auto-Response-Suppress": "All", "Precedence": "bulk"} {
		if got := m.Header.Get(name); got != want {
			t.Errorf("%s: %q, want %q", name, got, want)
		}
	}
	if got := decoded(t, m.Header.Get("Subject")); got != src.Subject {
		t.Errorf("subject %q", got)
	}
	for name, want := range map[string]mail.Address{
		"From": {Name: src.From.Name, Address: shop}, "To": {Name: src.To.Name, Address: "olena@xn--80a1acny.test"},
		"Reply-To": {Name: src.From.Name, Address: src.ReplyTo.Addr},
	} {
		got, err := mail.ParseAddress(m.Header.Get(name))
		if err != nil || *got != want {
			t.Errorf("%s: %+v, %v", name, got, err)
		}
	}
	if got := strings.ReplaceAll(parts[0].body, "\r\n", "\n"); got != lines(src.Text) {
		t.Errorf("text %q", got)
	}
}

func TestAttachments(t *testing.T) {
	src := samples()["attachments"]
	_, parts := parse(t, written(t, src))
	var got []string
	for _, p := range parts {
		got = append(got, p.kind+" "+p.disposition+" "+p.name)
	}
	want := []string{
		"multipart/alternative  ", "text/plain  ", "multipart/related  ", "text/html  ", "image/png inline схема.png",
		"application/pdf attachment " + src.Files[1].Name, `application/pdf attachment a "quoted" name.pdf`, "application/octet-stream attachment ",
	}
	if strings.Join(got, "\n") != strings.Join(want, "\n") {
		t.Errorf("got\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
	if parts[4].cid != "<pic1@shop.test>" || !strings.Contains(parts[3].body, `src="cid:pic1@shop.test"`) {
		t.Errorf("the picture %q is not shown: %s", parts[4].cid, parts[3].body)
	}
	if parts[4].body != "\x89PNG\r\n\x1a\n picture" || parts[5].body != strings.Repeat("0123456789", 30) {
		t.Error("an attachment is not what it was")
	}
}

// A large attachment passes through; it is never in memory as a whole.
func TestLargeAttachmentIsStreamed(t *testing.T) {
	const size = 30 << 20
	m := simple()
	m.Files = []channels.File{{Name: "video.mp4", Type: "video/mp4", Size: size, Blob: "x"}}
	m.Open = func(context.Context, string) (io.ReadSeekCloser, error) { return &zeros{left: size}, nil }
	out := &counter{}
	allocated := testing.AllocsPerRun(1, func() {
		w := bufio.NewWriter(out)
		if err := errors.Join(m.Write(t.Context(), w), w.Flush()); err != nil {
			t.Fatal(err)
		}
	})
	if out.n < 2*size*4/3 || out.most > 64<<10 || allocated > 2000 {
		t.Errorf("%d bytes in pieces of up to %d, %.0f allocations", out.n, out.most, allocated)
	}
}

type zeros struct{ left int }

func (z *zeros) Read(b []byte) (int, error) {
	if z.left == 0 {
		return 0, io.EOF
	}
	n := min(len(b), z.left)
	clear(b[:n])
	z.left -= n
	return n, nil
}
func (z *zeros) Seek(int64, int) (int64, error) { return 0, nil }
func (z *zeros) Close() error                   { return nil }

type counter struct{ n, most int }

func (c *counter) Write(b []byte) (int, error) {
	c.n += len(b)
	c.most = max(c.most, len(b))
	return len(b), nil
}

// An attachment that cannot be read ends in no mail: the final dot never comes.
func TestUnreadableAttachment(t *testing.T) {
	for name, c := range map[string]struct {
		open   func(context.Context, string) (io.ReadSeekCloser, error)
		reason channels.Reason
	}{
		"gone":       {blobs{}.open, channels.BadContent},
		"store away": {func(context.Context, string) (io.ReadSeekCloser, error) { return nil, io.ErrClosedPipe }, channels.Unreachable},
		"breaks off": {func(context.Context, string) (io.ReadSeekCloser, error) { return &broken{zeros{100 << 10}}, nil }, channels.Unreachable},
	} {
		s := newScript(t, nil)
		m := simple()
		m.Files = []channels.File{{Name: "a", Type: "image/png", Size: 100, Blob: "x"}}
		m.Open = c.open
		sender := newSender(t, configAt(s.ln.Addr().String()))
		_, err := sender.Send(t.Context(), m)
		if se := reasonOf(t, err); se.Reason != c.reason || len(s.mails()) != 0 {
			t.Errorf("%s: %v, %d mails taken", name, se, len(s.mails()))
		}
		if !sender.Health().OK {
			t.Errorf("%s: counts against the mail server: %s", name, sender.Health().Text)
		}
	}
}

type broken struct{ zeros }

func (b *broken) Read(p []byte) (int, error) {
	n, err := b.zeros.Read(p)
	if err != nil {
		return 0, io.ErrUnexpectedEOF
	}
	return n, nil
}

// Whatever the texts hold, the mail has the headers and parts that we gave it.
func FuzzNothingIsInjected(f *testing.F) {
	f.Add("subject", "name", "text", "file.pdf", "en", "id@x")
	f.Add("a\r\nBcc: eve@x", "b\nBcc: eve@x", "c\r\n.\r\nMAIL FROM:<x>", "d\"\r\nX: y", "en\r\nX: y", "i@x>\r\nX: <y")
	f.Add("=?utf-8?q?x?=", "\u2028Bcc: x", "--=_mixed_", "\x00\xff", "", "a b@c")
	f.Add(strings.Repeat("x", 3000), strings.Repeat("ж", 900), strings.Repeat("y", 5000), strings.Repeat("й", 400), "sr-Latn", "@")
	f.Fuzz(func(t *testing.T, subject, name, text, file, lang, ref string) {
		m := simple()
		m.From.Name, m.To.Name, m.ReplyTo = name, name, Address{name, ref}
		m.Subject, m.Text, m.Lang, m.InReplyTo, m.References = subject, text, lang, ref, []string{ref, "a@b"}
		m.Marker, m.Loop, m.Envelope = ref, lang, subject
		m.Files = []channels.File{{Name: file, Type: lang, Blob: "x", CID: ref}, {Name: name, Type: "image/png", Blob: "x", CID: "p"}}
		m.Open = blobs{"x": []byte("content")}.open
		b := written(t, m)
		wellFormed(t, "mail", b)
		got, parts := parse(t, b)
		known := map[string]bool{
			"Date": true, "From": true, "To": true, "Reply-To": true, "Subject": true, "Message-Id": true, "In-Reply-To": true, "References": true,
			"X-Casewire": true, "X-Casewire-Loop": true, "Content-Language": true, "Mime-Version": true, "Content-Type": true,
		}
		for key, values := range got.Header {
			if !known[key] || len(values) != 1 {
				t.Errorf("header %q %d times", key, len(values))
			}
		}
		if want := strings.Join(strings.Fields(clean(subject)), " "); decoded(t, got.Header.Get("Subject")) != want {
			t.Errorf("subject %q, want %q", decoded(t, got.Header.Get("Subject")), want)
		}
		if a, err := mail.ParseAddress(got.Header.Get("To")); err != nil || a.Address != "ann@mail.test" {
			t.Errorf("to %q: %v", got.Header.Get("To"), err)
		}
		var files int
		for _, p := range parts {
			if p.disposition != "" {
				files++
			}
			if p.kind == "text/plain" && p.disposition == "" && strings.ReplaceAll(p.body, "\r\n", "\n") != lines(text) {
				t.Errorf("text %q, want %q", p.body, lines(text))
			}
		}
		if files != 2 {
			t.Errorf("%d files", files)
		}
	})
}
