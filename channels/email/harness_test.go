package email

import (
	"slices"
	"strings"
	"testing"
	"time"

	"casewire/channels"
	"casewire/channels/channeltest"
	"casewire/channels/email/inbox"
	"casewire/channels/email/tag"
)

// shopDoor is a running door of the shop and its house.
type shopDoor struct {
	*world
	door *Door
	book *channeltest.Book
	stop func() (time.Duration, error)
}

const testKey = "a key for tests only"

// opened runs a door; change may alter its configuration and prepare the door.
func opened(t testing.TB, change func(*Config, *Door)) *shopDoor {
	t.Helper()
	h := channeltest.NewHouse(t)
	s := &shopDoor{world: newWorld(t, h), book: h.Book}
	s.restart(t, change)
	return s
}

func (s *shopDoor) restart(t testing.TB, change func(*Config, *Door)) {
	t.Helper()
	c := s.config()
	c.TokenKey = channels.NewSecret(testKey)
	if change != nil {
		change(c, nil)
	}
	ch, err := c.Open(s.house.Env(channelID))
	if err != nil {
		t.Fatal(err)
	}
	s.door = ch.(*Door)
	if change != nil {
		change(&Config{}, s.door)
	}
	s.stop = s.house.Start(t, s.door, s.book)
}

// tags makes the tokens that the doors of these tests believe.
func tags() *tag.Tags { return tag.New([]byte(testKey), "shop.test") }

// posts delivers mails to an address of the shop from the world outside.
func (s *shopDoor) posts(t testing.TB, to string, raws ...string) {
	t.Helper()
	for _, raw := range raws {
		if err := s.srv.Post(customer, []string{to}, []byte(strings.ReplaceAll(raw, "\n", "\r\n"))); err != nil {
			t.Fatal(err)
		}
	}
}

// messages waits for n messages and returns them in the order of their arrival.
func (s *shopDoor) messages(t testing.TB, n int) []channels.Inbound {
	t.Helper()
	if err := s.book.Wait(t.Context(), func() bool { return len(s.book.Messages()) >= n }); err != nil {
		t.Fatalf("%d of %d messages came: %v", len(s.book.Messages()), n, err)
	}
	return s.book.Messages()
}

// letter writes a mail out of header lines and a text.
func letter(text string, header ...string) string {
	known := func(name string) bool {
		return slices.ContainsFunc(header, func(h string) bool { return strings.HasPrefix(strings.ToLower(h), strings.ToLower(name)+":") })
	}
	for _, line := range []string{"From: Ann <" + customer + ">", "To: " + shop, "Subject: Broken screen", "Date: Sun, 22 Nov 2026 10:00:00 +0000"} {
		if name, _, _ := strings.Cut(line, ":"); !known(name) {
			header = append(header, line)
		}
	}
	header = slices.DeleteFunc(header, func(h string) bool { return strings.HasSuffix(h, ": -") })
	return strings.Join(header, "\n") + "\n\n" + text + "\n"
}

// read has a door make an Inbound of a raw mail, without any server.
func read(t testing.TB, d *Door, raw string) (channels.Inbound, *channels.Receipt) {
	t.Helper()
	if err := d.ready(t.Context()); err != nil {
		t.Fatal(err)
	}
	m := inbox.NewMail("INBOX", 1, 1, []byte(strings.ReplaceAll(raw, "\n", "\r\n")))
	got, why, err := d.parse(t.Context(), m)
	if err != nil || got == nil {
		t.Fatalf("parse: %s, %v", why, err)
	}
	msg := d.inbound(got, m)
	return msg, d.receipt(got, &msg)
}

// closed is a door that is not running.
func closed(t testing.TB, change func(*Config)) *Door {
	t.Helper()
	c := NewConfig()
	c.Address, c.TokenKey = shop, channels.NewSecret(testKey)
	if change != nil {
		change(c)
	}
	h := channeltest.NewHouse(t)
	ch, err := c.Open(h.Env(channelID))
	if err != nil {
		t.Fatal(err)
	}
	return ch.(*Door)
}
