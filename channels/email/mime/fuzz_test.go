package mime

import (
	"bytes"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"casewire/channels"
)

// mails returns the golden mails.
func mails(t testing.TB) [][]byte {
	t.Helper()
	paths, err := filepath.Glob("testdata/mail/*.eml")
	if err != nil || len(paths) == 0 {
		t.Fatalf("%d mails, %v", len(paths), err)
	}
	var all [][]byte
	for _, path := range paths {
		raw, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, raw)
	}
	return all
}

func hasWord(s string) bool {
	return strings.ContainsFunc(s, func(r rune) bool { return r >= 'a' && r <= 'z' || r >= '0' && r <= '9' })
}

// Whatever comes, something clean within the limits comes out, and text that
// nothing hides is never lost (E2, E3, E13, E17).
func FuzzRead(f *testing.F) {
	for _, raw := range mails(f) {
		f.Add(raw)
	}
	tight := Limits{Bytes: 4000, Depth: 2, Parts: 4, HeaderBytes: 600, TextBytes: 300, FileBytes: 50, Files: 2}
	f.Fuzz(func(t *testing.T, raw []byte) {
		m := readWith(t, string(raw), Limits{})
		checkMail(t, m, Limits{})
		if again := readWith(t, string(raw), Limits{}); describe(again) != describe(m) || again.Digest != m.Digest {
			t.Error("the same mail reads differently")
		}
		checkMail(t, readWith(t, string(raw), tight), tight)

		body := readWith(t, "Subject: s\n\n"+string(raw), Limits{})
		if hasWord(string(raw)) && !bytes.ContainsAny(raw, "<:") && body.Text == "" {
			t.Error("a plain text was lost")
		}
		own := strings.Join(strings.Fields(body.Text+"\n"+body.Quoted), " ")
		if !bytes.ContainsAny(raw, "<:") && isASCII(raw) && own != strings.Join(strings.Fields(channels.CleanText(string(raw))), " ") {
			t.Errorf("a plain text became %q", own)
		}
		part := "Content-Type: multipart/mixed; boundary=fuzzed-boundary\n\n--fuzzed-boundary\n\nfirst\n--fuzzed-boundary\n" +
			string(raw) + "\n--fuzzed-boundary\n\nlast\n--fuzzed-boundary--\n"
		m = readWith(t, part, Limits{})
		if !strings.HasPrefix(m.Text, "first") || !strings.Contains(m.Text+m.Quoted, "last") && len(m.Text)+len(m.Quoted) < 1<<20 {
			t.Errorf("a part hides the parts around it: %q, %q", m.Text, m.Quoted)
		}
	})
}

// A delivery status is read or refused, never believed to be more than it is (E12).
func FuzzReport(f *testing.F) {
	for _, raw := range mails(f) {
		if i := bytes.Index(raw, []byte("Reporting-MTA")); i >= 0 {
			f.Add(raw[i:])
		}
	}
	f.Fuzz(func(t *testing.T, status []byte) {
		r := readReport(status)
		mail := "From: a@x.example\nContent-Type: multipart/report; report-type=delivery-status; boundary=fuzzed-boundary\n\n" +
			"--fuzzed-boundary\n\nnotice\n--fuzzed-boundary\nContent-Type: message/delivery-status\n\n" +
			string(status) + "\n--fuzzed-boundary--\n"
		m := readWith(t, mail, Limits{})
		checkMail(t, m, Limits{})
		if m.Auto == "" || !strings.Contains(m.Text, "notice") && m.HTML == "" {
			t.Errorf("a report is %q, text %q", m.Auto, m.Text)
		}
		if !bytes.Contains(status, []byte("--fuzzed-boundary")) && len(status) < maxStatus && (r == nil) != (m.Report == nil) {
			t.Errorf("alone %+v, in a mail %+v", r, m.Report)
		}
		if r == nil {
			return
		}
		for _, s := range []string{r.Recipient, r.Action, r.Status, r.Diagnostic, r.RemoteMTA, r.OriginalEnvelopeID} {
			if s != channels.CleanLine(s) {
				t.Errorf("%q is no clean line", s)
			}
		}
		if r.Status != "" && enhanced.FindString(r.Status) != r.Status {
			t.Errorf("status %q", r.Status)
		}
	})
}

// A mail that was cut anywhere still reads.
func TestCutAnywhere(t *testing.T) {
	for _, raw := range mails(t) {
		for n := 0; n < len(raw); n += 1 + n/50 {
			checkMail(t, readWith(t, string(raw[:n]), Limits{}), Limits{})
		}
	}
}

