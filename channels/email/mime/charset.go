package mime

import (
	"encoding/base64"
	"strings"
	"unicode/utf16"
	"unicode/utf8"

	"golang.org/x/text/encoding"
	"golang.org/x/text/encoding/charmap"
	"golang.org/x/text/encoding/htmlindex"
	"golang.org/x/text/encoding/ianaindex"
	"golang.org/x/text/encoding/simplifiedchinese"
	"golang.org/x/text/encoding/unicode"
)

// decoded is text in UTF-8 and what is to be said about it.
type decoded struct {
	text    string
	unknown bool // its charset has a name that nobody knows, so it was guessed
	lossy   bool // some characters could not be read
}

// class is how far a label is believed.
type class int

const (
	weak     class = iota // written by programs that do not know: missing, ASCII, Latin-1, UTF-8
	cyrillic              // mistaken for each other
	multi                 // several bytes to a character
	other                 // believed
)

// charset is what a label stands for. A nil enc is UTF-8.
type charset struct {
	enc   encoding.Encoding
	class class
	known bool
	ascii bool // bytes below 0x80 are ASCII
}

// decodeText converts raw to UTF-8. label is what the mail says of it, hint what
// it says elsewhere; neither is believed against the bytes (E13).
func decodeText(raw []byte, label, hint string) decoded {
	c := lookup(label)
	if isASCII(raw) && c.ascii {
		return decoded{text: string(raw)}
	}
	d := decoded{unknown: label != "" && !c.known}
	if (label == "" || d.unknown) && hint != "" {
		c = lookup(hint)
	}
	d.text = convert(raw, c)
	d.lossy = strings.Count(d.text, "\uFFFD") > strings.Count(string(raw), "\uFFFD")
	return d
}

func convert(raw []byte, c charset) string {
	good, bad := countUTF8(raw)
	if bad == 0 && c.ascii {
		if c.class != multi || good >= 4 {
			return string(raw)
		}
		// Few characters may be both by accident.
		if s := decodeWith(c.enc, raw); !strings.Contains(s, "\uFFFD") {
			return s
		}
		return string(raw)
	}
	switch c.class {
	case multi, other:
		return decodeWith(c.enc, raw)
	case cyrillic:
		return guessCyrillic(raw, c.enc)
	}
	if good > 4*bad {
		return strings.ToValidUTF8(string(raw), "\uFFFD") // UTF-8, damaged
	}
	return guess(raw)
}

func decodeWith(enc encoding.Encoding, raw []byte) string {
	if _, ok := enc.(utf7); ok {
		return decodeUTF7(string(raw))
	}
	b, err := enc.NewDecoder().Bytes(raw)
	if err != nil {
		return strings.ToValidUTF8(string(raw), "\uFFFD")
	}
	return string(b)
}

func isASCII(b []byte) bool {
	for _, c := range b {
		if c >= utf8.RuneSelf {
			return false
		}
	}
	return true
}

// countUTF8 counts characters of several bytes, and bytes that belong to none.
func countUTF8(b []byte) (good, bad int) {
	for i := 0; i < len(b); {
		if b[i] < utf8.RuneSelf {
			i++
			continue
		}
		r, n := utf8.DecodeRune(b[i:])
		if r == utf8.RuneError && n == 1 {
			bad++
		} else {
			good++
		}
		i += n
	}
	return good, bad
}

