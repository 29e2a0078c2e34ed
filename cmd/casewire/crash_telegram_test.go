package main

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"casewire/channels"
	telegram "casewire/channels/telegram/sandbox"
)

// chatter is a customer who writes to the bot. A message is acknowledged when the
// bot has confirmed its updates, and Telegram has forgotten them.
type chatter struct {
	correspondent
	srv   *telegram.Server
	chat  int64
	asked int // commands and presses
}

// What the bot answers by itself, in words of which no notice has any.
const (
	botHello  = "Welcome to "
	botPerson = "Write your question here"
)

func newChatter(name string, n int, w *world, srv *telegram.Server) *chatter {
	chat := int64(7000 + n)
	srv.Join(telegram.Person{ID: chat, First: name, Lang: "en"})
	c := &chatter{srv: srv, chat: chat}
	c.correspondent = correspondent{
		name: name, at: channels.Address{Kind: channels.Telegram, Handle: strconv.FormatInt(chat, 10)}, tick: w.tick, excused: w.excuses,
		shows: func() []arrival {
			var out []arrival
			for _, b := range srv.Chat(chat) {
				if !b.Mine {
					bot := strings.HasPrefix(b.Text, botHello) || strings.HasPrefix(b.Text, botPerson)
					out = append(out, arrival{strconv.Itoa(b.ID), plain(b.Text), bot})
				}
			}
			return out
		},
		watch: c.watches,
	}
	return c
}

// watches returns when ok holds; it looks at each change of the chat and whenever
// the bot confirms something.
func (c *chatter) watches(ctx context.Context, ok func() bool) error {
	chat, taken := c.srv.Watch(ctx, c.chat), c.srv.Watch(ctx, 0)
	for !ok() {
		select {
		case <-chat:
		case <-taken:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	return nil
}

func (c *chatter) say(ctx context.Context, m *written) error {
	if m.sent == 0 {
		switch {
		case m.album:
			m.nums = c.srv.Album(c.chat, m.text, m.files...)
		case len(m.files) > 0 && m.id[0]%2 == 0:
			m.nums = []int{c.srv.Photo(c.chat, m.files[0], m.text)}
		case len(m.files) > 0:
			m.nums = []int{c.srv.Document(c.chat, "phone.txt", m.files[0], m.text)}
		default:
			m.nums = []int{c.srv.Say(c.chat, m.text)}
		}
		bot, _, _ := strings.Cut(c.srv.Token(), ":")
		for _, n := range m.nums {
			m.names = append(m.names, fmt.Sprintf("%s|%d|%d", bot, c.chat, n))
		}
		m.sent++
		if m.edit != "" {
			if err := c.srv.Edit(c.chat, m.nums[0], m.edit); err != nil {
				return err
			}
		}
	}
	return c.confirmed(ctx, m.nums...)
}

// confirmed waits until the updates of these messages are confirmed.
func (c *chatter) confirmed(ctx context.Context, nums ...int) error {
	return c.during(ctx, fmt.Sprintf("%d to be confirmed", nums), func(ctx context.Context) error {
		return c.watch(ctx, func() bool { return c.taken(nums...) })
	})
}

func (c *chatter) taken(nums ...int) bool {
	return len(nums) > 0 && !slices.ContainsFunc(nums, func(n int) bool { return !c.srv.Taken(c.chat, n) })
}

// promised says that all of a message is confirmed. An album is then in the door's
// hands, and a message only when it is whole.
func (c *chatter) promised(m *written) (ack, bool) { return ack{}, c.taken(m.nums...) && !m.album }

// again has Telegram deliver a text once more, in another update (T2).
func (c *chatter) again(ctx context.Context, all []*written) error {
	for _, m := range slices.Backward(all) {
		if m.by == customer(c) && c.taken(m.nums...) && len(m.files) == 0 && m.edit == "" {
			c.srv.Repeat(c.chat, m.nums[0])
			return c.confirmed(ctx, m.nums...)
		}
	}
	return nil
}

// errNoButton is a menu without the button that is to be pressed.
var errNoButton = errors.New("the menu has no such button")

// asks opens the bot's menu and presses a button under it, and has both answered.
func (c *chatter) asks() deedFunc {
	menu, under := 0, 0
	return func(ctx context.Context, _ bool) error {
		if menu == 0 {
			menu = c.srv.Say(c.chat, "/menu")
			c.asked++
		}
		if err := c.confirmed(ctx, menu); err != nil {
			return err
		}
		if under == 0 {
			list := c.srv.Chat(c.chat)
			i := slices.IndexFunc(list, func(b telegram.Bubble) bool { return b.ReplyTo == menu })
			if i < 0 {
				return fmt.Errorf("%s: /menu is confirmed and was not answered", c.name)
			}
			press := ""
			for _, row := range list[i].Buttons {
				for _, b := range row {
					if b.Label == "Talk to a person" {
						press = b.Data
					}
				}
			}
			if press == "" {
				return errNoButton
			}
			under = list[i].ID
			if err := c.srv.Press(c.chat, under, press); err != nil {
				return err
			}
		}
		return c.confirmed(ctx, under)
	}
}

// answeredOnce tells of commands that were not answered, or more often than the
// program died (each death may be between an answer and its record).
func (c *chatter) answeredOnce(deaths int) error {
	for _, words := range []string{botHello, botPerson} {
		n := 0
		for _, a := range c.shows() {
			if strings.HasPrefix(a.text, words) {
				n++
			}
		}
		if n < c.asked || n > c.asked+deaths {
			return fmt.Errorf("I2: %s asked %d times, was answered %q %d times, with %d deaths", c.name, c.asked, words, n, deaths)
		}
	}
	return nil
}
