package live_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/gorilla/websocket"

	"casewire/casecore"
	"casewire/casecore/flow"
	"casewire/casecore/lang"
	"casewire/casecore/store"
	"casewire/channels"
	"casewire/routing"
	"casewire/routing/desk"
	"casewire/routing/live"
)

// house is a server of the live feed over a real store.
type house struct {
	t      testing.TB
	store  store.Store
	ledger *casecore.Ledger
	work   *desk.Work
	board  *desk.Board
	server *live.Server
	http   *httptest.Server
	stop   func() // of the live server; waits
	no     int
}

// account is somebody who may sign in here; their token is their id.
type account struct {
	store.Meta
	Queues []string `json:"queues"`
	Roles  []string `json:"roles"`
}

func (*account) Keys() store.Keys { return nil }

var accounts = store.NewTable[account]("account")

// canary is in everything that a customer writes here.
const canary = "zq-canary-7719"

var visitor = channels.Address{Kind: channels.WebChat, Handle: "visitor-" + canary, Name: "Olena " + canary}

const origin = "https://desk.example"

func text(s string) lang.Text { return lang.Text{"en": s} }

var spec = flow.Spec{
	Initial: "new", Taken: "accepted", Reopen: "accepted",
	Statuses: []flow.Status{
		{ID: "new", Name: text("New"), Category: flow.New, Next: []string{"accepted"}},
		{ID: "accepted", Name: text("Accepted"), Category: flow.Open, Next: []string{}},
	},
}

// newHouse opens a house in which these operators serve phones and tv.
func newHouse(t testing.TB, o live.Options, operators ...string) *house {
	t.Helper()
	return newHouseWith(t, o, desk.BoardOptions{}, operators...)
}

func newHouseWith(t testing.TB, o live.Options, bo desk.BoardOptions, operators ...string) *house {
	t.Helper()
	st := stores.Open(t, append(casecore.Collections(), accounts.Coll())...)
	h := &house{t: t, store: st}
	f, err := flow.Compile(spec)
	if err != nil {
		t.Fatal(err)
	}
	r, err := routing.Compile(routing.Spec{
		Queues: []routing.Queue{{ID: "phones", Name: lang.Text{"en": "Phones", "ru": "Телефоны"}}, {ID: "tv", Name: text("TV")}, {ID: "general", Name: text("General")}},
		Rules:  []routing.Rule{{Name: "all", Then: routing.Then{Queue: "general"}}},
	}, routing.Options{})
	if err != nil {
		t.Fatal(err)
	}
	router := func() *routing.Router { return r }
	h.ledger = &casecore.Ledger{Flow: func() *flow.Flow { return f }, Now: time.Now}
	h.work = desk.NewWork(st, h.ledger, router, nil)
	h.do(func(tx store.Tx) error {
		for _, login := range operators {
			a := &account{Meta: store.Meta{ID: login}, Queues: []string{"phones", "tv"}, Roles: []string{casecore.RoleOperator}}
			if err := accounts.Put(tx, a); err != nil {
				return err
			}
		}
		cu := &casecore.Customer{Meta: store.Meta{ID: "cu-1"}, Name: "Olena " + canary}
		return errors.Join(casecore.Customers.Put(tx, cu), casecore.Identities.Put(tx, &casecore.Identity{
			Meta: store.Meta{ID: casecore.IdentityID(visitor)}, Address: visitor, Customer: "cu-1",
		}))
	})
	h.board = desk.NewBoard(st, router, bo)
	h.background(h.board.Run)
	o.Enter, o.Store, o.Accounts = h.enter, st, []*store.Coll{accounts.Coll()}
	if o.Origins == nil {
		o.Origins = func() []string { return []string{origin} }
	}
	h.server = live.New(h.board, h.work, o)
	h.stop = h.background(h.server.Run)
	h.http = httptest.NewServer(h.server)
	t.Cleanup(h.http.Close)
	return h
}

// background runs something until the test ends or it is stopped.
func (h *house) background(run func(context.Context) error) (stop func()) {
	ctx, cancel := context.WithCancel(h.t.Context())
	done := make(chan error, 1)
	go func() { done <- run(ctx) }()
	over := false
	stop = func() {
		if over {
			return
		}
		over = true
		cancel()
		if err := <-done; err != nil {
			h.t.Error(err)
		}
	}
	h.t.Cleanup(stop)
	return stop
}

// enter takes "Bearer LOGIN", or a cookie session=LOGIN.
func (h *house) enter(r *http.Request) (live.Pass, error) {
	login, bearer := strings.CutPrefix(r.Header.Get("Authorization"), "Bearer ")
	if !bearer {
		c, err := r.Cookie("session")
		if err != nil {
			return live.Pass{}, live.ErrNotSignedIn
		}
		login = c.Value
	}
	again := func(ctx context.Context) (a casecore.Actor, err error) {
		err = h.store.View(ctx, func(tx store.Tx) error {
			p, err := accounts.Get(tx, login)
			if errors.Is(err, store.ErrNotFound) {
				return fmt.Errorf("%w: %w", live.ErrNotSignedIn, err)
			}
			if err != nil {
				return err
			}
			a = casecore.Actor{ID: "op-" + login, Name: login, Roles: p.Roles, Queues: p.Queues}
			return nil
		})
		return a, err
	}
	a, err := again(r.Context())
	return live.Pass{Actor: a, Bearer: bearer, Again: again}, err
}

