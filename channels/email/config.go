package email

import (
	"errors"
	"fmt"
	"strings"
	"time"

	"casewire/channels"
	"casewire/channels/email/inbox"
	"casewire/channels/email/link"
	"casewire/channels/email/login"
	"casewire/channels/email/submit"
)

// Config is the configuration of one mailbox.
type Config struct {
	// Address is the mailbox's own address, to which customers write.
	Address string `yaml:"address"`
	// Name stands beside the address in what we send.
	Name string `yaml:"name"`
	// Aliases are further addresses of ours whose mail arrives here, or in other
	// mailboxes of the centre. Mail from them is never answered by itself.
	Aliases []string `yaml:"aliases"`
	// IMAP is the account from which mail is taken.
	IMAP IMAP `yaml:"imap"`
	// SMTP is the account through which mail is sent. Without user, password and
	// oauth of its own it logs in as imap does.
	SMTP SMTP `yaml:"smtp"`
	// Folders are the folders that are watched, each with a connection of its own.
	Folders []string `yaml:"folders"`
	// Start says which mail of a folder is taken when it is watched for the first
	// time: now is what arrives from then on, all is everything, and a date,
	// 2026-01-31, is what arrived since.
	Start string `yaml:"start"`
	// MoveTo is a folder into which mail is moved once it is stored; empty leaves
	// it where it is.
	MoveTo string `yaml:"move_to"`
	// MarkSeen marks mail as read once it is stored. Otherwise that is left alone.
	MarkSeen bool `yaml:"mark_seen"`
	// Poll is how often a folder is looked into even when the server says nothing.
	Poll time.Duration `yaml:"poll"`
	// Silence is how long the server may say nothing before the connection counts
	// as dead and is made anew.
	Silence time.Duration `yaml:"silence"`
	// TokenKey signs the tokens by which answers find their case. Without it one is
	// made and kept in the store.
	TokenKey channels.Secret `yaml:"token_key"`
	// RoundTrip lets the doctor send a mail to our own address, wait until it
	// arrives, and delete it again.
	RoundTrip bool `yaml:"round_trip"`
	// Limits bound what is read of a mail. What is beyond them is left out and said.
	Limits Limits `yaml:"limits"`
}

// IMAP is an account at an IMAP server.
type IMAP struct {
	Server link.Config  `yaml:",inline"`
	Login  login.Config `yaml:",inline"`
}

// SMTP is an account at an SMTP server.
type SMTP struct {
	submit.Config `yaml:",inline"`
	Login         login.Config `yaml:",inline"`
}

// smtpLogin is how the account logs in.
func (c *Config) smtpLogin() login.Config {
	l := c.SMTP.Login
	if l.User == "" && l.Password.IsZero() && l.OAuth.TokenURL == "" && len(l.OAuth.TokenCommand) == 0 {
		return c.IMAP.Login
	}
	return l
}

// Limits bound what is read of a mail.
type Limits struct {
	// MailBytes is the size of a mail, in bytes. Of a larger one the beginning is read.
	MailBytes int64 `yaml:"mail_bytes"`
	// FileBytes is the size of one attachment, in bytes.
	FileBytes int64 `yaml:"file_bytes"`
	// Files is the number of attachments.
	Files int `yaml:"files"`
	// TextBytes is the length of the text, and of the HTML, in bytes.
	TextBytes int `yaml:"text_bytes"`
	// HeaderBytes is the length of a header, in bytes.
	HeaderBytes int `yaml:"header_bytes"`
	// Parts is the number of parts of a mail.
	Parts int `yaml:"parts"`
	// Depth is how deep parts may lie in each other.
	Depth int `yaml:"depth"`
	// ReadTime is how long the reading of one mail may take.
	ReadTime time.Duration `yaml:"read_time"`
}

// Start of a folder seen for the first time.
const (
	startNow = "now"
	startAll = "all"
)

// NewConfig returns the defaults.
func NewConfig() *Config {
	smtp := submit.NewConfig()
	smtp.Server.Host = "smtp.shop.example"
	return &Config{
		Address: "support@shop.example",
		IMAP:    IMAP{Server: link.Config{Host: "imap.shop.example", TLS: link.Implicit}},
		SMTP:    SMTP{Config: smtp},
		Folders: []string{"INBOX"},
		Start:   startNow,
		Poll:    time.Minute, Silence: link.DefaultSilence,
		Limits: Limits{
			MailBytes: 50 << 20, FileBytes: 30 << 20, Files: 100, TextBytes: 1 << 20, HeaderBytes: 256 << 10,
			Parts: 500, Depth: 16, ReadTime: time.Minute,
		},
	}
}

// faults collects what is wrong with a configuration.
type faults []error

func (f *faults) add(path, mend, format string, args ...any) {
	*f = append(*f, &channels.FieldError{Path: path, Msg: fmt.Sprintf(format, args...), Mend: mend})
}

// mostFolders keeps us below the connections that providers allow one account.
const mostFolders = 8

