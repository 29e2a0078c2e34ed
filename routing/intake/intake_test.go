package intake_test

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"strings"
	"sync"
	"testing"
	"time"

	"casewire/casecore"
	"casewire/casecore/blob"
	"casewire/casecore/blob/dir"
	"casewire/casecore/flow"
	"casewire/casecore/lang"
	"casewire/casecore/store"
	"casewire/channels"
	"casewire/routing"
	"casewire/routing/intake"
)

// house is an intake over a real store, with a clock that the test moves.
type house struct {
	*testing.T
	store  store.Store
	blobs  blob.Store
	ledger *casecore.Ledger
	intake *intake.Intake
	now    time.Time
}

func open(t *testing.T) *house {
	t.Helper()
	st := stores.Open(t, casecore.Collections()...)
	blobs, err := dir.Open(t.TempDir(), dir.Options{})
	if err != nil {
		t.Fatal(err)
	}
	n := lang.Text{"en": "x"}
	f, err := flow.Compile(flow.Spec{
		Initial: "new", Reopen: "new", ReopenWithin: flow.Duration(72 * time.Hour),
		Statuses: []flow.Status{
			{ID: "new", Name: n, Category: flow.New, Next: []string{"issued"}},
			{ID: "issued", Name: n, Category: flow.Closed},
		},
	})
	if err != nil {
		t.Fatal(err)
	}
	r, err := routing.Compile(routing.Spec{
		Queues: []routing.Queue{{ID: "phones", Name: n, React: flow.Duration(time.Hour)}, {ID: "general", Name: n}},
		Rules: []routing.Rule{
			{Name: "phones", When: routing.When{Text: &routing.Text{Any: []string{"телефон"}}}, Then: routing.Then{
				Queue: "phones", Priority: "high", Category: "phone", Attributes: map[string]string{"product": "phone"}, Tags: []string{"new"}}},
			{Name: "rest", Then: routing.Then{Queue: "general"}},
		},
	}, routing.Options{Revision: 7})
	if err != nil {
		t.Fatal(err)
	}
	h := &house{T: t, store: st, blobs: blobs, now: time.Date(2026, 3, 2, 9, 0, 0, 0, time.UTC)}
	h.ledger = &casecore.Ledger{Flow: func() *flow.Flow { return f }, Now: func() time.Time { return h.now }}
	h.intake = intake.New(st, h.ledger, func() *routing.Router { return r }, blobs, intake.Options{})
	return h
}

func (h *house) take(m channels.Inbound) *intake.Result {
	h.Helper()
	res, err := h.intake.Take(h.Context(), m)
	if err != nil {
		h.Fatal(err)
	}
	return res
}

// count returns how many documents a collection has.
func (h *house) count(coll *store.Coll) int {
	h.Helper()
	n := 0
	err := h.store.View(h.Context(), func(tx store.Tx) error {
		for _, err := range tx.Scan(coll, store.Range{}) {
			if err != nil {
				return err
			}
			n++
		}
		return nil
	})
	if err != nil {
		h.Fatal(err)
	}
	return n
}

func message(kind channels.Kind, from, id, text string) channels.Inbound {
	return channels.Inbound{
		Channel: string(kind) + ":main", ExternalID: id, From: channels.Address{Kind: kind, Handle: from},
		Body: channels.Body{Text: text},
	}
}

func TestAMessageBecomesACaseWithTheReason(t *testing.T) {
	h := open(t)
	m := message(channels.WebChat, "v1", "v1|1", "Розбився телефон\nдопоможіть")
	m.Facts = map[string]string{"page": "/prices", "button": "x"}
	c := h.take(m).Case
	if c.Queue != "phones" || c.Priority != casecore.High || c.Category != "phone" || c.Subject != "Розбився телефон допоможіть" {
		t.Errorf("case %+v", c)
	}
	if c.Attributes["product"] != "phone" || c.Attributes["page"] != "/prices" || c.Attributes["button"] != "" {
		t.Errorf("attributes %v", c.Attributes)
	}
	if !c.DueAt.Equal(h.now.Add(time.Hour)) {
		t.Errorf("due %v, want an hour after %v", c.DueAt, h.now)
	}
	if c.Trace.Rule != "phones" || c.Trace.Revision != 7 || len(c.Trace.Reasons) == 0 {
		t.Errorf("trace %+v does not say why", c.Trace)
	}
}

