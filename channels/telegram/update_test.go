package telegram

import (
	"encoding/json"
	"flag"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"casewire/channels"
	"casewire/channels/channeltest"
)

var rewrite = flag.Bool("update", false, "write what updates become to the golden files")

// Each kind of update becomes what stands beside it (T4, T5, T8). The topic's is
// read with groups on.
func TestUpdates(t *testing.T) {
	names, err := filepath.Glob("testdata/updates/*.json")
	if err != nil || len(names) < 20 {
		t.Fatalf("%d updates, %v", len(names), err)
	}
	for _, name := range names {
		t.Run(strings.TrimSuffix(filepath.Base(name), ".json"), func(t *testing.T) {
			raw, err := os.ReadFile(name)
			if err != nil {
				t.Fatal(err)
			}
			got := become(t, raw, strings.Contains(name, "topic"))
			golden := strings.TrimSuffix(name, ".json") + ".want"
			if *rewrite {
				if err := os.WriteFile(golden, []byte(got), 0o600); err != nil {
					t.Fatal(err)
				}
			}
			want, err := os.ReadFile(golden)
			if err != nil {
				t.Fatal(err)
			}
			if got != string(want) {
				t.Errorf("became\n%s\nwant\n%s", got, want)
			}
		})
	}
}

// become takes one update in and describes what the house got.
func become(t testing.TB, raw []byte, topics bool) string {
	t.Helper()
	d, house := alone(t)
	if topics {
		d.cfg.Groups = groupsTopics
	}
	u, err := readUpdate(raw)
	if err != nil {
		t.Fatal(err)
	}
	if err := d.take(t.Context(), u, []byte("cursor"), house.Book); err != nil {
		t.Fatal(err)
	}
	var b strings.Builder
	for _, m := range house.Book.Messages() {
		describe(&b, m)
	}
	for _, s := range house.Book.Standings() {
		fmt.Fprintf(&b, "standing %s of %s: open %t, %s %s, at %s, cursor %s\n",
			s.ExternalID, s.Address.Key(), s.Open, s.Reason, s.Code, s.At.UTC().Format(time.RFC3339), s.Cursor)
	}
	if b.Len() == 0 {
		b.WriteString("nothing\n")
	}
	return b.String()
}

func describe(b *strings.Builder, m channels.Inbound) {
	fmt.Fprintf(b, "message %s\nfrom %s %q\n", m.ExternalID, m.From.Key(), m.From.Name)
	if !m.SentAt.IsZero() {
		fmt.Fprintf(b, "sent %s\n", m.SentAt.UTC().Format(time.RFC3339))
	}
	for _, f := range []struct {
		name string
		on   bool
		v    any
	}{
		{"lang", m.Body.Lang != "", m.Body.Lang}, {"refs", len(m.Refs) > 0, m.Refs}, {"answers", len(m.Answers) > 0, m.Answers},
		{"replaces", m.Replaces != "", m.Replaces}, {"auto", m.Auto, m.Auto}, {"broken", m.Broken != "", m.Broken},
		{"cursor", m.Cursor != nil, string(m.Cursor)}, {"source", m.Source == nil, "none"},
	} {
		if f.on {
			fmt.Fprintf(b, "%s %v\n", f.name, f.v)
		}
	}
	for _, k := range slices.Sorted(maps.Keys(m.Facts)) {
		fmt.Fprintf(b, "fact %s = %q\n", k, m.Facts[k])
	}
	for _, f := range m.Body.Files {
		fmt.Fprintf(b, "file %q %s %d bytes\n", f.Name, f.Type, f.Size)
	}
	fmt.Fprintf(b, "text %q\n", m.Body.Text)
}

// alone returns a door that speaks to nobody.
func alone(t testing.TB) (*Door, *channeltest.House) {
	t.Helper()
	house := &channeltest.House{Memory: &channeltest.Memory{}, Files: &channeltest.Files{}}
	house.Book = &channeltest.Book{Memory: house.Memory}
	c := NewConfig()
	c.Token = channels.NewSecret("4242:a-token-of-a-test")
	d, err := c.open(channels.Env{
		ID: channelID, PublicURL: "https://repair.example", State: house.Memory, Files: house.Files,
		Now: func() time.Time { return time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC) },
	}, inside{unanswered{}})
	if err != nil {
		t.Fatal(err)
	}
	hurry(d)
	return d, house
}

// FuzzUpdate: whatever comes, the house gets a message that can be stored, or
// nothing, and the same again for the same bytes.
func FuzzUpdate(f *testing.F) {
	names, err := filepath.Glob("testdata/updates/*.json")
	if err != nil {
		f.Fatal(err)
	}
	for _, name := range names {
		raw, err := os.ReadFile(name)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(raw)
	}
	f.Fuzz(func(t *testing.T, raw []byte) {
		u, err := readUpdate(raw)
		if err != nil {
			return
		}
		u.lane()
		d, house := alone(t)
		for range 2 {
			if err := d.take(t.Context(), u, nil, house.Book); err != nil {
				t.Fatalf("an update that can never be taken in: %v", err)
			}
			if err := d.albums.finish(t.Context(), u.lane()); err != nil {
				t.Fatal(err)
			}
		}
		got := house.Book.Messages()
		if len(got) > 1 {
			t.Fatalf("one update became %d messages", len(got))
		}
		for _, m := range got {
			if m.ExternalID == "" || m.From.Handle == "" || m.Body.Text == "" && len(m.Body.Files) == 0 && m.Broken == "" {
				t.Errorf("a message without name, sender or anything to read: %+v", m)
			}
			if b, err := json.Marshal(m.Body); err != nil || strings.ContainsAny(m.From.Name+m.Body.Text, "\x00\x07") {
				t.Errorf("it cannot be stored: %s, %v", b, err)
			}
			if len(m.From.Name) > 4*64 {
				t.Errorf("a name of %d bytes", len(m.From.Name))
			}
		}
	})
}
