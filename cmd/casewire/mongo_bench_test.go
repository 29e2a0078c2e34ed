package main

import (
	"errors"
	"fmt"
	"math"
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
// documents ready in memory. They take turns, so that a machine whose speed changes
// changes both. What the post room has yet to read when the last message of a turn is
// answered counts for neither.
//
// The driver is used as most programs use it, with InsertMany and BulkWrite. It has the
// machine to itself, where the path shares it with the load, HTTP,
// signatures, rules and seals. What that makes of the ratio shows in two figures.
// at-most, for which MONGODB_PIDFILE must name a server on this machine, is the ratio
// that the path would have if it kept all processors busy, by the time that a message
// takes of them on either side, and the driver, which does one thing after the other,
// never waited for anything. less-load is of-driver with the load's and HTTP's own
// processor time taken out.
//
//	MONGODB_SERVER=rust .ci/servers/mongodb-up.sh STATE   # prints both variables
//	go test -run '^$' -bench WebhookOnMongo -benchtime 16000x ./cmd/casewire
func BenchmarkWebhookOnMongo(b *testing.B) {
	for _, clients := range []int{8, 64, 256} {
		b.Run(strconv.Itoa(clients), func(b *testing.B) { webhookOnMongo(b, clients) })
	}
}

// turn is how many messages the path and the driver do before it is the other's turn.
const turn = 4000

func webhookOnMongo(b *testing.B, clients int) {
	a, p := openHook(b, clients, database(b))
	st, ok := a.House().Store.(*mongo.Store)
	if !ok {
		b.Fatalf("the store is a %T", a.House().Store)
	}
	d := bareDriver(b, st)
	var path, driver spent
	var stored mongo.Stats
	for done := 0; done < b.N; done += turn {
		before := st.Stats()
		path.add(func() { p.storm(a.URL(), min(turn, b.N-done)) })
		after := st.Stats()
		planned(b, st)
		stored.Updates += after.Updates - before.Updates
		stored.Commits += after.Commits - before.Commits
		group := max(1, float64(after.Updates-before.Updates)/float64(max(1, after.Commits-before.Commits)))
		if err := d.Read(b.Context()); err != nil {
			b.Fatal(err)
		}
		driver.add(func() {
			if err := d.Run(b.Context(), int(math.Round(group))); err != nil {
				b.Fatal(err)
			}
		})
		if err := d.Rest(b.Context()); err != nil {
			b.Fatal(err)
		}
	}
	n, cores, load := float64(b.N), float64(runtime.GOMAXPROCS(0)), p.alone(b.N)
	b.ReportMetric(float64(path.took.Nanoseconds())/n, "ns/op")
	b.ReportMetric(n/path.took.Seconds(), "messages/s")
	b.ReportMetric(n/driver.took.Seconds(), "driver/s")
	b.ReportMetric(driver.took.Seconds()/path.took.Seconds(), "of-driver")
	b.ReportMetric(driver.took.Seconds()/(path.took.Seconds()-n*load/1e6/cores), "less-load")
	b.ReportMetric(float64(stored.Updates)/float64(max(1, stored.Commits)), "updates/commit")
	b.ReportMetric(load, "bare-µs/message")
	b.ReportMetric(float64(path.process.Microseconds())/n, "cpu-µs/message")
	b.ReportMetric(float64(driver.process.Microseconds())/n, "driver-cpu-µs/message")
	if path.server > 0 {
		b.ReportMetric(float64(path.server.Microseconds())/n, "server-µs/message")
		b.ReportMetric(float64(driver.server.Microseconds())/n, "driver-server-µs/message")
		b.ReportMetric(cores*(driver.process+driver.server).Seconds()/(path.process+path.server).Seconds(), "at-most")
	}
	p.waits()
}

// spent is what something took, and of the processors: of this process, and of the
// database server (0 when it is not known).
type spent struct{ took, process, server time.Duration }

func (s *spent) add(do func()) {
	runtime.GC() // neither pays for the other's garbage
	process, server, began := cpu(), serverTime(), time.Now()
	do()
	s.took += time.Since(began)
	s.process += cpu() - process
	s.server += serverTime() - server
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

// bareDriver has the driver do once more what a store does, in a database with the same
// indexes that no store works on: nobody else asks the server for anything meanwhile.
func bareDriver(b *testing.B, from *mongo.Store) *mongotest.Driver {
	b.Helper()
	to, err := mongo.Open(b.Context(), database(b), mongo.Options{}, collected()...)
	if err != nil {
		b.Fatal(err)
	}
	name := to.Database().Name()
	if err := to.Close(); err != nil {
		b.Fatal(err)
	}
	d, err := mongotest.NewDriver(b.Context(), from.Database(), from.Database().Client().Database(name))
	if err != nil {
		b.Fatal(err)
	}
	return d
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
