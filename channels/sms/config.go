package sms

import (
	"errors"
	"fmt"
	"net/netip"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	"casewire/channels"
	"casewire/channels/sms/segment"

	"github.com/nyaruka/phonenumbers"
)

// Text is one text in several languages: "en", "ru", "uk", "sr".
type Text map[string]string

// Config is the configuration of one SMS channel: one Twilio number, or one
// messaging service.
type Config struct {
	// AccountSID names the Twilio account, "AC" and 32 characters.
	AccountSID string `yaml:"account_sid" sample:"AC00000000000000000000000000000000"`
	// AuthToken is the account's primary token: it signs what Twilio sends us, and
	// is our password there.
	AuthToken channels.Secret `yaml:"auth_token" sample:"{env: TWILIO_AUTH_TOKEN}"`
	// AuthTokenNext is the secondary token while tokens are exchanged: what it has
	// signed is taken, too. Empty at other times.
	AuthTokenNext channels.Secret `yaml:"auth_token_next"`
	// From is what messages are sent from: a number in E.164, or a name of up to 11
	// letters and digits that nobody can answer.
	From string `yaml:"from" sample:"\"+15551234567\""`
	// MessagingService sends instead of From and chooses the number, "MG" and 32
	// characters.
	MessagingService string `yaml:"messaging_service"`
	// Numbers are further numbers of ours at which this channel is written to.
	Numbers []string `yaml:"numbers"`
	// DefaultRegion is the country of numbers written without one, "RS".
	DefaultRegion string `yaml:"default_region"`
	// PlainQuotes replaces typographic quotes, dashes and spaces by plain ones where
	// that makes a message cheaper.
	PlainQuotes bool `yaml:"plain_quotes"`
	// Transliterate writes Cyrillic in Latin letters where that makes a message
	// cheaper.
	Transliterate bool `yaml:"transliterate"`
	// HelpReply answers HELP and INFO, by language. Without it they are messages as
	// any other. Twilio answers the English words by itself unless told not to.
	HelpReply Text `yaml:"help_reply"`
	// StopReply confirms an opt-out word that Twilio does not know itself, by
	// language. Twilio confirms STOP by itself.
	StopReply Text `yaml:"stop_reply"`
	// Voice is what becomes of calls that come in. It counts once the numbers' voice
	// webhook at Twilio is {public URL}/hooks/voice/{id}, by POST.
	Voice Voice `yaml:"voice"`
	// Reconcile is how often Twilio's list is searched for messages whose webhook
	// never reached us. It is always searched at the start.
	Reconcile time.Duration `yaml:"reconcile"`
	// Server is where Twilio is: empty is the real one, otherwise the URL of a
	// stand-in.
	Server string `yaml:"server"`
	// Limits bound what is taken and sent.
	Limits Limits `yaml:"limits"`
}

// Voice is what becomes of calls that come in: each is noted as a message of the
// caller, and then somebody's phone rings, or the caller hears a text.
type Voice struct {
	// Dial are the numbers that ring when a customer calls, all at once; who answers
	// first has the call. Empty: the caller hears Say, and the call ends.
	Dial []string `yaml:"dial"`
	// Say is what the caller hears first, by language. With neither this nor Dial a
	// call is noted and not answered.
	Say Text `yaml:"say"`
	// Language is that of callers from countries that speak none of ours: en, ru, uk
	// or sr.
	Language string `yaml:"language"`
	// Ring is how long the numbers ring.
	Ring time.Duration `yaml:"ring"`
}

// Limits bound what is taken and sent.
type Limits struct {
	// Segments is the most parts a message of ours may have.
	Segments int `yaml:"segments"`
	// MediaBytes is the largest picture or file that is fetched, in bytes.
	MediaBytes int64 `yaml:"media_bytes"`
	// FormBytes is the largest webhook, in bytes.
	FormBytes int64 `yaml:"form_bytes"`
	// PerSecond is how many notices go out in a second; answers of operators do not
	// wait. 0: as they come, and Twilio queues them.
	PerSecond int `yaml:"per_second"`
	// Call is how long one request to Twilio may take.
	Call time.Duration `yaml:"call"`
}

