package telegram

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"casewire/channels"
	"casewire/channels/channeltest"
	"casewire/channels/telegram/sandbox"
)

// Messages of one chat come in the order they were written, whatever other chats
// do.
func TestOrderWithinAChat(t *testing.T) {
	o := open(t)
	const chats, each = 7, 30
	for i := range each {
		for c := range int64(chats) {
			o.api.Say(customer+c, strconv.Itoa(i))
		}
	}
	o.until(func() bool { return len(o.house.Book.Messages()) == chats*each })
	next := map[string]int{}
	for _, m := range o.house.Book.Messages() {
		if m.Body.Text != strconv.Itoa(next[m.From.Handle]) {
			t.Fatalf("chat %s: %s came when %d was due", m.From.Handle, m.Body.Text, next[m.From.Handle])
		}
		next[m.From.Handle]++
	}
	o.confirmed()
}

// A chat whose message the store refuses holds up nobody else, and nothing behind
// the refused message is confirmed (T2).
func TestOneStuckChatHoldsUpNobody(t *testing.T) {
	o := prepare(t)
	o.troubled(func(_, op string) error {
		if op == "message stuck" {
			return channeltest.ErrStore
		}
		return nil
	})
	stuck := o.api.Say(customer, "stuck")
	o.start()
	for i := range int64(250) { // more than one answer of Telegram holds
		o.api.Say(customer+1+i, "fine")
	}
	// A hundred unconfirmed updates are all that Telegram shows.
	o.until(func() bool { return len(o.house.Book.Messages()) >= 99 })
	if o.api.Taken(customer, stuck) || o.api.Waiting() < 251 {
		t.Fatalf("%d updates wait: something was confirmed over a gap", o.api.Waiting())
	}
	o.healthy("the store does not take messages")
	o.troubled(nil)
	o.until(func() bool { return len(o.house.Book.Messages()) == 251 })
	o.confirmed()
	o.healthy("takes messages by polling")
}

// The cursor that is stored with a message never says more than is durable.
func TestCursorNeverSkips(t *testing.T) {
	w := newWindow(0)
	var in []*entry
	for _, id := range []int64{50, 51, 7, 8} { // after a quiet week numbers may begin anywhere
		in = append(in, w.put(update{ID: id}))
	}
	if w.put(update{ID: 51}) != nil {
		t.Error("an update in hand was taken twice")
	}
	now := time.Unix(1000, 0)
	if got := w.cursor(in[1], now); got != nil {
		t.Errorf("out of order the cursor is %s", got)
	}
	if got := string(w.cursor(in[0], now)); got != `{"offset":51,"at":1000}` {
		t.Errorf("cursor %s", got)
	}
	for _, step := range []struct {
		done int
		want int64
	}{{1, 0}, {2, 0}, {0, 8}, {3, 9}} {
		w.done(in[step.done])
		if got, _ := w.next(); got != step.want {
			t.Errorf("after %d: offset %d, want %d", step.done, got, step.want)
		}
	}
	for _, id := range []int64{50, 51, 7, 8} {
		if w.put(update{ID: id}) != nil {
			t.Errorf("update %d was taken again by a request that was under way", id)
		}
	}
	w.confirmed(9)
	if got, busy := w.next(); got != 0 || busy {
		t.Errorf("offset %d after it was confirmed", got)
	}
}

// Numbers that begin again below the last hide nothing, neither while the door
// runs nor after it was away (T2).
func TestNumbersBeginAgain(t *testing.T) {
	o := open(t)
	o.api.Renumber(900000)
	o.api.Say(customer, "before")
	o.message(1)
	o.confirmed()
	o.phone(0, func() bool { return o.api.Waiting() == 0 })
	o.close()
	o.env = func(e *channels.Env) {
		e.Now = func() time.Time { return time.Now().Add(8 * 24 * time.Hour) }
	}
	o.api.Renumber(5)
	o.api.Say(customer, "after")
	o.start()
	o.message(2)
	o.confirmed()
	if h := o.door.Health(); !h.OK {
		t.Errorf("health %+v", h)
	}
}

