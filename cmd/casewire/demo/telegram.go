package demo

import (
	"context"
	"net/http"
	"strconv"
	"strings"
	"time"

	telegram "casewire/channels/telegram/sandbox"
)

// telegram shows a customer's chat with the bot.
func (s *Sandbox) telegram(w http.ResponseWriter, r *http.Request) {
	v := s.view(r, chatters())
	chat, _ := strconv.ParseInt(v.Me.ID, 10, 64) // of our own list
	data := struct {
		view
		Bot, Last       string
		Typing, Blocked bool
		Bubbles         []bubbleView
	}{view: v, Bot: s.world.Telegram.BotName(), Typing: s.world.Telegram.Typing(chat), Blocked: s.world.Telegram.Blocked(chat)}
	list := s.world.Telegram.Chat(chat)
	texts := map[int]string{}
	for _, b := range list {
		texts[b.ID] = b.Text
		if b.Mine && b.Kind == "" && !strings.HasPrefix(b.Text, "/") {
			data.Last = b.Text
		}
		data.Bubbles = append(data.Bubbles, s.chatBubble(v, chat, b, texts[b.ReplyTo]))
	}
	v.days(data.Bubbles)
	s.show(w, "telegram", true, data)
}

func (s *Sandbox) chatBubble(v view, chat int64, b telegram.Bubble, reply string) bubbleView {
	out := bubbleView{
		ID: strconv.Itoa(b.ID), Mine: b.Mine, Kind: b.Kind, Text: b.Text, At: b.At, Edited: b.Edited,
		Reply: beginning(reply), Taken: b.Mine && s.world.Telegram.Taken(chat, b.ID), Answer: b.Answer,
	}
	if b.File != nil {
		_, content, _ := s.world.Telegram.File(b.File.ID)
		out.Files = []fileView{{
			Name: b.File.Name, Size: size(b.File.Size), Picture: isPicture(content), Voice: isVoice(content),
			URL: v.To("/sandbox/phone/telegram/file", "id", b.File.ID),
		}}
	}
	for _, row := range b.Buttons {
		var keys []buttonView
		for _, x := range row {
			keys = append(keys, buttonView{Label: x.Label, URL: x.URL, Value: strconv.Itoa(b.ID) + " " + x.Data})
		}
		out.Buttons = append(out.Buttons, keys)
	}
	return out
}

// useTelegram does what the customer does on the phone.
func (s *Sandbox) useTelegram(w http.ResponseWriter, r *http.Request) {
	if !form(w, r) {
		return
	}
	v := s.view(r, chatters())
	chat, _ := strconv.ParseInt(v.Me.ID, 10, 64)
	v.back(w, r, s.onTelegram(r, chat))
}

// onTelegram returns the key of what is wrong, "" when nothing is.
func (s *Sandbox) onTelegram(r *http.Request, chat int64) (fault string) {
	phone, text := s.world.Telegram, strings.TrimSpace(r.FormValue("text"))
	switch r.FormValue("do") {
	case "say":
		return s.sayOnTelegram(r, chat, text)
	case "start":
		phone.Start(chat, "")
	case "sample":
		f, err := sampleFile("crack.jpg")
		if err != nil {
			return "file"
		}
		phone.Photo(chat, f.Data, text)
	case "album":
		a, errA := sampleFile("crack.jpg")
		b, errB := sampleFile("label.jpg")
		if errA != nil || errB != nil {
			return "file"
		}
		phone.Album(chat, text, a.Data, b.Data)
	case "voice":
		f, err := sampleFile("voice.oga")
		if err != nil {
			return "file"
		}
		phone.Voice(chat, f.Data, voiceLength)
	case "contact":
		phone.Contact(chat, "+380671234567", true)
	case "location":
		phone.Location(chat, 50.4501, 30.5234)
	case "block":
		phone.Block(chat)
	case "unblock":
		phone.Unblock(chat)
	case "edit":
		return s.editOnTelegram(chat, text)
	default:
		id, press, ok := strings.Cut(r.FormValue("press"), " ")
		message, err := strconv.Atoi(id)
		if !ok || err != nil || phone.Press(chat, message, press) != nil {
			return "gone"
		}
	}
	return ""
}

// voiceLength is that of the sample.
const voiceLength = 2 * time.Second

// sayOnTelegram sends the text, or files with the text under the first.
func (s *Sandbox) sayOnTelegram(r *http.Request, chat int64, text string) (fault string) {
	const most = 10 // of an album
	files, err := uploads(r, "file", most)
	if err != nil {
		return "file"
	}
	var pictures [][]byte
	for _, f := range files {
		if isPicture(f.Data) {
			pictures = append(pictures, f.Data)
		}
	}
	switch {
	case len(files) == 0 && text == "":
		return "empty"
	case len(files) == 0:
		// As a link t.me/BOT?start=PAYLOAD does it.
		if payload, ok := strings.CutPrefix(text, "/start "); ok {
			s.world.Telegram.Start(chat, strings.TrimSpace(payload))
			break
		}
		s.world.Telegram.Say(chat, text)
	case len(pictures) > 1 && len(pictures) == len(files):
		s.world.Telegram.Album(chat, text, pictures...)
	default:
		for _, f := range files {
			if isPicture(f.Data) {
				s.world.Telegram.Photo(chat, f.Data, text)
			} else {
				s.world.Telegram.Document(chat, f.Name, f.Data, text)
			}
			text = ""
		}
	}
	return ""
}

// editOnTelegram changes the customer's last text.
func (s *Sandbox) editOnTelegram(chat int64, text string) (fault string) {
	if text == "" {
		return "empty"
	}
	list := s.world.Telegram.Chat(chat)
	for i := len(list) - 1; i >= 0; i-- {
		if b := list[i]; b.Mine && b.Kind == "" && !strings.HasPrefix(b.Text, "/") {
			if s.world.Telegram.Edit(chat, b.ID, text) == nil {
				return ""
			}
			break
		}
	}
	return "gone"
}

// telegramFile serves a file of a chat.
func (s *Sandbox) telegramFile(w http.ResponseWriter, r *http.Request) {
	f, data, ok := s.world.Telegram.File(r.FormValue("id"))
	if !ok {
		http.NotFound(w, r)
		return
	}
	serveFile(w, r, attachment{f.Name, f.Type, data})
}

// telegramLive tells of changes in a chat. That the bot is writing ends by itself.
func (s *Sandbox) telegramLive(w http.ResponseWriter, r *http.Request) {
	chat, _ := strconv.ParseInt(among(chatters(), r.FormValue("me")).ID, 10, 64)
	mine, taken := s.world.Telegram.Watch(r.Context(), chat), s.world.Telegram.Watch(r.Context(), 0)
	s.stream(w, r, func(ctx context.Context) error {
		if !s.world.Telegram.Typing(chat) {
			return hinted(ctx, mine, taken)
		}
		const typing = 5 * time.Second
		soon, cancel := context.WithTimeout(ctx, typing)
		defer cancel()
		if err := hinted(soon, mine, taken); err != nil && ctx.Err() != nil {
			return err
		}
		return nil
	})
}
