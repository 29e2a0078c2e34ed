package main

import (
	"errors"
	"fmt"
	"os"
	"runtime"
	"strconv"
	"strings"
	"testing"
	"time"

	"casewire/casecore"
	"casewire/casecore/store"
	"casewire/casecore/store/mongo"
	"casewire/casecore/store/mongo/mongotest"
)

// BenchmarkWebhookOnMongo is BenchmarkWebhook on the replica set at MONGODB_URI, and
// in the same run what it is to be judged by: the driver alone, which does the same to
// the database, as many messages to a transaction, after the same look-ups, with the
// documents ready in memory. Whole is all that a message costs the database; the post
// room reads and writes each event behind the answer. Accept is less than that: what
// the answer itself waits for.
//
// The driver has the machine to itself, where the path shares it with the load, HTTP,
// signatures, rules and seals. What that makes of the ratio shows in two figures.
// at-most, for which MONGODB_PIDFILE must name a server on this machine, is the ratio
// to Whole that the path would have if it kept all processors busy, by the time that a
// message takes of them on either side, and the driver, which does one thing after the
// other, never waited for anything. less-load is of-driver with the load's and HTTP's own
// processor time taken out.
//
//	MONGODB_SERVER=rust .ci/servers/mongodb-up.sh STATE   # prints both variables
//	go test -run '^$' -bench WebhookOnMongo -benchtime 5000x ./cmd/casewire
func BenchmarkWebhookOnMongo(b *testing.B) {
	for _, clients := range []int{8, 64, 256} {
		b.Run(strconv.Itoa(clients), func(b *testing.B) {
			a, used := benchWebhook(b, clients, database(b))
			st, ok := a.House().Store.(*mongo.Store)
			if !ok {
				b.Fatalf("the store is a %T", a.House().Store)
			}
			stats, took := st.Stats(), b.Elapsed().Seconds()/float64(b.N)
			group := float64(stats.Updates) / float64(max(1, stats.Commits))
			b.ReportMetric(group, "updates/commit")
			planned(b, st)
			group = max(1, group)
			accept, _ := bareDriver(b, st, int(group), mongotest.Accept)
			b.ReportMetric(1/took/accept, "of-accept")
			whole, alone := bareDriver(b, st, int(group), mongotest.Whole)
			b.ReportMetric(whole, "driver/s")
			b.ReportMetric(1/took/whole, "of-driver")
			cores := float64(runtime.GOMAXPROCS(0))
			b.ReportMetric(1/(took-used.load/1e6/cores)/whole, "less-load")
			if used.server > 0 {
				b.ReportMetric(float64(alone.process.Microseconds())/float64(b.N), "driver-cpu-µs/message")
				b.ReportMetric(float64(alone.server.Microseconds())/float64(b.N), "driver-server-µs/message")
				b.ReportMetric(cores*(alone.process+alone.server).Seconds()/(used.process+used.server).Seconds(), "at-most")
			}
		})
	}
}

// planned waits until the post room has read all events, so that the driver is alone.
func planned(b *testing.B, st store.Store) {
	b.Helper()
	hints, err := st.Watch(b.Context(), casecore.Events.Coll())
	if err != nil {
		b.Fatal(err)
	}
	pending := func() (id string) {
		err := st.View(b.Context(), func(tx store.Tx) error {
			e, err := casecore.Events.First(tx, store.Range{Index: "pending", Prefix: casecore.PendingNotify})
			if errors.Is(err, store.ErrNotFound) {
				id = ""
				return nil
			}
			if err == nil {
				id = e.ID
			}
			return err
		})
		if err != nil {
			b.Fatal(err)
		}
		return id
	}
	for pending() != "" {
		<-hints
	}
}

// bareDriver has the driver do once more what a store has done, and returns how many
// messages it did in a second and what that took.
func bareDriver(b *testing.B, from *mongo.Store, group int, work mongotest.Work) (float64, spent) {
	b.Helper()
	to, err := mongo.Open(b.Context(), database(b), mongo.Options{}, collected()...)
	if err != nil {
		b.Fatal(err)
	}
	d, err := mongotest.NewDriver(b.Context(), from.Database(), to.Database(), group, work)
	if err != nil {
		b.Fatal(errors.Join(err, to.Close()))
	}
	before, server := cpu(), serverTime()
	rate, err := d.Run(b.Context())
	used := spent{process: cpu() - before, server: serverTime() - server}
	if err := errors.Join(err, to.Close()); err != nil {
		b.Fatal(err)
	}
	return rate, used
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
