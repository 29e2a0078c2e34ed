package demo

import (
	"net/http"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/emersion/go-imap/v2"
	"github.com/emersion/go-imap/v2/imapclient"
)

// supportInbox is what the centre's mailbox has, read over IMAP.
func (s *stage) supportInbox() []string {
	s.t.Helper()
	c, err := imapclient.DialInsecure(s.world.Mail.IMAP(), nil)
	if err != nil {
		s.t.Fatal(err)
	}
	defer c.Close()
	if err := c.Login(SupportAddress, s.world.file.password(SupportAddress)).Wait(); err != nil {
		s.t.Fatal(err)
	}
	if _, err := c.Select("INBOX", nil).Wait(); err != nil {
		s.t.Fatal(err)
	}
	body := &imap.FetchItemBodySection{}
	list, err := c.Fetch(imap.SeqSet{{Start: 1}}, &imap.FetchOptions{BodySection: []*imap.FetchItemBodySection{body}}).Collect()
	if err != nil {
		s.t.Fatal(err)
	}
	var out []string
	for _, m := range list {
		out = append(out, string(m.FindBodySection(body)))
	}
	return out
}

func TestAMailWrittenOnThePageIsInTheCentresMailbox(t *testing.T) {
	s := open(t)
	s.done(mailPage, map[string]string{
		"me": "natalia@mail.test", "to": SupportAddress, "subject": "Пральна  машина\r\nBcc: x@y.test", "text": "Тече знизу\r\n.\r\nдопоможіть", "sample": "on",
	})
	got := s.supportInbox()
	if len(got) != 1 {
		t.Fatalf("%d mails in the mailbox", len(got))
	}
	m, files, err := readMail(t.Context(), []byte(got[0]))
	if err != nil {
		t.Fatal(err)
	}
	if m.Subject != "Пральна машина Bcc: x@y.test" || strings.TrimSpace(m.Text) != "Тече знизу\n.\nдопоможіть" ||
		m.From[0].Addr != "natalia@mail.test" || m.ReturnPath != "natalia@mail.test" {
		t.Errorf("arrived as %q %q from %v", m.Subject, m.Text, m.From)
	}
	if len(files) != 1 || !isPicture(files[0].Data) {
		t.Errorf("attachments: %d", len(files))
	}
	if body := s.page(mailPage + "?me=natalia@mail.test&box=sent"); !strings.Contains(body, "Пральна машина") {
		t.Error("the mail is not among those sent")
	}
}

func TestAMailThatIsRefusedIsNotLost(t *testing.T) {
	s := open(t)
	for to, words := range map[string]string{
		"nobody@shop.test": "does not know this address", "nonsense": "not a mail address", SupportAddress: "Write something first",
	} {
		text := "What I wrote"
		if to == SupportAddress {
			text = " "
		}
		res := s.post(mailPage+"?lang=en", map[string]string{"me": "daniel@mail.test", "to": to, "subject": "Mine", "text": text}, "", nil)
		body := s.body(res)
		if !strings.Contains(body, words) || !strings.Contains(body, `value="Mine"`) || !strings.Contains(body, text) {
			t.Errorf("%s: the page says\n%s", to, body)
		}
	}
	if got := s.supportInbox(); len(got) != 0 {
		t.Errorf("%d mails arrived", len(got))
	}
}