// Being away for longer than Telegram keeps messages is said.
func TestLongAbsenceIsSaid(t *testing.T) {
	o := open(t)
	o.api.Say(customer, "hello")
	o.confirmed()
	o.close()
	o.env = func(e *channels.Env) {
		e.Now = func() time.Time { return time.Now().Add(49 * time.Hour) }
	}
	o.start()
	o.healthy("nobody asked Telegram for 49 hours")
}

// Each way in which Telegram refuses has its words, the door goes on by itself,
// and asks no more often than it should meanwhile (T1, T7).
func TestTroublesAndTheirWords(t *testing.T) {
	for _, test := range []struct {
		name  string
		fault sandbox.Fault
		words string
	}{
		{"wrong token", sandbox.Fault{Code: http.StatusUnauthorized}, "does not accept the bot's token"},
		{"revoked token", sandbox.Fault{Code: http.StatusNotFound}, "does not accept the bot's token"},
		{"used elsewhere", sandbox.Fault{Code: http.StatusConflict, Description: "Conflict: terminated by other getUpdates request"}, "used elsewhere"},
		{"throttled", sandbox.Fault{Code: http.StatusTooManyRequests, RetryAfter: 1}, "asks to wait 1s"},
		{"out of order", sandbox.Fault{Code: http.StatusInternalServerError}, "out of order (500)"},
		{"a proxy's page", sandbox.Fault{Code: http.StatusBadGateway, Raw: "<html>502</html>"}, "no Bot API"},
		{"cut off", sandbox.Fault{Drop: true}, "cannot be reached"},
	} {
		t.Run(test.name, func(t *testing.T) {
			o := prepare(t)
			test.fault.Method, test.fault.Times = "getUpdates", 3
			o.api.Fail(test.fault)
			o.start()
			if test.fault.RetryAfter == 0 {
				defer o.message(1)
			}
			h := o.healthy(test.words)
			if h.OK || h.Since.IsZero() {
				t.Errorf("health %+v", h)
			}
			o.api.Say(customer, "through it all")
		})
	}
}

// A server that refuses is asked seldom and ever more seldom: in an hour of 409 or
// 401 at most so often (T1: never spin).
func TestNeverSpins(t *testing.T) {
	for _, code := range []int{http.StatusConflict, http.StatusUnauthorized, http.StatusInternalServerError, http.StatusTooManyRequests} {
		t.Run(strconv.Itoa(code), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				var asked int
				api := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
					if strings.HasSuffix(r.URL.Path, "getUpdates") {
						asked++
					}
					w.WriteHeader(code)
					fmt.Fprintf(w, `{"ok":false,"error_code":%d,"description":"No","parameters":{"retry_after":30}}`, code)
				})
				house := &channeltest.House{Memory: &channeltest.Memory{}, Files: &channeltest.Files{}}
				c := NewConfig()
				c.Token = channels.NewSecret("4242:a-token-of-a-test")
				d, err := c.open(channels.Env{ID: channelID, State: house.Memory, Files: house.Files}, inside{api})
				if err != nil {
					t.Fatal(err)
				}
				ctx, cancel := context.WithTimeout(t.Context(), time.Hour)
				defer cancel()
				if err := d.Run(ctx, &channeltest.Book{}); err != nil {
					t.Fatal(err)
				}
				if asked < 10 || asked > 200 {
					t.Errorf("asked %d times in an hour", asked)
				}
			})
		})
	}
}

