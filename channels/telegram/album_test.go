package telegram

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"casewire/channels"
	"casewire/channels/channeltest"
	"casewire/channels/telegram/sandbox"
)

// An album is one message with all its photos and the one caption (T5).
func TestAlbum(t *testing.T) {
	o := open(t)
	ids := o.api.Album(customer, "three sides", picture(t, 1, 2), picture(t, 3, 4), picture(t, 5, 6))
	m := o.message(1)
	if m.Body.Text != "three sides" || len(m.Body.Files) != 3 || len(m.Refs) != 3 {
		t.Errorf("album: %+v refs %v", m.Body, m.Refs)
	}
	if want := o.door.names.message(customer, int64(ids[0])); m.ExternalID != want {
		t.Errorf("named %s, want %s", m.ExternalID, want)
	}
	o.confirmed()
	o.eventually(func() bool { return strings.Contains(o.house.Memory.Dump(), "albums=[]") }, "the list of open albums is not emptied")
}

// What comes after an album is not handed over before it.
func TestTextAfterAnAlbum(t *testing.T) {
	o := open(t, func(c *Config) { c.Times.Album = 10 * time.Second })
	o.api.Album(customer, "", picture(t, 1, 2), picture(t, 3, 4))
	o.api.Say(customer, "this is the crack")
	o.message(2)
	if got := o.house.Book.Messages(); len(got[0].Body.Files) != 2 || got[1].Body.Text != "this is the crack" {
		t.Errorf("%+v", got)
	}
}

// Parts whose updates are confirmed already survive a stop, and come once: at
// whatever point the door was stopped (T5).
func TestAlbumSurvivesAStop(t *testing.T) {
	points := map[string]func(o *office, stop func()){
		"before it is sealed": func(o *office, stop func()) {
			o.api.Album(customer, "kept", picture(o.t, 1, 2), picture(o.t, 3, 4))
			o.confirmed()
			stop()
		},
		"sealed and not handed over": func(o *office, stop func()) {
			o.troubled(func(part, _ string) error {
				if part == "book" {
					return channeltest.ErrStore
				}
				return nil
			})
			o.api.Album(customer, "kept", picture(o.t, 1, 2), picture(o.t, 3, 4))
			o.confirmed()
			o.healthy("the store does not take")
			stop()
			o.troubled(nil)
		},
		"handed over and not marked": func(o *office, stop func()) {
			o.troubled(func(_, op string) error {
				if strings.HasPrefix(op, "save album/") {
					return channeltest.ErrStore
				}
				return nil
			})
			o.api.Album(customer, "kept", picture(o.t, 1, 2), picture(o.t, 3, 4))
			o.message(1)
			stop()
			o.troubled(nil)
		},
	}
	for name, act := range points {
		t.Run(name, func(t *testing.T) {
			o := open(t, func(c *Config) {
				if name == "before it is sealed" {
					c.Times.Album = 5 * time.Second
				}
			})
			act(o, o.close)
			o.cfg.Times.Album = 30 * time.Millisecond
			o.env = func(e *channels.Env) { e.Now = func() time.Time { return time.Now().Add(10 * time.Second) } }
			o.start()
			o.message(1)
			o.api.Say(customer, "and then")
			o.message(2)
			o.confirmed()
			if left := o.house.Memory.Dump(); !strings.Contains(left, "albums=[]") {
				t.Error("an album is still on the list")
			}
			if got := o.house.Book.Messages(); len(got) != 2 || len(got[0].Body.Files) != 2 || got[0].Body.Text != "kept" {
				t.Errorf("%d messages, the first %+v", len(got), got[0].Body)
			}
		})
	}
}

// A part that comes too late is a message of its own, and a repeated part is none.
func TestLateAndRepeatedParts(t *testing.T) {
	o := open(t)
	part := func(id int, group string) {
		o.api.Inject("message", fmt.Appendf(nil, `{"message_id":%d,"date":1,"media_group_id":%q,"chat":{"id":%d,"type":"private","first_name":"A"},
			"from":{"id":%d,"is_bot":false,"first_name":"A"},"caption":"part %d","sticker":{"emoji":"x"}}`, id, group, customer, customer, id))
	}
	part(600, "g1")
	part(601, "g1")
	if m := o.message(1); !strings.Contains(m.Body.Text, "part 600") || !strings.Contains(m.Body.Text, "part 601") {
		t.Fatalf("%+v", m.Body)
	}
	part(600, "g1")
	part(601, "g1")
	part(602, "g1")
	o.api.Say(customer, "end")
	o.message(3)
	o.confirmed()
	if got := o.house.Book.Messages(); len(got) != 3 || !strings.Contains(got[1].Body.Text, "part 602") {
		t.Errorf("%d messages, the second %q", len(got), got[1].Body.Text)
	}
}

