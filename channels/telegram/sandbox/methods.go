package sandbox

import (
	"context"
	"encoding/json"
	"net/http"
	"strconv"
	"strings"
)

// method is one that the bot may call, and the parameters that it has.
type method struct {
	params []string
	run    func(s *Server, ctx context.Context, c *Call) (any, *fault)
}

// common are the parameters of every method that sends.
var common = []string{
	"business_connection_id", "chat_id", "message_thread_id", "direct_messages_topic_id", "disable_notification",
	"protect_content", "allow_paid_broadcast", "message_effect_id", "suggested_post_parameters", "reply_parameters",
	"reply_markup",
}

func with(more ...string) []string { return append(append([]string(nil), common...), more...) }

var methods = map[string]method{
	"getMe":          {nil, (*Server).getMe},
	"getUpdates":     {[]string{"offset", "limit", "timeout", "allowed_updates"}, (*Server).getUpdates},
	"setWebhook":     {[]string{"url", "certificate", "ip_address", "max_connections", "allowed_updates", "drop_pending_updates", "secret_token"}, (*Server).setWebhook},
	"deleteWebhook":  {[]string{"drop_pending_updates"}, (*Server).setWebhook},
	"getWebhookInfo": {nil, (*Server).getWebhookInfo},
	"getFile":        {[]string{"file_id"}, (*Server).getFile},
	"sendMessage":    {with("text", "parse_mode", "entities", "link_preview_options"), (*Server).sendMessage},
	"sendPhoto":      {with("photo", "caption", "parse_mode", "caption_entities", "show_caption_above_media", "has_spoiler"), sendMedia("photo")},
	"sendDocument":   {with("document", "thumbnail", "caption", "parse_mode", "caption_entities", "disable_content_type_detection"), sendMedia("document")},
	"sendChatAction": {[]string{"business_connection_id", "chat_id", "message_thread_id", "action"}, (*Server).sendChatAction},
	"answerCallbackQuery": {
		[]string{"callback_query_id", "text", "show_alert", "url", "cache_time"}, (*Server).answerCallbackQuery,
	},
	"editMessageText": {
		[]string{"business_connection_id", "chat_id", "message_id", "inline_message_id", "text", "parse_mode", "entities", "link_preview_options", "reply_markup"},
		(*Server).editMessageText,
	},
}

func (s *Server) getMe(_ context.Context, _ *Call) (any, *fault) {
	return map[string]any{
		"id": s.botID, "is_bot": true, "first_name": "Casewire sandbox", "username": s.o.BotName,
		"can_join_groups": true, "can_read_all_group_messages": false, "supports_inline_queries": false,
	}, nil
}

func (s *Server) getFile(_ context.Context, c *Call) (any, *fault) {
	s.mu.Lock()
	defer s.mu.Unlock()
	f := s.fileOf(c.Fields["file_id"])
	switch {
	case f == nil:
		return nil, bad("invalid file_id")
	case f.Size > maxDownload:
		return nil, bad("file is too big")
	}
	return map[string]any{"file_id": f.ID, "file_unique_id": "U" + f.ID, "file_size": f.Size, "file_path": f.Path}, nil
}

// target returns the chat that a call is for. The caller holds mu.
func (s *Server) target(c *Call) (int64, *chat, *fault) {
	if c.Fields["chat_id"] == "" {
		return 0, nil, bad("chat_id is empty")
	}
	id, err := strconv.ParseInt(c.Fields["chat_id"], 10, 64)
	to := s.state.Chats[id]
	switch {
	case err != nil || to == nil:
		return 0, nil, bad("chat not found")
	case to.Moved != 0:
		f := bad("group chat was upgraded to a supergroup chat")
		f.migrate = to.Moved
		return 0, nil, f
	case to.Gone:
		return 0, nil, forbidden("user is deactivated")
	case to.Blocked && to.Kind != "private":
		return 0, nil, forbidden("bot was kicked from the " + to.Kind + " chat")
	case to.Blocked:
		return 0, nil, forbidden("bot was blocked by the user")
	}
	return id, to, nil
}

