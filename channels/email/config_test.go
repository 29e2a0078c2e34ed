package email

import (
	"errors"
	"strings"
	"testing"

	"casewire/channels"

	"github.com/goccy/go-yaml"
)

func TestDefaultsAreValid(t *testing.T) {
	if err := NewConfig().Validate(); err != nil {
		t.Fatal(err)
	}
}

// All faults are reported at once, each with its place and how to mend it.
func TestEveryFaultIsNamed(t *testing.T) {
	c := NewConfig()
	err := yaml.UnmarshalWithOptions([]byte(`
address: support
aliases: [info@shop.example, "a b@shop.example"]
imap: {host: "imap.shop.example:993", port: 99999, tls: maybe, ca_file: /nonexistent, oauth: {token_url: "http://login.example/token"}}
smtp: {host: "", tls: none}
folders: [INBOX, "", inbox]
move_to: Inbox
start: yesterday
poll: 1h
silence: 5m
limits: {mail_bytes: 1, files: -1, read_time: 1h}
`), c, yaml.Strict())
	if err != nil {
		t.Fatal(err)
	}
	c.TokenKey = channels.NewSecret("short")
	want := []string{
		"address", "aliases[1]", "imap.host", "imap.port", "imap.tls", "imap.ca_file",
		"imap.oauth.token_url", "imap.oauth.client_id", "imap.oauth.refresh_token", "smtp.host",
		"move_to", "folders[1]", "folders[2]", "start", "poll", "silence", "token_key",
		"limits.mail_bytes", "limits.files", "limits.read_time",
	}
	joined, ok := c.Validate().(interface{ Unwrap() []error })
	if !ok {
		t.Fatal("no faults, or not joined")
	}
	var got []string
	for _, e := range joined.Unwrap() {
		var f *channels.FieldError
		if !errors.As(e, &f) {
			t.Fatalf("%v is no *FieldError", e)
		}
		if f.Msg == "" || f.Mend == "" {
			t.Errorf("%s says neither what is wrong nor how to mend it: %q, %q", f.Path, f.Msg, f.Mend)
		}
		got = append(got, f.Path)
	}
	if strings.Join(got, " ") != strings.Join(want, " ") {
		t.Errorf("faults at\n%q, want\n%q", got, want)
	}
}