// A reply goes where the mail asks for, names the thread, and has its history below.
func TestAReplyIsWhatAMailProgramMakes(t *testing.T) {
	for _, p := range mailPeople {
		t.Run(p.Lang, func(t *testing.T) {
			s := open(t)
			raw := "From: Mill Street Repairs <support@shop.test>\r\nReply-To: support+cw7-x@shop.test\r\nTo: " + p.ID +
				"\r\nSubject: Re: Ready?\r\nMessage-ID: <two@shop.test>\r\nReferences: <one@mail.test>\r\nDate: Sun, 22 Nov 2026 10:51:00 +0000\r\n\r\nYes.\r\n"
			if err := s.world.Mail.Post(SupportAddress, []string{p.ID}, []byte(raw)); err != nil {
				t.Fatal(err)
			}
			body := s.page(mailPage + "?me=" + p.ID + "&id=INBOX+1&write=reply")
			fields := map[string]string{"me": p.ID}
			for _, m := range regexp.MustCompile(`<input[^>]* name="(to|subject|answers|refs)" value="([^"]*)"`).FindAllStringSubmatch(body, -1) {
				fields[m[1]] = strings.ReplaceAll(m[2], "&#43;", "+")
			}
			_, text, _ := strings.Cut(body, "<textarea")
			_, text, _ = strings.Cut(text, ">\n")
			text, _, _ = strings.Cut(text, "</textarea>")
			fields["text"] = "I am on my way." + strings.NewReplacer("&gt;", ">", "&lt;", "<", "&#43;", "+").Replace(text)
			s.done(mailPage, fields)

			m, _, err := readMail(t.Context(), []byte(s.supportInbox()[0]))
			if err != nil {
				t.Fatal(err)
			}
			if m.Text != "I am on my way." || !strings.Contains(m.Quoted, "> Yes.") || !strings.Contains(m.Quoted, "2026") {
				t.Errorf("text %q, history %q", m.Text, m.Quoted)
			}
			if m.Subject != "Re: Ready?" || m.To[0].Addr != "support+cw7-x@shop.test" || !slices.Equal(m.InReplyTo, []string{"two@shop.test"}) ||
				!slices.Equal(m.References, []string{"one@mail.test", "two@shop.test"}) {
				t.Errorf("subject %q, to %v, answers %q, references %q", m.Subject, m.To, m.InReplyTo, m.References)
			}
		})
	}
}

func TestAForwardedMailReachesAnotherCustomer(t *testing.T) {
	s := open(t)
	if err := s.world.Mail.Post(SupportAddress, []string{"daniel@mail.test"}, []byte("From: support@shop.test\r\nMessage-ID: <a@shop.test>\r\nSubject: Ready\r\n\r\nCome by.\r\n")); err != nil {
		t.Fatal(err)
	}
	body := s.page(mailPage + "?me=daniel@mail.test&id=INBOX+1&write=forward&lang=en")
	if !strings.Contains(body, `value="Fwd: Ready"`) || !strings.Contains(body, "Forwarded message") || !strings.Contains(body, "Come by.") {
		t.Errorf("the draft is\n%s", body)
	}
	s.done(mailPage, map[string]string{"me": "daniel@mail.test", "to": "jovana@mail.test", "subject": "Fwd: Ready", "text": "Can you fetch it?"})
	if list := s.page(mailPage + "?me=jovana@mail.test"); !strings.Contains(list, "Fwd: Ready") || !strings.Contains(list, "Daniel Brooks") {
		t.Error("it did not arrive")
	}
}

// What arrives by mail is saved, not run: only pictures are shown in place.
func TestAttachmentsAreNotRun(t *testing.T) {
	s := open(t)
	res := s.post(mailPage, map[string]string{"me": "daniel@mail.test", "to": "jovana@mail.test", "subject": "x", "text": "x"}, "page.html", []byte("<script>alert(1)</script>"))
	if res.StatusCode != http.StatusSeeOther {
		t.Fatal(res.Status)
	}
	for target, kind := range map[string]string{
		mailPage + "/file?me=jovana@mail.test&id=INBOX+1&n=0": "application/octet-stream",
		mailPage + "/file?me=jovana@mail.test&id=INBOX+1":     "application/octet-stream",
	} {
		res := s.get(target)
		if got := res.Header.Get("Content-Type"); got != kind || !strings.HasPrefix(res.Header.Get("Content-Disposition"), "attachment") ||
			!strings.Contains(res.Header.Get("Content-Security-Policy"), "sandbox") {
			t.Errorf("%s: %s %v", target, got, res.Header)
		}
	}
	for _, target := range []string{"/file?me=jovana@mail.test&id=INBOX+1&n=1", "/file?me=jovana@mail.test&id=INBOX+1&n=-1", "/file?me=daniel@mail.test&id=INBOX+1&n=0"} {
		if res := s.get(mailPage + target); res.StatusCode != http.StatusNotFound {
			t.Errorf("%s answers %s", target, res.Status)
		}
	}
}
