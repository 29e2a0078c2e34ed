package telegram

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"time"

	"casewire/channels"

	"github.com/go-telegram/bot"
	"github.com/go-telegram/bot/models"
)

// take brings one update into the house. After nil it is durable, or needs not to
// be; after an error it has to be taken again. cursor is stored with it, when
// anything is.
func (d *Door) take(ctx context.Context, u update, cursor []byte, in channels.Sink) error {
	d.count.updates.Add(1)
	switch {
	case len(u.Message) > 0:
		return d.takeMessage(ctx, readMessage(u.Message), u, cursor, in)
	case len(u.Edited) > 0:
		return d.takeEdit(ctx, readMessage(u.Edited), cursor, in)
	case len(u.Callback) > 0:
		return d.takePress(ctx, u.Callback, cursor, in)
	case len(u.Member) > 0:
		return d.takeMember(ctx, u.Member, cursor, in)
	}
	// Kinds that were not asked for come for a while after allowed_updates changed.
	d.count.ignored.Add(1)
	return nil
}

func (d *Door) takeMessage(ctx context.Context, m *message, u update, cursor []byte, in channels.Sink) error {
	if m.Chat.ID == 0 {
		m.ID, m.broken = 0, cmp.Or(m.broken, "the message does not say who wrote it")
		p := d.translate(m)
		p.in.ExternalID = string(d.names) + "|update|" + strconv.FormatInt(u.ID, 10)
		p.in.From.Name = cmp.Or(p.in.From.Name, "unknown")
		p.in.Refs = nil
		return d.hand(ctx, p, cursor, in)
	}
	if m.MovedTo != 0 {
		return d.moved(ctx, m.Chat.ID, m.MovedTo)
	}
	if m.MovedFrom != 0 {
		return d.moved(ctx, m.MovedFrom, m.Chat.ID)
	}
	if wanted, err := d.admit(ctx, m); err != nil || !wanted {
		return err
	}
	if m.Group != "" {
		taken, err := d.albums.add(ctx, m)
		if err != nil || taken {
			return err
		}
	}
	if err := d.albums.finish(ctx, m.Chat.ID); err != nil {
		return err
	}
	p := d.translate(m)
	if done, err := d.atOnce(ctx, p); err != nil || done {
		return err
	}
	return d.hand(ctx, p, cursor, in)
}

// admit says whether a message is the door's business: groups are refused unless
// they are configured, and what no person wrote is none.
func (d *Door) admit(ctx context.Context, m *message) (bool, error) {
	if m.isService() {
		d.count.ignored.Add(1)
		return false, nil
	}
	if m.private() {
		return true, nil
	}
	if d.cfg.Groups != groupsTopics || m.Chat.Type == models.ChatTypeChannel {
		d.count.ignored.Add(1)
		return false, d.declineGroup(ctx, m)
	}
	var err error
	m.origin, err = d.origin(ctx, m.Chat.ID)
	return true, err
}

// declineGroup tells a group, once, that the bot is for private chats (T4).
func (d *Door) declineGroup(ctx context.Context, m *message) error {
	if m.Chat.Type == models.ChatTypeChannel {
		return nil
	}
	first, err := d.env.State.Swap(ctx, "group/"+strconv.FormatInt(m.Chat.ID, 10), nil, []byte("declined"))
	if err != nil || !first {
		return wrap("remember a group", err)
	}
	lang := ""
	if m.From != nil {
		lang = m.From.LanguageCode
	}
	if err := d.pace.wait(ctx, m.Chat.ID, false); err != nil {
		return nil //nolint:nilerr // being polite is not worth a second try
	}
	call, cancel := context.WithTimeout(ctx, d.cfg.Times.Call)
	defer cancel()
	if _, err := d.api.SendMessage(call, &bot.SendMessageParams{ChatID: m.Chat.ID, Text: say(privateOnly, lang)}); err != nil {
		d.log.DebugContext(ctx, "a group could not be told that the bot is for private chats")
	}
	return nil
}

// hand fetches the files of a message and gives it to the house.
func (d *Door) hand(ctx context.Context, p parcel, cursor []byte, in channels.Sink) error {
	if err := d.fetchAll(ctx, &p); err != nil {
		return err
	}
	p.in.Body.Text = cleanText(p.in.Body.Text)
	p.in.Cursor = cursor
	d.check("telegram.taken")
	if err := in.Message(ctx, p.in); err != nil {
		return fmt.Errorf("store a message: %w", err)
	}
	d.count.messages.Add(1)
	d.check("telegram.stored")
	return nil
}

