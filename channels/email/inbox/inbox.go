// Package inbox watches the folders of one IMAP account and hands on every mail
// that arrives in them, each at least once and never out of sight: the position up
// to which mail is stored moves only with what is stored. It knows folders, UIDs
// and bytes; what a mail says, and what becomes of it, it deliberately does not.
//
// Each folder has a connection of its own, because IDLE watches one folder only
// and a folder that fails must not hold up the others.
package inbox

import (
	"context"
	"errors"
	"log/slog"
	"math/rand/v2"
	"sync"
	"time"

	"casewire/channels"
	"casewire/channels/email/link"
	"casewire/channels/email/login"
)

// Settings say which folders of which account are watched, and how.
type Settings struct {
	Server   link.Config
	Folders  []string
	MoveTo   string        // folder into which mail is moved once it is stored; "" leaves it
	MarkSeen bool          // mail is marked as read once it is stored
	Start    Start         // which mail of a folder never seen before is taken
	Poll     time.Duration // longest time between two looks into a folder; 0: 60 s
	Silence  time.Duration // a connection silent for so long is dead; 0: 45 s
	MaxBytes int64         // of one mail; the rest of a larger one is left out; 0: 50 MB
	Window   int           // mails in hand at the same time; 0: 16
	Retry    time.Duration // first pause before connecting again; 0: 500 ms
}

// Options are what an Inbox needs around it.
type Options struct {
	Login *login.Login
	State channels.Memory
	Log   *slog.Logger
	Now   func() time.Time   // nil: time.Now
	Check func(point string) // called at named points; tests kill the process there
}

const (
	defaultPoll   = time.Minute
	defaultBytes  = 50 << 20
	defaultWindow = 16
	defaultRetry  = 500 * time.Millisecond
	longestRetry  = 120 // times the first pause
	// A refused login is not repeated quickly: providers lock accounts over it.
	deniedRetry        = 20
	longestDeniedRetry = 1200
)

func (s Settings) filled() Settings {
	if s.Poll <= 0 {
		s.Poll = defaultPoll
	}
	if s.Silence <= 0 {
		s.Silence = link.DefaultSilence
	}
	if s.MaxBytes <= 0 {
		s.MaxBytes = defaultBytes
	}
	if s.Window <= 0 {
		s.Window = defaultWindow
	}
	if s.Retry <= 0 {
		s.Retry = defaultRetry
	}
	return s
}

// Inbox watches one account. It is safe for concurrent use; Run runs once at a time.
type Inbox struct {
	s       Settings
	o       Options
	ledger  *ledger
	folders []*folder
	count   counters
}

// folder is what is known of a folder across connections.
type folder struct {
	name string

	// Used by the folder's own goroutine only.
	fails map[uint32]int  // how often a mail could not be fetched, by UID
	soft  map[uint32]int  // how often something else may have been at fault
	ahead map[uint32]bool // stored, although mail before it is not

	mu      sync.Mutex
	state   state
	since   time.Time // of state
	polled  time.Time // last time all was well
	stored  bool      // whether what was handed over last was stored
	settled string    // why mail could not be moved or marked, "" when it could
}

// New returns the Inbox of an account.
func New(s Settings, o Options) *Inbox {
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	if o.Check == nil {
		o.Check = func(string) {}
	}
	user, _, _ := o.Login.Plain()
	b := &Inbox{s: s.filled(), o: o, ledger: newLedger(o.State, user)}
	for _, name := range s.Folders {
		b.folders = append(b.folders, &folder{name: name, fails: map[uint32]int{}, soft: map[uint32]int{}, ahead: map[uint32]bool{}, since: o.Now(), polled: o.Now(), stored: true})
	}
	return b
}

// Open prepares a mail for delivery. It may be called for several mails at once.
// An error is one of the house, not of the mail: it is called again.
type Open func(ctx context.Context, m *Mail) (Parcel, error)

// Parcel is a mail that is ready to be delivered.
type Parcel struct {
	// Key says whose mail it is: parcels of one key are delivered in order.
	Key string
	// Deliver stores the mail together with cursor. It is called until it returns
	// nil, with the same mail and newer cursors. Nil passes the mail over.
	Deliver func(ctx context.Context, cursor []byte) error
}

// Run watches until ctx is done and then returns nil. Errors of the server are
// seen in Health; those of one folder do not touch another.
func (b *Inbox) Run(ctx context.Context, open Open) error {
	if !b.restore(ctx) {
		return nil
	}
	var wg sync.WaitGroup
	for _, f := range b.folders {
		wg.Go(func() { b.watch(ctx, f, open) })
	}
	wg.Wait()
	b.ledger.release(ctx)
	return nil
}

// restore reads the positions, as often as it takes; false when ctx ended first.
func (b *Inbox) restore(ctx context.Context) bool {
	for try := 0; ; try++ {
		err := b.ledger.load(ctx)
		if err == nil {
			return true
		}
		b.o.Log.WarnContext(ctx, "positions cannot be read", "err", err)
		for _, f := range b.folders {
			f.ill(b.o.Now(), state{text: "the positions in the mailbox cannot be read from the store"})
		}
		if !pause(ctx, backoff(b.s.Retry, longestRetry*b.s.Retry, try)) {
			return false
		}
	}
}

// watch connects again for as long as ctx lasts.
func (b *Inbox) watch(ctx context.Context, f *folder, open Open) {
	tries := 0
	for ctx.Err() == nil {
		s := &session{b: b, f: f, open: open}
		err := s.run(ctx)
		if ctx.Err() != nil {
			return
		}
		if s.looked {
			tries = 0
		}
		st := explain(err)
		if tries > 0 || !s.looked || !st.passing {
			f.ill(b.o.Now(), st)
		}
		b.o.Log.WarnContext(ctx, "mail connection ended", "folder", f.name, "reason", st.text, "step", st.step)
		first, longest := b.s.Retry, longestRetry*b.s.Retry
		if st.denied {
			first, longest = deniedRetry*b.s.Retry, longestDeniedRetry*b.s.Retry
		}
		if !pause(ctx, backoff(first, longest, tries)) {
			return
		}
		tries++
		b.count.reconnects.Add(1)
	}
}

// backoff is the pause before the next of several tries, spread so that many who
// were cut off together do not come back together.
func backoff(first, longest time.Duration, tries int) time.Duration {
	d := min(first<<min(tries, 20), longest)
	return d/2 + rand.N(d)
}

// pause waits and says whether ctx still lasts.
func pause(ctx context.Context, d time.Duration) bool {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-ctx.Done():
		return false
	case <-t.C:
		return true
	}
}

// errVanished is a connection that ended without a word.
var errVanished = errors.New("the server ended the folder's session")