// Two doors on one bot: the sandbox gives 409 to the one that came first, both say
// so, and no message is lost or doubled.
func TestTwoDoorsOnOneBot(t *testing.T) {
	o := open(t)
	o.api.Say(customer, "one")
	o.message(1)
	env := o.house.Env(channelID)
	ch, err := o.cfg.Open(env)
	if err != nil {
		t.Fatal(err)
	}
	other := ch.(*Door)
	hurry(other)
	ctx, cancel := context.WithCancel(t.Context())
	var wg sync.WaitGroup
	wg.Go(func() { _ = other.Run(ctx, o.house.Book) })
	o.healthy("used elsewhere")
	for i := range 20 {
		o.api.Say(customer, "both "+strconv.Itoa(i))
	}
	o.message(21)
	cancel()
	wg.Wait()
	o.confirmed()
	if n := len(o.house.Book.Messages()); n != 21 {
		t.Errorf("%d messages, want 21", n)
	}
	o.healthy("takes messages by polling")
}

// Blocking and unblocking reach the house (T7).
func TestStanding(t *testing.T) {
	o := open(t)
	o.api.Say(customer, "hello")
	o.api.Block(customer)
	o.api.Unblock(customer)
	o.until(func() bool { return len(o.house.Book.Standings()) == 2 })
	got := o.house.Book.Standings()
	if got[0].Open || got[0].Reason != channels.Blocked || !got[1].Open || got[1].Address != to(customer) {
		t.Errorf("%+v", got)
	}
}

// Files come with their message, or the message says why not (T8).
func TestFiles(t *testing.T) {
	o := open(t, func(c *Config) { c.Limits.FileBytes = 2000 })
	photo := picture(t, 30, 20)
	o.api.Photo(customer, photo, "the crack")
	o.api.Document(customer, "../../etc/in\u202evoice.txt", []byte("a receipt"), "")
	o.api.Voice(customer, []byte("OggS not really"), 3*time.Second)
	o.api.Document(customer, "huge.bin", make([]byte, 3000), "see this")
	m := o.message(4)
	all := o.house.Book.Messages()
	if f := all[0].Body.Files; all[0].Body.Text != "the crack" || len(f) != 1 || f[0].Size != int64(len(photo)) || f[0].Type != "image/png" {
		t.Errorf("photo: %+v", all[0].Body)
	}
	if f := all[1].Body.Files; len(f) != 1 || f[0].Name != "_.._etc_invoice.txt" {
		t.Errorf("document: %+v", f)
	}
	if f := all[2].Body.Files; len(f) != 1 || f[0].Name != "voice.ogg" {
		t.Errorf("voice: %+v", f)
	}
	if len(m.Body.Files) != 0 || !strings.Contains(m.Body.Text, "huge.bin") || !strings.HasPrefix(m.Body.Text, "see this") || !strings.Contains(m.Broken, "too large") {
		t.Errorf("too large: %+v broken %q", m.Body, m.Broken)
	}
}

// A file that Telegram does not give at once is tried again; one that it never
// gives flags the message and holds up nobody. A store that does not take a file
// keeps the update at Telegram.
func TestFileTroubles(t *testing.T) {
	o := open(t)
	o.api.Fail(sandbox.Fault{Method: "getFile", Code: http.StatusBadGateway, Times: 2})
	o.api.Document(customer, "a.txt", []byte("second try"), "")
	if m := o.message(1); len(m.Body.Files) != 1 || m.Broken != "" {
		t.Errorf("after two failures: %+v, %q", m.Body, m.Broken)
	}
	o.api.Fail(sandbox.Fault{Method: "download", Code: http.StatusNotFound, Times: 9})
	o.api.Document(customer, "b.txt", []byte("never"), "look")
	if m := o.message(2); len(m.Body.Files) != 0 || m.Broken == "" || !strings.Contains(m.Body.Text, "b.txt") {
		t.Errorf("never given: %+v, %q", m.Body, m.Broken)
	}
	o.api.Heal()
	var tried atomic.Int32
	o.troubled(func(part, _ string) error {
		if part == "files" && tried.Add(1) <= 2 {
			return channeltest.ErrStore
		}
		return nil
	})
	o.api.Document(customer, "c.txt", []byte("third"), "")
	if m := o.message(3); len(m.Body.Files) != 1 || m.Broken != "" {
		t.Errorf("after the store refused: %+v, %q", m.Body, m.Broken)
	}
}

