package mongo_test

import (
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"casewire/casecore/store/mongo"
)

// A process that stops between the writes of a transaction and its commit is in
// nobody's way for longer than a moment, and when it goes on its commit is made again.
func TestALeftOverTransactionIsEnded(t *testing.T) {
	name := newDatabase(t)
	reached, goOn := make(chan struct{}), make(chan struct{})
	var armed atomic.Bool
	stopped := open(t, mongo.Options{Database: name, Check: func(point string) error {
		if point == "store.before-commit" && armed.CompareAndSwap(true, false) {
			close(reached)
			<-goOn
		}
		return nil
	}}, tallies, marks)
	other := open(t, mongo.Options{Database: name}, tallies, marks)
	if err := count(t.Context(), stopped, "first"); err != nil {
		t.Fatal(err)
	}
	armed.Store(true)
	var wg sync.WaitGroup
	defer wg.Wait()
	wg.Go(func() {
		if err := count(t.Context(), stopped, "stopped"); err != nil {
			t.Errorf("the process that went on: %v", err)
		}
	})
	<-reached
	began := time.Now()
	if err := count(t.Context(), other, "other"); err != nil {
		t.Errorf("while a transaction is left over: %v", err)
	}
	if d := time.Since(began); d > 15*time.Second {
		t.Errorf("it took %v", d)
	} else {
		t.Logf("it took %v", d)
	}
	counted(t, other, 2, 2)
	close(goOn)
	wg.Wait()
	counted(t, other, 3, 3)
}
