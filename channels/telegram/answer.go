package telegram

import (
	"context"
	"errors"
	"regexp"
	"time"

	"casewire/channels"
)

// answerTries is how often the answer to a command is tried. Nothing is lost when
// it fails for good: the customer asks again.
const answerTries = 4

// atOnce sends what the house answers at once to a message, and says whether there
// was such an answer; the message then needs not to be taken in. The answer has a
// name of its own, so that after a crash what went out does not go out again.
func (d *Door) atOnce(ctx context.Context, p parcel) (bool, error) {
	if d.env.Answer == nil || p.in.Auto || p.in.Broken != "" || len(p.wanted) > 0 {
		return false, nil
	}
	body, err := d.env.Answer(ctx, p.in)
	if err != nil || body == nil {
		return false, wrap("ask for an answer", err)
	}
	d.check("telegram.answered")
	m := channels.Outbound{
		ID: "answer|" + p.in.ExternalID, Channel: d.env.ID, To: p.in.From, Answers: p.in.Refs, Body: *body,
	}
	wait := d.waits.fetch
	for try := 1; ; try++ {
		_, err := d.Send(ctx, m)
		e := channels.AsSendError(err)
		switch {
		case err == nil:
			d.count.answers.Add(1)
			return true, nil
		case ctx.Err() != nil:
			return false, ctx.Err()
		case e.Reason != channels.Unreachable && e.Reason != channels.Throttled || try == answerTries:
			d.count.unanswered.Add(1)
			d.log.WarnContext(ctx, "a command could not be answered", "reason", e.Reason, "code", e.Code)
			return true, nil
		}
		// A throttled bot waits in Send, as long as it was asked to.
		if err := pause(ctx, wait); err != nil {
			return false, err
		}
		wait *= 2
	}
}

var payloadShape = regexp.MustCompile(`^[A-Za-z0-9_-]{1,64}$`)

// Link returns the deep link that begins a chat with the bot and brings payload
// back as Facts["start"] (T4). It is "" until Telegram has told the bot's name, and
// for a payload that Telegram would not carry: more than 64 characters, or others
// than letters, digits, _ and -.
func (d *Door) Link(payload string) string {
	name := d.botName.Load()
	if name == nil || !payloadShape.MatchString(payload) {
		return ""
	}
	return "https://t.me/" + *name + "?start=" + payload
}

// learn asks for the bot's name until it is known.
func (d *Door) learn(ctx context.Context) {
	if d.botName.Load() != nil {
		return
	}
	ctx, cancel := context.WithTimeout(ctx, min(d.cfg.Times.Call, 10*time.Second))
	defer cancel()
	me, err := d.api.GetMe(ctx)
	if err != nil {
		d.log.DebugContext(ctx, "the bot's name is not known yet", "code", asRefusal(err).code)
		return
	}
	d.named(me.Username)
}

var nameShape = regexp.MustCompile(`^[A-Za-z0-9_]{1,64}$`)

func (d *Door) named(name string) {
	if nameShape.MatchString(name) {
		d.botName.Store(&name)
	}
}

// errNoNumber is an update that cannot even be confirmed by itself.
var errNoNumber = errors.New("an update without a number")
