package telegram

import (
	"context"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"casewire/channels"

	"github.com/go-telegram/bot"
	"github.com/go-telegram/bot/models"
)

// A button's payload is a letter, a signature over chat and data, and the data, or
// a short key for it when it does not fit (T8).
const (
	payloadBytes = 64
	macBytes     = 9
	macChars     = 12 // the same in base64
	inlineData   = 'd'
	keptData     = 'k'
	keepData     = 180 * 24 * time.Hour
	// doubleTap is how soon a second press of the same button means the first.
	doubleTap = 30 * time.Second
)

// key returns what this channel signs with, made once and kept.
func (d *Door) key(ctx context.Context) ([]byte, error) {
	d.keyMu.Lock()
	defer d.keyMu.Unlock()
	if d.signKey != nil {
		return d.signKey, nil
	}
	for {
		k, err := d.env.State.Load(ctx, "key")
		if err == nil {
			d.signKey = k
			return k, nil
		}
		if !errors.Is(err, channels.ErrNotFound) {
			return nil, wrap("load the key of buttons", err)
		}
		fresh := make([]byte, 32)
		if _, err := rand.Read(fresh); err != nil {
			return nil, wrap("make a key for buttons", err)
		}
		if _, err := d.env.State.Swap(ctx, "key", nil, fresh); err != nil {
			return nil, wrap("keep the key of buttons", err)
		}
	}
}

func mac(key []byte, chat int64, data string) string {
	h := hmac.New(sha256.New, key)
	fmt.Fprintf(h, "%d|%s", chat, data)
	return base64.RawURLEncoding.EncodeToString(h.Sum(nil)[:macBytes])
}

// payload returns what is put behind a button of a chat.
func (d *Door) payload(ctx context.Context, chat int64, data string) (string, error) {
	key, err := d.key(ctx)
	if err != nil {
		return "", err
	}
	signed := mac(key, chat, data)
	if len(data) <= payloadBytes-1-macChars && utf8.ValidString(data) {
		return string(inlineData) + signed + data, nil
	}
	sum := sha256.Sum256([]byte(data))
	short := hex.EncodeToString(sum[:12])
	if err := d.env.State.Save(ctx, "button/"+short, []byte(data), keepData); err != nil {
		return "", wrap("keep a button", err)
	}
	return string(keptData) + signed + short, nil
}

// data returns what a payload stands for, false when we never offered it here.
func (d *Door) data(ctx context.Context, chat int64, payload string) (string, bool, error) {
	if len(payload) < 1+macChars {
		return "", false, nil
	}
	data := payload[1+macChars:]
	switch payload[0] {
	case inlineData:
	case keptData:
		b, err := d.env.State.Load(ctx, "button/"+data)
		if errors.Is(err, channels.ErrNotFound) {
			return "", false, nil
		}
		if err != nil {
			return "", false, wrap("look up a button", err)
		}
		data = string(b)
	default:
		return "", false, nil
	}
	key, err := d.key(ctx)
	if err != nil {
		return "", false, err
	}
	return data, hmac.Equal([]byte(mac(key, chat, data)), []byte(payload[1:1+macChars])), nil
}

// keyboard returns the buttons of a message, two to a row when they are short.
func (d *Door) keyboard(ctx context.Context, chat int64, buttons []channels.Button) (*models.InlineKeyboardMarkup, error) {
	if len(buttons) == 0 {
		return nil, nil
	}
	perRow := 2
	for _, b := range buttons {
		if utf8.RuneCountInString(b.Label) > 18 {
			perRow = 1
		}
	}
	markup := &models.InlineKeyboardMarkup{}
	var row []models.InlineKeyboardButton
	for i, b := range buttons {
		payload, err := d.payload(ctx, chat, b.Data)
		if err != nil {
			return nil, err
		}
		label := clean(b.Label, 64)
		if label == "" {
			label = "…"
		}
		row = append(row, models.InlineKeyboardButton{Text: label, CallbackData: payload})
		if len(row) == perRow || i == len(buttons)-1 {
			markup.InlineKeyboard = append(markup.InlineKeyboard, row)
			row = nil
		}
	}
	return markup, nil
}

