package webchat

import (
	"errors"
	"fmt"
	"maps"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	"casewire/channels"
)

// Text is one text in several languages: "en", "ru", "uk", "sr".
type Text map[string]string

// Config is the configuration of one web chat channel.
type Config struct {
	// Path is where the chat lives below the public URL. Every web chat channel
	// has its own.
	Path string `yaml:"path"`
	// Origins are the sites that may embed the widget, "https://shop.example".
	// Our own origin always may.
	Origins []string `yaml:"origins"`
	// AllowNoOrigin lets programs connect that send no Origin header. Browsers
	// always send one.
	AllowNoOrigin bool `yaml:"allow_no_origin"`
	// Title is the centre's name in the head of the chat, by language.
	Title Text `yaml:"title"`
	// Greeting is shown to a visitor who has not written yet, by language.
	Greeting Text `yaml:"greeting"`
	// Answer says honestly how soon somebody answers, by language.
	Answer Text `yaml:"answer"`
	// Hours says when the centre is open, by language.
	Hours Text `yaml:"hours"`
	// Accent is the colour of the button and of the visitor's messages, #rrggbb.
	Accent string `yaml:"accent"`
	// TokenLifetime is how long a visitor who wrote is recognised after the last visit.
	TokenLifetime time.Duration `yaml:"token_lifetime"`
	// IdentitySecret verifies visitors whom the embedding site has signed in.
	// Empty turns that off.
	IdentitySecret channels.Secret `yaml:"identity_secret"`
	// Limits bound what visitors may send.
	Limits Limits `yaml:"limits"`
	// Times are the clocks of a connection.
	Times Times `yaml:"times"`
}

// Prefix is where the channel is served: no two may share one.
func (c *Config) Prefix() string { return c.Path }

// Limits bound what visitors may send.
type Limits struct {
	// TextRunes is the longest text of a message, in characters.
	TextRunes int `yaml:"text_runes"`
	// FileBytes is the largest file, in bytes.
	FileBytes int64 `yaml:"file_bytes"`
	// Files is how many files one message may carry.
	Files int `yaml:"files"`
	// FileTypes are the media types that are taken, judged by the content.
	FileTypes []string `yaml:"file_types"`
	// Messages is how many messages a visitor may send per minute, and one network
	// address five times as many.
	Messages int `yaml:"messages"`
	// Uploads is how many files a visitor may send per minute, and one network
	// address five times as many.
	Uploads int `yaml:"uploads"`
	// UploadBytes is how many bytes of files one network address may send per
	// hour, whoever its visitors say they are.
	UploadBytes int64 `yaml:"upload_bytes"`
	// Hellos is how often one network address may connect per minute.
	Hellos int `yaml:"hellos"`
	// Tabs is how many connections one visitor may hold.
	Tabs int `yaml:"tabs"`
	// PerAddress is how many connections one network address may hold.
	PerAddress int `yaml:"per_address"`
	// Connections is how many connections there may be in all.
	Connections int `yaml:"connections"`
}

// Times are the clocks of a connection.
type Times struct {
	// Ping is how often a connection is tried.
	Ping time.Duration `yaml:"ping"`
	// Pong is how long a silent connection is kept; a half-open one is noticed
	// after this time.
	Pong time.Duration `yaml:"pong"`
	// Write is how long a visitor may take to accept one frame.
	Write time.Duration `yaml:"write"`
	// Hello is how long a new connection may take to say who it is.
	Hello time.Duration `yaml:"hello"`
}

// maxPong is the longest time in which a half-open connection may go unnoticed (W3).
const maxPong = 45 * time.Second

// NewConfig returns the defaults.
func NewConfig() *Config {
	return &Config{
		Path: "/chat/",
		Title: Text{
			"en": "Repair centre", "ru": "Сервисный центр",
			"uk": "Сервісний центр", "sr": "Servisni centar",
		},
		Accent:        "#0f5c63",
		TokenLifetime: 180 * 24 * time.Hour,
		Limits: Limits{
			TextRunes: 4000, FileBytes: 10 << 20, Files: 5,
			FileTypes: []string{
				"image/jpeg", "image/png", "image/gif", "image/webp", "image/heic",
				"application/pdf", "text/plain",
				"video/mp4", "video/webm", "video/quicktime",
				"audio/mpeg", "audio/wave", "application/ogg",
			},
			Messages: 30, Uploads: 20, UploadBytes: 200 << 20, Hellos: 60,
			Tabs: 10, PerAddress: 100, Connections: 10000,
		},
		Times: Times{
			Ping: 20 * time.Second, Pong: maxPong,
			Write: 10 * time.Second, Hello: 10 * time.Second,
		},
	}
}

// faults collects what is wrong with a configuration.
type faults []error

func (f *faults) add(path, mend, format string, args ...any) {
	*f = append(*f, &channels.FieldError{Path: path, Msg: fmt.Sprintf(format, args...), Mend: mend})
}

// Validate returns every fault, joined; each is a *channels.FieldError.
func (c *Config) Validate() error {
	var f faults
	if !pathShape.MatchString(c.Path) {
		f.add("path", `write it as "/chat/": small letters, digits and hyphens between slashes`, "%q is not a path", c.Path)
	}
	for i, o := range c.Origins {
		if msg, mend := originFault(o); msg != "" {
			f.add(fmt.Sprintf("origins[%d]", i), mend, "%s", msg)
		}
	}
	c.validateTexts(&f)
	c.validateAccent(&f)
	if c.TokenLifetime < time.Hour {
		f.add("token_lifetime", `write at least "1h"; "4320h" is 180 days`, "%s is too short", c.TokenLifetime)
	}
	if n := len(c.IdentitySecret.Value()); n > 0 && n < 16 {
		f.add("identity_secret", "use at least 16 random characters", "is too short to keep anybody out")
	}
	c.Limits.validate(&f)
	c.Times.validate(&f)
	return errors.Join(f...)
}

