package mime

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"runtime"
	"strings"
	"testing"
	"testing/iotest"
	"time"
	"unicode/utf8"

	"casewire/channels"
	"casewire/channels/channeltest"
)

func readWith(t *testing.T, raw string, l Limits) *Mail {
	t.Helper()
	m, err := Read(t.Context(), strings.NewReader(raw), keeper(t, &channeltest.Files{}), l)
	if err != nil {
		t.Fatal(err)
	}
	return m
}

const twoParts = "From: a@x.example\nSubject: s\nContent-Type: multipart/mixed; boundary=b\n\n" +
	"--b\nContent-Type: text/plain\n\nHello\n--b\nContent-Type: text/plain; name=a.txt\nContent-Disposition: attachment\n\n0123456789\n" +
	"--b\nContent-Disposition: attachment; filename=b.txt\n\nsecond\n--b--\n"

// Beyond a limit what was read is kept, and the limit is named (E3).
func TestLimits(t *testing.T) {
	deep := strings.Builder{}
	deep.WriteString("Subject: s\n")
	for i := range 40 {
		fmt.Fprintf(&deep, "Content-Type: multipart/mixed; boundary=b%d\n\n--b%d\n", i, i)
	}
	deep.WriteString("\ntext\n")
	for name, test := range map[string]struct {
		raw    string
		limits Limits
		broken string
		check  func(m *Mail) bool
	}{
		"bytes": {twoParts, Limits{Bytes: 130}, "mail is larger", func(m *Mail) bool { return m.Text == "Hello" }},
		"depth": {deep.String(), Limits{}, "parts within parts", func(m *Mail) bool { return m.Subject == "s" && len(m.Files) == 1 }},
		"parts": {twoParts, Limits{Parts: 2}, "more parts", func(m *Mail) bool { return m.Text == "Hello" && len(m.Files) == 1 }},
		"header": {"From: a@x.example\nX-Long: " + strings.Repeat("x", 1000) + "\nSubject: s\n\nHello", Limits{HeaderBytes: 500}, "header is longer",
			func(m *Mail) bool { return m.From[0].Addr == "a@x.example" && m.Text == "Hello" }},
		"header of a part": {strings.Replace(twoParts, "Content-Type: text/plain\n", "Content-Type: text/plain\n"+strings.Repeat("X-A: b\n", 300), 1),
			Limits{HeaderBytes: 200}, "header is longer", func(m *Mail) bool { return m.Text == "Hello" && len(m.Files) == 2 }},
		"text": {"\n" + strings.Repeat("щ", 1000), Limits{TextBytes: 101}, "text is longer",
			func(m *Mail) bool { return m.Text == strings.Repeat("щ", 50) }},
		"text in parts": {"Content-Type: multipart/mixed; boundary=b\n\n--b\n\n" + strings.Repeat("a", 80) + "\n--b\n\n" + strings.Repeat("c", 80) + "\n--b--",
			Limits{TextBytes: 100}, "text is longer", func(m *Mail) bool { return len(m.Text) == 100 }},
		"html": {"Content-Type: text/html\n\n<p>" + strings.Repeat("a", 1000), Limits{TextBytes: 100}, "text is longer",
			func(m *Mail) bool { return len(m.HTML) == 100 && len(m.Text) == 97 }},
		"text in base64": {"Content-Transfer-Encoding: base64\n\n" + strings.Repeat("YWFh\n", 1000), Limits{TextBytes: 100}, "text is longer",
			func(m *Mail) bool { return m.Text == strings.Repeat("a", 100) }},
		"file size": {twoParts, Limits{FileBytes: 6}, "attachment is larger",
			func(m *Mail) bool { return len(m.Files) == 2 && m.Files[0].Size == 6 && m.Files[1].Size == 6 }},
		"files":   {twoParts, Limits{Files: 1}, "more attachments", func(m *Mail) bool { return len(m.Files) == 1 && m.Text == "Hello" }},
		"subject": {"Subject: " + strings.Repeat("щ", 3000) + "\n\nx", Limits{}, "subject is longer", func(m *Mail) bool { return len(m.Subject) == 2000 }},
	} {
		t.Run(name, func(t *testing.T) {
			m := readWith(t, test.raw, test.limits)
			if !strings.Contains(strings.Join(m.Broken, "\n"), test.broken) || !test.check(m) {
				t.Errorf("read\n%s", describe(m))
			}
		})
	}
	for name, l := range map[string]Limits{"exact": {FileBytes: 10, Files: 2, Parts: 3, Bytes: int64(len(twoParts))}, "default": {}} {
		if m := readWith(t, twoParts, l); len(m.Broken) > 0 || len(m.Files) != 2 {
			t.Errorf("%s: %q", name, m.Broken)
		}
	}
}