// tree writes a random part and collects the words of its texts and files.
type tree struct {
	rng   *rand.Rand
	n     int
	words []string
	files []string
}

func (g *tree) part(depth int) string {
	g.n++
	id := fmt.Sprintf("word%d", g.n)
	kind := g.rng.IntN(7)
	if depth == 0 && kind < 3 {
		kind += 3
	}
	switch kind {
	case 0, 1, 2:
		boundary := fmt.Sprintf("b%d", g.n)
		var b strings.Builder
		fmt.Fprintf(&b, "Content-Type: multipart/%s; boundary=%s\n\npreamble\n", []string{"mixed", "related", "parallel"}[kind], boundary)
		for range 1 + g.rng.IntN(3) {
			b.WriteString("--" + boundary + "\n" + g.part(depth-1) + "\n")
		}
		if g.rng.IntN(3) > 0 {
			b.WriteString("--" + boundary + "--\n")
		}
		return b.String()
	case 3:
		g.words = append(g.words, id)
		return "Content-Type: text/html\n\n<p>" + id + "</p>"
	case 4:
		g.files = append(g.files, id)
		return "Content-Type: image/png; name=" + id + ".png\nContent-Transfer-Encoding: base64\n\niVBORw0K"
	default:
		g.words = append(g.words, id)
		return "Content-Type: text/plain; charset=utf-8\n\n" + id
	}
}

// In any tree of parts, closed or not, every text is in Text and every file kept.
func TestTreesLoseNothing(t *testing.T) {
	for seed := range uint64(500) {
		g := &tree{rng: rand.New(rand.NewPCG(seed, 1))}
		raw := "Subject: s\n" + g.part(4)
		m := readWith(t, raw, Limits{})
		text := " " + strings.Join(strings.Fields(m.Text+"\n"+m.Quoted), " ") + " "
		at := 0
		for _, w := range g.words {
			i := strings.Index(text[at:], " "+w+" ")
			if i < 0 {
				t.Fatalf("%q is lost or out of place in %q:\n%s", w, text, raw)
			}
			at += i
		}
		if len(m.Files) != len(g.files) {
			t.Fatalf("%d of %d files:\n%s", len(m.Files), len(g.files), raw)
		}
		for i, f := range m.Files {
			if f.Name != g.files[i]+".png" || f.Size != 6 {
				t.Fatalf("file %d is %+v", i, f)
			}
		}
	}
}

// BenchmarkRead reads a mail of 20 KB as Gmail writes it.
func BenchmarkRead(b *testing.B) {
	var raw bytes.Buffer
	text := strings.Repeat("Здравствуйте! Ноутбук так и не включается, помогите. ", 60)
	raw.WriteString("From: =?UTF-8?B?0JjQstCw0L0=?= <ivan@x.example>\nTo: support@shop.example\nSubject: =?UTF-8?B?0J3QtSDRgNCw0LHQvtGC0LDQtdGC?=\n" +
		"Message-ID: <a@x.example>\nReferences: <b@x.example>\nDate: Fri, 20 Nov 2026 10:15:01 +0000\nContent-Type: multipart/alternative; boundary=b\n\n--b\n")
	raw.Write(bytes.SplitN(letter([]byte(text), "utf-8", "base64"), []byte("\n"), 3)[2])
	raw.WriteString("--b\n")
	html := bytes.SplitN(letter([]byte("<div>"+text+"</div>"), "utf-8", "base64"), []byte("\n"), 3)[2]
	raw.Write(bytes.Replace(html, []byte("text/plain"), []byte("text/html"), 1))
	raw.WriteString("--b--\n")
	mail := crlf(raw.Bytes())
	keep := func(name, mediaType string, r io.Reader, limit int64) (channels.File, error) {
		n, err := io.Copy(io.Discard, r)
		return channels.File{Name: name, Size: n}, err
	}
	b.SetBytes(int64(len(mail)))
	b.ReportAllocs()
	for b.Loop() {
		m, err := Read(b.Context(), bytes.NewReader(mail), keep, Limits{})
		if err != nil || m.Text == "" || m.HTML == "" {
			b.Fatal(err)
		}
	}
}

// BenchmarkReadLarge streams a mail of 30 MB.
func BenchmarkReadLarge(b *testing.B) {
	keep := func(name, mediaType string, r io.Reader, limit int64) (channels.File, error) {
		n, err := io.Copy(io.Discard, r)
		return channels.File{Name: name, Size: n}, err
	}
	b.SetBytes(30 << 20)
	b.ReportAllocs()
	for b.Loop() {
		if _, err := Read(b.Context(), endless(30<<20), keep, Limits{}); err != nil {
			b.Fatal(err)
		}
	}
}
