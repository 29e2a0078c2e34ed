package mime

import (
	"bytes"
	"flag"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"casewire/channels"
	"casewire/channels/channeltest"
)

var update = flag.Bool("update", false, "write the golden files anew")

// keeper keeps attachments as the house does.
func keeper(t testing.TB, files *channeltest.Files) Keeper {
	return func(name, mediaType string, r io.Reader, limit int64) (channels.File, error) {
		f, err := files.Put(t.Context(), name, r, limit)
		if f.Type = mediaType; mediaType == "" {
			t.Error("an attachment without a media type")
		}
		return f, err
	}
}

func read(t testing.TB, raw []byte) *Mail {
	t.Helper()
	m, err := Read(t.Context(), bytes.NewReader(raw), keeper(t, &channeltest.Files{}), Limits{})
	if err != nil {
		t.Fatal(err)
	}
	return m
}

func crlf(raw []byte) []byte { return bytes.ReplaceAll(raw, []byte("\n"), []byte("\r\n")) }

// Mail as the common programs and servers write it reads as it was meant, with
// either kind of line ending.
func TestMails(t *testing.T) {
	mails, err := filepath.Glob("testdata/mail/*.eml")
	if err != nil || len(mails) < 39 {
		t.Fatalf("%d mails, %v", len(mails), err)
	}
	for _, path := range mails {
		t.Run(strings.TrimSuffix(filepath.Base(path), ".eml"), func(t *testing.T) {
			raw, err := os.ReadFile(path)
			if err != nil {
				t.Fatal(err)
			}
			got := describe(read(t, raw))
			// Files keep the line endings they came with.
			sizes := regexp.MustCompile(`(?m)^(file: .*) \d+`)
			if other := describe(read(t, crlf(raw))); sizes.ReplaceAllString(other, "$1") != sizes.ReplaceAllString(got, "$1") {
				t.Errorf("with CRLF it reads\n%s", other)
			}
			golden := strings.TrimSuffix(path, ".eml") + ".want"
			if *update {
				if err := os.WriteFile(golden, []byte(got), 0o600); err != nil {
					t.Fatal(err)
				}
			}
			want, err := os.ReadFile(golden)
			if err != nil {
				t.Fatal(err)
			}
			if got != string(want) {
				t.Errorf("got\n%s\nwant\n%s", got, want)
			}
		})
	}
}

// describe writes down all that was read, leaving out what is empty.
func describe(m *Mail) string {
	var b strings.Builder
	line := func(name string, value any) {
		if s := fmt.Sprint(value); s != "" && s != "[]" && s != "false" {
			fmt.Fprintf(&b, "%s: %s\n", name, s)
		}
	}
	line("id", m.MessageID)
	line("in reply to", strings.Join(m.InReplyTo, " "))
	line("references", strings.Join(m.References, " "))
	for _, list := range []struct {
		name string
		of   []Address
	}{{"from", m.From}, {"reply to", m.ReplyTo}, {"sender", m.Sender}, {"to", m.To}, {"cc", m.Cc}} {
		for _, a := range list.of {
			line(list.name, fmt.Sprintf("%q %s", a.Name, a.Addr))
		}
	}
	line("delivered", strings.Join(m.Delivered, " "))
	line("return path", m.ReturnPath)
	line("null path", m.NullPath)
	line("subject", m.Subject)
	if !m.Date.IsZero() {
		line("date", m.Date.Format("2006-01-02 15:04:05 -0700"))
	}
	line("lang", m.Lang)
	line("auto", m.Auto)
	line("loop", m.Loop)
	line("marker", m.Marker)
	if m.Report != nil {
		line("report", fmt.Sprintf("%+v", *m.Report))
	}
	for _, f := range m.Files {
		line("file", strings.TrimSpace(fmt.Sprintf("%q %s %d %s", f.Name, f.Type, f.Size, f.CID)))
	}
	for _, s := range m.Broken {
		line("broken", s)
	}
	for _, part := range []struct{ name, of string }{{"text", m.Text}, {"quoted", m.Quoted}, {"html", m.HTML}} {
		if part.of != "" {
			fmt.Fprintf(&b, "--- %s\n%s\n", part.name, part.of)
		}
	}
	return b.String()
}
