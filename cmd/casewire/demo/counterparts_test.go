package demo

import (
	"encoding/json"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	mail "casewire/channels/email/sandbox"
)

// The same folder keeps mails, chats and texts, also after a kill: what a running
// sandbox has on disk is enough.
func TestTheFolderKeepsEverything(t *testing.T) {
	f := NewFile(t.TempDir())
	s := reopen(t, f)
	s.done(mailPage, map[string]string{"me": "daniel@mail.test", "to": SupportAddress, "subject": "Kept", "text": "kept"})
	s.done(telegramPage, map[string]string{"me": "70010001", "do": "say", "text": "kept as well"})
	s.done(smsPage, map[string]string{"me": "+447700900123", "do": "say", "text": "kept, too"})

	copied := t.TempDir()
	if err := os.CopyFS(filepath.Join(copied, "sandbox"), os.DirFS(filepath.Join(f.Data, "sandbox"))); err != nil {
		t.Fatal(err)
	}
	g := *f
	g.Data = copied
	killed := reopen(t, &g)
	if err := s.world.Close(); err != nil {
		t.Fatal(err)
	}
	for _, again := range []*stage{killed, reopen(t, f)} {
		if got := again.supportInbox(); len(got) != 1 || !strings.Contains(got[0], "Subject: Kept") {
			t.Errorf("mails: %q", got)
		}
		if chat := again.world.Telegram.Chat(70010001); len(chat) != 1 || chat[0].Text != "kept as well" || again.world.Telegram.Waiting() != 1 {
			t.Errorf("chat: %+v", chat)
		}
		if phone := again.world.SMS.Phone("+447700900123"); len(phone) != 1 || phone[0].Text != "kept, too" {
			t.Errorf("texts: %+v", phone)
		}
	}
}

// The providers listen on this machine alone, and demo.json says where.
func TestWhereTheProvidersAre(t *testing.T) {
	s := open(t)
	f := s.world.file
	f.URL = "http://127.0.0.1:1"
	if err := f.Save(); err != nil {
		t.Fatal(err)
	}
	b, err := os.ReadFile(Path(f.Data))
	if err != nil {
		t.Fatal(err)
	}
	var said struct {
		Sandbox   map[string]string
		Mailboxes []Mailbox
	}
	if err := json.Unmarshal(b, &said); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"imap", "smtp", "telegram", "twilio"} {
		if at := strings.TrimPrefix(said.Sandbox[name], "http://"); !strings.HasPrefix(at, "127.0.0.1:") {
			t.Errorf("%s is at %q", name, at)
		}
	}
	if len(said.Mailboxes) != 1+len(mailPeople) || said.Mailboxes[0].Address != SupportAddress {
		t.Errorf("mailboxes: %+v", said.Mailboxes)
	}
	if info, err := os.Stat(Path(f.Data)); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("demo.json: %v, %v", info.Mode(), err)
	}
	if other := NewFile(t.TempDir()); other.Keys == f.Keys || other.Mailboxes[0].Password == f.Mailboxes[0].Password {
		t.Error("two folders have the same secrets")
	}
	if _, err := s.world.Channels(); err != nil {
		t.Errorf("the channels' configuration: %v", err)
	}
}

func TestAStorysMailIsKeptOnce(t *testing.T) {
	s := open(t)
	i := slices.IndexFunc(stories, func(s story) bool { return s.via == "email" && len(s.then) > 0 })
	for range 2 {
		for _, id := range []string{"demo|1", "demo|1|2"} {
			if _, err := s.world.write(stories[i], id, "hello"); err != nil {
				t.Fatal(err)
			}
		}
		if err := s.world.tell(t.Context(), stories[i], "demo|1|1", "hello yourself"); err != nil {
			t.Fatal(err)
		}
	}
	list := s.world.Mail.Messages(stories[i].from)
	if len(list) != 3 || slices.ContainsFunc(list, func(m mail.Stored) bool { return m.Header("Message-ID") == "" }) {
		t.Errorf("%d mails", len(list))
	}
}
