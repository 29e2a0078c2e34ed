package telegram

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"sync"
	"time"

	"casewire/channels"

	"github.com/go-telegram/bot"
	"github.com/go-telegram/bot/models"
)

const (
	maxPhoto    = 10 << 20 // bytes (T8)
	maxUpload   = 50 << 20
	keepSent    = 48 * time.Hour
	uploadTime  = 3 * time.Minute
	codeAddress = "no_chat"
	codeEmpty   = "empty"
	codeLarge   = "file_too_large"
	codeGone    = "no_file"
)

// piece is one message of Telegram's; a long text or several files take more.
type piece struct {
	text    string
	file    *channels.File
	photo   bool
	buttons []channels.Button
	reply   int // the message it answers, or 0
}

// shipment is one Outbound on its way.
type shipment struct {
	chat    int64
	at      place
	bulk    bool
	bold    string
	pieces  []piece
	arrived []string // names of the pieces that Telegram has
}

// Send hands m to Telegram, in as many messages as it takes (T6), and waits for
// the pace that Telegram allows, people before machines (T7). What has gone out of
// a message is remembered by its ID, so that sending it again goes on where it
// stopped. Errors are *channels.SendError.
func (d *Door) Send(ctx context.Context, m channels.Outbound) (channels.Receipt, error) {
	at, ok := parsePlace(m.To.Handle)
	switch {
	case m.To.Kind != channels.Telegram || !ok:
		return channels.Receipt{}, d.refuse(channels.BadAddress, codeAddress, "not a chat of Telegram")
	case cleanText(m.Body.Text) == "" && len(m.Body.Files) == 0:
		return channels.Receipt{}, d.refuse(channels.BadContent, codeEmpty, "neither text nor files")
	}
	for _, f := range m.Body.Files {
		if f.Size > maxUpload {
			return channels.Receipt{}, d.refuse(channels.BadContent, codeLarge, "a file is larger than the 50 MB that Telegram takes")
		}
	}
	s := &shipment{at: at, bulk: m.Auto, bold: m.Case}
	var err error
	if s.chat, err = d.where(ctx, at); err == nil {
		s.arrived, err = d.progress(ctx, m.ID)
	}
	if err != nil {
		return channels.Receipt{}, &channels.SendError{Reason: channels.Unreachable, Retry: true, Err: err}
	}
	s.pieces = d.pieces(m, s.chat)
	for len(s.arrived) < len(s.pieces) {
		if err := d.ship(ctx, m.ID, s); err != nil {
			return channels.Receipt{}, d.failed(err)
		}
	}
	d.count.sent.Add(1)
	return channels.Receipt{
		Channel: d.env.ID, OutboundID: m.ID, ProviderID: s.arrived[0], Refs: s.arrived[1:], State: channels.Sent, At: d.env.Now(),
	}, nil
}

func (d *Door) refuse(reason channels.Reason, code, text string) error {
	d.count.refused.Add(1)
	return &channels.SendError{Reason: reason, Code: code, Err: errors.New(text)}
}

// failed turns what stopped a message into a decision.
func (d *Door) failed(err error) error {
	e, ok := errors.AsType[*channels.SendError](err)
	if !ok {
		r, answered := errors.AsType[*refusal](err)
		if !answered {
			return &channels.SendError{Reason: channels.Unreachable, Retry: true, Err: err}
		}
		d.throttled(r)
		e = r.sendError()
	}
	if e.Reason == channels.Unsure {
		d.count.uncertain.Add(1)
	} else {
		d.count.refused.Add(1)
	}
	return e
}

// throttled has everything wait when Telegram asks for it.
func (d *Door) throttled(r *refusal) {
	if r.code == http.StatusTooManyRequests {
		d.count.throttled.Add(1)
		d.pace.pause(max(r.after, time.Second))
	}
}

// where returns the chat that an address stands for now.
func (d *Door) where(ctx context.Context, at place) (int64, error) {
	moved, err := d.current(ctx, at.chat)
	return cmp.Or(moved, at.chat), err
}

// progress returns the names of the pieces that have gone out already.
func (d *Door) progress(ctx context.Context, id string) (arrived []string, err error) {
	b, err := d.env.State.Load(ctx, "sent/"+id)
	if errors.Is(err, channels.ErrNotFound) {
		return nil, nil
	}
	if err != nil {
		return nil, wrap("look up what was sent", err)
	}
	return arrived, wrap("look up what was sent", json.Unmarshal(b, &arrived))
}

// pieces plans the messages; the same Outbound always makes the same.
func (d *Door) pieces(m channels.Outbound, chat int64) []piece {
	var out []piece
	text := cleanText(m.Body.Text)
	if len(m.Body.Files) == 0 || units(text) > captionUnits {
		for _, part := range segments(text, textUnits) {
			out = append(out, piece{text: part})
		}
		text = ""
	}
	for i := range m.Body.Files {
		f := &m.Body.Files[i]
		out = append(out, piece{
			file: f, text: text,
			photo: (f.Type == "image/jpeg" || f.Type == "image/png") && f.Size <= maxPhoto,
		})
		text = ""
	}
	out[0].reply = d.answered(m.Answers, chat)
	last := 0
	for i := range out {
		if out[i].text != "" {
			last = i
		}
	}
	out[last].buttons = m.Body.Buttons
	return out
}

// answered returns the number of the nearest message of this chat.
func (d *Door) answered(names []string, chat int64) int {
	for _, name := range names {
		if c, id, ok := d.names.parse(name); ok && c == chat {
			return int(id)
		}
	}
	return 0
}

