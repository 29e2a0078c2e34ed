package demo

import (
	"context"
	"errors"
	"net/http"
	netmail "net/mail"
	"net/textproto"
	"slices"
	"strconv"
	"strings"
	"time"

	"casewire/channels/email/mime"

	mail "casewire/channels/email/sandbox"
)

// Folders of a customer's mailbox.
const (
	inboxFolder = "INBOX"
	sentFolder  = "Sent"
)

// row is a mail in the list.
type row struct {
	URL, Who, Subject, When string
	Chosen                  bool
}

// opened is the mail that is read.
type opened struct {
	Subject, From, To, When string
	Text, Quoted, Headers   string
	Files                   []fileView
	Reply, Forward, Raw     string
}

// draft is the mail that is written.
type draft struct {
	To, Subject, Text string
	Title             string
	Answers, Refs     string
	Sample            bool
}

// mailbox is what the mail program shows.
type mailbox struct {
	view
	Inbox, Sent, New string // addresses
	InSent           bool
	Rows             []row
	Mail             *opened
	Draft            *draft
}

func (v view) mailbox(box string) mailbox {
	return mailbox{
		view: v, InSent: box == sentFolder,
		Inbox: v.To(v.Path), Sent: v.To(v.Path, "box", "sent"), New: v.To(v.Path, "write", "new"),
	}
}

// mail shows a customer's mail program: a list and a mail, or a list and a draft.
func (s *Sandbox) mail(w http.ResponseWriter, r *http.Request) {
	v := s.view(r, mailPeople)
	box := inboxFolder
	if r.FormValue("box") == "sent" {
		box = sentFolder
	}
	data := v.mailbox(box)
	at, found := s.stored(v.Me.ID, r.FormValue("id"))
	data.Rows = s.rows(v, box, at)
	var err error
	switch write := r.FormValue("write"); {
	case write == "new":
		data.Draft = &draft{To: SupportAddress, Title: v.W["mail_new"]}
	case write != "" && found:
		data.Draft, err = v.draft(r.Context(), write, at)
	case found:
		data.Mail, err = v.open(r.Context(), at)
	}
	if err != nil {
		http.Error(w, "the mail cannot be read", http.StatusInternalServerError)
		return
	}
	s.show(w, "mail", true, data)
}

// mailID names a mail within its mailbox.
func mailID(m mail.Stored) string { return m.Folder + " " + strconv.FormatUint(uint64(m.UID), 10) }

func (s *Sandbox) stored(mailbox, id string) (mail.Stored, bool) {
	list := s.world.Mail.Messages(mailbox)
	if i := slices.IndexFunc(list, func(m mail.Stored) bool { return mailID(m) == id }); i >= 0 {
		return list[i], true
	}
	return mail.Stored{}, false
}

// rows are the newest mails of a folder, newest first.
func (s *Sandbox) rows(v view, box string, chosen mail.Stored) []row {
	const most = 100
	var out []row
	list := s.world.Mail.Messages(v.Me.ID)
	slices.SortStableFunc(list, func(a, b mail.Stored) int { return b.At.Compare(a.At) })
	for _, m := range list {
		if m.Folder != box || len(out) == most {
			continue
		}
		pairs := []string{"id", mailID(m)}
		who := m.Header("From")
		if box == sentFolder {
			pairs, who = append(pairs, "box", "sent"), m.Header("To")
		}
		if a, err := netmail.ParseAddress(who); err == nil {
			who = a.Name
			if who == "" {
				who = a.Address
			}
		}
		out = append(out, row{
			URL: v.To(v.Path, pairs...), Who: who, Subject: m.Header("Subject"), When: v.moment(m.At),
			Chosen: m.Folder == chosen.Folder && m.UID == chosen.UID,
		})
	}
	return out
}

// moment is the time of today, or the date of another day.
func (v view) moment(at time.Time) string {
	at = at.Local()
	if day := v.day(at); day != v.W["today"] {
		return day
	}
	return at.Format("15:04")
}

func (v view) open(ctx context.Context, at mail.Stored) (*opened, error) {
	m, files, err := readMail(ctx, at.Raw)
	if err != nil {
		return nil, err
	}
	id := mailID(at)
	head, _, _ := strings.Cut(string(at.Raw), "\r\n\r\n")
	o := &opened{
		Subject: m.Subject, From: shown(writer(m)), To: addressee(at), When: v.day(at.At.Local()) + ", " + at.At.Local().Format("15:04"),
		Text: m.Text, Quoted: m.Quoted, Headers: head,
		Reply: v.To(v.Path, "id", id, "write", "reply"), Forward: v.To(v.Path, "id", id, "write", "forward"),
		Raw: v.To(v.Path+"/file", "id", id, "save", "1"),
	}
	for i, f := range files {
		o.Files = append(o.Files, fileView{
			Name: f.Name, Size: size(int64(len(f.Data))), Picture: isPicture(f.Data),
			URL: v.To(v.Path+"/file", "id", id, "n", strconv.Itoa(i)),
		})
	}
	return o, nil
}

// addressee is whom a mail is for, as people write it.
func addressee(m mail.Stored) string {
	to := m.Header("To")
	if a, err := netmail.ParseAddress(to); err == nil {
		return shown(mime.Address{Name: a.Name, Addr: a.Address})
	}
	return to
}

