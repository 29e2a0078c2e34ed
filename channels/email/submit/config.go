package submit

import (
	"fmt"
	"time"

	"casewire/channels"
	"casewire/channels/email/link"
)

// Config says where mail is handed over, and how.
type Config struct {
	// Server is where the mail server is; the usual ports are 587 and, with tls:
	// implicit, 465.
	Server link.Config `yaml:",inline"`
	// NoLogin is for a relay in the own network that lets us in by our address.
	NoLogin bool `yaml:"no_login"`
	// Hello is the name by which we greet the server; empty is the domain of the
	// channel's address.
	Hello string `yaml:"hello"`
	// Connections is how many connections may be open at once.
	Connections int `yaml:"connections"`
	// PerMinute is how many notices go out in a minute; answers of operators do not
	// wait. 0: as they come.
	PerMinute int `yaml:"per_minute"`
	// Idle is how long a connection is kept for the next mail.
	Idle time.Duration `yaml:"idle"`
	// Reply is how long the server may take to answer; some examine a mail for a
	// minute before they take it.
	Reply time.Duration `yaml:"reply"`
	// PlusAddress puts a token of the case into Reply-To, support+token@shop.example,
	// so that answers find their case whatever else is lost. The provider must
	// deliver such addresses to the mailbox; "casewire doctor" tries it.
	PlusAddress bool `yaml:"plus_address"`
	// ReturnToken puts a token of the message into the envelope's sender, so that a
	// bounce is known for certain. As plus_address, and the provider must let us send
	// from such an address.
	ReturnToken bool `yaml:"return_token"`
	// SubjectToken puts a token of the case into the subject, for customers whose mail
	// programs lose everything else.
	SubjectToken bool `yaml:"subject_token"`
}

// NewConfig returns the defaults.
func NewConfig() Config {
	return Config{
		Server:      link.Config{TLS: link.StartTLS},
		Connections: 2, Idle: 30 * time.Second, Reply: 2 * time.Minute,
	}
}

// Faults returns what is wrong with the configuration; path is its key.
func (c Config) Faults(path string) []*channels.FieldError {
	out := c.Server.Faults(path)
	add := func(key, mend, format string, args ...any) {
		out = append(out, &channels.FieldError{Path: path + "." + key, Msg: fmt.Sprintf(format, args...), Mend: mend})
	}
	if c.Connections < 1 || c.Connections > 20 {
		add("connections", "write a number from 1 to 20", "%d is out of range", c.Connections)
	}
	if c.PerMinute < 0 || c.PerMinute > 100_000 {
		add("per_minute", "write a number up to 100000; 0 sets no pace", "%d is out of range", c.PerMinute)
	}
	if c.Idle < 0 || c.Idle > 10*time.Minute {
		add("idle", `write a time up to "10m"; "0s" closes each connection`, "%s is out of range", c.Idle)
	}
	if c.Reply < time.Second || c.Reply > 15*time.Minute {
		add("reply", `write a time from "1s" to "15m"`, "%s is out of range", c.Reply)
	}
	if c.Hello != "" && !isDomain(c.Hello) {
		add("hello", `write a host name, "casewire.shop.example"`, "%q is not a host name", c.Hello)
	}
	return out
}

// isDomain says whether s can stand in EHLO.
func isDomain(s string) bool {
	if s == "" || len(s) > 255 {
		return false
	}
	for _, r := range s {
		switch {
		case r >= 'a' && r <= 'z', r >= 'A' && r <= 'Z', r >= '0' && r <= '9':
		case r == '-', r == '.', r == '[', r == ']', r == ':':
		default:
			return false
		}
	}
	return true
}
