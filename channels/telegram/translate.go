package telegram

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode/utf16"

	"casewire/channels"

	"github.com/go-telegram/bot/models"
	"golang.org/x/text/language"
)

// parcel is a message on its way into the house: what it says, and the files that
// are still to be fetched.
type parcel struct {
	in     channels.Inbound
	wanted []wanted
}

// wanted is a file that stands at Telegram.
type wanted struct {
	id, name, kind string
	size           int64 // 0: unknown
}

// service are the parts of messages that no customer has written; a message that
// holds one of them is none.
var service = map[string]bool{
	"new_chat_members": true, "left_chat_member": true, "new_chat_title": true, "new_chat_photo": true,
	"delete_chat_photo": true, "group_chat_created": true, "supergroup_chat_created": true, "channel_chat_created": true,
	"message_auto_delete_timer_changed": true, "migrate_to_chat_id": true, "migrate_from_chat_id": true,
	"pinned_message": true, "write_access_allowed": true, "proximity_alert_triggered": true, "boost_added": true,
	"chat_background_set": true, "forum_topic_created": true, "forum_topic_edited": true, "forum_topic_closed": true,
	"forum_topic_reopened": true, "general_forum_topic_hidden": true, "general_forum_topic_unhidden": true,
	"video_chat_scheduled": true, "video_chat_started": true, "video_chat_ended": true,
	"video_chat_participants_invited": true, "connected_website": true, "chat_owner_left": true, "chat_owner_changed": true,
}

// frame are the parts of a message that are no content.
var frame = map[string]bool{
	"message_id": true, "message_thread_id": true, "from": true, "sender_chat": true, "sender_boost_count": true,
	"date": true, "chat": true, "forward_origin": true, "forward_from": true, "forward_from_chat": true,
	"forward_from_message_id": true, "forward_sender_name": true, "forward_date": true, "is_topic_message": true,
	"is_automatic_forward": true, "reply_to_message": true, "external_reply": true, "quote": true, "via_bot": true,
	"edit_date": true, "has_protected_content": true, "is_from_offline": true, "media_group_id": true,
	"author_signature": true, "entities": true, "caption_entities": true, "link_preview_options": true,
	"effect_id": true, "show_caption_above_media": true, "has_media_spoiler": true, "reply_markup": true,
	"text": true, "caption": true, "business_connection_id": true, "sender_tag": true,
}

// isService says that nobody wrote it.
func (m *message) isService() bool {
	var parts map[string]json.RawMessage
	if json.Unmarshal(m.raw, &parts) != nil {
		return false
	}
	for key := range parts {
		if service[key] {
			return true
		}
	}
	return false
}

// translate makes of a message what the house takes. It reads nothing but m.
func (d *Door) translate(m *message) (p parcel) {
	defer func() {
		// What a stranger sends must not stop the messages behind it (E3).
		if recover() != nil {
			p = d.frame(m)
			p.in.Broken = "the message could not be read"
		}
	}()
	p = d.frame(m)
	p.in.Body.Text = words(m)
	d.contents(m, &p)
	p.in.Body.Text = cleanText(p.in.Body.Text)
	d.start(m, &p)
	if m.Reply != nil && len(m.Reply.TopicMade) == 0 {
		p.in.Answers = []string{d.names.message(m.Chat.ID, m.Reply.ID)}
	}
	return p
}

// frame is what is known of a message whatever it says.
func (d *Door) frame(m *message) parcel {
	name := d.names.message(m.Chat.ID, m.ID)
	in := channels.Inbound{
		Channel: d.env.ID, ExternalID: name, Refs: []string{name},
		From:  channels.Address{Kind: channels.Telegram, Handle: m.home().String()},
		To:    []channels.Address{{Kind: channels.Telegram, Handle: string(d.names)}},
		Facts: map[string]string{}, Received: d.env.Now(), Broken: m.broken, Source: source(m.raw),
	}
	if m.Date > 0 {
		in.SentAt = time.Unix(m.Date, 0)
	}
	if u := m.From; u != nil {
		in.From.Name = clean(u.FirstName+" "+u.LastName, 64)
		in.Body.Lang = tag(u.LanguageCode)
		if name := clean(u.Username, 64); name != "" {
			in.Facts["username"] = name
		}
		in.Auto = u.IsBot
	}
	if in.From.Name == "" {
		in.From.Name = clean(m.Chat.Title, 64)
	}
	return parcel{in: in}
}

func source(raw json.RawMessage) func() (io.ReadCloser, error) {
	return func() (io.ReadCloser, error) { return io.NopCloser(bytes.NewReader(raw)), nil }
}

// tag returns a language as BCP 47, "" for what is none.
func tag(code string) string {
	t, err := language.Parse(code)
	if err != nil || code == "" {
		return ""
	}
	return t.String()
}

// words are the text or caption, with the addresses that its links hide.
func words(m *message) string {
	text, entities := m.Text, m.Entities
	if text == "" {
		text, entities = m.Caption, m.CaptionEntities
	}
	units := utf16.Encode([]rune(text))
	slices.SortStableFunc(entities, func(a, b entity) int { return b.Offset - a.Offset })
	for _, e := range entities {
		end := e.Offset + e.Length
		if e.Type != "text_link" || e.URL == "" || e.Offset < 0 || e.Length < 0 || end < 0 || end > len(units) {
			continue
		}
		units = slices.Insert(units, end, utf16.Encode([]rune(" ("+clean(e.URL, 2000)+")"))...)
	}
	return string(utf16.Decode(units))
}