func (v view) draft(ctx context.Context, write string, at mail.Stored) (*draft, error) {
	m, _, err := readMail(ctx, at.Raw)
	if err != nil {
		return nil, err
	}
	when := m.Date
	if when.IsZero() {
		when = at.At
	}
	if write == "forward" {
		l := forwarded(m, when.Local(), v.Me.Lang)
		return &draft{Subject: l.Subject, Text: l.Text, Refs: strings.Join(l.References, " "), Title: v.W["mail_forward"]}, nil
	}
	l := answerTo(m, when.Local(), v.Me.Lang)
	return &draft{
		To: l.To.Address, Subject: l.Subject, Text: l.Text, Title: v.W["mail_reply"],
		Answers: l.Answers, Refs: strings.Join(l.References, " "),
	}, nil
}

// sendMail sends what was written, by SMTP, and keeps a copy.
func (s *Sandbox) sendMail(w http.ResponseWriter, r *http.Request) {
	if !form(w, r) {
		return
	}
	v := s.view(r, mailPeople)
	fault, err := s.mailOut(r, v.Me)
	if err == nil && fault == "" {
		v.back(w, r, "", "box", "sent")
		return
	}
	if refused, ok := errors.AsType[*textproto.Error](err); ok && refused.Code >= 500 {
		fault = "nobody"
	} else if err != nil {
		fault = "send"
	}
	// The page again, with what was written.
	v.Error = v.W["error_"+fault]
	data := v.mailbox(inboxFolder)
	data.Rows = s.rows(v, inboxFolder, mail.Stored{})
	data.Draft = &draft{
		To: r.FormValue("to"), Subject: r.FormValue("subject"), Text: r.FormValue("text"), Title: v.W["mail_new"],
		Answers: r.FormValue("answers"), Refs: r.FormValue("refs"), Sample: r.FormValue("sample") != "",
	}
	s.show(w, "mail", true, data)
}

func (s *Sandbox) mailOut(r *http.Request, me person) (fault string, err error) {
	to, err := netmail.ParseAddress(strings.TrimSpace(r.FormValue("to")))
	if err != nil {
		return "address", nil // said in words on the page
	}
	l := letter{
		From: netmail.Address{Name: me.Name, Address: me.ID}, To: *to, Date: s.world.now(),
		Subject: strings.Join(strings.Fields(r.FormValue("subject")), " "), Text: strings.ReplaceAll(r.FormValue("text"), "\r\n", "\n"),
		Answers: messageID(r.FormValue("answers")),
	}
	for _, id := range strings.Fields(r.FormValue("refs")) {
		if id = messageID(id); id != "" {
			l.References = append(l.References, id)
		}
	}
	const most = 10
	if l.Files, err = uploads(r, "file", most); err != nil {
		return "file", nil
	}
	if r.FormValue("sample") != "" {
		f, err := sampleFile("crack.jpg")
		if err != nil {
			return "file", nil
		}
		l.Files = append(l.Files, f)
	}
	if strings.TrimSpace(l.Text) == "" && len(l.Files) == 0 {
		return "empty", nil
	}
	raw, err := l.raw()
	if err != nil {
		return "", err
	}
	if err := s.world.send(r.Context(), me.ID, to.Address, raw); err != nil {
		return "", err
	}
	return "", s.world.Mail.Put(me.ID, sentFolder, raw)
}

// messageID returns s when it can stand in a header.
func messageID(s string) string {
	if len(s) > 500 || strings.ContainsAny(s, "<> \t\r\n") {
		return ""
	}
	return s
}

// mailFile serves an attachment, or the whole mail.
func (s *Sandbox) mailFile(w http.ResponseWriter, r *http.Request) {
	m, found := s.stored(among(mailPeople, r.FormValue("me")).ID, r.FormValue("id"))
	if !found {
		http.NotFound(w, r)
		return
	}
	if !r.URL.Query().Has("n") {
		serveFile(w, r, attachment{"mail.eml", "message/rfc822", m.Raw})
		return
	}
	_, files, err := readMail(r.Context(), m.Raw)
	n, bad := strconv.Atoi(r.FormValue("n"))
	if err != nil || bad != nil || n < 0 || n >= len(files) {
		http.NotFound(w, r)
		return
	}
	serveFile(w, r, files[n])
}

// mailLive tells of changes in a mailbox.
func (s *Sandbox) mailLive(w http.ResponseWriter, r *http.Request) {
	me := among(mailPeople, r.FormValue("me")).ID
	seen := footprintOf(s.world.Mail.Messages(me))
	s.stream(w, r, func(ctx context.Context) error {
		return s.world.Mail.Wait(ctx, me, func(list []mail.Stored) bool {
			now := footprintOf(list)
			changed := now != seen
			seen = now
			return changed
		})
	})
}

// footprint tells one state of a mailbox from another.
type footprint struct {
	mails int
	last  uint32
}

func footprintOf(list []mail.Stored) (f footprint) {
	for _, m := range list {
		f.mails++
		f.last = max(f.last, m.UID)
	}
	return f
}
