package sample

import (
	"errors"
	"os"
	"strings"
	"testing"
	"time"

	"casewire/channels"
)

// lamp is a channel for tests.
type lamp struct {
	// Colour is what it shines in.
	Colour string `yaml:"colour"`
	// Words are said in these languages.
	Words map[string]string `yaml:"words"`
	// Every is how often it blinks.
	Every time.Duration `yaml:"every"`
	// Key turns it on.
	Key channels.Secret `yaml:"key"`
	// Socket is where it is plugged in.
	Socket string `yaml:"socket" sample:"hall"`
	// Shade keeps the light in.
	Shade struct {
		// Size is its width.
		Size int `yaml:"size"`
	}
}

func (*lamp) Validate() error { return nil }

func (*lamp) Open(channels.Env) (channels.Channel, error) { return nil, errors.New("not here") }

// mute has a key that nothing explains.
type mute struct {
	lamp `yaml:",inline"`
	Why  string `yaml:"why"`
}

func TestSampleShowsDefaultsAndMeanings(t *testing.T) {
	out, err := File(os.DirFS("../.."), channels.Kinds{"lamp": func() channels.Config {
		return &lamp{Colour: "#ff0000", Words: map[string]string{"en": "a: b", "ru": "свет"}, Every: 90 * time.Minute}
	}})
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{
		"# listen is the address and port", "listen: 127.0.0.1:8080\n", "\ngrace: 30s\n",
		"  - id: site\n    kind: lamp\n\n    # colour is what it shines in.\n    colour: \"#ff0000\"\n",
		"words: {en: \"a: b\", ru: свет}\n", "every: 1h30m\n", "    # key turns it on.\n    # key: {env: CASEWIRE_KEY}\n",
		"    socket: hall\n",
	} {
		if !strings.Contains(string(out), want) {
			t.Errorf("no %q in\n%s", want, out)
		}
	}
}

func TestKeyWithoutCommentIsRefused(t *testing.T) {
	_, err := File(os.DirFS("../.."), channels.Kinds{"mute": func() channels.Config { return &mute{} }})
	if err == nil || !strings.Contains(err.Error(), "mute.Why has no comment") {
		t.Errorf("got %v", err)
	}
}
