package main

import (
	"errors"
	"fmt"
	"sync"
	"testing"
	"time"

	"casewire/casecore"
	"casewire/casecore/flow"
	"casewire/casecore/lang"
	"casewire/casecore/store"
	"casewire/casecore/store/mongo"
	"casewire/channels"
)

// An operator with two browsers on two nodes claims different cases at the same
// moment: the nodes together give no more than the operator can hold.
func TestTwoNodesKeepToOneCapacity(t *testing.T) {
	address := database(t)
	name := func(s string) lang.Text { return lang.Text{"en": s} }
	f, err := flow.Compile(flow.Spec{
		Initial: "new", Taken: "accepted", Reopen: "accepted", ReopenWithin: flow.Duration(time.Hour),
		Statuses: []flow.Status{
			{ID: "new", Name: name("New"), Category: flow.New, Next: []string{"accepted"}},
			{ID: "accepted", Name: name("Accepted"), Category: flow.Open, Next: []string{"issued"}},
			{ID: "issued", Name: name("Issued"), Category: flow.Closed, Next: []string{}},
		},
	})
	if err != nil {
		t.Fatal(err)
	}
	ledger := &casecore.Ledger{Flow: func() *flow.Flow { return f }, Now: time.Now}
	var nodes [2]store.Store
	for i := range nodes {
		st, err := mongo.Open(t.Context(), address, mongo.Options{}, collected()...)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() {
			if err := st.Close(); err != nil {
				t.Error(err)
			}
		})
		nodes[i] = st
	}
	const rounds, cases, capacity = 6, 6, 2
	for round := range rounds {
		anna := casecore.Actor{
			ID: fmt.Sprint("op-", round), Name: "Anna", Roles: []string{casecore.RoleOperator}, Queues: []string{"phones"}, Capacity: capacity,
		}
		var ids [cases]string
		err := nodes[0].Update(t.Context(), func(tx store.Tx) error {
			for i := range ids {
				to := channels.Address{Kind: channels.SMS, Handle: fmt.Sprintf("+38050%03d%04d", round, i)}
				c, _, err := ledger.Open(tx, casecore.System("intake"), casecore.Draft{
					Customer: store.NewID(), Channel: "sms:main", To: to, Queue: "phones", Priority: casecore.Normal,
				}, casecore.Message{Direction: casecore.In, Channel: "sms:main", ExternalID: fmt.Sprint(round, "-", i), From: to})
				if err != nil {
					return err
				}
				ids[i] = c.ID
			}
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
		won := make([]bool, cases)
		var wg sync.WaitGroup
		for i, id := range ids {
			wg.Go(func() {
				var full *casecore.Full
				err := nodes[i%2].Update(t.Context(), func(tx store.Tx) error {
					_, err := ledger.Claim(tx, anna, id)
					return err
				})
				if won[i] = err == nil; err != nil && !errors.As(err, &full) {
					t.Errorf("claim: %v", err)
				}
			})
		}
		wg.Wait()
		held := 0
		for _, w := range won {
			if w {
				held++
			}
		}
		if held != capacity {
			t.Errorf("round %d: %d cases are held, want %d", round, held, capacity)
		}
	}
}