// line adds a line to the text.
func (p *parcel) line(format string, args ...any) {
	if p.in.Body.Text != "" {
		p.in.Body.Text += "\n"
	}
	p.in.Body.Text += fmt.Sprintf(format, args...)
}

func (p *parcel) want(id, name, kind string, size int64) {
	p.wanted = append(p.wanted, wanted{id, name, kind, size})
}

// contents adds what a message has besides words: files to fetch, and in words
// whatever is none (T8).
func (d *Door) contents(m *message, p *parcel) {
	before := len(p.wanted) + len(p.in.Body.Text)
	switch {
	case len(m.Photo) > 0:
		large := slices.MaxFunc(m.Photo, func(a, b models.PhotoSize) int { return a.Width*a.Height - b.Width*b.Height })
		p.want(large.FileID, "photo.jpg", "photo", int64(large.FileSize))
	case m.Animation != nil: // comes with a document as well, which is the same file
		p.want(m.Animation.FileID, fileName(m.Animation.FileName, "animation.mp4"), "animation", m.Animation.FileSize)
	case m.Document != nil:
		p.want(m.Document.FileID, fileName(m.Document.FileName, "document"), "file", m.Document.FileSize)
	case m.Voice != nil:
		p.want(m.Voice.FileID, "voice.ogg", "voice message", m.Voice.FileSize)
	case m.Audio != nil:
		p.want(m.Audio.FileID, fileName(m.Audio.FileName, "audio.mp3"), "audio", m.Audio.FileSize)
	case m.Video != nil:
		p.want(m.Video.FileID, fileName(m.Video.FileName, "video.mp4"), "video", m.Video.FileSize)
	case m.VideoNote != nil:
		p.want(m.VideoNote.FileID, "video-message.mp4", "video message", int64(m.VideoNote.FileSize))
	case m.Sticker != nil:
		p.line("[sticker %s]", clean(m.Sticker.Emoji, 16))
	case m.Contact != nil:
		contact(m, p)
	case m.Venue != nil:
		p.line("%s\n%s\n%s", clean(m.Venue.Title, 200), clean(m.Venue.Address, 200), mapLink(m.Venue.Location))
	case m.Location != nil:
		p.line("%s", mapLink(*m.Location))
	case m.Dice != nil:
		p.line("[dice %s %d]", clean(m.Dice.Emoji, 16), m.Dice.Value)
	case m.Poll != nil:
		p.line("[poll: %s]", clean(m.Poll.Question, 300))
	}
	if len(p.wanted)+len(p.in.Body.Text) == before && strings.TrimSpace(p.in.Body.Text) == "" {
		p.line("[%s]", unknown(m.raw))
	}
}

// unknown names what a message holds that the door does not know.
func unknown(raw json.RawMessage) string {
	var parts map[string]json.RawMessage
	_ = json.Unmarshal(raw, &parts) // nothing to name, then
	for _, key := range slices.Sorted(maps.Keys(parts)) {
		if !frame[key] {
			return clean(strings.ReplaceAll(key, "_", " "), 40)
		}
	}
	return "an empty message"
}

func mapLink(l models.Location) string {
	at := func(f float64) string { return strconv.FormatFloat(f, 'f', 6, 64) }
	return "https://maps.google.com/?q=" + at(l.Latitude) + "," + at(l.Longitude)
}

// contact takes a phone number; it is proven only when the customer shared their
// own.
func contact(m *message, p *parcel) {
	phone := clean(m.Contact.PhoneNumber, 32)
	if phone != "" && phone[0] != '+' && phone[0] != '0' {
		phone = "+" + phone // the clients leave the sign out
	}
	p.line("[contact: %s]", strings.TrimSpace(clean(m.Contact.FirstName+" "+m.Contact.LastName, 64)+" "+phone))
	p.in.Facts["phone"] = phone
	if m.From != nil && m.Contact.UserID != 0 && m.Contact.UserID == m.From.ID {
		p.in.Facts["phone_verified"] = "true"
	}
}

var startShape = regexp.MustCompile(`^/start(?:@[A-Za-z0-9_]{1,64})?(?:[ \n]+([A-Za-z0-9_-]{1,64}))?$`)

// start takes the payload of a deep link out of the text (T4): it is a token,
// which the house verifies.
func (d *Door) start(m *message, p *parcel) {
	got := startShape.FindStringSubmatch(strings.TrimSpace(m.Text))
	if got == nil {
		return
	}
	p.in.Body.Text = "/start"
	if got[1] != "" {
		p.in.Facts["start"] = got[1]
		p.in.Source = nil // it holds the token
	}
}

// version turns a translated message into an edited one. Two edits may fall into
// one second, so what the new version says is part of its name.
func version(p *parcel, m *message, of string) {
	h := sha256.New()
	fmt.Fprintf(h, "%q", p.in.Body.Text)
	for _, w := range p.wanted {
		fmt.Fprintf(h, "%q", w.id)
	}
	p.in.Replaces = of
	p.in.ExternalID = of + "|e" + strconv.FormatInt(m.Edit, 10) + "-" + hex.EncodeToString(h.Sum(nil)[:4])
}