// takeEdit brings in a new version of a message (T5). It may come before the
// message itself; the house copes.
func (d *Door) takeEdit(ctx context.Context, m *message, cursor []byte, in channels.Sink) error {
	if m.Chat.ID == 0 || m.Location != nil {
		d.count.ignored.Add(1) // a live location is edited every few seconds
		return nil
	}
	if wanted, err := d.admit(ctx, m); err != nil || !wanted {
		return err
	}
	if m.Group != "" {
		p, known, err := d.albums.edit(ctx, m)
		if err != nil || known && p == nil {
			return err
		}
		if known {
			d.count.edits.Add(1)
			return d.hand(ctx, *p, cursor, in)
		}
	}
	p := d.translate(m)
	version(&p, m, d.names.message(m.Chat.ID, m.ID))
	d.count.edits.Add(1)
	return d.hand(ctx, p, cursor, in)
}

// member is a my_chat_member update, of which the library's type refuses kinds of
// members that it does not know.
type member struct {
	Chat models.Chat `json:"chat"`
	Date int64       `json:"date"`
	New  struct {
		Status string `json:"status"`
	} `json:"new_chat_member"`
}

// takeMember brings in that the customer has blocked or unblocked the bot (T7).
func (d *Door) takeMember(ctx context.Context, raw json.RawMessage, cursor []byte, in channels.Sink) error {
	var m member
	if json.Unmarshal(raw, &m) != nil || m.Chat.ID == 0 || m.New.Status == "" {
		d.count.ignored.Add(1)
		return nil
	}
	private := m.Chat.Type == models.ChatTypePrivate
	if !private && d.cfg.Groups != groupsTopics {
		d.count.ignored.Add(1)
		return nil
	}
	origin, err := d.origin(ctx, m.Chat.ID)
	if err != nil {
		return err
	}
	s := channels.Standing{
		Channel:    d.env.ID,
		ExternalID: d.names.message(m.Chat.ID, m.Date) + "|" + clean(m.New.Status, 20),
		Address:    channels.Address{Kind: channels.Telegram, Handle: place{chat: cmp.Or(origin, m.Chat.ID)}.String()},
		Open:       m.New.Status != "kicked" && m.New.Status != "left",
		Code:       "bot_unblocked", At: time.Unix(m.Date, 0), Cursor: cursor,
	}
	if !s.Open {
		s.Reason, s.Code = channels.Blocked, "bot_blocked"
	}
	if err := in.Standing(ctx, s); err != nil {
		return fmt.Errorf("store a standing: %w", err)
	}
	d.count.standings.Add(1)
	return nil
}

// moved remembers that a group has become another chat (T4).
func (d *Door) moved(ctx context.Context, from, to int64) error {
	if from == to {
		return nil
	}
	home, err := d.origin(ctx, from)
	if err != nil {
		return err
	}
	home = cmp.Or(home, from)
	for key, value := range map[string]int64{"moved/" + strconv.FormatInt(home, 10): to, "origin/" + strconv.FormatInt(to, 10): home} {
		if err := d.env.State.Save(ctx, key, []byte(strconv.FormatInt(value, 10)), 0); err != nil {
			return wrap("remember a move", err)
		}
	}
	return nil
}

// origin returns the number under which the house knows a chat, 0 for its own.
func (d *Door) origin(ctx context.Context, chat int64) (int64, error) {
	return d.number(ctx, "origin/", chat)
}

// current returns where a chat that the house knows is now, 0 for where it was.
func (d *Door) current(ctx context.Context, chat int64) (int64, error) {
	return d.number(ctx, "moved/", chat)
}

func (d *Door) number(ctx context.Context, prefix string, chat int64) (int64, error) {
	if chat > 0 {
		return 0, nil // only groups move
	}
	b, err := d.env.State.Load(ctx, prefix+strconv.FormatInt(chat, 10))
	if errors.Is(err, channels.ErrNotFound) {
		return 0, nil
	}
	if err != nil {
		return 0, wrap("look up a move", err)
	}
	n, err := strconv.ParseInt(string(b), 10, 64)
	return n, wrap("look up a move", err)
}

// wrap adds what was tried; nil stays nil.
func wrap(what string, err error) error {
	if err == nil {
		return nil
	}
	return fmt.Errorf("%s: %w", what, err)
}
