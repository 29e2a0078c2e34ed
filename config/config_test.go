package config

import (
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"casewire/channels"
)

var update = flag.Bool("update", false, "write golden files anew")

// gate is a kind of channel for tests: a key of every type, and checks of its own.
type gate struct {
	Path    string            `yaml:"path"`
	Origins []string          `yaml:"origins"`
	Title   map[string]string `yaml:"title"`
	Token   channels.Secret   `yaml:"token"`
	Loud    bool              `yaml:"loud"`
	Keep    time.Duration     `yaml:"keep"`
	Limits  struct {
		Files int `yaml:"files"`
	} `yaml:"limits"`
}

func (g *gate) Validate() error {
	var errs []error
	for i, o := range g.Origins {
		if !strings.HasPrefix(o, "https://") {
			errs = append(errs, &channels.FieldError{
				Path: fmt.Sprintf("origins[%d]", i), Msg: fmt.Sprintf("%q is not an origin", o), Mend: `write "https://shop.example"`,
			})
		}
	}
	if g.Limits.Files < 0 || g.Limits.Files > 20 {
		errs = append(errs, &channels.FieldError{Path: "limits.files", Msg: fmt.Sprintf("%d is out of range", g.Limits.Files), Mend: "write 0 to 20"})
	}
	if g.Token.IsZero() {
		errs = append(errs, &channels.FieldError{Path: "token", Msg: "required", Mend: "write {env: NAME} or {file: PATH}"})
	}
	return errors.Join(errs...)
}

func (g *gate) Prefix() string { return g.Path }

func (g *gate) Open(channels.Env) (channels.Channel, error) {
	return nil, errors.New("not opened in this test")
}

func kinds() channels.Kinds {
	return channels.Kinds{
		"gate":   func() channels.Config { return &gate{Path: "/gate/", Keep: time.Hour} },
		"pigeon": func() channels.Config { return &gate{Path: "/pigeon/"} },
	}
}

// TestFaults reads every file in testdata and compares all its faults, which are
// the promise: none hides another.
func TestFaults(t *testing.T) {
	t.Setenv("CASEWIRE_TEST_TOKEN", "a-token-that-nobody-may-see")
	files, err := filepath.Glob("testdata/*.yaml")
	if err != nil || len(files) < 8 {
		t.Fatalf("testdata: %d files, %v", len(files), err)
	}
	for _, file := range files {
		t.Run(filepath.Base(file), func(t *testing.T) {
			_, err := Load(file, kinds())
			got := "no fault"
			if err != nil {
				got = err.Error()
			}
			for _, secret := range []string{"a-token-that-nobody-may-see", "hunter2"} {
				if strings.Contains(got, secret) {
					t.Errorf("a fault repeats a secret:\n%s", got)
				}
			}
			golden := file + ".golden"
			if *update {
				if err := os.WriteFile(golden, []byte(got+"\n"), 0o644); err != nil {
					t.Fatal(err)
				}
			}
			want, err := os.ReadFile(golden)
			if err != nil {
				t.Fatal(err)
			}
			if got+"\n" != string(want) {
				t.Errorf("got\n%s\n\nwant\n%s", got, want)
			}
		})
	}
}

func TestErrorsAreFoundOneByOne(t *testing.T) {
	_, err := Parse("casewire.yaml", []byte("listen: 8080\ndta: x\n"), kinds())
	var all Errors
	if !errors.As(err, &all) || len(all) != 2 {
		t.Fatalf("got %v", err)
	}
	one, ok := errors.AsType[Error](err)
	if !ok || one.File != "casewire.yaml" || one.Line != 1 || one.Column != 9 || one.Path != "listen" || one.Mend == "" {
		t.Errorf("first fault is %+v", one)
	}
}

