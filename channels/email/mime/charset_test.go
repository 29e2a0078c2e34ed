package mime

import (
	"bytes"
	"encoding/base64"
	"fmt"
	"mime/quotedprintable"
	"strings"
	"testing"

	"golang.org/x/text/encoding"
	"golang.org/x/text/encoding/charmap"
	"golang.org/x/text/encoding/japanese"
	"golang.org/x/text/encoding/simplifiedchinese"
	"golang.org/x/text/encoding/unicode"
)

// What customers write, in the languages of the repair centres.
var corpus = map[string][]string{
	"en": {"The screen “flickers” – about 5 minutes after start.", "Printer’s broken, please call: naïve café owner."},
	"ru": {
		"Здравствуйте! Ноутбук не включается после падения, на экране «чёрный» фон. Сколько стоит ремонт?",
		"Не работает принтер", "Заказ готов?", "СРОЧНО! ВЕРНИТЕ ДЕНЬГИ", "Привет", "Ремонт телефона Samsung A52",
		"Подскажите, пожалуйста, когда можно забрать мой телефон из ремонта",
	},
	"uk": {
		"Доброго дня! Мій телефон не вмикається після падіння, екран чорний. Скільки коштує ремонт?",
		"Не працює принтер", "Чи готове моє замовлення?", "Зателефонуйте мені, будь ласка, їх двоє",
	},
	"sr": {
		"Добар дан! Мој телефон се не укључује после пада, екран је црн. Колико кошта поправка?",
		"Штампач не ради", "Да ли је мој рачунар готов?", "Љубазно молим, њихов џојстик не ради",
	},
	"sr-Latn": {"Dobar dan! Moj telefon se ne uključuje, šta da radim? Đorđe Živković, ćao", "Štampač ne radi već dve nedelje, Đurić"},
	"de":      {"Guten Tag, das Gerät ist wieder defekt. Größe: 15 Zoll, überall Flecken.", "Drucker läuft nicht, bitte prüfen"},
}

// In what it is written, for each language, and with what labels it is met.
var written = []struct {
	enc    encoding.Encoding
	name   string
	langs  string
	labels []string
}{
	{unicode.UTF8, "utf-8", "en ru uk sr sr-Latn de", []string{"utf-8", "UTF8", "", "us-ascii", "iso-8859-1", "windows-1251", "koi8-r", "x-nobody-knows", "unicode-1-1-utf-8"}},
	{charmap.Windows1251, "windows-1251", "ru uk sr", []string{"windows-1251", "CP1251", "win-1251", "", "us-ascii", "iso-8859-1", "windows-1252", "utf-8", "koi8-r", "x-nobody-knows"}},
	{charmap.KOI8R, "koi8-r", "ru", []string{"koi8-r", "koi8-u", "KOI8R", "", "iso-8859-1", "utf-8", "windows-1251", "x-nobody-knows"}},
	{charmap.KOI8U, "koi8-u", "uk", []string{"koi8-u", "koi8-r", "KOI8-RU", "", "iso-8859-1", "utf-8", "windows-1251"}},
	{charmap.ISO8859_5, "iso-8859-5", "ru uk sr", []string{"iso-8859-5", "ISO8859-5", "cyrillic", "", "utf-8", "windows-1251"}},
	{charmap.CodePage866, "cp866", "ru", []string{"cp866", "ibm866", "IBM866", "", "utf-8"}},
	{charmap.Windows1250, "windows-1250", "sr-Latn", []string{"windows-1250", "cp1250", "", "iso-8859-1", "utf-8"}},
	{charmap.ISO8859_2, "iso-8859-2", "sr-Latn", []string{"iso-8859-2", "latin2"}},
	{charmap.Windows1252, "windows-1252", "en de", []string{"windows-1252", "iso-8859-1", "", "us-ascii", "utf-8"}},
	{charmap.ISO8859_15, "iso-8859-15", "de", []string{"iso-8859-15"}},
	{charmap.MacintoshCyrillic, "x-mac-cyrillic", "ru", []string{"x-mac-cyrillic", "maccyrillic"}},
}

func encode(enc encoding.Encoding, s string) ([]byte, bool) {
	b, err := enc.NewEncoder().Bytes([]byte(s))
	return b, err == nil
}

// Every text is read as it was written, whatever the label says (E13).
func TestCorpus(t *testing.T) {
	n := 0
	for _, w := range written {
		for lang := range strings.FieldsSeq(w.langs) {
			for _, text := range corpus[lang] {
				raw, ok := encode(w.enc, text)
				if !ok {
					continue
				}
				for _, label := range w.labels {
					for _, transfer := range []string{"8bit", "base64", "quoted-printable"} {
						n++
						m := read(t, letter(raw, label, transfer))
						if m.Text != text {
							t.Errorf("%s written in %s, labelled %q, %s:\n got %q\nwant %q", lang, w.name, label, transfer, m.Text, text)
						}
						if label == "x-nobody-knows" && w.name != "utf-8" && len(m.Broken) == 0 {
							t.Errorf("a text in %s of unknown charset is not told of", w.name)
						}
					}
				}
			}
		}
	}
	if n < 1000 {
		t.Errorf("only %d mails", n)
	}
	t.Logf("%d mails", n)
}

