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
// over by HTTP and recorded, each durable before and after.
func BenchmarkNoticesBySMS(b *testing.B) {
	tune() // as the program is
	account, token := "AC"+strings.Repeat("0", 32), strings.Repeat("0a", 16)
	world, err := twilio.Open(b.Context(), twilio.Options{AccountSID: account, AuthToken: token})
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { _ = world.Close() })
	a := benchApp(b, func(string) []config.Channel {
		c := sms.NewConfig()
		c.AccountSID, c.AuthToken, c.From, c.Server = account, channels.NewSecret(token), world.Numbers()[0], world.URL()
		return []config.Channel{{ID: "sms:main", Name: "main", Kind: channels.SMS, Config: c}}
	})
	storm(b, 64, a.URL()+"/hooks/sms/main", account, token, world.Numbers()[0])
	st := a.House().Store
	var ids []string
	if err := st.View(b.Context(), func(tx store.Tx) error {
		ids = nil
		for c, err := range casecore.Cases.Scan(tx, store.Range{}) {
			if err != nil {
				return err
			}
			ids = append(ids, c.ID)
		}
		return nil
	}); err != nil || len(ids) != b.N {
		b.Fatal(len(ids), err)
	}
	hints, err := st.Watch(b.Context(), notify.Notices.Coll())
	if err != nil {
		b.Fatal(err)
	}
	ledger := &casecore.Ledger{Flow: a.Flow, Now: time.Now}
	before := cpu()
	b.ResetTimer()
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
	for len(world.Sent()) < b.N { // what is sent is recorded, and that is hinted at
		select {
		case <-hints:
		case <-time.After(time.Minute):
			b.Fatalf("%d of %d sent", len(world.Sent()), b.N)
		}
	}
	b.StopTimer()
	b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "notices/s")
	b.ReportMetric(float64((cpu()-before).Microseconds())/float64(b.N), "cpu-µs/notice")
}