// ship sends the next piece and remembers that it went out.
func (d *Door) ship(ctx context.Context, id string, s *shipment) error {
	p := &s.pieces[len(s.arrived)]
	if err := d.pace.wait(ctx, s.chat, s.bulk); err != nil {
		return err
	}
	number, err := d.deliver(ctx, s, p)
	if r, ok := errors.AsType[*refusal](err); ok && r.moved != 0 {
		if err := d.moved(ctx, s.chat, r.moved); err != nil {
			return err
		}
		s.chat, p.reply = r.moved, 0
		number, err = d.deliver(ctx, s, p)
	}
	if err != nil {
		return err
	}
	d.count.parts.Add(1)
	d.check("telegram.sent")
	s.arrived = append(s.arrived, d.names.message(s.chat, int64(number)))
	b, err := json.Marshal(s.arrived)
	if err == nil {
		// The message is out whatever ctx says by now.
		err = d.env.State.Save(context.WithoutCancel(ctx), "sent/"+id, b, keepSent)
	}
	if err != nil {
		d.log.WarnContext(ctx, "what was sent cannot be remembered", "err", err)
	}
	return nil
}

// deliver makes the call for a piece, in the form that Telegram takes: without
// marks when it cannot read them (T6), and as a document when a picture is not to
// its liking.
func (d *Door) deliver(ctx context.Context, s *shipment, p *piece) (int, error) {
	keys, err := d.keyboard(ctx, s.chat, p.buttons)
	if err != nil {
		return 0, err
	}
	c := &call{d: d, s: s, p: p, mode: models.ParseModeHTML, text: markup(p.text, s.bold), photo: p.photo}
	if keys != nil {
		c.markup = keys
	}
	for {
		number, err := c.make(ctx)
		r, refused := errors.AsType[*refusal](err)
		switch {
		case !refused || r.code != http.StatusBadRequest:
			return number, err
		case c.mode != "" && r.says("can't parse entities"):
			c.mode, c.text = "", p.text
			d.count.plain.Add(1)
		case c.photo && r.says("photo_invalid", "image_process", "photo_ext", "wrong type"):
			c.photo = false
		default:
			return 0, err
		}
		if err := d.pace.wait(ctx, s.chat, s.bulk); err != nil {
			return 0, err
		}
	}
}

// call is one request for a piece.
type call struct {
	d      *Door
	s      *shipment
	p      *piece
	mode   models.ParseMode
	text   string
	photo  bool
	markup models.ReplyMarkup
}

func (c *call) make(ctx context.Context) (int, error) {
	var reply *models.ReplyParameters
	if c.p.reply != 0 {
		reply = &models.ReplyParameters{MessageID: c.p.reply, AllowSendingWithoutReply: true}
	}
	if c.p.file == nil {
		ctx, cancel := context.WithTimeout(ctx, c.d.cfg.Times.Call)
		defer cancel()
		return numbered(c.d.api.SendMessage(ctx, &bot.SendMessageParams{
			ChatID: c.s.chat, MessageThreadID: c.s.at.thread, Text: c.text, ParseMode: c.mode, ReplyParameters: reply, ReplyMarkup: c.markup,
		}))
	}
	data, err := c.d.env.Files.Open(ctx, c.p.file.Blob)
	switch {
	case errors.Is(err, channels.ErrNotFound):
		return 0, &channels.SendError{Reason: channels.BadContent, Code: codeGone, Err: errors.New("a file is not there any more")}
	case err != nil:
		return 0, wrap("open a file", err)
	}
	up := &upload{r: data}
	defer up.Close()
	ctx, cancel := context.WithTimeout(ctx, uploadTime)
	defer cancel()
	file := &models.InputFileUpload{Filename: fileName(c.p.file.Name, "file"), Data: up}
	mode := c.mode
	if c.text == "" {
		mode = ""
	}
	if c.photo {
		return numbered(c.d.api.SendPhoto(ctx, &bot.SendPhotoParams{
			ChatID: c.s.chat, MessageThreadID: c.s.at.thread, Photo: file, Caption: c.text, ParseMode: mode, ReplyParameters: reply, ReplyMarkup: c.markup,
		}))
	}
	return numbered(c.d.api.SendDocument(ctx, &bot.SendDocumentParams{
		ChatID: c.s.chat, MessageThreadID: c.s.at.thread, Document: file, Caption: c.text, ParseMode: mode, ReplyParameters: reply, ReplyMarkup: c.markup,
	}))
}

func numbered(m *models.Message, err error) (int, error) {
	if err != nil {
		return 0, asRefusal(err)
	}
	if m == nil || m.ID == 0 {
		return 0, &refusal{wrote: true, text: "the answer does not name the message"}
	}
	return m.ID, nil
}

// upload is a file that the library reads in a goroutine of its own, which may
// still be reading when the call is over.
type upload struct {
	mu sync.Mutex
	r  io.ReadCloser
}

func (u *upload) Read(p []byte) (int, error) {
	u.mu.Lock()
	defer u.mu.Unlock()
	if u.r == nil {
		return 0, io.ErrClosedPipe
	}
	return u.r.Read(p)
}

// Close returns when nobody reads any more.
func (u *upload) Close() error {
	u.mu.Lock()
	defer u.mu.Unlock()
	if u.r == nil {
		return nil
	}
	err := u.r.Close()
	u.r = nil
	return err
}