// letter writes a mail of one part around raw text.
func letter(raw []byte, label, transfer string) []byte {
	var b bytes.Buffer
	b.WriteString("From: a@x.example\nSubject: s\nContent-Type: text/plain")
	if label != "" {
		fmt.Fprintf(&b, "; charset=%q", label)
	}
	fmt.Fprintf(&b, "\nContent-Transfer-Encoding: %s\n\n", transfer)
	switch transfer {
	case "base64":
		s := base64.StdEncoding.EncodeToString(raw)
		for len(s) > 76 {
			b.WriteString(s[:76] + "\n")
			s = s[76:]
		}
		b.WriteString(s)
	case "quoted-printable":
		w := quotedprintable.NewWriter(&b)
		if _, err := w.Write(raw); err != nil {
			panic(err)
		}
		w.Close()
	default:
		b.Write(raw)
	}
	b.WriteString("\n")
	return b.Bytes()
}

// Subjects in each charset are read from encoded words of every cut, and raw.
func TestCorpusInHeaders(t *testing.T) {
	for _, w := range written {
		for lang := range strings.FieldsSeq(w.langs) {
			for _, text := range corpus[lang] {
				raw, ok := encode(w.enc, text)
				if !ok {
					continue
				}
				for _, cut := range []int{7, 10, 45} {
					subject := encodedWords(raw, w.name, cut)
					m := read(t, []byte("Subject: "+subject+"\n\nx"))
					if m.Subject != text {
						t.Errorf("%s in %s, cut at %d: got %q, want %q", lang, w.name, cut, m.Subject, text)
					}
				}
				if w.name == "x-mac-cyrillic" || w.name == "iso-8859-2" {
					continue // only ever met with its name
				}
				m := read(t, append(append([]byte("Subject: "), raw...), "\n\nx"...))
				if m.Subject != text {
					t.Errorf("%s in %s, raw: got %q, want %q", lang, w.name, m.Subject, text)
				}
			}
		}
	}
}

// encodedWords cuts raw every n bytes, within characters too, in turns as B and Q.
func encodedWords(raw []byte, charset string, n int) string {
	var words []string
	for i := 0; len(raw) > 0; i++ {
		k := min(n, len(raw))
		if i%2 == 0 {
			words = append(words, "=?"+charset+"?B?"+base64.StdEncoding.EncodeToString(raw[:k])+"?=")
		} else {
			q := ""
			for _, c := range raw[:k] {
				q += fmt.Sprintf("=%02X", c)
			}
			words = append(words, "=?"+charset+"?q?"+q+"?=")
		}
		raw = raw[k:]
	}
	return strings.Join(words, "\n ")
}

func TestCharsetsOfSeveralBytes(t *testing.T) {
	const chinese, rare = "打印机坏了，请尽快联系我们。", "喆㐂打印"
	gbk, _ := encode(simplifiedchinese.GBK, chinese)
	gb18030, _ := encode(simplifiedchinese.GB18030, rare)
	hz, _ := encode(simplifiedchinese.HZGB2312, chinese)
	const kana = "プリンターが壊れました"
	jis, _ := encode(japanese.ISO2022JP, kana)
	utf16, _ := encode(unicode.UTF16(unicode.LittleEndian, unicode.UseBOM), "Привет")
	for _, test := range []struct {
		raw         []byte
		label, want string
	}{
		{gbk, "gb2312", chinese}, {gbk, "GBK", chinese}, {gbk, "x-gbk", chinese}, {gb18030, "gb2312", rare},
		{[]byte(chinese), "gb2312", chinese}, {hz, "hz-gb-2312", chinese}, {jis, "iso-2022-jp", kana}, {utf16, "utf-16", "Привет"},
		{[]byte("+BB8EQAQ4BDIENQRC-, 1 +- 1"), "utf-7", "Привет, 1 + 1"},
	} {
		if got := decodeText(test.raw, test.label, "").text; got != test.want {
			t.Errorf("%s: got %q, want %q", test.label, got, test.want)
		}
	}
}

// NUL, controls and invalid UTF-8 never reach the store, and the rest survives.
func TestCleanText(t *testing.T) {
	for in, want := range map[string]string{
		"a\x00b\x1b[31mc":  "ab[31mc",
		"a\r\nb\rc\r\r\nd": "a\nb\nc\nd",
		"Привет, м\xffир, как дела?": "Привет, м\uFFFDир, как дела?",
		"\uFEFFbom": "bom",
		"tab\tstays, so does \U0001F468\u200d\U0001F527": "tab\tstays, so does \U0001F468\u200d\U0001F527",
	} {
		if got := read(t, []byte("Content-Type: text/plain; charset=utf-8\n\n"+in)).Text; got != want {
			t.Errorf("%q became %q, want %q", in, got, want)
		}
	}
	m := read(t, []byte("Content-Type: text/plain; charset=utf-8\n\nПривет, м\xffир, как дела?"))
	if len(m.Broken) != 1 {
		t.Errorf("lost characters are told as %q", m.Broken)
	}
}

// The charset of the mail explains headers and parts that name none.
func TestHintFromTheMailsCharset(t *testing.T) {
	raw, _ := encode(charmap.ISO8859_2, "Žućko")
	m := read(t, append(append([]byte("Content-Type: text/plain; charset=iso-8859-2\nSubject: "), raw...), "\n\nx"...))
	if m.Subject != "Žućko" {
		t.Errorf("got %q", m.Subject)
	}
}

func TestCharsetOfMeta(t *testing.T) {
	raw, _ := encode(charmap.ISO8859_2, "<html><head><meta charset=iso-8859-2></head><p>Žućko laje, šteta</p>")
	m := read(t, append([]byte("Content-Type: text/html\n\n"), raw...))
	if m.Text != "Žućko laje, šteta" {
		t.Errorf("got %q", m.Text)
	}
}
