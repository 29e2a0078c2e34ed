package main

import (
	"errors"
	"fmt"
	"os"
	"strconv"
	"strings"
	"testing"
	"time"

	"casewire/casecore/store/mongo"
	"casewire/casecore/store/mongo/mongotest"
)

// BenchmarkWebhookOnMongo is BenchmarkWebhook on the replica set at MONGODB_URI, and
// in the same run the limit: the same documents written by the driver alone, as many
// to a transaction, after the same look-ups. With MONGODB_PIDFILE it tells what a
// message costs a server on this machine.
//
//	MONGODB_SERVER=rust .ci/servers/mongodb-up.sh STATE   # prints both variables
//	go test -run '^$' -bench WebhookOnMongo -benchtime 5000x ./cmd/casewire
func BenchmarkWebhookOnMongo(b *testing.B) {
	for _, clients := range []int{8, 64, 256} {
		b.Run(strconv.Itoa(clients), func(b *testing.B) {
			a := benchWebhook(b, clients, database(b))
			st, ok := a.House().Store.(*mongo.Store)
			if !ok {
				b.Fatalf("the store is a %T", a.House().Store)
			}
			stats, rate := st.Stats(), float64(b.N)/b.Elapsed().Seconds()
			group := float64(stats.Updates) / float64(max(1, stats.Commits))
			b.ReportMetric(group, "updates/commit")
			bare, err := bareDriver(b, st, max(1, int(group)))
			if err != nil {
				b.Fatal(err)
			}
			b.ReportMetric(bare, "driver/s")
			b.ReportMetric(rate/bare, "of-driver")
		})
	}
}

// bareDriver writes the documents of a store once more by the driver alone, and
// returns how many messages it did in a second.
func bareDriver(b *testing.B, from *mongo.Store, group int) (float64, error) {
	to, err := mongo.Open(b.Context(), database(b), mongo.Options{}, collected()...)
	if err != nil {
		return 0, err
	}
	rate, err := mongotest.Again(b.Context(), from.Database(), to.Database(), group)
	return rate, errors.Join(err, to.Close())
}

// serverTime is the processor time that the server on this machine has used; 0 when
// MONGODB_PIDFILE does not name it.
func serverTime() time.Duration {
	pid, err := os.ReadFile(os.Getenv("MONGODB_PIDFILE"))
	if err != nil {
		return 0
	}
	stat, err := os.ReadFile(fmt.Sprintf("/proc/%s/stat", strings.TrimSpace(string(pid))))
	if err != nil {
		return 0
	}
	_, rest, _ := strings.Cut(string(stat), ") ")
	const user, system, tick = 11, 12, 10 * time.Millisecond
	var sum time.Duration
	for _, i := range []int{user, system} {
		if f := strings.Fields(rest); i < len(f) {
			n, _ := strconv.Atoi(f[i])
			sum += time.Duration(n) * tick
		}
	}
	return sum
}