// NewConfig returns the defaults.
func NewConfig() *Config {
	return &Config{
		PlainQuotes: true,
		Voice:       Voice{Language: "en", Ring: 30 * time.Second},
		Reconcile:   5 * time.Minute,
		Limits:      Limits{Segments: segment.MaxSegments, MediaBytes: 10 << 20, FormBytes: 256 << 10, Call: 15 * time.Second},
	}
}

// faults collects what is wrong with a configuration.
type faults []error

func (f *faults) add(path, mend, format string, args ...any) {
	*f = append(*f, &channels.FieldError{Path: path, Msg: fmt.Sprintf(format, args...), Mend: mend})
}

var (
	accountShape = regexp.MustCompile(`^AC[0-9a-zA-Z]{32}$`)
	serviceShape = regexp.MustCompile(`^MG[0-9a-zA-Z]{32}$`)
	tokenShape   = regexp.MustCompile(`^[0-9a-zA-Z]{16,}$`)
	nameShape    = regexp.MustCompile(`^[0-9A-Za-z ]{1,11}$`)
	letterShape  = regexp.MustCompile(`[A-Za-z]`)
)

// Validate returns every fault, joined; each is a *channels.FieldError.
func (c *Config) Validate() error {
	var f faults
	if !accountShape.MatchString(c.AccountSID) {
		f.add("account_sid", `write the Account SID of Twilio's console, "AC" and 32 characters`, "is no account")
	}
	switch {
	case c.AuthToken.Value() == "":
		f.add("auth_token", "write {env: TWILIO_AUTH_TOKEN} and put the token there", "is missing")
	case !tokenShape.MatchString(c.AuthToken.Value()):
		f.add("auth_token", "copy the Auth Token of Twilio's console: letters and digits only", "is no token")
	}
	if v := c.AuthTokenNext.Value(); v != "" && !tokenShape.MatchString(v) {
		f.add("auth_token_next", "copy the secondary token of Twilio's console: letters and digits only", "is no token")
	}
	c.validateSender(&f)
	for i, n := range c.Numbers {
		if !e164(n) {
			f.add(fmt.Sprintf("numbers[%d]", i), `write it with its country, "+381601234567"`, "%q is no number", n)
		}
	}
	if c.DefaultRegion != "" && !phonenumbers.GetSupportedRegions()[c.DefaultRegion] {
		f.add("default_region", `write a country as "RS"`, "%q is no country", c.DefaultRegion)
	}
	validateText(&f, "help_reply", c.HelpReply)
	validateText(&f, "stop_reply", c.StopReply)
	c.validateVoice(&f)
	if c.Reconcile < 10*time.Second || c.Reconcile > 24*time.Hour {
		f.add("reconcile", `write a time from "10s" to "24h"`, "%s is out of range", c.Reconcile)
	}
	if _, err := c.server(); err != nil {
		f.add("server", `leave it out, or write "http://127.0.0.1:10401" for a stand-in on this machine`, "%s", err)
	}
	c.Limits.validate(&f)
	return errors.Join(f...)
}

func (c *Config) validateSender(f *faults) {
	switch {
	case c.From == "" && c.MessagingService == "":
		f.add("from", `write a number of the account, "+15551234567", or messaging_service`, "is missing")
	case c.From != "" && !e164(c.From) && !c.named():
		f.add("from", `write a number with its country, "+15551234567", or a name of up to 11 letters and digits`, "%q is no sender", c.From)
	}
	if c.MessagingService != "" && !serviceShape.MatchString(c.MessagingService) {
		f.add("messaging_service", `write the Messaging Service SID, "MG" and 32 characters`, "%q is no messaging service", c.MessagingService)
	}
}

// named says that messages go out under a name, which nobody can answer (S8).
func (c *Config) named() bool {
	return nameShape.MatchString(c.From) && letterShape.MatchString(c.From)
}

// own are the numbers at which we are written to; empty when any of the account's
// may be.
func (c *Config) own() []string {
	own := slices.Clone(c.Numbers)
	if e164(c.From) {
		own = append(own, c.From)
	}
	return own
}

