package channeltest

import (
	"context"
	"errors"
	"io"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"casewire/channels"
)

func TestMemory(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var m Memory
		ctx := t.Context()
		if _, err := m.Load(ctx, "a"); !errors.Is(err, channels.ErrNotFound) {
			t.Errorf("what is not there: %v", err)
		}
		for _, step := range []struct {
			old, value string
			want       bool
		}{{"", "1", true}, {"", "2", false}, {"x", "2", false}, {"1", "2", true}} {
			var old []byte
			if step.old != "" {
				old = []byte(step.old)
			}
			if ok, err := m.Swap(ctx, "a", old, []byte(step.value)); ok != step.want || err != nil {
				t.Errorf("swap %q for %q: %t, %v", step.value, step.old, ok, err)
			}
		}
		if err := m.Save(ctx, "b", []byte("x"), time.Minute); err != nil {
			t.Fatal(err)
		}
		time.Sleep(time.Minute) // of the bubble's time
		if _, err := m.Load(ctx, "b"); !errors.Is(err, channels.ErrNotFound) {
			t.Errorf("after its time: %v", err)
		}
		if v, err := m.Load(ctx, "a"); string(v) != "2" || err != nil {
			t.Errorf("for ever: %q, %v", v, err)
		}
		if err := m.Forget(ctx, "a"); err != nil || m.Dump() != "b=x\n" {
			t.Errorf("forget: %v, %q", err, m.Dump())
		}
	})
}

func TestFiles(t *testing.T) {
	var f Files
	if _, err := f.Put(t.Context(), "a", strings.NewReader("12345"), 4); !errors.Is(err, channels.ErrTooLarge) {
		t.Errorf("too large: %v", err)
	}
	file, err := f.Put(t.Context(), "a", strings.NewReader("1234"), 4)
	if err != nil || file.Size != 4 || file.Name != "a" {
		t.Fatalf("%+v, %v", file, err)
	}
	r, err := f.Open(t.Context(), file.Blob)
	if err != nil {
		t.Fatal(err)
	}
	if b, err := io.ReadAll(r); string(b) != "1234" || err != nil {
		t.Errorf("%q, %v", b, err)
	}
	if _, err := f.Open(t.Context(), "x"); !errors.Is(err, channels.ErrNotFound) {
		t.Errorf("what is not there: %v", err)
	}
}

func TestBook(t *testing.T) {
	var b Book
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	ann := channels.Address{Kind: channels.WebChat, Handle: "ann"}
	hints, err := b.Watch(ctx, "c")
	if err != nil {
		t.Fatal(err)
	}
	for range 3 {
		if err := b.Message(ctx, channels.Inbound{Channel: "c", ExternalID: "1", From: ann}); err != nil {
			t.Fatal(err)
		}
	}
	for range 3 {
		l, err := b.Post(ctx, channels.Outbound{ID: "m", Channel: "c", To: ann})
		if err != nil || l.Seq != 2 || l.ID != "m" || l.Case != "CW-000001" {
			t.Fatalf("%+v, %v", l, err)
		}
	}
	if got := <-hints; len(got) != 1 || got[0] != ann {
		t.Errorf("hint %v", got)
	}
	if l, err := b.Find(ctx, "c", "1"); err != nil || l.Seq != 1 || !l.In {
		t.Errorf("%+v, %v", l, err)
	}
	if _, err := b.Find(ctx, "other", "1"); !errors.Is(err, channels.ErrNotFound) {
		t.Errorf("on another channel: %v", err)
	}
	if err := b.Receipt(ctx, channels.Receipt{OutboundID: "m", State: channels.Read}); err != nil {
		t.Fatal(err)
	}
	lines, err := b.Lines(ctx, "c", ann, 1, 10)
	if err != nil || len(lines) != 1 || !lines[0].Read {
		t.Errorf("%+v, %v", lines, err)
	}
	if th, err := b.Thread(ctx, "c", channels.Address{Handle: "nobody"}, ""); err != nil || th != (channels.Thread{}) {
		t.Errorf("an unknown thread: %+v, %v", th, err)
	}
}
