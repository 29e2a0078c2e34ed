package inbox

import (
	"context"
	"sync"
	"time"
)

// flow carries a batch from the server to the house: several mails at once, those
// of one key in order, and with each the position that holds once it is stored.
type flow struct {
	s        *session
	validity uint32
	items    []item
	stored   []bool // of the items, by an earlier connection
	tries    int    // of a mail taken alone, counted before

	room chan struct{}
	wg   sync.WaitGroup

	// Used by the submitting goroutine only.
	turn chan struct{} // closed when the mail submitted last knows whom it follows

	mu    sync.Mutex
	last  map[string]chan struct{} // by key: closed when its newest mail is through
	done  []bool
	taken []uint32 // UIDs delivered
	low   int      // items before it are done
}

const (
	firstStoreRetry   = 100 * time.Millisecond
	longestStoreRetry = 30 * time.Second
)

func newFlow(s *session, p Position, items []item) *flow {
	turn := make(chan struct{})
	close(turn)
	for uid := range s.f.ahead {
		if uid <= p.UID {
			delete(s.f.ahead, uid)
		}
	}
	stored := make([]bool, len(items))
	for i, it := range items {
		stored[i] = s.f.ahead[it.uid]
	}
	return &flow{
		s: s, stored: stored, validity: p.Validity, items: items,
		room: make(chan struct{}, s.b.s.Window), turn: turn,
		last: map[string]chan struct{}{}, done: make([]bool, len(items)),
	}
}

// submit starts to take in m, the item i, as soon as there is room. The flow owns m.
func (fl *flow) submit(ctx context.Context, i int, m *Mail) error {
	select {
	case fl.room <- struct{}{}:
	case <-ctx.Done():
		m.close()
		return ctx.Err()
	}
	before, mine := fl.turn, make(chan struct{})
	fl.turn = mine
	fl.s.b.count.mails.Add(1)
	fl.wg.Go(func() {
		defer func() { <-fl.room }()
		defer m.close()
		fl.carry(ctx, i, m, before, mine)
	})
	return nil
}

// wait returns when all that was submitted is through or given up with its context.
func (fl *flow) wait() { fl.wg.Wait() }

// carry takes one mail in.
func (fl *flow) carry(ctx context.Context, i int, m *Mail, before, mine chan struct{}) {
	parcel, ok := fl.prepare(ctx, m)
	select {
	case <-before:
	case <-ctx.Done():
		ok = false
	}
	if !ok { // only when ctx is done
		close(mine)
		return
	}
	if parcel.Deliver == nil {
		close(mine)
		fl.skip(i)
		return
	}
	through := make(chan struct{})
	defer close(through)
	fl.mu.Lock()
	follow := fl.last[parcel.Key]
	fl.last[parcel.Key] = through
	fl.mu.Unlock()
	close(mine)
	if follow != nil {
		select {
		case <-follow:
		case <-ctx.Done():
			return
		}
	}
	for try := 0; ; try++ {
		err := fl.deliver(ctx, i, parcel)
		if err == nil || !fl.again(ctx, "mail was not stored", err, try) {
			return
		}
	}
}

func (fl *flow) prepare(ctx context.Context, m *Mail) (Parcel, bool) {
	for try := 0; ; try++ {
		parcel, err := fl.s.open(ctx, m)
		if err == nil {
			return parcel, true
		}
		if !fl.again(ctx, "mail was not prepared", err, try) {
			return Parcel{}, false
		}
	}
}

// again waits before the next try; false when there is none.
func (fl *flow) again(ctx context.Context, what string, err error, try int) bool {
	if ctx.Err() != nil {
		return false
	}
	fl.s.f.took(false)
	fl.s.b.o.Log.WarnContext(ctx, "the house did not take a mail", "step", what, "err", err, "try", try+1)
	return pause(ctx, backoff(firstStoreRetry, longestStoreRetry, try))
}

// deliver stores the item i together with the position that holds then.
func (fl *flow) deliver(ctx context.Context, i int, parcel Parcel) error {
	f := fl.s.f
	carried := fl.reach(i)
	err := parcel.Deliver(ctx, fl.s.b.ledger.depart(f.name, carried))
	if err != nil {
		fl.s.b.ledger.arrive(f.name, 0, carried, false)
		return err
	}
	f.took(true)
	fl.mu.Lock()
	defer fl.mu.Unlock()
	fl.taken = append(fl.taken, fl.items[i].uid)
	f.ahead[fl.items[i].uid] = true // one batch of a folder is on its way at a time
	fl.finish(i)
	fl.s.b.ledger.arrive(f.name, fl.reached(), carried, true)
	return nil
}

// skip passes over the item i, which needs no more work.
func (fl *flow) skip(i int) {
	fl.mu.Lock()
	defer fl.mu.Unlock()
	fl.finish(i)
	fl.s.b.ledger.pass(fl.s.f.name, fl.reached())
}

// finish marks an item as done. The caller holds mu.
func (fl *flow) finish(i int) {
	fl.done[i] = true
	for fl.low < len(fl.done) && fl.done[fl.low] {
		fl.low++
	}
}

// reached is the UID up to which all is done, 0 when nothing is. The caller holds mu.
func (fl *flow) reached() uint32 {
	if fl.low == 0 {
		return 0
	}
	return fl.items[fl.low-1].uid
}

// reach is what reached will be once the item i is stored.
func (fl *flow) reach(i int) uint32 {
	fl.mu.Lock()
	defer fl.mu.Unlock()
	if i != fl.low {
		return fl.reached()
	}
	for i++; i < len(fl.done) && fl.done[i]; i++ {
	}
	return fl.items[i-1].uid
}

// delivered returns the UIDs of the batch that are stored.
func (fl *flow) delivered() []uint32 {
	fl.mu.Lock()
	defer fl.mu.Unlock()
	return fl.taken
}