// Validate returns every fault, joined; each is a *channels.FieldError.
func (c *Config) Validate() error {
	var f faults
	if !isAddress(c.Address) {
		f.add("address", `write it as "support@shop.example"`, "%q is not an address", c.Address)
	}
	if strings.ContainsAny(c.Name, "\r\n") {
		f.add("name", "write it on one line", "has more than one line")
	}
	for i, a := range c.Aliases {
		if !isAddress(a) {
			f.add(fmt.Sprintf("aliases[%d]", i), `write it as "info@shop.example"`, "%q is not an address", a)
		}
	}
	for _, e := range c.IMAP.Server.Faults("imap") {
		f = append(f, e)
	}
	for _, e := range c.IMAP.Login.Faults("imap") {
		f = append(f, e)
	}
	for _, e := range c.SMTP.Faults("smtp") {
		f = append(f, e)
	}
	for _, e := range c.SMTP.Login.Faults("smtp") {
		f = append(f, e)
	}
	c.validateFolders(&f)
	if _, err := c.start(); err != nil {
		f.add("start", `write now, all, or a date as "2026-01-31"`, "%q says no time", c.Start)
	}
	if c.Poll < time.Second || c.Poll > 10*time.Minute {
		f.add("poll", `write a time from "1s" to "10m"`, "%s is out of range", c.Poll)
	}
	if c.Silence < time.Second || c.Silence > time.Minute {
		f.add("silence", `write a time from "1s" to "1m"`, "%s is out of range", c.Silence)
	}
	if n := len(c.TokenKey.Value()); n > 0 && n < 16 {
		f.add("token_key", "use at least 16 random characters", "is too short to keep anybody out")
	}
	c.Limits.validate(&f)
	return errors.Join(f...)
}

func (c *Config) validateFolders(f *faults) {
	if len(c.Folders) == 0 {
		f.add("folders", "write [INBOX]", "is empty: no mail would be taken")
	}
	if len(c.Folders) > mostFolders {
		f.add("folders", fmt.Sprintf("watch at most %d; have the server file mail into fewer", mostFolders), "%d folders need as many connections", len(c.Folders))
	}
	seen := map[string]bool{}
	for i, name := range c.Folders {
		path := fmt.Sprintf("folders[%d]", i)
		switch {
		case name == "" || strings.ContainsAny(name, "\r\n\x00*%"):
			f.add(path, `write one as "INBOX" or "INBOX/Repairs"`, "%q is not a folder", name)
		case seen[folderKey(name)]:
			f.add(path, "remove it", "%q stands twice", name)
		case c.MoveTo != "" && folderKey(name) == folderKey(c.MoveTo):
			f.add("move_to", "name a folder that is not watched", "%q is watched: mail moved there would come in again", c.MoveTo)
		}
		seen[folderKey(name)] = true
	}
	if strings.ContainsAny(c.MoveTo, "\r\n\x00*%") {
		f.add("move_to", `write it as "Archive"`, "%q is not a folder", c.MoveTo)
	}
}

// folderKey tells folders apart: INBOX is the same in any case (RFC 9051 section 5.1).
func folderKey(name string) string {
	if strings.EqualFold(name, "INBOX") {
		return "INBOX"
	}
	return name
}

func (c *Config) start() (inbox.Start, error) {
	switch c.Start {
	case startNow:
		return inbox.Start{}, nil
	case startAll:
		return inbox.Start{All: true}, nil
	}
	day, err := time.Parse(time.DateOnly, c.Start)
	return inbox.Start{Since: day}, err
}

func (l Limits) validate(f *faults) {
	for _, n := range []struct {
		path     string
		got      int64
		low, top int64
	}{
		{"limits.mail_bytes", l.MailBytes, 64 << 10, 1 << 30},
		{"limits.file_bytes", l.FileBytes, 1 << 10, 1 << 30},
		{"limits.files", int64(l.Files), 0, 200},
		{"limits.text_bytes", int64(l.TextBytes), 1 << 10, 16 << 20},
		{"limits.header_bytes", int64(l.HeaderBytes), 4 << 10, 4 << 20},
		{"limits.parts", int64(l.Parts), 1, 10000},
		{"limits.depth", int64(l.Depth), 1, 100},
	} {
		if n.got < n.low || n.got > n.top {
			f.add(n.path, fmt.Sprintf("write a number from %d to %d", n.low, n.top), "%d is out of range", n.got)
		}
	}
	if l.ReadTime < time.Second || l.ReadTime > 10*time.Minute {
		f.add("limits.read_time", `write a time from "1s" to "10m"`, "%s is out of range", l.ReadTime)
	}
}

// isAddress says whether s can be an address: one @ that counts, a name before it
// and a host behind it.
func isAddress(s string) bool {
	at := strings.LastIndexByte(s, '@')
	return at > 0 && at < len(s)-1 && len(s) <= 254 && !strings.ContainsAny(s, " \t\r\n<>,;\x00") &&
		!strings.Contains(s[:at], "@") && !strings.HasPrefix(s[at+1:], ".") && !strings.HasSuffix(s, ".")
}
