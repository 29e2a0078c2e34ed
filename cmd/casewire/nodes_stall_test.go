package main

import (
	"bytes"
	"cmp"
	"context"
	"fmt"
	"path/filepath"
	"regexp"
	"runtime/pprof"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"casewire/casecore"
	"casewire/casecore/lease"
	"casewire/casecore/store"
	"casewire/casecore/store/mongo/mongotest"
	"casewire/notify"
)

// stalled ends the test because nothing moves, with all that can tell why: what was
// awaited, what is owed and leased, what the server is at, and what every process does.
// The nodes do not live on.
func (c *cluster) stalled(format string, args ...any) {
	c.t.Helper()
	ctx, cancel := context.WithTimeout(c.t.Context(), 20*time.Second)
	defer cancel()
	c.t.Logf("what is stored:\n%s", c.inventory(ctx))
	c.t.Logf("what the server is at:\n%s", c.atTheServer(ctx))
	var own bytes.Buffer
	_ = pprof.Lookup("goroutine").WriteTo(&own, 2)
	c.t.Logf("the test itself:\n%s", stacks(own.String()))
	for _, n := range c.nodes {
		c.t.Logf("%s said last:\n%s\nand does:\n%s", n.name, tail(n.log()), n.dump())
	}
	c.t.Fatalf(format, args...)
}

// inventory lists what the book owes and who holds which lease.
func (c *cluster) inventory(ctx context.Context) string {
	var out strings.Builder
	began := time.Now()
	err := c.store.View(ctx, func(tx store.Tx) error {
		out.Reset()
		for e, err := range casecore.Events.Scan(tx, store.Range{Index: "pending", Prefix: casecore.PendingNotify}) {
			if err != nil {
				return err
			}
			fmt.Fprintf(&out, "event %s %s of %s, pending %q\n", e.ID, e.Kind, e.At.Format(time.TimeOnly), e.Pending)
		}
		for _, s := range notify.Unfinished {
			for n, err := range notify.Notices.Scan(tx, store.Range{Index: "state", Prefix: store.Under(string(s))}) {
				if err != nil {
					return err
				}
				fmt.Fprintf(&out, "notice %s %s to %s: %s, behind %t, %d attempts, token %d, next %s, leased until %s\n", n.ID, n.Template, n.To.Kind,
					n.State, n.Behind, n.Attempts, n.Token, n.NextAt.Format(time.TimeOnly), n.LeaseUntil.Format(time.TimeOnly))
			}
		}
		for _, coll := range lease.Collections() {
			for d, err := range tx.Scan(coll, store.Range{}) {
				if err != nil {
					return err
				}
				fmt.Fprintf(&out, "lease %s\n", d.Body)
			}
		}
		return nil
	})
	fmt.Fprintf(&out, "read in %v at %s, %v\n", time.Since(began).Round(time.Millisecond), time.Now().Format(time.TimeOnly), err)
	return out.String()
}

// atTheServer is what the server says it does, with its open transactions.
func (c *cluster) atTheServer(ctx context.Context) string {
	began := time.Now()
	ops, err := mongotest.Doing(ctx, c.store.Database())
	return fmt.Sprintf("%stold within %v, %v", ops, time.Since(began).Round(time.Millisecond), err)
}

// dump ends a node, when it lives, with a list of what its goroutines did.
func (n *node) dump() string {
	p := n.now()
	before := len(p.log.String())
	if !n.lives() {
		return "it is dead"
	}
	_ = p.cmd.Process.Signal(syscall.SIGQUIT) // it may be over
	select {
	case <-p.over:
	case <-time.After(10 * time.Second):
		return "it does not even end"
	}
	return stacks(p.log.String()[before:])
}

var (
	goroutineHead = regexp.MustCompile(`^goroutine \d+ (?:gp=\S+ )?(?:m=\S+ )?(?:mp=\S+ )?\[([^\]]*)\]:$`)
	frameOf       = regexp.MustCompile(`^(\S+)\(.*\)$`)
	placeOf       = regexp.MustCompile(`^\t(\S+:\d+)`)
)

// stacks makes a dump of goroutines short: those at the same place once, with their
// number, and of each where it is within this program and its driver.
func stacks(dump string) string {
	type group struct {
		n     int
		where string
	}
	groups := map[string]*group{}
	for part := range strings.SplitSeq(dump, "\n\n") {
		lines := strings.Split(strings.TrimSpace(part), "\n")
		for len(lines) > 0 && !goroutineHead.MatchString(lines[0]) {
			lines = lines[1:]
		}
		if len(lines) == 0 {
			continue
		}
		where := []string{goroutineHead.FindStringSubmatch(lines[0])[1]}
		for i, line := range lines[1:] {
			if frame := frameOf.FindStringSubmatch(line); frame != nil && len(where) < 16 && !dull(frame[1]) {
				place := ""
				if i+2 < len(lines) {
					if at := placeOf.FindStringSubmatch(lines[i+2]); at != nil {
						place = filepath.Base(at[1])
					}
				}
				where = append(where, fmt.Sprintf("%s (%s)", strings.TrimPrefix(frame[1], "go.mongodb.org/mongo-driver/v2/"), place))
			}
		}
		key := strings.Join(where, "\n    ")
		if groups[key] == nil {
			groups[key] = &group{where: key}
		}
		groups[key].n++
	}
	var list []*group
	for _, g := range groups {
		if strings.Contains(g.where, "casewire/") && !strings.Contains(g.where, "/sandbox.") {
			list = append(list, g)
		}
	}
	slices.SortFunc(list, func(a, b *group) int { return cmp.Or(cmp.Compare(a.n, b.n), cmp.Compare(a.where, b.where)) })
	var out strings.Builder
	for _, g := range list {
		fmt.Fprintf(&out, "%d × %s\n", g.n, g.where)
	}
	return out.String()
}

// dull says that a function tells nothing of what the program is at.
func dull(function string) bool {
	for _, p := range []string{"runtime.", "internal/", "net.", "net/http.", "io.", "bufio.", "bytes.", "crypto/", "sync.", "os.", "syscall.", "testing."} {
		if strings.HasPrefix(function, p) {
			return true
		}
	}
	return false
}

// TestADumpIsShort promises that whoever reads why nothing moved finds where in the
// program each goroutine is, and little else.
func TestADumpIsShort(t *testing.T) {
	hold, begun := make(chan struct{}), make(chan struct{})
	for range 3 {
		go waitHere(begun, hold)
		<-begun
	}
	defer close(hold)
	var dump bytes.Buffer
	if err := pprof.Lookup("goroutine").WriteTo(&dump, 2); err != nil {
		t.Fatal(err)
	}
	got := stacks(dump.String())
	if strings.Count(got, "waitHere (nodes_stall_test.go") == 0 || len(got) > dump.Len()/2 || strings.Contains(got, "runtime.") {
		t.Errorf("of %d bytes:\n%s", dump.Len(), got)
	}
}

func waitHere(begun chan<- struct{}, hold <-chan struct{}) {
	begun <- struct{}{}
	<-hold
}
