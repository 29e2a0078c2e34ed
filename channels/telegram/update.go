package telegram

import (
	"encoding/json"
	"strconv"
	"strings"

	"github.com/go-telegram/bot/models"
)

// allowed are the updates that are asked for (T3).
var allowed = []string{
	models.AllowedUpdateMessage, models.AllowedUpdateEditedMessage, models.AllowedUpdateCallbackQuery, models.AllowedUpdateMyChatMember,
}

// update is one update as it came. Its parts are read one by one, so that what
// cannot be read of one spoils nothing else.
type update struct {
	ID       int64           `json:"update_id"`
	Message  json.RawMessage `json:"message"`
	Edited   json.RawMessage `json:"edited_message"`
	Callback json.RawMessage `json:"callback_query"`
	Member   json.RawMessage `json:"my_chat_member"`
	raw      json.RawMessage
}

// readUpdate reads the frame of an update.
func readUpdate(raw json.RawMessage) (update, error) {
	u := update{raw: raw}
	if err := json.Unmarshal(raw, &u); err != nil {
		// The number is enough to confirm it one day.
		var id struct {
			ID int64 `json:"update_id"`
		}
		if json.Unmarshal(raw, &id) != nil || id.ID == 0 {
			return u, errNoNumber
		}
		return update{ID: id.ID, raw: raw}, nil
	}
	if u.ID == 0 {
		return u, errNoNumber
	}
	return u, nil
}

// lane returns the number of the chat that an update is about, whose updates are
// taken in one after the other; 0 for none.
func (u update) lane() int64 {
	var at struct {
		Chat    models.Chat `json:"chat"`
		Message struct {
			Chat models.Chat `json:"chat"`
		} `json:"message"`
	}
	for _, part := range []json.RawMessage{u.Message, u.Edited, u.Callback, u.Member} {
		if len(part) > 0 {
			_ = json.Unmarshal(part, &at) // as far as it can be read
			break
		}
	}
	if at.Chat.ID != 0 {
		return at.Chat.ID
	}
	return at.Message.Chat.ID
}

// message is what the door reads of a message. The library's own type refuses a
// message whole when one of its many parts is of a sort it does not know.
type message struct {
	ID              int64              `json:"message_id"`
	Thread          int                `json:"message_thread_id"`
	InTopic         bool               `json:"is_topic_message"`
	From            *models.User       `json:"from"`
	Date            int64              `json:"date"`
	Edit            int64              `json:"edit_date"`
	Chat            models.Chat        `json:"chat"`
	Group           string             `json:"media_group_id"`
	Reply           *replied           `json:"reply_to_message"`
	Text            string             `json:"text"`
	Entities        []entity           `json:"entities"`
	Caption         string             `json:"caption"`
	CaptionEntities []entity           `json:"caption_entities"`
	Photo           []models.PhotoSize `json:"photo"`
	Document        *models.Document   `json:"document"`
	Voice           *models.Voice      `json:"voice"`
	Audio           *models.Audio      `json:"audio"`
	Video           *models.Video      `json:"video"`
	VideoNote       *models.VideoNote  `json:"video_note"`
	Animation       *models.Animation  `json:"animation"`
	Sticker         *models.Sticker    `json:"sticker"`
	Contact         *models.Contact    `json:"contact"`
	Location        *models.Location   `json:"location"`
	Venue           *models.Venue      `json:"venue"`
	Dice            *models.Dice       `json:"dice"`
	Poll            *poll              `json:"poll"`
	MovedTo         int64              `json:"migrate_to_chat_id"`
	MovedFrom       int64              `json:"migrate_from_chat_id"`

	raw    json.RawMessage
	broken string // why it could not be read in full
	origin int64  // the number under which the house knows a chat that has moved, or 0
}

type replied struct {
	ID int64 `json:"message_id"`
	// Every message of a topic answers the one that made it, which means nothing.
	TopicMade json.RawMessage `json:"forum_topic_created"`
}

type entity struct {
	Type   string `json:"type"`
	Offset int    `json:"offset"` // UTF-16 units
	Length int    `json:"length"`
	URL    string `json:"url"`
}

type poll struct {
	Question string `json:"question"`
}

// readMessage reads a message; what cannot be read in full is read as far as it
// matters for whom to answer.
func readMessage(raw json.RawMessage) *message {
	m := &message{raw: raw}
	if err := json.Unmarshal(raw, m); err == nil {
		return m
	}
	var parts map[string]json.RawMessage
	if json.Unmarshal(raw, &parts) != nil {
		return &message{raw: raw, broken: "the message could not be read"}
	}
	m = &message{raw: raw, broken: "the message could not be read in full"}
	for key, into := range map[string]any{
		"message_id": &m.ID, "date": &m.Date, "edit_date": &m.Edit, "text": &m.Text, "caption": &m.Caption, "message_thread_id": &m.Thread,
		"is_topic_message": &m.InTopic, "media_group_id": &m.Group,
	} {
		_ = json.Unmarshal(parts[key], into)
	}
	var from models.User
	if json.Unmarshal(parts["from"], &from) == nil {
		m.From = &from
	}
	var c models.Chat
	if json.Unmarshal(parts["chat"], &c) != nil {
		var id struct {
			ID int64 `json:"id"`
		}
		_ = json.Unmarshal(parts["chat"], &id)
		c = models.Chat{ID: id.ID, Type: models.ChatTypePrivate}
	}
	m.Chat = c
	return m
}

// private says that the chat has one customer in it.
func (m *message) private() bool { return m.Chat.Type == models.ChatTypePrivate || m.Chat.Type == "" }

// place is a conversation: a chat, or one topic of it (T4).
type place struct {
	chat   int64
	thread int
}

func (m *message) place() place {
	p := place{chat: m.Chat.ID}
	if m.InTopic && !m.private() {
		p.thread = m.Thread
	}
	return p
}

// home is the conversation under the number that the house knows it by.
func (m *message) home() place {
	p := m.place()
	if m.origin != 0 {
		p.chat = m.origin
	}
	return p
}

// String is the handle of an address: "12345", "-100123/7".
func (p place) String() string {
	if p.thread == 0 {
		return strconv.FormatInt(p.chat, 10)
	}
	return strconv.FormatInt(p.chat, 10) + "/" + strconv.Itoa(p.thread)
}

func parsePlace(handle string) (place, bool) {
	chat, thread, topic := strings.Cut(handle, "/")
	id, err := strconv.ParseInt(chat, 10, 64)
	if err != nil || id == 0 {
		return place{}, false
	}
	p := place{chat: id}
	if topic {
		if p.thread, err = strconv.Atoi(thread); err != nil || p.thread <= 0 {
			return place{}, false
		}
	}
	return p, p.String() == handle
}

// names makes the names by which messages refer to each other.
type names string // the bot's number

func (n names) message(chat, id int64) string {
	return string(n) + "|" + strconv.FormatInt(chat, 10) + "|" + strconv.FormatInt(id, 10)
}

// parse returns chat and number of a message of this bot.
func (n names) parse(name string) (chat, id int64, ok bool) {
	rest, ok := strings.CutPrefix(name, string(n)+"|")
	if !ok {
		return 0, 0, false
	}
	c, i, ok := strings.Cut(rest, "|")
	if !ok {
		return 0, 0, false
	}
	chat, err := strconv.ParseInt(c, 10, 64)
	if err != nil {
		return 0, 0, false
	}
	id, err = strconv.ParseInt(i, 10, 64)
	return chat, id, err == nil
}
