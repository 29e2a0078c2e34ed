package policy

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"casewire/casecore"
	"casewire/casecore/flow"
	"casewire/casecore/store"
	"casewire/config/internal/strict"
)

func openStore(t *testing.T) store.Store {
	t.Helper()
	return stores.Open(t, append(casecore.Collections(), Collections()...)...)
}

// follow opens a Live and runs it until the test ends. Policies that come into
// force are sent to the channel.
func follow(t *testing.T, st store.Store) (*Live, <-chan *Policy) {
	t.Helper()
	changed := make(chan *Policy, 100)
	l, err := Open(t.Context(), st, LiveOptions{Changed: func(p *Policy) { changed <- p }})
	if err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- l.Run(ctx) }()
	t.Cleanup(func() {
		stop()
		if err := <-done; err != nil {
			t.Errorf("run: %v", err)
		}
	})
	return l, changed
}

// next waits for a policy of at least that revision.
func next(t *testing.T, changed <-chan *Policy, revision int64) *Policy {
	t.Helper()
	for {
		select {
		case p := <-changed:
			if p.Revision >= revision {
				return p
			}
		case <-time.After(20 * time.Second):
			t.Fatalf("revision %d did not come into force", revision)
		}
	}
}

// renamed is the default policy with a queue under another name.
func renamed(from, to string) string {
	return strings.NewReplacer("queue: "+from+"\n", "queue: "+to+"\n", "id: "+from+"\n", "id: "+to+"\n").Replace(string(Default()))
}

func TestFreshStoreGetsTheDefault(t *testing.T) {
	st := openStore(t)
	for range 2 {
		l, err := Open(t.Context(), st, LiveOptions{})
		if err != nil {
			t.Fatal(err)
		}
		if p, s := l.Current(), l.Status(); p.Revision != 1 || s.Revision != 1 || s.Newest != 1 || s.LastErr != "" {
			t.Errorf("got revision %d, %+v", p.Revision, s)
		}
	}
	err := st.View(t.Context(), func(tx store.Tx) error {
		revs, err := History(tx, 0, 10)
		if err == nil && (len(revs) != 1 || revs[0].Text != string(Default())) {
			t.Errorf("history is %v", revs)
		}
		return err
	})
	if err != nil {
		t.Error(err)
	}
}

func TestPublishedPolicyReachesEveryNode(t *testing.T) {
	st := openStore(t)
	here, _ := follow(t, st)
	there, changed := follow(t, st)
	text := strings.Replace(string(Default()), "name: Casewire Service", "name: Mill Street Repairs", 1)
	rev, err := here.Publish(t.Context(), Draft{Author: "anna", Note: "our name", Text: text, Expect: 1})
	if err != nil {
		t.Fatal(err)
	}
	if rev.Number != 2 || rev.Author != "anna" || rev.At.IsZero() || here.Current().Settings.Name != "Mill Street Repairs" {
		t.Errorf("published %+v", rev)
	}
	if p := next(t, changed, 2); p.Settings.Name != "Mill Street Repairs" || there.Current() != p {
		t.Errorf("the other node has %+v", p.Settings)
	}
	err = st.View(t.Context(), func(tx store.Tx) error {
		newest, err := Newest(tx)
		if err != nil || newest.Note != "our name" {
			t.Errorf("newest is %+v, %v", newest, err)
		}
		old, err := At(tx, 1)
		if err != nil || old.Author != "casewire" {
			t.Errorf("the first is %+v, %v", old, err)
		}
		revs, err := History(tx, 2, 5)
		if err != nil || len(revs) != 1 || revs[0].Number != 1 {
			t.Errorf("before 2: %v, %v", revs, err)
		}
		return nil
	})
	if err != nil {
		t.Error(err)
	}
}

func TestPublishRefusesAndKeepsTheOld(t *testing.T) {
	st := openStore(t)
	l, _ := follow(t, st)
	before := l.Current()
	_, err := l.Publish(t.Context(), Draft{Text: strings.Replace(string(Default()), "queue: phones\n", "queue: phnoes\n", 1), Expect: 1})
	if all, ok := errors.AsType[strict.Errors](err); !ok || len(all) != 1 || !strings.Contains(err.Error(), `did you mean "phones"?`) || all[0].Line < 10 {
		t.Errorf("got %v", err)
	}
	_, err = l.Publish(t.Context(), Draft{Text: string(Default()), Expect: 5})
	if stale, ok := errors.AsType[*Stale](err); !ok || stale.Newest != 1 || !errors.Is(err, store.ErrConflict) {
		t.Errorf("got %v", err)
	}
	if l.Current() != before || l.Status().Newest != 1 {
		t.Errorf("something changed: %+v", l.Status())
	}
}