func (h *house) do(fn func(tx store.Tx) error) {
	h.t.Helper()
	if err := h.store.Update(h.t.Context(), fn); err != nil {
		h.t.Fatal(err)
	}
}

// change changes an account, or removes it when fn is nil.
func (h *house) change(login string, fn func(*account)) {
	h.t.Helper()
	h.do(func(tx store.Tx) error {
		a, err := accounts.Get(tx, login)
		if err != nil {
			return err
		}
		if fn == nil {
			return accounts.Delete(tx, a)
		}
		fn(a)
		return accounts.Put(tx, a)
	})
}

// arrive opens a case as a message of the visitor does.
func (h *house) arrive(queue string) *casecore.Case {
	h.t.Helper()
	h.no++
	var c *casecore.Case
	h.do(func(tx store.Tx) (err error) {
		c, _, err = h.ledger.Open(tx, casecore.System("intake"), casecore.Draft{
			Customer: "cu-1", Channel: "webchat:site", To: visitor, Subject: "Screen " + canary, Queue: queue,
			Priority: casecore.Normal, Category: "phone", React: time.Hour, Attributes: map[string]string{"model": canary},
		}, casecore.Message{
			Direction: casecore.In, Channel: "webchat:site", ExternalID: fmt.Sprint(h.no), From: visitor,
			Body: channels.Body{Text: "It is broken " + canary},
		})
		return err
	})
	return c
}

// client is an operator's browser.
type client struct {
	t       testing.TB
	ws      *websocket.Conn
	skipped []frame // read by until and not yet asked for
}

// dial connects with these headers, of which the subprotocol is one.
func (h *house) dial(header http.Header) (*client, *http.Response, error) {
	d := websocket.Dialer{HandshakeTimeout: patience}
	ws, resp, err := d.DialContext(h.t.Context(), "ws"+strings.TrimPrefix(h.http.URL, "http"), header)
	if err != nil {
		return nil, resp, err
	}
	h.t.Cleanup(func() { ws.Close() })
	return &client{t: h.t, ws: ws}, resp, nil
}

func browser(login string) http.Header {
	return http.Header{
		"Cookie": {"session=" + login}, "Origin": {origin}, "Sec-Websocket-Protocol": {live.Protocol},
	}
}

func (h *house) client(login string) *client {
	h.t.Helper()
	c, resp, err := h.dial(browser(login))
	if err != nil {
		h.t.Fatalf("dial: %v (%v)", err, resp)
	}
	resp.Body.Close()
	return c
}

// hello connects and returns the client behind its snapshot.
func (h *house) hello(login string) (*client, frame) {
	h.t.Helper()
	c := h.client(login)
	c.send(`{"t":"hello"}`)
	return c, c.until("snapshot")
}

func (c *client) send(data string) {
	c.t.Helper()
	if err := c.ws.WriteMessage(websocket.TextMessage, []byte(data)); err != nil {
		c.t.Fatal(err)
	}
}

// patience is how long a test waits for what should come at once.
const patience = 20 * time.Second

// frame is any frame of the server.
type frame struct {
	T       string          `json:"t"`
	Epoch   string          `json:"epoch"`
	Seq     uint64          `json:"seq"`
	ID      string          `json:"id"`
	Code    live.Code       `json:"code"`
	Detail  string          `json:"detail"`
	Holder  string          `json:"holder"`
	ClaimNo int64           `json:"claim_no"`
	Card    desk.Card       `json:"card"`
	Case    json.RawMessage `json:"case"`
	By      string          `json:"by"`
	Queues  []struct {
		ID    string      `json:"id"`
		Name  string      `json:"name"`
		Cards []desk.Card `json:"cards"`
	} `json:"queues"`

	raw []byte
}

func (f frame) number() string {
	var s string
	if json.Unmarshal(f.Case, &s) == nil {
		return s
	}
	return f.Card.Number
}

// next reads one frame.
func (c *client) next() (frame, error) {
	if err := c.ws.SetReadDeadline(time.Now().Add(patience)); err != nil {
		return frame{}, err
	}
	_, data, err := c.ws.ReadMessage()
	if err != nil {
		return frame{}, err
	}
	f := frame{raw: data}
	return f, json.Unmarshal(data, &f)
}

// until returns the first frame of this type, and about this case if one is
// named, that until has not returned before. Replies and the board's frames come
// in no order among each other.
func (c *client) until(typ string, number ...string) frame {
	c.t.Helper()
	wanted := func(f frame) bool { return f.T == typ && (len(number) == 0 || f.number() == number[0]) }
	if i := slices.IndexFunc(c.skipped, wanted); i >= 0 {
		f := c.skipped[i]
		c.skipped = slices.Delete(c.skipped, i, i+1)
		return f
	}
	for {
		f, err := c.next()
		if err != nil {
			c.t.Fatalf("waiting for %s %v: %v", typ, number, err)
		}
		if wanted(f) {
			return f
		}
		c.skipped = append(c.skipped, f)
	}
}

// closed reads to the end and returns the close code; 0 is a bare cut.
func (c *client) closed() int {
	c.t.Helper()
	for {
		_, err := c.next()
		if err == nil {
			continue
		}
		if e, ok := errors.AsType[*websocket.CloseError](err); ok {
			return e.Code
		}
		if timeout, ok := errors.AsType[net.Error](err); ok && timeout.Timeout() {
			c.t.Fatal("the socket stays open")
		}
		return 0
	}
}
