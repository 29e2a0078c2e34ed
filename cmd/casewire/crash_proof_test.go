package main

import (
	"cmp"
	"slices"

	"casewire/casecore"
)

// isProved checks that events, messages and evidence of delivery are as they were
// sealed, whatever the program died of (I6).
func (b *book) isProved() {
	b.t.Helper()
	messages := map[string][]*casecore.Message{} // by case
	for _, m := range b.messages {
		messages[m.Case] = append(messages[m.Case], m)
	}
	outside := map[string][]string{}
	for _, n := range b.notices {
		if n.Proof != "" {
			outside[n.Message] = append(outside[n.Message], n.Proof)
		}
	}
	for number, c := range b.cases {
		list := messages[c.ID]
		slices.SortFunc(list, func(a, b *casecore.Message) int { return cmp.Compare(a.Seq, b.Seq) })
		p := casecore.Prove(c, b.events[c.ID], list, outside)
		for _, f := range p.Faults {
			b.t.Errorf("I6: %s: %s", number, f)
		}
		if p.From != 1 || p.Events != c.Events {
			b.t.Errorf("I6: of %s %d of %d events are chained, from %d", number, p.Events, c.Events, p.From)
		}
	}
}
