// Package bot answers at once what needs no person: which repairs a customer has
// and how they stand, in which language and where to write, under which case a
// message belongs. It reads and writes the book; the door that asked sends what it
// answers. What it does not understand is a message like any other.
package bot

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"time"

	"casewire/casecore"
	"casewire/casecore/flow"
	"casewire/casecore/lang"
	"casewire/casecore/store"
	"casewire/channels"
	"casewire/routing/intake"
)

// Options of a Bot.
type Options struct {
	Now    func() time.Time // nil: time.Now
	Log    *slog.Logger
	Centre func() string         // as customers read it; nil: ""
	Zone   func() *time.Location // in which dates are written; nil: UTC
	// Serves says that addresses of a kind can be written to now; nil: all can.
	Serves func(kind channels.Kind) bool
}

// Bot answers commands. It is safe for concurrent use.
type Bot struct {
	store  store.Store
	ledger *casecore.Ledger
	intake *intake.Intake
	o      Options
	words  map[string]map[string]string
}

// by is who does what a customer asks the bot to do.
var by = casecore.System("bot")

// New returns a Bot over st.
func New(st store.Store, l *casecore.Ledger, in *intake.Intake, o Options) (*Bot, error) {
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	if o.Centre == nil {
		o.Centre = func() string { return "" }
	}
	if o.Zone == nil {
		o.Zone = func() *time.Location { return time.UTC }
	}
	if o.Serves == nil {
		o.Serves = func(channels.Kind) bool { return true }
	}
	words, err := catalog()
	if err != nil {
		return nil, err
	}
	return &Bot{store: st, ledger: l, intake: in, o: o, words: words}, nil
}

// Answer is the reply to a command or a pressed button, and nil for a message
// that is to be taken in. Asked again about the same message it answers the same
// and changes nothing more.
func (b *Bot) Answer(ctx context.Context, m channels.Inbound) (*channels.Body, error) {
	if !mayAsk(m) {
		return nil, nil // nearly all messages: the book is not opened for them
	}
	t, err := b.turn(ctx, m)
	if err != nil {
		return nil, fmt.Errorf("answer command on %s: %w", m.Channel, err)
	}
	do := t.chosen()
	if do == nil {
		return nil, nil
	}
	out, err := do(ctx)
	if err != nil {
		return nil, fmt.Errorf("answer command on %s: %w", m.Channel, err)
	}
	return out, nil
}

// turn is one message with what is known of who sent it.
type turn struct {
	*Bot
	in    channels.Inbound
	who   *casecore.Customer // nil for a stranger
	shut  *casecore.Shut     // why they may not be written to here
	lang  string
	offer []channels.Button // of the latest question that stands open
}

// open is how long a question may be answered by its number.
const open = 24 * time.Hour

func (b *Bot) turn(ctx context.Context, m channels.Inbound) (*turn, error) {
	t := &turn{Bot: b, in: m, lang: m.Body.Lang}
	err := b.store.View(ctx, func(tx store.Tx) error {
		t.who, t.shut, t.offer = nil, nil, nil
		i, err := casecore.Identities.Get(tx, casecore.IdentityID(m.From))
		if errors.Is(err, store.ErrNotFound) {
			return nil
		}
		if err != nil {
			return err
		}
		t.shut = i.Shut
		if t.who, err = casecore.Customers.Get(tx, i.Customer); err != nil {
			return err
		}
		if number(m.Body.Text) > 0 {
			t.offer, err = b.question(tx, m)
		}
		return err
	})
	if err != nil {
		return nil, err
	}
	if t.who != nil && t.who.Lang != "" {
		t.lang = t.who.Lang
	}
	t.lang = lang.Match(t.lang)
	return t, nil
}

// question returns the buttons of the newest message to the customer on this
// channel, if that asked something lately.
func (b *Bot) question(tx store.Tx, m channels.Inbound) ([]channels.Button, error) {
	c, err := casecore.LatestCase(tx, m.Channel, m.From)
	if errors.Is(err, store.ErrNotFound) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	r := store.Range{Index: "case", Prefix: store.Under(c.ID), Reverse: true, Limit: 10}
	for last, err := range casecore.Messages.Scan(tx, r) {
		if err != nil {
			return nil, err
		}
		if last.Direction == casecore.Out && b.o.Now().Sub(last.At) < open && last.To.Key() == m.From.Key() {
			return last.Body.Buttons, nil
		}
	}
	return nil, nil
}

// cases returns the customer's cases that are not over, newest first.
func (t *turn) cases(ctx context.Context) ([]*casecore.Case, error) {
	if t.who == nil {
		return nil, nil
	}
	var out []*casecore.Case
	err := t.store.View(ctx, func(tx store.Tx) error {
		out = nil
		r := store.Range{Index: "customer", Prefix: store.Under(t.who.ID), Reverse: true, Limit: 50}
		for c, err := range casecore.Cases.Scan(tx, r) {
			if err != nil {
				return err
			}
			if c.Stage != flow.Closed && len(out) < 8 {
				out = append(out, c)
			}
		}
		return nil
	})
	return out, err
}

// say returns one of the bot's texts in the customer's language.
func (t *turn) say(key string, values ...string) *channels.Body {
	values = append(values, "{centre}", t.o.Centre())
	return &channels.Body{Text: strings.NewReplacer(values...).Replace(t.word(key)), Lang: t.lang}
}

func (t *turn) word(key string) string { return t.words[t.lang][key] }

// menu puts the usual choices under a text.
func (t *turn) menu(b *channels.Body) *channels.Body {
	for _, key := range []string{"my", "new", "ask", "lang", "where"} {
		b.Buttons = append(b.Buttons, channels.Button{Label: t.word(key), Data: key})
	}
	return b
}