// Names that the indexes of golang.org/x/text do not know, or know for less than
// is meant by them.
var aliases = map[string]string{
	"utf8": "utf-8", "unicode-1-1-utf-8": "utf-8", "utf-8mb4": "utf-8", "utf8mb4": "utf-8", "cp65001": "utf-8",
	"cp1251": "windows-1251", "win-1251": "windows-1251", "win1251": "windows-1251", "windows1251": "windows-1251",
	"windows-cp1251": "windows-1251", "1251": "windows-1251", "ansi-1251": "windows-1251",
	"koi8": "koi8-u", "koi-8": "koi8-u", "koi8r": "koi8-u", "koi-8-r": "koi8-u", "koi8-r": "koi8-u",
	"koi8u": "koi8-u", "koi8-ru": "koi8-u", "cskoi8r": "koi8-u",
	"866": "ibm866", "cp-866": "ibm866", "dos-866": "ibm866", "iso8859-5": "iso-8859-5",
	"cp855": "ibm855", "mac-cyrillic": "x-mac-cyrillic", "maccyrillic": "x-mac-cyrillic",
	"gb2312": "gb18030", "gbk": "gb18030", "x-gbk": "gb18030", "cp936": "gb18030", "ms936": "gb18030",
	"windows-936": "gb18030", "gb_2312-80": "gb18030", "chinese": "gb18030", "euc-cn": "gb18030", "gb18030-2000": "gb18030",
	"cp1252": "windows-1252", "cp1250": "windows-1250", "win-1250": "windows-1250", "cp1254": "windows-1254",
	"ansi": "windows-1252", "us-ascii": "windows-1252", "ascii": "windows-1252", "ansi_x3.4-1968": "windows-1252",
	"7bit": "windows-1252", "8bit": "windows-1252", "x-unknown": "", "unknown": "", "unknown-8bit": "", "default": "",
	"default_charset": "", "_iso-2022-jp$esc": "iso-2022-jp", "cp932": "shift_jis", "cp949": "euc-kr", "cp950": "big5",
}

// lookup returns what a label stands for. The unknown is weak.
func lookup(label string) charset {
	label = strings.ToLower(strings.Trim(label, " \t\"'"))
	if a, ok := aliases[label]; ok {
		label = a
	}
	utf8 := charset{class: weak, ascii: true, known: true}
	switch label {
	case "", "utf-8":
		return utf8
	case "utf-7", "unicode-1-1-utf-7":
		return charset{enc: utf7{}, class: other, known: true}
	case "utf-16", "utf16", "unicode", "ucs-2":
		return charset{enc: unicode.UTF16(unicode.LittleEndian, unicode.UseBOM), class: other, known: true}
	case "hz-gb-2312":
		return charset{enc: simplifiedchinese.HZGB2312, class: multi, known: true}
	case "ibm855":
		return charset{enc: charmap.CodePage855, class: cyrillic, ascii: true, known: true}
	}
	enc, err := htmlindex.Get(label)
	if err != nil || enc == encoding.Replacement {
		enc, err = ianaindex.MIME.Encoding(label)
	}
	if err != nil || enc == nil {
		return charset{class: weak, ascii: true}
	}
	return charset{enc: enc, class: classOf(enc), ascii: !stateful(enc), known: true}
}

func classOf(enc encoding.Encoding) class {
	switch enc {
	case charmap.Windows1252, charmap.ISO8859_1:
		return weak
	case charmap.Windows1251, charmap.KOI8R, charmap.KOI8U, charmap.ISO8859_5, charmap.CodePage866, charmap.MacintoshCyrillic:
		return cyrillic
	}
	if _, single := enc.(*charmap.Charmap); single {
		return other
	}
	return multi
}

// stateful says whether bytes below 0x80 may mean something else than ASCII.
func stateful(enc encoding.Encoding) bool {
	name, err := htmlindex.Name(enc)
	return err != nil || strings.HasPrefix(name, "utf-16") || strings.HasPrefix(name, "iso-2022")
}

// utf7 reads UTF-7 (RFC 2152), which old programs of one vendor send.
type utf7 struct{ encoding.Encoding }

func decodeUTF7(s string) string {
	var b strings.Builder
	for {
		text, rest, ok := strings.Cut(s, "+")
		b.WriteString(text)
		if !ok {
			return b.String()
		}
		n := 0
		for n < len(rest) && isBase64(rest[n]) {
			n++
		}
		code, after := rest[:n], rest[n:]
		if n == 0 {
			b.WriteByte('+')
		}
		s = strings.TrimPrefix(after, "-")
		raw, _ := base64.RawStdEncoding.DecodeString(code[:n-n%4+validTail(n%4)])
		units := make([]uint16, 0, len(raw)/2)
		for i := 0; i+1 < len(raw); i += 2 {
			units = append(units, uint16(raw[i])<<8|uint16(raw[i+1]))
		}
		b.WriteString(string(utf16.Decode(units)))
	}
}

// validTail is how many of n characters behind the last four can be decoded.
func validTail(n int) int {
	if n == 1 {
		return 0
	}
	return n
}
