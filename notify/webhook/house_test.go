package webhook_test

import (
	"bytes"
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"casewire/casecore"
	"casewire/casecore/flow"
	"casewire/casecore/lang"
	"casewire/casecore/outside"
	"casewire/casecore/store"
	"casewire/casecore/store/tempstore"
	"casewire/channels"
	"casewire/notify/webhook"
)

// house is a book on a real store, whose ledger owes webhooks to subscribers.
type house struct {
	t      testing.TB
	at     *tempstore.Place
	st     store.Store
	ledger *casecore.Ledger
	flow   *flow.Flow
	subs   atomic.Pointer[[]webhook.Subscription]
	net    *network
}

// seldom is a poll that comes too late to help: tests then see that the sender
// wakes by hints and by what is due.
const seldom = 1000 * time.Hour

var master = casecore.Actor{ID: "op1", Name: "Olena", Roles: []string{casecore.RoleAdmin}}

func newHouse(t testing.TB, subs ...webhook.Subscription) *house {
	t.Helper()
	return newHouseAt(t, stores.Place(t), subs...)
}

// newHouseAt opens it there.
func newHouseAt(t testing.TB, at *tempstore.Place, subs ...webhook.Subscription) *house {
	t.Helper()
	f, err := flow.Compile(flow.Spec{
		Initial: "new", Reopen: "repair",
		Statuses: []flow.Status{
			{ID: "new", Name: lang.Text{"en": "New"}, Category: flow.New, Next: []string{"repair", "ready"}},
			{ID: "repair", Name: lang.Text{"en": "In repair"}, Category: flow.Open, Next: []string{"ready"}},
			{ID: "ready", Name: lang.Text{"en": "Ready"}, Category: flow.Done, Next: []string{"repair"}},
		},
	})
	if err != nil {
		t.Fatal(err)
	}
	h := &house{t: t, at: at, flow: f, net: &network{}}
	h.subscribe(subs...)
	r := webhook.Recorder{Subscriptions: h.subscriptions, Now: time.Now}
	h.ledger = &casecore.Ledger{Flow: func() *flow.Flow { return f }, Now: time.Now, Outside: r.Record}
	h.open()
	return h
}

// room runs a test in a bubble with its own clock.
func room(t *testing.T, subs []webhook.Subscription, test func(t *testing.T, h *house)) {
	t.Helper()
	stores.Bubble(t, func(t *testing.T, at *tempstore.Place) {
		h := newHouseAt(t, at, subs...)
		defer h.close()
		test(t, h)
	})
}

func (h *house) subscribe(subs ...webhook.Subscription) { h.subs.Store(&subs) }

func (h *house) subscriptions() []webhook.Subscription { return *h.subs.Load() }

func (h *house) open() {
	h.t.Helper()
	h.st = h.at.Open(h.t, slices.Concat(casecore.Collections(), webhook.Collections())...)
}

func (h *house) close() {
	h.t.Helper()
	h.must(h.st.Close())
}

func (h *house) must(err error) {
	h.t.Helper()
	if err != nil {
		h.t.Fatal(err)
	}
}

func (h *house) sender(st store.Store, o webhook.Options) *webhook.Sender {
	if o.Poll == 0 {
		o.Poll = seldom
	}
	if o.Rand == nil {
		o.Rand = func() float64 { return 0.5 }
	}
	if o.Transport == nil {
		o.Transport = h.net
	}
	return webhook.New(st, h.subscriptions, o)
}

// start runs a sender until the returned stop has returned.
func (h *house) start(o webhook.Options) (*webhook.Sender, func()) { return h.startOn(h.st, o) }

func (h *house) startOn(st store.Store, o webhook.Options) (*webhook.Sender, func()) {
	ctx, cancel := context.WithCancel(h.t.Context())
	s := h.sender(st, o)
	var wg sync.WaitGroup
	wg.Go(func() {
		if err := s.Run(ctx); err != nil {
			h.t.Error(err)
		}
	})
	return s, func() { cancel(); wg.Wait() }
}

func (h *house) update(fn func(tx store.Tx) error) {
	h.t.Helper()
	h.must(h.st.Update(h.t.Context(), fn))
}

// secretText is in what customers and operators write.
const secretText = "zq-canary-4711"

func (h *house) openCase(queue string) *casecore.Case {
	h.t.Helper()
	var c *casecore.Case
	to := channels.Address{Kind: channels.Telegram, Handle: "4711canary"}
	h.update(func(tx store.Tx) (err error) {
		c, _, err = h.ledger.Open(tx, casecore.System("test"), casecore.Draft{
			Customer: "cu1", Channel: "telegram:bot", To: to, Lang: "en", Subject: secretText, Queue: queue, Priority: casecore.Normal,
			Attributes: map[string]string{"imei": secretText},
		}, casecore.Message{Direction: casecore.In, Channel: "telegram:bot", ExternalID: store.NewID(), From: to, Body: channels.Body{Text: secretText}})
		return err
	})
	return c
}

func (h *house) receive(c *casecore.Case) {
	h.t.Helper()
	h.update(func(tx store.Tx) error {
		_, _, err := h.ledger.Append(tx, casecore.System("test"), c.ID, casecore.Message{
			Direction: casecore.In, Channel: c.Channel, ExternalID: store.NewID(), From: c.To, Body: channels.Body{Text: secretText},
		})
		return err
	})
}

func (h *house) move(c *casecore.Case, to string) {
	h.t.Helper()
	h.update(func(tx store.Tx) error {
		_, err := h.ledger.Move(tx, master, c.ID, to, casecore.Guard{})
		return err
	})
}