// Promise 2: every message is exactly one case event, whatever is repeated.
func TestARepeatChangesNothing(t *testing.T) {
	h := open(t)
	m := message(channels.SMS, "+380501112233", "SM1", "hello")
	var wg sync.WaitGroup
	for range 16 {
		wg.Go(func() {
			if err := h.intake.Message(t.Context(), m); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	if h.count(casecore.Cases.Coll()) != 1 || h.count(casecore.Messages.Coll()) != 1 || h.count(casecore.Events.Coll()) != 1 {
		t.Errorf("16 copies of one message gave %d cases, %d messages, %d events", h.count(casecore.Cases.Coll()), h.count(casecore.Messages.Coll()), h.count(casecore.Events.Coll()))
	}
	if res := h.take(m); !res.Repeat || res.New {
		t.Errorf("repeat: %+v", res)
	}
	other := m
	other.Channel = "sms:second"
	if res := h.take(other); res.Repeat {
		t.Error("the same id on another channel is another message")
	}
}

func TestWhereAMessageBelongs(t *testing.T) {
	h := open(t)
	first := h.take(message(channels.WebChat, "v1", "1", "hello")).Case
	if res := h.take(message(channels.WebChat, "v1", "2", "and more")); res.New || res.Case.ID != first.ID || res.Message.Line != 2 {
		t.Errorf("a second message must join the open case: %+v", res)
	}
	if res := h.take(message(channels.WebChat, "v2", "3", "me too")); !res.New {
		t.Error("another visitor's message joined a foreign case")
	}
	closeCase := func(id string) {
		err := h.store.Update(t.Context(), func(tx store.Tx) error {
			_, err := h.ledger.Move(tx, casecore.System("test"), id, "issued", casecore.Guard{})
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	closeCase(first.ID)
	h.now = h.now.Add(72 * time.Hour)
	if res := h.take(message(channels.WebChat, "v1", "4", "again")); res.New || res.Case.Status != "new" {
		t.Errorf("within the window a reply reopens: %+v", res.Case)
	}
	closeCase(first.ID)
	h.now = h.now.Add(72*time.Hour + time.Second)
	if res := h.take(message(channels.WebChat, "v1", "5", "much later")); !res.New || res.Case.Number == first.Number {
		t.Errorf("after the window a new case is opened: %+v", res.Case)
	}
}

func TestAnAnswerJoinsOnlyTheSendersOwnCase(t *testing.T) {
	h := open(t)
	own := h.take(message(channels.Email, "a@mail.test", "<1@mail>", "broken"))
	if res := h.take(message(channels.Email, "a@mail.test", "<2@mail>", "another matter")); !res.New {
		t.Error("a second mail that answers nothing is a matter of its own")
	}
	reply := message(channels.Email, "a@mail.test", "<3@mail>", "see below")
	reply.Answers = []string{"unknown", own.Message.ID}
	if res := h.take(reply); res.New || res.Case.ID != own.Case.ID {
		t.Errorf("a reply must join its case: %+v", res)
	}
	forged := message(channels.Email, "eve@mail.test", "<4@mail>", "what did he write?")
	forged.Answers = []string{own.Message.ID}
	if res := h.take(forged); !res.New {
		t.Error("knowing a message's id let a stranger into its case (E7)")
	}
}

func TestTextFromOutsideIsMadeSafe(t *testing.T) {
	h := open(t)
	m := message(channels.SMS, "+380501112233", "1", "a\x00b\xff\r\nc\u202Ed\x1b[31m"+strings.Repeat("я", 200_000))
	m.From.Name = "Ev\ne\u202E" + strings.Repeat("!", 999)
	res := h.take(m)
	text := res.Message.Body.Text
	if !strings.HasPrefix(text, "ab\uFFFD\ncd[31mя") || len(text) > 200_000 {
		t.Errorf("text starts %q and has %d bytes", text[:20], len(text))
	}
	if !res.Case.Broken || !strings.Contains(res.Message.Broken, "cut") {
		t.Error("a message that was cut must be flagged")
	}
	if name := res.Message.From.Name; strings.ContainsAny(name, "\n\u202E") || len([]rune(name)) > 200 {
		t.Errorf("name %q", name)
	}
}

func TestTheRawFormAndTheCursorAreKeptInTheSameCommit(t *testing.T) {
	h := open(t)
	m := message(channels.Email, "a@mail.test", "<1@mail>", "x")
	for id, size := range map[string]int{"none": 0, "small": 8 << 10, "just too large": 8<<10 + 1, "large": 1 << 20} {
		want := strings.Repeat("r", size)
		m.ExternalID, m.Cursor = id, []byte("uid 16")
		m.Source = func() (io.ReadCloser, error) { return io.NopCloser(strings.NewReader(want)), nil }
		r, err := h.take(m).Message.OpenSource(t.Context(), casecore.Files{Blobs: h.blobs})
		if size == 0 {
			if !errors.Is(err, channels.ErrNotFound) {
				t.Errorf("%s: %v", id, err)
			}
			continue
		}
		if err != nil {
			t.Fatal(err)
		}
		if raw, err := io.ReadAll(r); err != nil || string(raw) != want {
			t.Errorf("%s: raw form of %d bytes, %v", id, len(raw), err)
		}
		if err := r.Close(); err != nil {
			t.Error(err)
		}
	}
	m.ExternalID, m.Cursor = "<1@mail>", []byte("uid 17")
	h.take(m)
	memory := casecore.Memory{Store: h.store, Channel: m.Channel, Now: func() time.Time { return h.now }}
	if cur, err := memory.Load(t.Context(), "cursor"); err != nil || !bytes.Equal(cur, m.Cursor) {
		t.Errorf("cursor %q, %v", cur, err)
	}
	m.Source = func() (io.ReadCloser, error) { return nil, fmt.Errorf("disk on fire") }
	m.ExternalID, m.Cursor = "<2@mail>", []byte("uid 18")
	if err := h.intake.Message(t.Context(), m); err == nil {
		t.Fatal("a message whose raw form cannot be kept was acknowledged")
	}
	if cur, err := memory.Load(t.Context(), "cursor"); err != nil || string(cur) != "uid 17" {
		t.Errorf("the cursor moved without its message: %q, %v", cur, err)
	}
}

func TestAMessageWithoutSenderOrIDIsRefused(t *testing.T) {
	h := open(t)
	for _, m := range []channels.Inbound{{}, message(channels.SMS, "", "1", "x"), message(channels.SMS, "+1", "", "x")} {
		if err := h.intake.Message(t.Context(), m); err == nil {
			t.Errorf("%+v was taken in", m)
		}
	}
}