// An edited caption is a new version of the whole album.
func TestEditedAlbum(t *testing.T) {
	o := open(t)
	ids := o.api.Album(customer, "before", picture(t, 1, 2), picture(t, 3, 4))
	first := o.message(1)
	var raw string
	for _, key := range strings.Split(o.house.Memory.Dump(), "\n") {
		if rest, ok := strings.CutPrefix(key, "album/"); ok {
			_, rest, _ = strings.Cut(rest, "/")
			raw, _, _ = strings.Cut(rest, "=")
		}
	}
	o.api.Inject("edited_message", fmt.Appendf(nil, `{"message_id":%d,"date":1,"edit_date":2,"media_group_id":%q,
		"chat":{"id":%d,"type":"private","first_name":"A"},"from":{"id":%d,"is_bot":false,"first_name":"A"},"caption":"after","sticker":{"emoji":"x"}}`,
		ids[0], raw, customer, customer))
	m := o.message(2)
	if m.Replaces != first.ExternalID || !strings.HasPrefix(m.Body.Text, "after") || len(m.Body.Files) != 1 {
		t.Errorf("replaces %s: %+v", m.Replaces, m.Body)
	}
}

// Edits become versions, also two in one second, and an edit that comes before
// its original is handed over all the same (T5).
func TestEdits(t *testing.T) {
	o := open(t)
	id := o.api.Say(customer, "one")
	o.message(1)
	for _, text := range []string{"two", "three"} {
		if err := o.api.Edit(customer, id, text); err != nil {
			t.Fatal(err)
		}
	}
	o.message(3)
	got := o.house.Book.Messages()
	name := o.door.names.message(customer, int64(id))
	if got[0].ExternalID != name || got[1].Replaces != name || got[2].Replaces != name || got[1].ExternalID == got[2].ExternalID {
		t.Errorf("%s, then %s and %s", got[0].ExternalID, got[1].ExternalID, got[2].ExternalID)
	}
}

// A button comes back once however often it is tapped, is answered, and says what
// it means; what we never offered says nothing (T8).
func TestButtons(t *testing.T) {
	o := open(t)
	o.api.Join(sandbox.Person{ID: customer, First: "Olena", Lang: "uk"})
	o.api.Say(customer, "hello")
	from := o.message(1).From
	long := strings.Repeat("approve the estimate of the case ", 8)
	r := o.send(channels.Outbound{ID: "m1", To: from, Body: channels.Body{Text: "Approve?", Buttons: []channels.Button{
		{Label: "Yes", Data: "approve:CW-000001"}, {Label: "No", Data: long},
	}}})
	bubble := o.api.Chat(customer)[1]
	if len(bubble.Buttons) != 1 || len(bubble.Buttons[0]) != 2 {
		t.Fatalf("buttons: %+v", bubble.Buttons)
	}
	press := func(data string) {
		if err := o.api.Forge(customer, bubble.ID, data); err != nil {
			t.Fatal(err)
		}
		o.phone(customer, func() bool { return o.api.Chat(customer)[1].Answered })
	}
	yes, no := bubble.Buttons[0][0].Data, bubble.Buttons[0][1].Data
	press(yes)
	press(yes)
	press(no)
	o.until(func() bool { return len(o.house.Book.Messages()) == 3 })
	got := o.house.Book.Messages()
	if m := got[1]; m.Body.Text != "Yes" || m.Facts["button"] != "approve:CW-000001" || len(m.Answers) != 1 || m.Answers[0] != r.ProviderID {
		t.Errorf("yes: %+v", m)
	}
	if m := got[2]; m.Body.Text != "No" || m.Facts["button"] != long {
		t.Errorf("no: %+v", m)
	}
	foreign, err := o.door.payload(t.Context(), customer+1, "approve:CW-000001")
	if err != nil {
		t.Fatal(err)
	}
	for _, forged := range []string{"approve:CW-000001", "d" + strings.Repeat("A", 12) + "approve", foreign, "k" + yes[1:], "x", yes[:len(yes)-1]} {
		press(forged)
		if b := o.api.Chat(customer)[1]; b.Answer != buttonGone["uk"] {
			t.Errorf("forged: the phone shows %q", b.Answer)
		}
	}
	o.confirmed()
	if n := len(o.house.Book.Messages()); n != 3 {
		t.Errorf("%d messages after forged presses", n)
	}
	if n := o.door.Counts()["forged_presses"]; n != 6 {
		t.Errorf("%d forged presses counted", n)
	}
}
