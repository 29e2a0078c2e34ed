package telegram

import (
	"context"
	"encoding/json"
	"fmt"
	"net/url"
	"strings"
	"time"

	"casewire/channels"

	"github.com/go-telegram/bot/models"
)

// Probe tries the token.
func (d *Door) Probe(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, d.cfg.Times.Call)
	defer cancel()
	me, err := d.api.GetMe(ctx)
	if err != nil {
		r := asRefusal(err)
		_, text := r.state()
		return fmt.Errorf("%s: %w", text, r)
	}
	d.named(me.Username)
	return nil
}

// Examine tries the token and looks at what is set at the bot and what waits.
// Without a Run anywhere it disturbs nobody; a Run of another process that has
// messages waiting is interrupted for a few seconds.
func (d *Door) Examine(ctx context.Context, found func(channels.Finding)) {
	ctx, cancel := context.WithTimeout(ctx, d.cfg.Times.Call)
	defer cancel()
	me, err := d.api.GetMe(ctx)
	if err != nil {
		name, text := asRefusal(err).state()
		mend := "see that the server can be reached from here, and try again"
		if name == "token" {
			mend = "ask BotFather for the token of this bot and put it where token points to"
		}
		found(channels.Finding{Step: "token", Text: text, Mend: mend})
		return
	}
	found(channels.Finding{Step: "token", OK: true, Text: "the bot is @" + clean(me.Username, 64)})
	d.examineGroups(me, found)
	info, err := d.api.GetWebhookInfo(ctx)
	if err != nil {
		_, text := asRefusal(err).state()
		found(channels.Finding{Step: "webhook", Text: text, Mend: "try again"})
		return
	}
	d.examineHook(info, found)
	d.examineWaiting(ctx, info, found)
}

// examineGroups looks at whether the bot sees what is written in groups.
func (d *Door) examineGroups(me *models.User, found func(channels.Finding)) {
	f := channels.Finding{Step: "privacy mode", OK: true, Text: "groups are refused, so it does not matter"}
	switch {
	case d.cfg.Groups != groupsTopics:
	case !me.CanJoinGroups:
		f = channels.Finding{Step: "privacy mode", Text: "the bot cannot be added to groups", Mend: "allow it with /setjoingroups at BotFather"}
	case !me.CanReadAllGroupMessages:
		f = channels.Finding{
			Step: "privacy mode", OK: true, Warn: true, Text: "is on: in groups the bot sees only commands and answers to it",
			Mend: "switch it off with /setprivacy at BotFather, then add the bot to the group again",
		}
	default:
		f.Text = "is off: the bot sees what is written in groups"
	}
	found(f)
}

func (d *Door) examineHook(info *models.WebhookInfo, found func(channels.Finding)) {
	f := channels.Finding{Step: "webhook", OK: true}
	ours := info.URL == d.hookURL()
	switch {
	case d.cfg.Mode == modePolling && info.URL == "":
		f.Text = "none is set, as polling needs it"
	case d.cfg.Mode == modePolling && ours:
		f.Warn, f.Text, f.Mend = true, "one of ours is still set", "nothing: the channel removes it when it starts"
	case info.URL == "":
		f.Warn, f.Text, f.Mend = true, "none is set yet", "nothing: the channel sets it when it starts"
	case !ours && d.cfg.Takeover:
		f.Warn, f.Text, f.Mend = true, "another program's is set, at "+host(info.URL), "nothing: takeover is on, the channel replaces it when it starts"
	case !ours:
		f.OK, f.Text = false, "another program's is set, at "+host(info.URL)
		f.Mend = "stop that program, or set takeover: true"
	case info.LastErrorDate > 0:
		f.Warn = true
		f.Text = fmt.Sprintf("Telegram could not bring an update %s ago: %s", d.ago(int64(info.LastErrorDate)), clean(info.LastErrorMessage, 120))
		f.Mend = "see that the public URL can be reached from outside, with a valid certificate"
	default:
		f.Text = "is set to our address"
	}
	if d.cfg.Mode == modeWebhook && !strings.HasPrefix(d.env.PublicURL, "https://") && f.OK {
		f.Warn, f.Mend = true, "Telegram brings updates to https only: set public_url"
	}
	found(f)
}

// host is all of a foreign webhook's address that is shown: the rest may be secret.
func host(s string) string {
	u, err := url.Parse(s)
	if err != nil || u.Host == "" {
		return "an unknown host"
	}
	return clean(u.Hostname(), 100)
}

func (d *Door) ago(unix int64) time.Duration {
	return max(0, d.env.Now().Sub(time.Unix(unix, 0))).Round(time.Second)
}

// examineWaiting looks at how many updates wait, and since when. Looking does not
// confirm them.
func (d *Door) examineWaiting(ctx context.Context, info *models.WebhookInfo, found func(channels.Finding)) {
	f := channels.Finding{Step: "waiting", OK: true, Text: fmt.Sprintf("%d updates wait at Telegram", info.PendingUpdateCount)}
	if info.PendingUpdateCount > 0 && info.URL == "" {
		var raws []json.RawMessage
		if err := d.api.call(ctx, "getUpdates", getUpdates{Limit: 1}, &raws); err == nil && len(raws) > 0 {
			if at := sentAt(raws[0]); at > 0 {
				age := d.ago(at)
				f.Text += fmt.Sprintf(", the oldest for %s", age)
				if age > 12*time.Hour {
					f.Warn, f.Mend = true, "start the channel soon: Telegram forgets updates after 24 hours"
				}
			}
		}
	}
	found(f)
}

// sentAt returns when what an update tells happened, in Unix seconds, or 0.
func sentAt(raw json.RawMessage) int64 {
	u, err := readUpdate(raw)
	if err != nil {
		return 0
	}
	for _, part := range []json.RawMessage{u.Message, u.Edited, u.Member} {
		var at struct {
			Date int64 `json:"date"`
		}
		if len(part) > 0 && json.Unmarshal(part, &at) == nil {
			return at.Date
		}
	}
	return 0
}