// Groups are told once that the bot is for private chats (T4).
func TestGroupIsDeclinedOnce(t *testing.T) {
	o := open(t)
	o.api.Group(-77, "group", "Friends", 0)
	for i := range 3 {
		o.api.Inject("message", json.RawMessage(fmt.Sprintf(`{"message_id":%d,"date":1,"chat":{"id":-77,"type":"group","title":"Friends"},
			"from":{"id":1,"is_bot":false,"first_name":"A","language_code":"uk"},"text":"/start@bot"}`, 500+i)))
	}
	o.api.Say(customer, "private")
	o.confirmed()
	if got := o.texts(-77); len(got) != 1 || got[0] != privateOnly["uk"] {
		t.Errorf("the group was told %q", got)
	}
	if n := len(o.house.Book.Messages()); n != 1 {
		t.Errorf("%d messages", n)
	}
}

// A group that becomes another chat stays the same conversation, in and out (T4).
func TestGroupMoves(t *testing.T) {
	o := open(t, func(c *Config) { c.Groups = groupsTopics })
	const from, into = int64(-80), int64(-1000080)
	o.api.Group(from, "group", "Repairs", 0)
	say := func(chat int64, id int, more string) {
		o.api.Inject("message", json.RawMessage(fmt.Sprintf(`{"message_id":%d,"date":1,"chat":{"id":%d,"type":"supergroup","title":"R"},
			"from":{"id":1,"is_bot":false,"first_name":"A"}%s}`, id, chat, more)))
	}
	say(from, 500, `,"text":"before"`)
	first := o.message(1)
	o.api.Group(from, "group", "Repairs", into)
	o.api.Group(into, "supergroup", "Repairs", 0)
	o.send(channels.Outbound{ID: "m1", To: first.From, Body: channels.Body{Text: "found by trying"}})
	if got := o.texts(into); len(got) != 1 {
		t.Fatalf("the new chat got %q", got)
	}
	say(into, 501, `,"migrate_from_chat_id":-80`)
	say(into, 502, `,"text":"after"`)
	if m := o.message(2); m.From.Handle != first.From.Handle {
		t.Errorf("after the move from %s, before it from %s", m.From.Handle, first.From.Handle)
	}
}

// Nothing that is kept, handed over, logged or shown holds the token.
func TestTokenIsNowhere(t *testing.T) {
	o := open(t)
	o.api.Photo(customer, picture(t, 3, 3), "a photo")
	o.api.Fail(sandbox.Fault{Method: "download", Drop: true, Times: 9})
	o.api.Document(customer, "lost.txt", []byte("x"), "")
	m := o.message(2)
	o.api.Heal()
	o.api.Close()
	_, err := o.door.Send(o.ctx(), channels.Outbound{ID: "m1", Channel: channelID, To: m.From, Body: channels.Body{Text: "x"}})
	if err == nil {
		t.Fatal("sent to a server that is closed")
	}
	probe := o.door.Probe(o.ctx())
	var found []channels.Finding
	o.door.Examine(o.ctx(), func(f channels.Finding) { found = append(found, f) })
	typing := o.door.Typing(o.ctx(), m.From)
	o.healthy("cannot be reached")
	all := fmt.Sprintf("%v|%v|%v|%+v|%+v|%s|%+v|%+v", err, probe, typing, found, o.door.Health(), o.house.Memory.Dump(), o.house.Book.Messages(), o.cfg)
	if strings.Contains(all, o.api.Token()) || strings.Contains(all, strings.SplitN(o.api.Token(), ":", 2)[1]) {
		t.Errorf("the token is in %s", all)
	}
}
