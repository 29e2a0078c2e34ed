package main

import (
	"strings"
	"sync"
	"testing"
	"time"

	"casewire/casecore"
	"casewire/casecore/store"
	"casewire/channels"
	"casewire/channels/sms"
	twilio "casewire/channels/sms/sandbox"
	"casewire/config"
	"casewire/notify"
)

// BenchmarkNoticesBySMS moves cases to a status that tells the customer, and waits
// until the stand-in for Twilio has every message: planned, rendered, sealed, handed
// over by HTTP and recorded, each durable before and after. With receipts, the
// stand-in tells of each message twice meanwhile, signed, and that is recorded, too.
func BenchmarkNoticesBySMS(b *testing.B) {
	b.Run("handed over", func(b *testing.B) { noticesBySMS(b, twilio.Options{Manual: true}) })
	b.Run("with receipts", func(b *testing.B) { noticesBySMS(b, twilio.Options{}) })
}

func noticesBySMS(b *testing.B, o twilio.Options) {
	tune() // as the program is
	o.AccountSID, o.AuthToken = "AC"+strings.Repeat("0", 32), strings.Repeat("0a", 16)
	world, err := twilio.Open(b.Context(), o)
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { _ = world.Close() })
	a := benchApp(b, func(string) []config.Channel {
		c := sms.NewConfig()
		c.AccountSID, c.AuthToken, c.From, c.Server = o.AccountSID, channels.NewSecret(o.AuthToken), world.Numbers()[0], world.URL()
		return []config.Channel{{ID: "sms:main", Name: "main", Kind: channels.SMS, Config: c}}
	})
	p := &phones{b: b, clients: 64, account: o.AccountSID, token: o.AuthToken, to: world.Numbers()[0]}
	p.storm(a.URL(), b.N)
	st := a.House().Store
	hints, err := st.Watch(b.Context(), notify.Notices.Coll())
	if err != nil {
		b.Fatal(err)
	}
	ids := caseIDs(b, st)
	before := cpu()
	b.ResetTimer()
	moveAll(b, st, &casecore.Ledger{Flow: a.Flow, Now: time.Now}, ids)
	for world.Count() < b.N { // what is sent is recorded, and that is hinted at
		select {
		case <-hints:
		case <-time.After(time.Minute):
			b.Fatalf("%d of %d sent", world.Count(), b.N)
		}
	}
	b.StopTimer()
	b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "notices/s")
	b.ReportMetric(float64((cpu()-before).Microseconds())/float64(b.N), "cpu-µs/notice")
}

// caseIDs returns the cases of the store, one for each message of the storm.
func caseIDs(b *testing.B, st store.Store) (ids []string) {
	b.Helper()
	err := st.View(b.Context(), func(tx store.Tx) error {
		ids = nil
		for c, err := range casecore.Cases.Scan(tx, store.Range{}) {
			if err != nil {
				return err
			}
			ids = append(ids, c.ID)
		}
		return nil
	})
	if err != nil || len(ids) != b.N {
		b.Fatal(len(ids), err)
	}
	return ids
}

// moveAll moves the cases from 64 sides at once.
func moveAll(b *testing.B, st store.Store, ledger *casecore.Ledger, ids []string) {
	b.Helper()
	var wg sync.WaitGroup
	for w := range 64 {
		wg.Go(func() {
			for i := w; i < len(ids); i += 64 {
				if err := st.Update(b.Context(), func(tx store.Tx) error {
					_, err := ledger.Move(tx, casecore.System("bench"), ids[i], "cancelled", casecore.Guard{})
					return err
				}); err != nil {
					b.Error(err)
					return
				}
			}
		})
	}
	wg.Wait()
}