var (
	pathShape = regexp.MustCompile(`^/([a-z0-9-]+/)+$`)
	typeShape = regexp.MustCompile(`^[a-z0-9.+-]+/[a-z0-9.+-]+$`)
	hexShape  = regexp.MustCompile(`^#[0-9a-fA-F]{6}$`)
)

// originFault says what is wrong with an origin, and how to mend it.
func originFault(o string) (msg, mend string) {
	if o == "*" {
		return "any site at all may not embed the chat", `list each site, "https://shop.example"`
	}
	u, err := url.Parse(o)
	switch {
	case err != nil || u.Host == "" || (u.Scheme != "https" && u.Scheme != "http"):
		return fmt.Sprintf("%q is not an origin", o), `write scheme and host, "https://shop.example"`
	case strings.ContainsAny(u.Host, "*;,' "):
		return fmt.Sprintf("%q holds a wildcard or a sign that no host has", o), `list each host, "https://shop.example"`
	case u.Path != "" || u.RawQuery != "" || u.Fragment != "" || u.User != nil || u.ForceQuery:
		return fmt.Sprintf("%q holds more than an origin", o), fmt.Sprintf("write %q", u.Scheme+"://"+u.Host)
	}
	return "", ""
}

func (c *Config) validateTexts(f *faults) {
	for _, t := range []struct {
		path string
		text Text
		max  int
	}{{"title", c.Title, 60}, {"greeting", c.Greeting, 400}, {"answer", c.Answer, 200}, {"hours", c.Hours, 200}} {
		for _, lang := range slices.Sorted(maps.Keys(t.text)) {
			path := t.path + "." + lang
			if !slices.Contains(languages, lang) {
				f.add(path, "use "+strings.Join(languages, ", "), "%q is not a language of the chat", lang)
			}
			if n := utf8.RuneCountInString(t.text[lang]); n > t.max {
				f.add(path, fmt.Sprintf("write at most %d characters", t.max), "has %d characters", n)
			}
		}
	}
	if len(c.Title) == 0 {
		f.add("title", `write the centre's name, {en: "Mill Street Repairs"}`, "is empty")
	}
}

// validateAccent refuses colours on which white text cannot be read (WCAG AA).
func (c *Config) validateAccent(f *faults) {
	if !hexShape.MatchString(c.Accent) {
		f.add("accent", `write it as "#0f5c63"`, "%q is not a colour", c.Accent)
		return
	}
	if r := contrast(c.Accent, "#ffffff"); r < 4.5 {
		f.add("accent", "choose a darker colour", "white text on %s has a contrast of %.1f, and 4.5 is needed", c.Accent, r)
	}
}

func (l Limits) validate(f *faults) {
	for _, n := range []struct {
		path     string
		got      int64
		low, top int64
	}{
		{"limits.text_runes", int64(l.TextRunes), 1, 4000},
		{"limits.file_bytes", l.FileBytes, 1, 100 << 20},
		{"limits.files", int64(l.Files), 0, 20},
		{"limits.messages", int64(l.Messages), 1, 6000},
		{"limits.uploads", int64(l.Uploads), 1, 6000},
		{"limits.upload_bytes", l.UploadBytes, max(l.FileBytes, 1), 1 << 40},
		{"limits.hellos", int64(l.Hellos), 1, 60000},
		{"limits.tabs", int64(l.Tabs), 1, 100},
		{"limits.per_address", int64(l.PerAddress), 1, 100000},
		{"limits.connections", int64(l.Connections), 1, 1000000},
	} {
		if n.got < n.low || n.got > n.top {
			f.add(n.path, fmt.Sprintf("write a number from %d to %d", n.low, n.top), "%d is out of range", n.got)
		}
	}
	for i, t := range l.FileTypes {
		if !typeShape.MatchString(t) {
			f.add(fmt.Sprintf("limits.file_types[%d]", i), `write one as "image/png"`, "%q is not a media type", t)
		}
	}
}

func (t Times) validate(f *faults) {
	for _, d := range []struct {
		path string
		got  time.Duration
	}{{"times.ping", t.Ping}, {"times.write", t.Write}, {"times.hello", t.Hello}} {
		if d.got <= 0 || d.got > time.Minute {
			f.add(d.path, `write a time up to "1m"`, "%s is out of range", d.got)
		}
	}
	switch {
	case t.Pong > maxPong:
		f.add("times.pong", `write at most "45s"`, "a half-open connection would go unnoticed for %s", t.Pong)
	case t.Pong <= t.Ping:
		f.add("times.pong", "write more than times.ping", "%s leaves no time to answer a ping", t.Pong)
	}
}

// in returns the text in a language, else in English, else in the first there is.
func (t Text) in(lang string) string {
	for _, l := range []string{lang, base(lang), "en"} {
		if s, ok := t[l]; ok {
			return s
		}
	}
	for _, l := range languages {
		if s, ok := t[l]; ok {
			return s
		}
	}
	return ""
}
