package mongo_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"casewire/casecore/store"
	"casewire/casecore/store/mongo"
)

// sum is a document that functions add to.
type sum struct{ N int }

// adder adds n, and tells what each run of its function has found.
func adder(ctx context.Context, s store.Store, n int, found chan<- int) error {
	return s.Update(ctx, func(tx store.Tx) error {
		d, all, err := sumOf(tx, "all")
		if err != nil {
			return err
		}
		found <- all.N
		d.Body, err = json.Marshal(sum{all.N + n})
		if err != nil {
			return err
		}
		_, err = tx.Put(sums, d)
		return err
	})
}

var sums = &store.Coll{Name: "sums", Rekey: noKeys}

// While one commit is on its way others are made ready on top of it. Three functions
// stand on each other there when the first commit ends, well or not, and when the
// caller in the middle leaves: what is committed is what the others alone come to, and
// each hears of itself only.
func TestWhatStandsOnACommitUnderWay(t *testing.T) {
	for _, fails := range []bool{false, true} {
		for _, leaves := range []bool{false, true} {
			t.Run(fmt.Sprintf("fails=%v leaves=%v", fails, leaves), func(t *testing.T) { standOnEachOther(t, fails, leaves) })
		}
	}
}

// Who only looked at what a commit under way has written does so again when that fails:
// no version of a document would tell.
func TestWhoOnlyLooksAtACommitThatFails(t *testing.T) {
	s, under, land := halted(t, true)
	first, look, found := make(chan error, 1), make(chan error, 1), make(chan int, 100)
	go func() { first <- adder(t.Context(), s, 1, make(chan int, 100)) }()
	<-under
	go func() { look <- looker(t.Context(), s, found) }()
	for <-found != 1 {
	}
	close(land)
	if err := <-first; !errors.Is(err, errHalted) {
		t.Errorf("the first heard %v", err)
	}
	if err := <-look; err != nil {
		t.Errorf("who looked heard %v", err)
	}
	if err := s.View(t.Context(), func(tx store.Tx) error {
		_, got, err := sumOf(tx, "seen")
		if got.N != 0 {
			t.Errorf("it wrote %d, of what never was", got.N)
		}
		return err
	}); err != nil {
		t.Fatal(err)
	}
}

var errHalted = errors.New("stopped by the test")

// halted returns a store with a sum of zero whose next commit stops: under is closed
// then, and when land is, the commit goes on or fails.
func halted(t *testing.T, fails bool) (s *mongo.Store, under, land chan struct{}) {
	t.Helper()
	var armed atomic.Bool
	under, land = make(chan struct{}), make(chan struct{})
	s = open(t, mongo.Options{Database: newDatabase(t), Check: func(point string) error {
		if point != "store.before-commit" || !armed.CompareAndSwap(true, false) {
			return nil
		}
		close(under)
		<-land
		if fails {
			return errHalted
		}
		return nil
	}}, sums)
	begin(t, s)
	armed.Store(true)
	return s, under, land
}

func standOnEachOther(t *testing.T, fails, leaves bool) {
	s, under, land := halted(t, fails)
	add := func(ctx context.Context, n int) (found chan int, end chan error) {
		found, end = make(chan int, 100), make(chan error, 1)
		go func() { end <- adder(ctx, s, n, found) }()
		return found, end
	}
	meets := func(found chan int, want int) {
		t.Helper()
		for n := range found {
			if n == want {
				return
			}
		}
	}
	_, first := add(t.Context(), 1)
	<-under
	ctx, leave := context.WithCancel(t.Context())
	defer leave()
	found, middle := add(ctx, 10)
	meets(found, 1)
	found, last := add(t.Context(), 100)
	meets(found, 11)
	found, look := make(chan int, 100), make(chan error, 1)
	go func() { look <- looker(t.Context(), s, found) }()
	meets(found, 111)
	want, wantFirst, wantMiddle := 111, error(nil), error(nil)
	if leaves {
		leave()
		if err := <-middle; !errors.Is(err, context.Canceled) {
			t.Fatalf("who left heard %v", err)
		}
		middle <- context.Canceled
		want, wantMiddle = want-10, context.Canceled
	}
	if fails {
		want, wantFirst = want-1, errHalted
	}
	close(land)
	for _, end := range []struct {
		who  string
		got  error
		want error
	}{{"the first", <-first, wantFirst}, {"the one in the middle", <-middle, wantMiddle}, {"the last", <-last, nil}, {"who looked", <-look, nil}} {
		if !errors.Is(end.got, end.want) {
			t.Errorf("%s heard %v, want %v", end.who, end.got, end.want)
		}
	}
	for _, id := range []string{"all", "seen"} {
		err := s.View(t.Context(), func(tx store.Tx) error {
			_, got, err := sumOf(tx, id)
			if got.N != want {
				t.Errorf("%s is %d, want %d", id, got.N, want)
			}
			return err
		})
		if err != nil {
			t.Error(err)
		}
	}
}

// begin writes a sum of zero.
func begin(t *testing.T, s store.Store) {
	t.Helper()
	if err := s.Update(t.Context(), func(tx store.Tx) error {
		_, err := tx.Put(sums, store.Doc{ID: "all", Body: []byte(`{"N":0}`)})
		return err
	}); err != nil {
		t.Fatal(err)
	}
}

func sumOf(tx store.Tx, id string) (d store.Doc, n sum, err error) {
	if d, err = tx.Get(sums, id); err == nil {
		err = json.Unmarshal(d.Body, &n)
	}
	return d, n, err
}

// looker writes what it sees of the sum into another document, and tells of it.
func looker(ctx context.Context, s store.Store, found chan<- int) error {
	return s.Update(ctx, func(tx store.Tx) error {
		_, n, err := sumOf(tx, "all")
		if err != nil {
			return err
		}
		found <- n.N
		_, err = tx.Put(sums, store.Doc{ID: "seen", Body: fmt.Appendf(nil, `{"N":%d}`, n.N)})
		return err
	})
}

// What is too much for one transaction is left for the next ones: each function's
// document is there once.
func TestMoreThanOneTransactionHolds(t *testing.T) {
	large := &store.Coll{Name: "large", Rekey: noKeys}
	s := open(t, mongo.Options{Database: newDatabase(t)}, sums, large)
	begin(t, s)
	const many = 40
	body := fmt.Appendf(nil, `{"text":%q}`, strings.Repeat("x", store.MaxBody-1000))
	var wg sync.WaitGroup
	for i := range many {
		wg.Go(func() {
			err := s.Update(t.Context(), func(tx store.Tx) error {
				if _, err := tx.Put(large, store.Doc{ID: fmt.Sprint("l", i), Body: body}); err != nil {
					return err
				}
				d, all, err := sumOf(tx, "all")
				if err != nil {
					return err
				}
				d.Body = fmt.Appendf(nil, `{"N":%d}`, all.N+1)
				_, err = tx.Put(sums, d)
				return err
			})
			if err != nil {
				t.Errorf("update: %v", err)
			}
		})
	}
	wg.Wait()
	found := make(chan int, 100)
	if err := adder(t.Context(), s, 0, found); err != nil {
		t.Fatal(err)
	}
	if got := <-found; got != many {
		t.Errorf("%d were added, want %d", got, many)
	}
}
