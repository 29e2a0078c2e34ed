package email

import (
	"bytes"
	"mime"
	"net/mail"
	"strings"
	"unicode/utf8"
)

// glimpse is what can be told of a mail that was not read: as much as the standard
// library sees in the first lines.
type glimpse struct{ from, name, subject, id string }

const glimpseBytes = 64 << 10

func look(head []byte) (g glimpse) {
	end := bytes.Index(head, []byte("\r\n\r\n"))
	if end < 0 {
		end = bytes.Index(head, []byte("\n\n"))
	}
	if end >= 0 {
		head = head[:end]
	}
	m, err := mail.ReadMessage(bytes.NewReader(append(bytes.Clone(head), "\r\n\r\n"...)))
	if err != nil {
		return g
	}
	if a, err := m.Header.AddressList("From"); err == nil && len(a) > 0 {
		at := strings.LastIndexByte(a[0].Address, '@')
		g.from = clip(a[0].Address[:at+1]+strings.ToLower(a[0].Address[at+1:]), 254)
		g.name = clip(line(a[0].Name), 200)
	}
	subject, err := new(mime.WordDecoder).DecodeHeader(m.Header.Get("Subject"))
	if err != nil {
		subject = m.Header.Get("Subject")
	}
	g.subject = clip(line(subject), 200)
	g.id = clip(strings.Trim(line(m.Header.Get("Message-Id")), "<> "), 250)
	return g
}

// line makes one line of valid text.
func line(s string) string {
	return strings.Join(strings.FieldsFunc(strings.ToValidUTF8(s, "�"), func(r rune) bool { return r <= ' ' || r == 0x7f }), " ")
}

// clip cuts s to at most n bytes, between two characters.
func clip(s string, n int) string {
	if len(s) <= n {
		return s
	}
	for n > 0 && !utf8.RuneStart(s[n]) {
		n--
	}
	return s[:n]
}

// first keeps the beginning of what is written to it.
type first struct {
	b    []byte
	room int
}

func (f *first) Write(p []byte) (int, error) {
	n := min(len(p), f.room-len(f.b))
	f.b = append(f.b, p[:n]...)
	return len(p), nil
}