var errOutside = errors.New("the disk is full")

// Only what is outside of the mail is an error.
func TestErrors(t *testing.T) {
	keep := keeper(t, &channeltest.Files{})
	for n := 0; n < len(twoParts); n += 7 {
		r := io.MultiReader(strings.NewReader(twoParts[:n]), iotest.ErrReader(errOutside))
		if m, err := Read(t.Context(), r, keep, Limits{}); !errors.Is(err, errOutside) || m != nil {
			t.Fatalf("cut at %d: %v", n, err)
		}
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := Read(ctx, strings.NewReader(twoParts), keep, Limits{}); !errors.Is(err, context.Canceled) {
		t.Errorf("cancelled: %v", err)
	}
	full := func(string, string, io.Reader, int64) (channels.File, error) { return channels.File{}, errOutside }
	if _, err := Read(t.Context(), strings.NewReader(twoParts), full, Limits{}); !errors.Is(err, errOutside) {
		t.Errorf("a full disk: %v", err)
	}
	small := func(string, string, io.Reader, int64) (channels.File, error) {
		return channels.File{}, fmt.Errorf("put: %w", channels.ErrTooLarge)
	}
	m, err := Read(t.Context(), strings.NewReader(twoParts), small, Limits{})
	if err != nil || m.Text != "Hello" || len(m.Broken) != 1 {
		t.Errorf("too large for the store: %v, %+v", err, m)
	}
	lazy := func(name, _ string, _ io.Reader, _ int64) (channels.File, error) {
		return channels.File{Name: name}, nil
	}
	if m, err := Read(t.Context(), strings.NewReader(twoParts), lazy, Limits{}); err != nil || len(m.Files) != 2 || m.Text != "Hello" {
		t.Errorf("unread attachments: %v, %+v", err, m)
	}
}

// A mail reads the same however its bytes arrive.
func TestChunks(t *testing.T) {
	want := describe(read(t, []byte(twoParts)))
	for name, r := range map[string]io.Reader{
		"one by one":     iotest.OneByteReader(strings.NewReader(twoParts)),
		"error with end": iotest.DataErrReader(strings.NewReader(twoParts)),
	} {
		m, err := Read(t.Context(), r, keeper(t, &channeltest.Files{}), Limits{})
		if err != nil || describe(m) != want {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// The digest is the same for every delivery of a mail and another for another.
func TestDigest(t *testing.T) {
	const head, body = "Message-ID: <a@x>\nFrom: a@x.example\nSubject: s\nDate: Fri, 20 Nov 2026 10:15:01 +0000\n", "\nHello\n\nthere"
	of := func(raw string) string { return read(t, []byte(raw)).Digest }
	want := of(head + body)
	if len(want) != 64 {
		t.Fatalf("%q", want)
	}
	for name, raw := range map[string]string{
		"traces":        "Return-Path: <b@x>\nDelivered-To: c@x\nReceived: from a by b\n" + head + body,
		"line endings":  string(crlf([]byte(head + body))),
		"end of body":   head + body + "\r\n\r\n",
		"another zone":  strings.Replace(head, "10:15:01 +0000", "13:15:01 +0300 (MSK)", 1) + body,
		"list's prefix": strings.Replace(head, "Subject: s", "Subject: [list] s", 1) + body,
	} {
		if of(raw) != want {
			t.Errorf("%s: another digest", name)
		}
	}
	noID := strings.Replace(head, "Message-ID: <a@x>\n", "", 1)
	for name, raw := range map[string]string{
		"body":      head + body + "!",
		"line":      head + strings.Replace(body, "\n\nthere", "\nthere", 1),
		"date":      strings.Replace(head, "10:15:01", "10:15:02", 1) + body,
		"no date":   strings.Replace(head, "Date", "X-Date", 1) + body,
		"no id":     noID + body,
		"no id, b":  strings.Replace(noID, "From: a", "From: b", 1) + body,
		"no id, s2": strings.Replace(noID, "Subject: s", "Subject: s2", 1) + body,
		"odd date":  strings.Replace(head, "Fri, 20 Nov 2026 10:15:01 +0000", "yesterday", 1) + body,
	} {
		if d := of(raw); d == want {
			t.Errorf("%s: the same digest", name)
		} else {
			want2 := of(string(crlf([]byte(raw))))
			if d != want2 {
				t.Errorf("%s: not stable", name)
			}
		}
	}
	long := head + "\n" + strings.Repeat(strings.Repeat("x", 100_000)+"\n", 5)
	if of(long) != of(string(crlf([]byte(long)))) {
		t.Error("long lines: not stable")
	}
}

// endless yields n bytes of a mail with one base64 attachment.
func endless(n int) io.Reader {
	const head = "Subject: s\nContent-Type: multipart/mixed; boundary=b\n\n--b\n\nHello\n" +
		"--b\nContent-Type: application/zip; name=a.zip\nContent-Transfer-Encoding: base64\n\n"
	return io.MultiReader(strings.NewReader(head), io.LimitReader(lineReader{}, int64(n)), strings.NewReader("\n--b--\n"))
}

type lineReader struct{}

func (lineReader) Read(p []byte) (int, error) {
	const line = "QUJDREVGR0hJSktMTU5PUFFSU1RVVldYWVpBQkNERUZHSElKS0xNTk9QUVJTVFVWV1hZWkFCQ0RF\r\n"
	n := 0
	for n+len(line) <= len(p) {
		n += copy(p[n:], line)
	}
	if n == 0 {
		n = copy(p, line)
	}
	return n, nil
}

// A mail of 30 MB is read in a few MB of memory.
func TestMemory(t *testing.T) {
	const size, most = 30 << 20, 4 << 20
	var before, now runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&before)
	var peak uint64
	keep := func(name, mediaType string, r io.Reader, limit int64) (channels.File, error) {
		buf := make([]byte, 1<<20)
		var n int64
		for {
			k, err := io.ReadFull(r, buf)
			n += int64(k)
			runtime.ReadMemStats(&now)
			if now.HeapAlloc > before.HeapAlloc {
				peak = max(peak, now.HeapAlloc-before.HeapAlloc)
			}
			if err != nil {
				return channels.File{Name: name, Size: n}, nil
			}
		}
	}
	m, err := Read(t.Context(), endless(size), keep, Limits{})
	if err != nil || len(m.Files) != 1 || m.Files[0].Size < size*7/10 || len(m.Broken) > 0 {
		t.Fatalf("%v, %+v", err, m)
	}
	runtime.ReadMemStats(&now)
	if all := now.TotalAlloc - before.TotalAlloc; all > most {
		t.Errorf("%d KB were allocated for a mail of %d MB", all>>10, size>>20)
	}
	t.Logf("peak %d KB, all %d KB", peak>>10, (now.TotalAlloc-before.TotalAlloc)>>10)
	if peak > most {
		t.Errorf("%d KB at the peak", peak>>10)
	}
}

// Many texts need no more memory than one.
func TestMemoryOfManyTexts(t *testing.T) {
	part := "--b\nContent-Type: text/plain\n\n" + strings.Repeat("line of text\n", 10_000)
	raw := "Content-Type: multipart/mixed; boundary=b\n\n" + strings.Repeat(part, 200) + "--b--\n"
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	m := readWith(t, raw, Limits{})
	runtime.ReadMemStats(&after)
	if all := after.TotalAlloc - before.TotalAlloc; all > 60<<20 || len(m.Text) != 1<<20 {
		t.Errorf("%d MB were allocated for %d MB, %d bytes of text", all>>20, len(raw)>>20, len(m.Text))
	}
}

// What is made to be slow is read in time in proportion to its size: in tenths of a
// second, where the square of it would take minutes.
func TestHostileSizes(t *testing.T) {
	const n = 250_000
	for name, raw := range map[string]string{
		"encoded words":       "Subject: " + strings.Repeat("=?x?q?", n/6),
		"encoded words cut":   "Subject: " + strings.Repeat("=?x?b?A?= ", n/10),
		"encoded beginnings":  "Subject: " + strings.Repeat("=?", n/2),
		"colons":              "To: " + strings.Repeat("a", n/2) + "@" + strings.Repeat(":", n/2),
		"commas":              "To: " + strings.Repeat(",", n),
		"brackets":            "To: " + strings.Repeat("(", n/2) + strings.Repeat(")", n/2),
		"angles":              "To: " + strings.Repeat("<", n/2) + strings.Repeat(">", n/2),
		"quotes":              "To: " + strings.Repeat(`"\`, n/2),
		"groups":              "To: " + strings.Repeat("a:;", n/3),
		"ids":                 "References: " + strings.Repeat("<a", n/2),
		"params":              "Content-Type: text/plain" + strings.Repeat(";a", n/2) + `"`,
		"pieces":              "Content-Type: text/plain" + strings.Repeat(";a*0*=b", n/7),
		"fields":              strings.Repeat("a:b\n", n/4),
		"re":                  "Subject: " + strings.Repeat("Re:", n/3),
		"folds":               "Subject: " + strings.Repeat("x\n ", n/3),
		"date":                "Date: " + strings.Repeat("(", n),
		"boundaries":          "Content-Type: multipart/mixed; boundary=b\n\n" + strings.Repeat("--b\n", n),
		"endings":             "Content-Type: multipart/mixed; boundary=b\n\n--b\n" + strings.Repeat("--b--\n", n),
		"nested":              strings.Repeat("Content-Type: multipart/mixed; boundary=b\n\n--b\n", n/45),
		"lines":               "\n" + strings.Repeat("\n", 4*n),
		"quoted lines":        "\n" + strings.Repeat("> ", 2*n),
		"attributions":        "\n" + strings.Repeat("a wrote:\n", n/5),
		"header blocks":       "\n" + strings.Repeat("From:\nTo:\n", n/5),
		"addresses":           "\n" + strings.Repeat("a@x:\n", n/5),
		"flowed":              "Content-Type: text/plain; format=flowed\n\n" + strings.Repeat("a \n", n),
		"html open tags":      "Content-Type: text/html\n\n" + strings.Repeat("<b>", n),
		"html quotes":         "Content-Type: text/html\n\n" + strings.Repeat("<blockquote>a", n/10),
		"html links":          "Content-Type: text/html\n\n" + strings.Repeat("<a href=http://x>a", n/10),
		"html attributes":     "Content-Type: text/html\n\n<a " + strings.Repeat("a=b ", n) + ">",
		"html half tags":      "Content-Type: text/html\n\n" + strings.Repeat("<", n),
		"html comments":       "Content-Type: text/html\n\n" + strings.Repeat("<!--", n/4),
		"html cids":           "Content-Type: text/html\n\n" + strings.Repeat("cid:a ", n/6),
		"8-bit":               "\n" + strings.Repeat("\xd0", 4*n),
		"quoted-printable":    "Content-Transfer-Encoding: quoted-printable\n\n" + strings.Repeat("=", 4*n),
		"base64":              "Content-Transfer-Encoding: base64\n\n" + strings.Repeat("=\n", 2*n),
		"utf-7":               "Content-Type: text/plain; charset=utf-7\n\n" + strings.Repeat("+", 4*n),
		"markers":             "\n" + strings.Repeat("casewire-a1-", n/10),
		"statuses":            "Content-Type: multipart/report; boundary=b\n\n--b\nContent-Type: message/delivery-status\n\n" + strings.Repeat("Final-Recipient: a@x\nAction: failed\n\n", n/40),
		"attached header":     "Content-Type: message/rfc822\n\n" + strings.Repeat("Subject: =?x?q?\n", n/16),
		"comments in content": "Content-Type: " + strings.Repeat("(", n),
	} {
		start := time.Now()
		m := readWith(t, raw, Limits{})
		if took := time.Since(start); took > 15*time.Second {
			t.Errorf("%s: %v", name, took)
		} else if took > 300*time.Millisecond {
			t.Logf("%s: %v", name, took)
		}
		checkMail(t, m, Limits{})
	}
}

// checkMail checks what holds for every mail.
func checkMail(t *testing.T, m *Mail, l Limits) {
	t.Helper()
	l = l.withDefaults()
	everything := describe(m) + m.Digest
	if !utf8.ValidString(everything) || strings.ContainsRune(everything, 0) {
		t.Error("invalid UTF-8 or NUL")
	}
	lines := append([]string{m.Subject, m.MessageID, m.ReturnPath, m.Marker, m.Lang}, m.Delivered...)
	for _, list := range [][]Address{m.From, m.ReplyTo, m.Sender, m.To, m.Cc} {
		for _, a := range list {
			lines = append(lines, a.Name, a.Addr)
			if a.Name == "" && a.Addr == "" {
				t.Error("an empty address")
			}
		}
	}
	for _, f := range m.Files {
		lines = append(lines, f.Name, f.CID)
		if f.Name == "" || f.Size > l.FileBytes || strings.ContainsAny(f.Name, `/\`) {
			t.Errorf("file %q of %d bytes", f.Name, f.Size)
		}
	}
	for _, s := range append(append(lines, m.InReplyTo...), m.References...) {
		if strings.ContainsAny(s, "\n\r\t") || strings.ContainsFunc(s, channels.Invisible) {
			t.Errorf("%q is no single line", s)
		}
	}
	if len(m.Text)+len(m.Quoted) > l.TextBytes || len(m.HTML) > l.TextBytes || len(m.Files) > l.Files {
		t.Errorf("%d+%d bytes of text, %d of HTML, %d files", len(m.Text), len(m.Quoted), len(m.HTML), len(m.Files))
	}
	if strings.TrimSpace(m.Text) == "" && m.Quoted != "" {
		t.Error("all is history")
	}
	for _, s := range m.Broken {
		if !strings.HasSuffix(s, ".") || bytes.ContainsAny([]byte(s), "<>@\"") {
			t.Errorf("%q is no sentence without content", s)
		}
	}
	if len(m.Digest) != 64 {
		t.Errorf("digest %q", m.Digest)
	}
}
