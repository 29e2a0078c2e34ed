package demo

import (
	"bytes"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"net"
	netmail "net/mail"
	"net/smtp"
	"strings"
	"time"

	"github.com/emersion/go-message/mail"

	"casewire/channels"
	"casewire/channels/email/mime"
)

// letter is a mail that a customer writes.
type letter struct {
	ID         string // Message-ID without <>; "" makes one
	From, To   netmail.Address
	Subject    string
	Text       string
	Answers    string   // Message-ID of the mail it answers
	References []string // Message-IDs of the thread, oldest first
	Date       time.Time
	Files      []attachment
}

// attachment is a file with its bytes.
type attachment struct {
	Name, Type string
	Data       []byte
}

// raw is the letter as it is sent.
func (l letter) raw() ([]byte, error) {
	if l.ID == "" {
		_, domain, _ := strings.Cut(l.From.Address, "@")
		l.ID = strings.ToLower(rand.Text()) + "@" + domain
	}
	var h mail.Header
	h.SetDate(l.Date)
	h.SetAddressList("From", []*mail.Address{{Name: l.From.Name, Address: l.From.Address}})
	h.SetAddressList("To", []*mail.Address{{Name: l.To.Name, Address: l.To.Address}})
	h.SetSubject(l.Subject)
	h.SetMessageID(l.ID)
	if l.Answers != "" {
		h.SetMsgIDList("In-Reply-To", []string{l.Answers})
	}
	if len(l.References) > 0 {
		h.SetMsgIDList("References", l.References)
	}
	var b bytes.Buffer
	if err := l.body(&b, h); err != nil {
		return nil, fmt.Errorf("compose a mail: %w", err)
	}
	return b.Bytes(), nil
}

func (l letter) body(b *bytes.Buffer, h mail.Header) error {
	if len(l.Files) == 0 {
		h.SetContentType("text/plain", map[string]string{"charset": "utf-8"})
		w, err := mail.CreateSingleInlineWriter(b, h)
		if err != nil {
			return err
		}
		_, err = io.WriteString(w, l.Text)
		return errors.Join(err, w.Close())
	}
	parts, err := mail.CreateWriter(b, h)
	if err != nil {
		return err
	}
	var text mail.InlineHeader
	text.SetContentType("text/plain", map[string]string{"charset": "utf-8"})
	w, err := parts.CreateSingleInline(text)
	if err != nil {
		return err
	}
	_, err = io.WriteString(w, l.Text)
	if err := errors.Join(err, w.Close()); err != nil {
		return err
	}
	for _, f := range l.Files {
		var at mail.AttachmentHeader
		at.SetContentType(f.Type, nil)
		at.SetFilename(f.Name)
		w, err := parts.CreateAttachment(at)
		if err != nil {
			return err
		}
		_, err = w.Write(f.Data)
		if err := errors.Join(err, w.Close()); err != nil {
			return err
		}
	}
	return parts.Close()
}

// send hands a mail to the provider as the customer's program does.
func (c *Counterparts) send(ctx context.Context, from, to string, raw []byte) error {
	addr := c.Mail.Submission()
	conn, err := (&net.Dialer{}).DialContext(ctx, "tcp", addr)
	if err != nil {
		return fmt.Errorf("send a mail: %w", err)
	}
	defer conn.Close()
	if err := conn.SetDeadline(time.Now().Add(30 * time.Second)); err != nil {
		return fmt.Errorf("send a mail: %w", err)
	}
	host, _, _ := net.SplitHostPort(addr)
	s, err := smtp.NewClient(conn, host)
	if err != nil {
		return fmt.Errorf("send a mail: %w", err)
	}
	defer s.Close()
	if err := submit(s, smtp.PlainAuth("", from, c.file.password(from), host), from, to, raw); err != nil {
		return fmt.Errorf("send a mail: %w", err)
	}
	return nil
}

func submit(s *smtp.Client, auth smtp.Auth, from, to string, raw []byte) error {
	if err := s.Auth(auth); err != nil {
		return err
	}
	if err := s.Mail(from); err != nil {
		return err
	}
	if err := s.Rcpt(to); err != nil {
		return err
	}
	w, err := s.Data()
	if err != nil {
		return err
	}
	if _, err := w.Write(raw); err != nil {
		return errors.Join(err, w.Close())
	}
	if err := w.Close(); err != nil {
		return err
	}
	return s.Quit()
}

// password is that of a mailbox.
func (f *File) password(address string) string {
	for _, m := range f.Mailboxes {
		if m.Address == address {
			return m.Password
		}
	}
	return ""
}

// readMail reads a mail with its attachments.
func readMail(ctx context.Context, raw []byte) (*mime.Mail, []attachment, error) {
	var files []attachment
	keep := func(name, mediaType string, r io.Reader, _ int64) (channels.File, error) {
		data, err := io.ReadAll(r)
		if err != nil {
			return channels.File{}, err
		}
		files = append(files, attachment{name, mediaType, data})
		return channels.File{Name: name, Type: mediaType, Size: int64(len(data)), Blob: fmt.Sprint(len(files) - 1)}, nil
	}
	m, err := mime.Read(ctx, bytes.NewReader(raw), keep, mime.Limits{})
	if err != nil {
		return nil, nil, fmt.Errorf("read a mail: %w", err)
	}
	return m, files, nil
}

