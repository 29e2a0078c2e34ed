package config

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

func TestReload(t *testing.T) {
	t.Setenv("CASEWIRE_TEST_TOKEN", "one")
	path := filepath.Join(t.TempDir(), "casewire.yaml")
	write := func(text string) {
		t.Helper()
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	const channel = "channels: [{id: site, kind: gate, token: {env: CASEWIRE_TEST_TOKEN}}]\n"
	write("log_level: info\n" + channel)
	first, err := Load(path, kinds())
	if err != nil {
		t.Fatal(err)
	}
	clock := time.Date(2026, 11, 22, 10, 0, 0, 0, time.UTC)
	now := func() time.Time { clock = clock.Add(time.Minute); return clock }
	l := NewLive(first, kinds(), now)
	loaded := l.Status().LoadedAt

	refused := func(what, text, want string, apply Apply) {
		t.Helper()
		write(text)
		err := l.Reload(t.Context(), apply)
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: got %v, want %q", what, err, want)
		}
		st := l.Status()
		if l.Snapshot() != first || st.Hash != first.Hash || !st.LoadedAt.Equal(loaded) {
			t.Errorf("%s: something changed: %+v", what, st)
		}
		if !st.TriedAt.After(loaded) || st.LastErr != err.Error() {
			t.Errorf("%s: status does not tell: %+v", what, st)
		}
	}
	refused("a bad value", "log_level: loud\n", "log_level", nil)
	refused("another port", "listen: 127.0.0.1:1\n"+channel, path+":1:9: listen: needs a restart to change", nil)
	refused("a limit and another folder", channel+"data: ./x\nlimits: {sockets: 7}\n", ":3:1: limits: needs a restart", nil)
	refused("a door that does not open", "log_level: warn\n"+channel, "no such door",
		func(context.Context, *Snapshot, *Snapshot) error { return errors.New("no such door") })

	write("log_level: debug\n" + channel)
	var seen Change
	err = l.Reload(t.Context(), func(_ context.Context, now, next *Snapshot) error {
		seen = Compare(now, next)
		return nil
	})
	if err != nil || l.Snapshot() == first || l.Status().LastErr != "" || !l.Status().LoadedAt.After(loaded) {
		t.Fatalf("a good file was not put in force: %v %+v", err, l.Status())
	}
	if len(seen.Close)+len(seen.Open) != 0 {
		t.Errorf("an unchanged door would be touched: %+v", seen)
	}
}

func TestCompareTouchesOnlyWhatChanged(t *testing.T) {
	t.Setenv("CASEWIRE_TEST_TOKEN", "one")
	parse := func(text string) *Snapshot {
		t.Helper()
		s, err := Parse("casewire.yaml", []byte(text), kinds())
		if err != nil {
			t.Fatal(err)
		}
		return s
	}
	const same = "  - {id: same, kind: gate, token: {env: CASEWIRE_TEST_TOKEN}}\n"
	now := parse("channels:\n" + same + "  - {id: old, kind: pigeon, token: {env: CASEWIRE_TEST_TOKEN}}\n")
	next := parse("channels:\n" + same + "  - {id: new, kind: pigeon, token: {env: CASEWIRE_TEST_TOKEN}}\n")
	got := Compare(now, next)
	if len(got.Close) != 1 || got.Close[0].ID != "pigeon:old" || len(got.Open) != 1 || got.Open[0].ID != "pigeon:new" {
		t.Errorf("got %+v", got)
	}
	t.Setenv("CASEWIRE_TEST_TOKEN", "two")
	if got := Compare(now, parse("channels:\n"+same)); len(got.Open) != 1 || got.Open[0].ID != "gate:same" {
		t.Errorf("a changed secret does not open the door anew: %+v", got)
	}
}

func TestReloadWithoutFile(t *testing.T) {
	s, err := Default(nil)
	if err != nil {
		t.Fatal(err)
	}
	l := NewLive(s, nil, time.Now)
	if err := l.Reload(t.Context(), nil); err != nil || l.Snapshot() != s {
		t.Errorf("got %v", err)
	}
}