// callback is a press of a button.
type callback struct {
	ID      string      `json:"id"`
	From    models.User `json:"from"`
	Message *struct {
		ID      int64       `json:"message_id"`
		Thread  int         `json:"message_thread_id"`
		InTopic bool        `json:"is_topic_message"`
		Chat    models.Chat `json:"chat"`
		Markup  struct {
			Rows [][]models.InlineKeyboardButton `json:"inline_keyboard"`
		} `json:"reply_markup"`
	} `json:"message"`
	Data string `json:"data"`
}

// takePress brings in the press of a button. Pressing the same button twice in a
// row means it once.
func (d *Door) takePress(ctx context.Context, raw json.RawMessage, cursor []byte, in channels.Sink) error {
	var c callback
	if json.Unmarshal(raw, &c) != nil || c.ID == "" || c.Message == nil || c.Message.Chat.ID == 0 {
		d.count.ignored.Add(1)
		return nil
	}
	chat := c.Message.Chat.ID
	data, ours, err := d.data(ctx, chat, c.Data)
	if err != nil {
		return err
	}
	if !ours {
		d.count.forged.Add(1)
		d.answer(ctx, c.ID, say(buttonGone, c.From.LanguageCode))
		return nil
	}
	first, err := d.firstPress(ctx, &c)
	if err != nil {
		return err
	}
	m := &message{
		ID: c.Message.ID, Thread: c.Message.Thread, InTopic: c.Message.InTopic, Chat: c.Message.Chat, From: &c.From, raw: raw,
	}
	if wanted, err := d.admit(ctx, m); err != nil || !wanted {
		return err
	}
	if err := d.albums.finish(ctx, chat); err != nil {
		return err
	}
	p := d.frame(m)
	p.in.ExternalID = p.in.ExternalID + "|press|" + first
	p.in.Refs, p.in.Answers = nil, []string{d.names.message(chat, m.ID)}
	p.in.Facts["button"], p.in.Body.Text, p.in.SentAt = data, label(&c, data), p.in.Received
	done, err := d.atOnce(ctx, p)
	if err == nil && !done {
		err = d.hand(ctx, p, cursor, in)
	}
	if err != nil {
		return err
	}
	d.count.presses.Add(1)
	d.answer(ctx, c.ID, "")
	return nil
}

// firstPress returns the id of the press that this one repeats, or its own.
func (d *Door) firstPress(ctx context.Context, c *callback) (string, error) {
	sum := sha256.Sum256([]byte(strconv.FormatInt(c.Message.Chat.ID, 10) + "|" + strconv.FormatInt(c.Message.ID, 10) + "|" + c.Data))
	key := "press/" + hex.EncodeToString(sum[:12])
	b, err := d.env.State.Load(ctx, key)
	if err == nil {
		at, id, _ := strings.Cut(string(b), " ")
		ms, _ := strconv.ParseInt(at, 10, 64)
		if id == c.ID || d.env.Now().Sub(time.UnixMilli(ms)) < doubleTap {
			return id, nil
		}
	} else if !errors.Is(err, channels.ErrNotFound) {
		return "", wrap("look up a press", err)
	}
	value := strconv.FormatInt(d.env.Now().UnixMilli(), 10) + " " + c.ID
	return c.ID, wrap("keep a press", d.env.State.Save(ctx, key, []byte(value), 48*time.Hour))
}

// label returns what the pressed button says.
func label(c *callback, data string) string {
	for _, row := range c.Message.Markup.Rows {
		for _, b := range row {
			if b.CallbackData == c.Data && b.Text != "" {
				return b.Text
			}
		}
	}
	return data
}

// answer ends the waiting that the phone shows after a press. It may come too
// late, which harms nobody.
func (d *Door) answer(ctx context.Context, id, text string) {
	ctx, cancel := context.WithTimeout(ctx, d.cfg.Times.Call)
	defer cancel()
	if _, err := d.api.AnswerCallbackQuery(ctx, &bot.AnswerCallbackQueryParams{CallbackQueryID: id, Text: text, ShowAlert: text != ""}); err != nil {
		d.log.DebugContext(ctx, "a press could not be answered", "code", asRefusal(err).code)
	}
}
