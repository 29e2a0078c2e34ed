package telegram

import (
	"errors"
	"fmt"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"time"

	"casewire/channels"
)

// How updates come in, and what is done about groups.
const (
	modePolling  = "polling"
	modeWebhook  = "webhook"
	groupsRefuse = "refuse"
	groupsTopics = "topics"
)

// Config is the configuration of one Telegram channel, which is one bot.
type Config struct {
	// Token is the bot's, as BotFather gave it. A bot belongs to one channel: two
	// programs that read the same bot take each other's messages away.
	Token channels.Secret `yaml:"token" sample:"{env: TELEGRAM_TOKEN}"`
	// Server is the Bot API. Change it for a Bot API server of your own.
	Server string `yaml:"server"`
	// Mode is how messages come in: "polling" asks for them and needs no address
	// that can be reached from outside; "webhook" has them brought to
	// /hooks/telegram/ID/ below the public URL, which must then be https.
	Mode string `yaml:"mode"`
	// Takeover removes a webhook of another program that is set at the bot. Without
	// it the channel says so and waits.
	Takeover bool `yaml:"takeover"`
	// Groups is what becomes of group chats: "refuse" answers once that the bot is
	// for private chats; "topics" takes each topic of a group as a customer.
	Groups string `yaml:"groups"`
	// Limits bound what is sent and what is fetched.
	Limits Limits `yaml:"limits"`
	// Times are the channel's clocks.
	Times Times `yaml:"times"`
}

// Limits bound what is sent and what is fetched.
type Limits struct {
	// PerSecond is how many messages the bot may send per second.
	PerSecond int `yaml:"per_second"`
	// PerChat is the time between two messages in one chat.
	PerChat time.Duration `yaml:"per_chat"`
	// PerGroup is how many messages the bot may send per minute in one group.
	PerGroup int `yaml:"per_group"`
	// FileBytes is the largest file that is fetched, in bytes. Telegram's own
	// server hands out no more than 20 MB.
	FileBytes int64 `yaml:"file_bytes"`
}

// Times are the channel's clocks.
type Times struct {
	// Poll is how long one request waits for messages at Telegram.
	Poll time.Duration `yaml:"poll"`
	// Call is how long any other request may take, a file apart.
	Call time.Duration `yaml:"call"`
	// Album is how long the parts of an album are waited for after the last.
	Album time.Duration `yaml:"album"`
}

// defaultServer is Telegram's own.
const defaultServer = "https://api.telegram.org"

// cloudFileBytes is what Telegram's own server hands out at most (T8).
const cloudFileBytes = 20 << 20

// NewConfig returns the defaults.
func NewConfig() *Config {
	return &Config{
		Server: defaultServer, Mode: modePolling, Groups: groupsRefuse,
		Limits: Limits{PerSecond: 30, PerChat: time.Second, PerGroup: 20, FileBytes: cloudFileBytes},
		Times:  Times{Poll: 50 * time.Second, Call: 30 * time.Second, Album: time.Second},
	}
}

// faults collects what is wrong with a configuration.
type faults []error

func (f *faults) add(path, mend, format string, args ...any) {
	*f = append(*f, &channels.FieldError{Path: path, Msg: fmt.Sprintf(format, args...), Mend: mend})
}

var tokenShape = regexp.MustCompile(`^[0-9]{1,19}:[A-Za-z0-9_-]{10,100}$`)

// Validate returns every fault, joined; each is a *channels.FieldError.
func (c *Config) Validate() error {
	var f faults
	switch {
	case c.Token.IsZero():
		f.add("token", "name where it is, {env: TELEGRAM_TOKEN}", "is missing")
	case !tokenShape.MatchString(c.Token.Value()):
		f.add("token", `copy it from BotFather: the bot's number, a colon and about 35 characters`, "is not shaped like a bot's token")
	}
	if msg := serverFault(c.Server); msg != "" {
		f.add("server", "write "+defaultServer, "%s", msg)
	}
	for _, w := range []struct {
		path, got string
		known     []string
	}{
		{"mode", c.Mode, []string{modePolling, modeWebhook}},
		{"groups", c.Groups, []string{groupsRefuse, groupsTopics}},
	} {
		if !slices.Contains(w.known, w.got) {
			f.add(w.path, "write "+strings.Join(w.known, " or "), "%q is unknown", w.got)
		}
	}
	c.validateNumbers(&f)
	return errors.Join(f...)
}

func serverFault(s string) string {
	u, err := url.Parse(s)
	switch {
	case err != nil || u.Host == "" || u.Scheme != "https" && u.Scheme != "http":
		return fmt.Sprintf("%q is no address of a server", s)
	case u.User != nil || u.RawQuery != "" || u.Fragment != "" || strings.HasSuffix(s, "/"):
		return fmt.Sprintf("%q holds more than scheme, host and path, or ends with a slash", s)
	}
	return ""
}

func (c *Config) validateNumbers(f *faults) {
	top := int64(2000 << 20)
	if c.Server == defaultServer {
		top = cloudFileBytes
	}
	for _, n := range []struct {
		path     string
		got      int64
		low, top int64
	}{
		{"limits.per_second", int64(c.Limits.PerSecond), 1, 1000},
		{"limits.per_group", int64(c.Limits.PerGroup), 1, 1000},
		{"limits.file_bytes", c.Limits.FileBytes, 1, top},
	} {
		if n.got < n.low || n.got > n.top {
			f.add(n.path, fmt.Sprintf("write a number from %d to %d", n.low, n.top), "%d is out of range", n.got)
		}
	}
	for _, d := range []struct {
		path     string
		got      time.Duration
		low, top time.Duration
	}{
		{"limits.per_chat", c.Limits.PerChat, time.Millisecond, time.Minute},
		{"times.poll", c.Times.Poll, time.Second, 50 * time.Second},
		{"times.call", c.Times.Call, time.Second, 5 * time.Minute},
		{"times.album", c.Times.Album, 10 * time.Millisecond, 10 * time.Second},
	} {
		if d.got < d.low || d.got > d.top {
			f.add(d.path, fmt.Sprintf("write a time from %s to %s", d.low, d.top), "%s is out of range", d.got)
		}
	}
}