// server returns where the stand-in is, nil for the real Twilio. Passwords travel
// unencrypted to this machine only.
func (c *Config) server() (*url.URL, error) {
	if c.Server == "" {
		return nil, nil
	}
	u, err := url.Parse(c.Server)
	if err != nil || u.Host == "" || u.Scheme != "http" && u.Scheme != "https" || strings.Trim(u.Path, "/") != "" || u.RawQuery != "" {
		return nil, fmt.Errorf("%q is no address of a server", c.Server)
	}
	addr, err := netip.ParseAddr(u.Hostname())
	if u.Scheme == "http" && u.Hostname() != "localhost" && (err != nil || !addr.IsLoopback()) {
		return nil, errors.New("plain http is for this machine only")
	}
	return u, nil
}

func validateText(f *faults, path string, t Text) {
	for lang, text := range t {
		if !slices.Contains(languages, lang) {
			f.add(path+"."+lang, "use "+strings.Join(languages, ", "), "%q is not a language of the channel", lang)
		}
		if i := segment.Count(text); i.TooLong() {
			f.add(path+"."+lang, fmt.Sprintf("write at most %d parts", segment.MaxSegments), "takes %d parts", i.Segments)
		}
	}
}

func (l Limits) validate(f *faults) {
	for _, n := range []struct {
		path     string
		got      int64
		low, top int64
	}{
		{"limits.segments", int64(l.Segments), 1, segment.MaxSegments},
		{"limits.media_bytes", l.MediaBytes, 1, 100 << 20},
		{"limits.form_bytes", l.FormBytes, 4 << 10, 1 << 20},
		{"limits.per_second", int64(l.PerSecond), 0, 1000},
	} {
		if n.got < n.low || n.got > n.top {
			f.add(n.path, fmt.Sprintf("write a number from %d to %d", n.low, n.top), "%d is out of range", n.got)
		}
	}
	if l.Call < time.Second || l.Call > time.Minute {
		f.add("limits.call", `write a time from "1s" to "1m"`, "%s is out of range", l.Call)
	}
}

// validateVoice checks what becomes of calls. A call that rings at a number of ours
// would come in again.
func (c *Config) validateVoice(f *faults) {
	v := &c.Voice
	for i, n := range v.Dial {
		at := fmt.Sprintf("voice.dial[%d]", i)
		switch {
		case !e164(n):
			f.add(at, `write it with its country, "+381601234567"`, "%q is no number", n)
		case slices.Contains(c.own(), n):
			f.add(at, "write the number of a phone", "is a number of this channel: the call would come in again")
		case slices.Contains(v.Dial[:i], n):
			f.add(at, "leave it out", "is there twice")
		}
	}
	if len(v.Dial) > maxDial {
		f.add("voice.dial", fmt.Sprintf("write at most %d", maxDial), "has %d numbers", len(v.Dial))
	}
	for lang, text := range v.Say {
		if !slices.Contains(languages, lang) {
			f.add("voice.say."+lang, "use "+strings.Join(languages, ", "), "%q is not a language of the channel", lang)
		}
		if n := utf8.RuneCountInString(text); n > maxSay {
			f.add("voice.say."+lang, fmt.Sprintf("write at most %d characters", maxSay), "has %d characters", n)
		}
	}
	if !slices.Contains(languages, v.Language) {
		f.add("voice.language", "use "+strings.Join(languages, ", "), "%q is not a language of the channel", v.Language)
	}
	if v.Ring < 5*time.Second || v.Ring > 10*time.Minute {
		f.add("voice.ring", `write a time from "5s" to "10m"`, "%s is out of range", v.Ring)
	}
}

// Twilio's own limits: numbers that may ring at once, and characters of a text to
// be said.
const (
	maxDial = 10
	maxSay  = 4096
)

// in returns the text in a language, else in English, else in the first there is.
func (t Text) in(lang string) string {
	_, text := t.pick(lang)
	return text
}

// pick is in, with the language that the text is in.
func (t Text) pick(lang string) (of, text string) {
	for _, l := range append([]string{lang}, languages...) {
		if s := t[l]; s != "" {
			return l, s
		}
	}
	return "", ""
}
