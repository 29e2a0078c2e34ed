package casecore_test

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"casewire/casecore"
	"casewire/casecore/store"
	"casewire/channels"
)

// What people write is bounded in the book itself, whoever brings it.
func TestLimitsOfWhatIsWritten(t *testing.T) {
	b := open(t)
	c := b.arrive("phones", "1")
	b.do(func(tx store.Tx) error { _, err := b.ledger.Claim(tx, anna, c.ID); return err })
	answer := func(s string) func(store.Tx) error {
		return func(tx store.Tx) error {
			_, _, err := b.ledger.Answer(tx, anna, c.ID, casecore.Guard{}, casecore.Message{Body: channels.Body{Text: s}})
			return err
		}
	}
	note := func(s string) func(store.Tx) error {
		return func(tx store.Tx) error { _, _, err := b.ledger.Note(tx, anna, c.ID, s); return err }
	}
	edit := func(e casecore.Edit) func(store.Tx) error {
		return func(tx store.Tx) error { _, err := b.ledger.Edit(tx, anna, c.ID, e, casecore.Guard{}); return err }
	}
	subject := func(s string) func(store.Tx) error { return edit(casecore.Edit{Subject: &s}) }
	attrs := func(kv ...string) func(store.Tx) error {
		m := map[string]string{}
		for i := 0; i+1 < len(kv); i += 2 {
			m[kv[i]] = kv[i+1]
		}
		return edit(casecore.Edit{Attributes: m})
	}
	long := func(n int) string { return strings.Repeat("ы", n) }
	many, tags := []string{}, []string{}
	for i := range 51 {
		many = append(many, fmt.Sprint("k", i), "v")
		tags = append(tags, fmt.Sprint("t", i))
	}
	for name, try := range map[string]struct {
		do                func(store.Tx) error
		field, key, fault string
	}{
		"long answer":                {answer(long(20_001)), "text", "", casecore.TooLong},
		"answer that is not UTF-8":   {answer("a\xffb"), "text", "", casecore.BadCharacters},
		"answer with a bell":         {answer("a\ab"), "text", "", casecore.BadCharacters},
		"long note":                  {note(long(20_001)), "text", "", casecore.TooLong},
		"long subject":               {subject(long(201)), "subject", "", casecore.TooLong},
		"subject of two lines":       {subject("a\nb"), "subject", "", casecore.BadCharacters},
		"attribute with a long name": {attrs(long(61), "v"), "attributes", "", casecore.TooLong},
		"attribute without a name":   {attrs("", "v"), "attributes", "", casecore.BadName},
		"long value":                 {attrs("model", long(501)), "attributes", "model", casecore.TooLong},
		"value with an escape":       {attrs("model", "\x1b[2J"), "attributes", "model", casecore.BadCharacters},
		"too many attributes":        {attrs(many...), "attributes", "", casecore.TooMany},
		"too many tags":              {edit(casecore.Edit{Tags: tags[:21]}), "tags", "", casecore.TooMany},
		"long tag":                   {edit(casecore.Edit{Tags: []string{long(41)}}), "tags", "", casecore.TooLong},
		"tag with blanks around it":  {edit(casecore.Edit{Tags: []string{" vip"}}), "tags", "", casecore.BadName},
		"long reason": {func(tx store.Tx) error {
			_, err := b.ledger.Release(tx, anna, c.ID, long(501), casecore.Guard{})
			return err
		}, "reason", "", casecore.TooLong},
	} {
		t.Run(name, func(t *testing.T) {
			err := b.store.Update(t.Context(), try.do)
			bad, ok := errors.AsType[*casecore.Invalid](err)
			if !ok || bad.Field != try.field || bad.Key != try.key || bad.Code != try.fault || bad.Msg == "" || bad.Mend == "" {
				t.Errorf("answer %#v; want *Invalid of %s, %s", err, try.field, try.fault)
			}
		})
	}
	before := b.get(c.ID).Version
	b.do(answer(long(20_000)))
	b.do(note("first line\n\tsecond\r\n"))
	b.do(attrs(many[:100]...))
	b.do(attrs("k1", long(500)))
	b.do(edit(casecore.Edit{Tags: tags[:20]}))
	b.do(subject(long(200)))
	if after := b.get(c.ID).Version; after == before {
		t.Error("nothing within the limits was written")
	}
}

// A rule or a customer may have brought more than people may add; it can be taken
// away bit by bit.
func TestWhatIsOverTheLimitsCanBeRemoved(t *testing.T) {
	b := open(t)
	c := b.arrive("phones", "1")
	var tags []string
	b.do(func(tx store.Tx) error {
		c, err := casecore.Cases.Get(tx, c.ID)
		if err != nil {
			return err
		}
		c.Attributes = map[string]string{strings.Repeat("n", 80): "v"}
		for i := range 60 {
			tags = append(tags, fmt.Sprint("t", i))
			c.Attributes[fmt.Sprint("k", i)] = "v"
		}
		c.Tags = tags
		return casecore.Cases.Put(tx, c)
	})
	b.do(func(tx store.Tx) error {
		_, err := b.ledger.Edit(tx, boss, c.ID, casecore.Edit{
			Tags: tags[1:], Attributes: map[string]string{strings.Repeat("n", 80): "", "k1": "w"},
		}, casecore.Guard{})
		return err
	})
	if got := b.get(c.ID); len(got.Tags) != 59 || len(got.Attributes) != 60 || got.Attributes["k1"] != "w" {
		t.Errorf("%d tags, %d attributes, k1 %q", len(got.Tags), len(got.Attributes), got.Attributes["k1"])
	}
}