// answerTo is what a mail program makes of pressing "Reply": the writer's cursor
// on top, the history below.
func answerTo(m *mime.Mail, at time.Time, lang string) letter {
	l := letter{Subject: m.Subject, Answers: m.MessageID, References: append(append([]string(nil), m.References...), m.MessageID)}
	if !strings.HasPrefix(strings.ToLower(m.Subject), "re:") {
		l.Subject = "Re: " + m.Subject
	}
	from := writer(m)
	l.To = netmail.Address{Name: from.Name, Address: from.Addr}
	if len(m.ReplyTo) > 0 {
		l.To = netmail.Address{Name: m.ReplyTo[0].Name, Address: m.ReplyTo[0].Addr}
	}
	l.Text = "\n\n" + wrote(from, at, lang) + "\n\n" + quoted(whole(m))
	return l
}

// forwarded is what a mail program makes of pressing "Forward".
func forwarded(m *mime.Mail, at time.Time, lang string) letter {
	from, w := writer(m), forwardWords[lang]
	if w[0] == "" {
		w = forwardWords["en"]
	}
	text := fmt.Sprintf("\n\n---------- %s ---------\n%s: %s\n%s: %s\n%s: %s\n\n%s",
		w[0], w[1], shown(from), w[2], at.Format("02.01.2006 15:04"), w[3], m.Subject, whole(m))
	return letter{Subject: "Fwd: " + m.Subject, Text: text, References: append(append([]string(nil), m.References...), m.MessageID)}
}

// forwardWords are what Gmail writes above a forwarded mail.
var forwardWords = map[string][4]string{
	"en": {"Forwarded message", "From", "Date", "Subject"},
	"ru": {"Пересланное сообщение", "От", "Дата", "Тема"},
	"uk": {"Переслане повідомлення", "Від", "Дата", "Тема"},
	"sr": {"Prosleđena poruka", "Od", "Datum", "Predmet"},
}

func writer(m *mime.Mail) mime.Address {
	if len(m.From) > 0 {
		return m.From[0]
	}
	return mime.Address{Addr: m.ReturnPath}
}

func shown(a mime.Address) string {
	if a.Name == "" {
		return a.Addr
	}
	return a.Name + " <" + a.Addr + ">"
}

// whole is a mail's text with its history, as a program quotes it.
func whole(m *mime.Mail) string {
	if m.Quoted == "" {
		return m.Text
	}
	return m.Text + "\n\n" + m.Quoted
}

func quoted(text string) string {
	lines := strings.Split(strings.TrimRight(text, "\n"), "\n")
	for i, line := range lines {
		if strings.HasPrefix(line, ">") {
			lines[i] = ">" + line
		} else {
			lines[i] = strings.TrimRight("> "+line, " ")
		}
	}
	return strings.Join(lines, "\n") + "\n"
}

// wrote is the line above a quote, as Gmail writes it in that language.
func wrote(from mime.Address, at time.Time, lang string) string {
	names, ok := calendar[lang]
	if !ok {
		names, lang = calendar["en"], "en"
	}
	day, month := names.days[at.Weekday()], names.months[at.Month()-1]
	who := shown(from)
	switch lang {
	case "ru":
		return fmt.Sprintf("%s, %d %s %d г. в %s, %s:", day, at.Day(), month, at.Year(), at.Format("15:04"), who)
	case "uk":
		return fmt.Sprintf("%s, %d %s %d р. о %s %s пише:", day, at.Day(), month, at.Year(), at.Format("15:04"), who)
	case "sr":
		return fmt.Sprintf("%s, %d. %s %d. u %s %s je napisao/la:", day, at.Day(), month, at.Year(), at.Format("15:04"), who)
	}
	return fmt.Sprintf("On %s, %s %d, %d at %s %s wrote:", day, month, at.Day(), at.Year(), at.Format("3:04 PM"), who)
}

// calendar has the short names of days, from Sunday on, and of months.
var calendar = map[string]struct {
	days   [7]string
	months [12]string
}{
	"en": {
		[7]string{"Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat"},
		[12]string{"Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"},
	},
	"ru": {
		[7]string{"вс", "пн", "вт", "ср", "чт", "пт", "сб"},
		[12]string{"янв.", "февр.", "мар.", "апр.", "мая", "июн.", "июл.", "авг.", "сент.", "окт.", "нояб.", "дек."},
	},
	"uk": {
		[7]string{"нд", "пн", "вт", "ср", "чт", "пт", "сб"},
		[12]string{"січ.", "лют.", "бер.", "квіт.", "трав.", "черв.", "лип.", "серп.", "вер.", "жовт.", "лист.", "груд."},
	},
	"sr": {
		[7]string{"ned", "pon", "uto", "sre", "čet", "pet", "sub"},
		[12]string{"jan", "feb", "mar", "apr", "maj", "jun", "jul", "avg", "sep", "okt", "nov", "dec"},
	},
}