func (h *house) tell(c *casecore.Case) *casecore.Message {
	h.t.Helper()
	var m *casecore.Message
	h.update(func(tx store.Tx) (err error) {
		_, m, err = h.ledger.Tell(tx, casecore.System("notify"), c.ID, casecore.Message{Template: "ready", Body: channels.Body{Text: secretText}})
		return err
	})
	return m
}

// deliveries returns all there are, in the order of their events.
func (h *house) deliveries() []*webhook.Delivery {
	h.t.Helper()
	var out []*webhook.Delivery
	h.must(h.st.View(h.t.Context(), func(tx store.Tx) error {
		out = nil
		for d, err := range webhook.Deliveries.Scan(tx, store.Range{}) {
			if err != nil {
				return err
			}
			out = append(out, d)
		}
		return nil
	}))
	slices.SortFunc(out, func(a, b *webhook.Delivery) int { return a.Event.Timestamp.Compare(b.Event.Timestamp) })
	return out
}

func (h *house) inState(s webhook.State) int {
	n := 0
	for _, d := range h.deliveries() {
		if d.State == s {
			n++
		}
	}
	return n
}

// hook is a subscription to everything, at http://ID.test, signed with the secret
// of that name.
func hook(id string) webhook.Subscription {
	return webhook.Subscription{ID: id, URL: "https://" + id + ".test/in", Secret: secretOf(id), Events: []string{"*"}}
}

func keyOf(name string) []byte {
	sum := sha256.Sum256([]byte(name))
	return sum[:]
}

func secretOf(name string) channels.Secret {
	return channels.NewSecret("whsec_" + base64.StdEncoding.EncodeToString(keyOf(name)))
}

// got is one post as a receiver saw it.
type got struct {
	host  string
	at    time.Time
	event outside.HookEvent
	raw   string
	head  http.Header
}

// network stands for all receivers: it remembers what was posted to which host, and
// answers what the script says; without one, 204.
type network struct {
	mu     sync.Mutex
	posts  []got
	script func(ctx context.Context, g got, try int) (status int, header http.Header, err error)
	tries  map[string]int // by host and event
}

func (n *network) on(script func(ctx context.Context, g got, try int) (int, http.Header, error)) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.script = script
}

// status makes every receiver answer this.
func (n *network) status(code int) {
	n.on(func(context.Context, got, int) (int, http.Header, error) { return code, nil, nil })
}

func (n *network) RoundTrip(r *http.Request) (*http.Response, error) {
	raw, err := io.ReadAll(r.Body)
	if err != nil {
		return nil, err
	}
	g := got{host: strings.TrimSuffix(r.URL.Host, ".test"), at: time.Now(), raw: string(raw), head: r.Header.Clone()}
	if err := json.Unmarshal(raw, &g.event); err != nil {
		return nil, err
	}
	n.mu.Lock()
	if n.tries == nil {
		n.tries = map[string]int{}
	}
	n.tries[g.host+g.event.ID]++
	try, script := n.tries[g.host+g.event.ID], n.script
	n.posts = append(n.posts, g)
	n.mu.Unlock()
	status, header := http.StatusNoContent, http.Header{}
	if script != nil {
		if status, header, err = script(r.Context(), g, try); err != nil {
			return nil, err
		}
	}
	return &http.Response{StatusCode: status, Header: header, Body: io.NopCloser(bytes.NewReader([]byte("ok"))), Request: r}, nil
}

func (n *network) to(host string) []got {
	n.mu.Lock()
	defer n.mu.Unlock()
	var out []got
	for _, g := range n.posts {
		if g.host == host {
			out = append(out, g)
		}
	}
	return out
}

func types(all []got) []string {
	var out []string
	for _, g := range all {
		out = append(out, g.event.Type)
	}
	return out
}

// verify checks a post as a receiver would, by the words of the Standard Webhooks
// specification alone.
func verify(g got, key []byte) error {
	id, stamp := g.head.Get("webhook-id"), g.head.Get("webhook-timestamp")
	if id == "" || stamp == "" {
		return errors.New("headers are missing")
	}
	var at int64
	if _, err := fmt.Sscan(stamp, &at); err != nil {
		return err
	}
	if age := g.at.Unix() - at; age < -1 || age > 60 {
		return fmt.Errorf("%d seconds old", age)
	}
	mac := hmac.New(sha256.New, key)
	fmt.Fprintf(mac, "%s.%s.%s", id, stamp, g.raw)
	want := base64.StdEncoding.EncodeToString(mac.Sum(nil))
	for _, s := range strings.Split(g.head.Get("webhook-signature"), " ") {
		version, sig, _ := strings.Cut(s, ",")
		if version == "v1" && hmac.Equal([]byte(sig), []byte(want)) {
			return nil
		}
	}
	return errors.New("no signature fits")
}

// mortal is a store as one process has it: when the process is dead, it can do
// nothing more.
type mortal struct {
	store.Store
	dead atomic.Bool
}

func (m *mortal) Update(ctx context.Context, fn func(store.Tx) error) error {
	if m.dead.Load() {
		return store.ErrClosed
	}
	return m.Store.Update(ctx, fn)
}

func (m *mortal) View(ctx context.Context, fn func(store.Tx) error) error {
	if m.dead.Load() {
		return store.ErrClosed
	}
	return m.Store.View(ctx, fn)
}

// startReal runs a sender that posts over real sockets.
func (h *house) startReal() (*webhook.Sender, func()) {
	s := webhook.New(h.st, h.subscriptions, webhook.Options{})
	ctx, cancel := context.WithCancel(h.t.Context())
	var wg sync.WaitGroup
	wg.Go(func() {
		if err := s.Run(ctx); err != nil {
			h.t.Error(err)
		}
	})
	return s, func() { cancel(); wg.Wait() }
}

func copyOf(w io.Writer, r *http.Request) (int64, error) { return io.Copy(w, r.Body) }