func (s *Server) sendChatAction(_ context.Context, c *Call) (any, *fault) {
	if !strings.Contains(" typing upload_photo record_video upload_video record_voice upload_voice upload_document choose_sticker find_location record_video_note upload_video_note ", " "+c.Fields["action"]+" ") {
		return nil, bad("wrong parameter action in request")
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	id, to, f := s.target(c)
	if f != nil {
		return nil, f
	}
	to.typing = s.o.Now()
	s.changed(id)
	return true, nil
}

func (s *Server) answerCallbackQuery(_ context.Context, c *Call) (any, *fault) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for id, to := range s.state.Chats {
		for _, b := range to.Bubbles {
			if b.Press != "" && b.Press == c.Fields["callback_query_id"] {
				if units(c.Fields["text"]) > 200 {
					return nil, bad("MESSAGE_TOO_LONG")
				}
				b.Press, b.Answer, b.Answered = "", c.Fields["text"], true
				s.changed(id)
				return true, nil
			}
		}
	}
	return nil, bad("query is too old and response timeout expired or query ID is invalid")
}

func (s *Server) editMessageText(_ context.Context, c *Call) (any, *fault) {
	text, f := c.text("text", "message text is empty", "MESSAGE_TOO_LONG", maxText)
	if f != nil {
		return nil, f
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	id, to, f := s.target(c)
	if f != nil {
		return nil, f
	}
	b := to.find(int(c.number("message_id")))
	switch {
	case b == nil:
		return nil, bad("message to edit not found")
	case b.Mine:
		return nil, bad("message can't be edited")
	case b.Text == text && c.Fields["reply_markup"] == "":
		return nil, bad("message is not modified: specified new message content and reply markup are exactly the same as a current content and reply markup of the message")
	}
	buttons, f := c.buttons()
	if f != nil {
		return nil, f
	}
	b.Text, b.Edited, b.Buttons = text, true, buttons
	s.changed(id)
	return s.sent(id, to, b), nil
}

// text returns a text parameter as the customer will read it.
func (c *Call) text(name, empty, long string, limit int) (string, *fault) {
	text := c.Fields[name]
	switch c.Fields["parse_mode"] {
	case "":
	case "HTML":
		var f *fault
		if text, f = parseHTML(text); f != nil {
			return "", f
		}
	default:
		return "", bad("unsupported parse_mode")
	}
	text = strings.TrimSpace(text)
	if text == "" && empty != "" {
		return "", bad("%s", empty)
	}
	if units(text) > limit {
		return "", bad("%s", long)
	}
	return text, nil
}

// buttons returns the rows of the inline keyboard.
func (c *Call) buttons() ([][]Button, *fault) {
	if c.Fields["reply_markup"] == "" {
		return nil, nil
	}
	var markup struct {
		Rows [][]struct {
			Text     string `json:"text"`
			Callback string `json:"callback_data"`
			URL      string `json:"url"`
		} `json:"inline_keyboard"`
	}
	if json.Unmarshal([]byte(c.Fields["reply_markup"]), &markup) != nil {
		return nil, bad("can't parse reply keyboard markup JSON object")
	}
	var out [][]Button
	for _, row := range markup.Rows {
		var r []Button
		for _, b := range row {
			switch {
			case strings.TrimSpace(b.Text) == "":
				return nil, bad("can't parse inline keyboard button: Text must be non-empty")
			case b.URL == "" && b.Callback == "":
				return nil, bad("can't parse inline keyboard button: Text buttons are unallowed in the inline keyboard")
			case len(b.Callback) > maxCallback:
				return nil, bad("BUTTON_DATA_INVALID")
			}
			r = append(r, Button{Label: b.Text, Data: b.Callback, URL: b.URL})
		}
		out = append(out, r)
	}
	return out, nil
}

func tooMany(seconds int) *fault {
	return &fault{code: http.StatusTooManyRequests, text: "Too Many Requests: retry after " + strconv.Itoa(seconds), retryAfter: seconds}
}