func TestOneOfManyPublishersWins(t *testing.T) {
	st := openStore(t)
	l, _ := follow(t, st)
	var wg sync.WaitGroup
	won := make(chan int64, 8)
	for i := range cap(won) {
		wg.Go(func() {
			rev, err := l.Publish(t.Context(), Draft{Author: fmt.Sprint(i), Text: string(Default()), Expect: 1})
			switch {
			case err == nil:
				won <- rev.Number
			case !errors.Is(err, store.ErrConflict):
				t.Error(err)
			}
		})
	}
	wg.Wait()
	if len(won) != 1 || <-won != 2 || l.Current().Revision != 2 {
		t.Errorf("%d more winners, revision %d in force", len(won), l.Current().Revision)
	}
}

func TestQueueWithOpenCasesDoesNotVanish(t *testing.T) {
	st := openStore(t)
	l, _ := follow(t, st)
	put := func(c *casecore.Case) *casecore.Case {
		t.Helper()
		if err := st.Update(t.Context(), func(tx store.Tx) error {
			fresh := *c
			if err := casecore.Cases.Put(tx, &fresh); err != nil {
				return err
			}
			*c = fresh
			return nil
		}); err != nil {
			t.Fatal(err)
		}
		return c
	}
	var open []*casecore.Case
	for i, owner := range []string{"", "anna", ""} {
		open = append(open, put(&casecore.Case{Number: int64(i + 1), Queue: "tv", Owner: owner, Status: "accepted", Stage: flow.Open}))
	}
	put(&casecore.Case{Number: 8, Queue: "tv", Status: "issued", Stage: flow.Closed})
	put(&casecore.Case{Number: 9, Queue: "phones", Status: "new", Stage: flow.New})

	draft := Draft{Author: "anna", Text: renamed("tv", "screens"), Expect: 1}
	_, err := l.Publish(t.Context(), draft)
	if err == nil || !strings.Contains(err.Error(), `queues: queue "tv" would vanish with open cases in it: 3; keep it, or transfer its cases first`) {
		t.Fatalf("got %v", err)
	}
	if all, ok := errors.AsType[strict.Errors](err); !ok || all[0].Line == 0 || all[0].Path != "queues" {
		t.Errorf("without its place: %v", err)
	}
	for _, c := range open {
		c.Queue = "phones"
		put(c)
	}
	if _, err := l.Publish(t.Context(), draft); err != nil {
		t.Fatal(err)
	}
	if _, ok := l.Current().Router.Queue("screens"); !ok || l.Current().Revision != 2 {
		t.Errorf("revision %d in force", l.Current().Revision)
	}
}

// TestUnusableRevisionIsReported writes a revision that this program cannot use,
// as a newer program might.
func TestUnusableRevisionIsReported(t *testing.T) {
	st := openStore(t)
	l, changed := follow(t, st)
	write := func(expect int64, text string) {
		t.Helper()
		if err := st.Update(t.Context(), func(tx store.Tx) error {
			return add(tx, &Revision{Text: text}, expect)
		}); err != nil {
			t.Fatal(err)
		}
	}
	write(1, string(Default())+"\nnewer_key: 1\n")
	write(2, string(Default()))
	if p := next(t, changed, 3); p.Revision != 3 || l.Status().LastErr != "" {
		t.Errorf("got %d, %+v", p.Revision, l.Status())
	}
	write(3, "rules: nonsense")
	fresh, err := Open(t.Context(), st, LiveOptions{})
	if err != nil {
		t.Fatal(err)
	}
	s := fresh.Status()
	if fresh.Current().Revision != 3 || s.Revision != 3 || s.Newest != 4 || !strings.Contains(s.LastErr, "revision 4:1:8: rules: must be a list") {
		t.Errorf("got revision %d, %+v", fresh.Current().Revision, s)
	}
	if _, err := fresh.Publish(t.Context(), Draft{Text: string(Default()), Expect: 4}); err != nil {
		t.Fatal(err)
	}
	if s := fresh.Status(); s.Revision != 5 || s.LastErr != "" {
		t.Errorf("after mending: %+v", s)
	}
	if p := next(t, changed, 5); p.Revision != 5 {
		t.Errorf("the other node has %d", p.Revision)
	}
}
