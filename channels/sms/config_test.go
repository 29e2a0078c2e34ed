package sms

import (
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"casewire/channels"
	"casewire/channels/channeltest"

	"github.com/goccy/go-yaml"
)

func valid() *Config {
	c := NewConfig()
	c.AccountSID, c.AuthToken, c.From = "AC"+strings.Repeat("0", 32), channels.NewSecret(strings.Repeat("a", 32)), ourNumber
	return c
}

func TestConfigFaults(t *testing.T) {
	if err := valid().Validate(); err != nil {
		t.Fatal(err)
	}
	for _, v := range []struct {
		path   string
		change func(*Config)
	}{
		{"account_sid", func(c *Config) { c.AccountSID = "SK" + strings.Repeat("0", 32) }},
		{"auth_token", func(c *Config) { c.AuthToken = channels.Secret{} }},
		{"auth_token", func(c *Config) { c.AuthToken = channels.NewSecret("not a token!") }},
		{"auth_token_next", func(c *Config) { c.AuthTokenNext = channels.NewSecret("short") }},
		{"from", func(c *Config) { c.From = "" }},
		{"from", func(c *Config) { c.From = "0601234567" }},
		{"from", func(c *Config) { c.From = "twelve chars" }},
		{"messaging_service", func(c *Config) { c.MessagingService = "MG1" }},
		{"numbers[1]", func(c *Config) { c.Numbers = []string{ourNumber, "x"} }},
		{"default_region", func(c *Config) { c.DefaultRegion = "Serbia" }},
		{"help_reply.de", func(c *Config) { c.HelpReply = Text{"de": "Hilfe"} }},
		{"stop_reply.en", func(c *Config) { c.StopReply = Text{"en": strings.Repeat("a", 2000)} }},
		{"reconcile", func(c *Config) { c.Reconcile = time.Second }},
		{"server", func(c *Config) { c.Server = "http://twilio.example" }},
		{"server", func(c *Config) { c.Server = "127.0.0.1:1" }},
		{"voice.dial[0]", func(c *Config) { c.Voice.Dial = []string{"011 111 1111"} }},
		{"voice.dial[1]", func(c *Config) { c.Voice.Dial = []string{shopPhone, shopPhone} }},
		{"voice.dial[0]", func(c *Config) { c.Voice.Dial = []string{ourNumber} }},
		{"voice.say.de", func(c *Config) { c.Voice.Say = Text{"de": "Guten Tag"} }},
		{"voice.say.en", func(c *Config) { c.Voice.Say = Text{"en": strings.Repeat("a", 5000)} }},
		{"voice.language", func(c *Config) { c.Voice.Language = "de" }},
		{"voice.ring", func(c *Config) { c.Voice.Ring = time.Second }},
		{"limits.segments", func(c *Config) { c.Limits.Segments = 11 }},
		{"limits.media_bytes", func(c *Config) { c.Limits.MediaBytes = 0 }},
		{"limits.form_bytes", func(c *Config) { c.Limits.FormBytes = 2 << 20 }},
		{"limits.call", func(c *Config) { c.Limits.Call = time.Hour }},
	} {
		c := valid()
		v.change(c)
		err := c.Validate()
		fe, ok := errors.AsType[*channels.FieldError](err)
		if !ok || fe.Path != v.path || fe.Mend == "" {
			t.Errorf("%s: %v", v.path, err)
		}
		if _, err := c.Open(channels.Env{}); err == nil {
			t.Errorf("%s: opened all the same", v.path)
		}
	}
}

func TestAllFaultsAtOnce(t *testing.T) {
	err := (&Config{From: "?"}).Validate()
	for _, path := range []string{"account_sid", "auth_token", "from", "reconcile", "limits.segments", "limits.call"} {
		if !strings.Contains(err.Error(), path+": ") {
			t.Errorf("%s is not named", path)
		}
	}
}

func TestConfigIsReadFromYAML(t *testing.T) {
	c := NewConfig()
	err := yaml.UnmarshalWithOptions([]byte(`
account_sid: AC00000000000000000000000000000000
from: "+15005550006"
numbers: ["+15005550007"]
default_region: RS
plain_quotes: false
help_reply: {en: "Mill Street Repairs, +381 11 123"}
reconcile: 1m
voice: {dial: ["+381111111111"], say: {sr: "Dobar dan"}, language: sr}
limits: {segments: 3}
`), c, yaml.Strict())
	if err != nil {
		t.Fatal(err)
	}
	if c.Limits.Segments != 3 || c.Limits.Call != 15*time.Second || c.PlainQuotes || c.Reconcile != time.Minute {
		t.Errorf("%+v", c)
	}
	if v := c.Voice; !slices.Equal(v.Dial, []string{shopPhone}) || v.Say["sr"] != "Dobar dan" || v.Language != "sr" || v.Ring != 30*time.Second {
		t.Errorf("%+v", v)
	}
	if !slices.Equal(c.own(), []string{"+15005550007", "+15005550006"}) {
		t.Errorf("own %q", c.own())
	}
}

func TestOpenNeedsAHouse(t *testing.T) {
	env := channeltest.NewHouse(t).Env(channelID)
	for name, change := range map[string]func(*channels.Env){
		"memory": func(e *channels.Env) { e.State = nil },
		"files":  func(e *channels.Env) { e.Files = nil },
		"url":    func(e *channels.Env) { e.PublicURL = "" },
	} {
		e := env
		change(&e)
		if _, err := valid().Open(e); err == nil {
			t.Errorf("opened without %s", name)
		}
	}
	env.Now, env.Log = nil, nil
	if _, err := valid().Open(env); err != nil {
		t.Error(err)
	}
}
