package webchat

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

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
path: chat
origins: ["*", "https://ok.example", "shop.example", "https://shop.example/page", "https://*.shop.example"]
title: {en: "Mill Street Repairs", xx: "?"}
accent: "#88ccdd"
token_lifetime: 30s
limits: {text_runes: 0, file_bytes: -1, file_types: ["png"], upload_bytes: 0}
times: {ping: 20s, pong: 75s}
`), c, yaml.Strict())
	if err != nil {
		t.Fatal(err)
	}
	c.IdentitySecret = channels.NewSecret("short")
	want := []string{
		"path", "origins[0]", "origins[2]", "origins[3]", "origins[4]", "title.xx", "accent",
		"token_lifetime", "identity_secret", "limits.text_runes", "limits.file_bytes", "limits.upload_bytes", "limits.file_types[0]", "times.pong",
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

func TestOpenRefusesFaults(t *testing.T) {
	c := NewConfig()
	c.Origins = []string{"*"}
	if _, err := c.Open(channels.Env{ID: channelID}); err == nil {
		t.Error("opened to any site at all")
	}
	if _, err := NewConfig().Open(channels.Env{ID: channelID}); err == nil {
		t.Error("opened without a store")
	}
}

func TestSecretDoesNotPrint(t *testing.T) {
	c := NewConfig()
	c.IdentitySecret = channels.NewSecret("0123456789abcdef-canary")
	y, err := yaml.Marshal(c)
	if err != nil {
		t.Fatal(err)
	}
	for _, s := range []string{fmt.Sprintf("%v %+v %#v %s", c, *c, *c, c.IdentitySecret), string(y)} {
		if strings.Contains(s, "canary") {
			t.Errorf("the secret prints: %.200s", s)
		}
	}
}

func TestDurationsAreRead(t *testing.T) {
	c := NewConfig()
	if err := yaml.UnmarshalWithOptions([]byte("token_lifetime: 4320h\ntimes: {ping: 5s}"), c, yaml.Strict()); err != nil {
		t.Fatal(err)
	}
	if c.TokenLifetime != 180*24*time.Hour || c.Times.Ping != 5*time.Second || c.Times.Pong != maxPong {
		t.Errorf("got %s, %+v", c.TokenLifetime, c.Times)
	}
}