func TestDefaultsStandInForWhatIsLeftOut(t *testing.T) {
	s, err := Parse("casewire.yaml", []byte("limits: {sockets: 5}\nlog_level:\n"), kinds())
	if err != nil {
		t.Fatal(err)
	}
	want := Defaults()
	want.Limits.Sockets = 5
	if fmt.Sprint(s.Static) != fmt.Sprint(want.Static) || s.Dynamic != want.Dynamic {
		t.Errorf("got %+v", s.Static)
	}
}

func TestWithoutFile(t *testing.T) {
	s, err := Default(channels.Kinds{channels.WebChat: kinds()["pigeon"]})
	if err == nil {
		t.Fatalf("the test's kind has a required token, got %+v", s)
	}
	s, err = Default(channels.Kinds{channels.WebChat: func() channels.Config { return &free{} }})
	if err != nil {
		t.Fatal(err)
	}
	if len(s.Channels) != 1 || s.Channels[0].ID != "webchat:site" || s.Channels[0].Name != "site" || s.Static.Data != "./casewire-data" {
		t.Errorf("got %+v", s)
	}
	if s, err = Default(channels.Kinds{}); err != nil || len(s.Channels) != 0 {
		t.Errorf("got %+v, %v", s, err)
	}
}

// free is a kind that needs nothing.
type free struct{ gate }

func (*free) Validate() error { return nil }

func TestCommandLineStandsAboveTheFile(t *testing.T) {
	listen := func(s *Static) { s.Listen = "127.0.0.1:0" }
	s, err := Parse("casewire.yaml", []byte("listen: nonsense"), kinds(), listen)
	if err != nil || s.Static.Listen != "127.0.0.1:0" {
		t.Errorf("got %+v, %v", s, err)
	}
}

func TestSecretsComeFromOutsideAndStayHidden(t *testing.T) {
	t.Setenv("CASEWIRE_TEST_TOKEN", "s3cr3t")
	file := filepath.Join(t.TempDir(), "token")
	if err := os.WriteFile(file, []byte("s3cr3t\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, ref := range []string{"{env: CASEWIRE_TEST_TOKEN}", "{file: " + file + "}"} {
		s, err := Parse("casewire.yaml", []byte("channels: [{id: a, kind: gate, token: "+ref+"}]"), kinds())
		if err != nil {
			t.Fatal(err)
		}
		g := s.Channels[0].Config.(*gate)
		if g.Token.Value() != "s3cr3t" {
			t.Errorf("%s: got %q", ref, g.Token.Value())
		}
		var log strings.Builder
		slog.New(slog.NewJSONHandler(&log, nil)).Info("x", "config", g, "token", g.Token)
		text, _ := json.Marshal(g)
		shown := fmt.Sprintf("%v %+v %#v %s %q %s %s %v", g, *g, g, g.Token, g.Token, text, log.String(), struct{ hidden channels.Secret }{g.Token})
		if strings.Contains(shown, "s3cr3t") {
			t.Errorf("a secret shows: %s", shown)
		}
		if !strings.Contains(string(text), `"Token":"***"`) {
			t.Errorf("marshals as %s", text)
		}
	}
}

// FuzzParse promises that any bytes are read or refused with places inside the
// file, and never kill the process.
func FuzzParse(f *testing.F) {
	files, _ := filepath.Glob("testdata/*.yaml")
	for _, file := range files {
		b, err := os.ReadFile(file)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(b)
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		s, err := Parse("casewire.yaml", data, kinds())
		if err == nil {
			if s == nil || len(s.Hash) == 0 {
				t.Fatal("neither a snapshot nor an error")
			}
			return
		}
		var all Errors
		if !errors.As(err, &all) || len(all) == 0 {
			t.Fatalf("not Errors: %v", err)
		}
		lines := strings.Count(strings.ReplaceAll(string(data), "\r", "\n"), "\n") + 1
		for _, e := range all {
			if e.Msg == "" || e.Line < 0 || e.Line > lines+1 {
				t.Errorf("fault without a place in %d lines: %+v", lines, e)
			}
		}
	})
}
