package telegram

import (
	"bytes"
	"context"
	"errors"
	"image"
	"image/png"
	"io"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"casewire/channels"
	"casewire/channels/channeltest"
	"casewire/channels/telegram/sandbox"
)

const (
	channelID = "telegram:main"
	customer  = int64(70001)
)

// patience is how long tests wait for what must come.
const patience = 10 * time.Second

// office is a running door in a house, with the sandbox as its provider.
type office struct {
	t      testing.TB
	house  *channeltest.House
	api    *sandbox.Server
	cfg    *Config
	env    func(*channels.Env) // changes what the door gets, when set
	door   *Door
	refuse atomic.Pointer[func(part, op string) error]
	stop   func() (time.Duration, error)
}

// quick returns a configuration for a sandbox, with clocks for tests.
func quick(api *sandbox.Server) *Config {
	c := NewConfig()
	c.Token, c.Server = channels.NewSecret(api.Token()), api.URL()
	c.Times.Album = 50 * time.Millisecond
	c.Limits.PerChat = time.Millisecond
	c.Limits.PerSecond = 1000
	return c
}

func hurry(d *Door) {
	d.waits.first, d.waits.most, d.waits.wrong, d.waits.elsewhere = 10*time.Millisecond, 50*time.Millisecond, 50*time.Millisecond, 20*time.Millisecond
	d.waits.store, d.waits.storeMost, d.waits.fetch = 5*time.Millisecond, 20*time.Millisecond, 5*time.Millisecond
	d.waits.lag, d.waits.checkHook, d.waits.renews = 30*time.Millisecond, 20*time.Millisecond, 100*time.Millisecond
}

// provider starts a sandbox until the test ends.
func provider(t testing.TB, o sandbox.Options) *sandbox.Server {
	t.Helper()
	api, err := sandbox.Open(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { api.Close() })
	return api
}

// prepare returns an office whose door is not open yet, with the configuration that
// the test changes.
func prepare(t testing.TB, change ...func(*Config)) *office {
	t.Helper()
	o := &office{t: t, house: channeltest.NewHouse(t), api: provider(t, sandbox.Options{})}
	o.cfg = quick(o.api)
	for _, f := range change {
		f(o.cfg)
	}
	refuse := func(part, op string) error {
		if f := o.refuse.Load(); f != nil {
			return (*f)(part, op)
		}
		return nil
	}
	o.house.Memory.Fail = func(op, key string) error { return refuse("memory", op+" "+key) }
	o.house.Files.Fail = func(op string) error { return refuse("files", op) }
	o.house.Book.Fail = func(op string) error { return refuse("book", op) }
	o.house.Book.Before = func(_ context.Context, m channels.Inbound) error { return refuse("book", "message "+m.Body.Text) }
	return o
}

// open runs a door with the configuration that the test changes.
func open(t testing.TB, change ...func(*Config)) *office {
	t.Helper()
	o := prepare(t, change...)
	o.start()
	return o
}

// troubled has parts of the house refuse what f says, nil for nothing.
func (o *office) troubled(f func(part, op string) error) {
	if f == nil {
		o.refuse.Store(nil)
		return
	}
	o.refuse.Store(&f)
}

// start opens and runs the door on what the house already has.
func (o *office) start() {
	o.t.Helper()
	env := o.house.Env(channelID)
	if o.env != nil {
		o.env(&env)
	}
	ch, err := o.cfg.Open(env)
	if err != nil {
		o.t.Fatal(err)
	}
	o.door = ch.(*Door)
	hurry(o.door)
	o.stop = o.house.Start(o.t, ch, o.house.Book)
}

func (o *office) close() {
	o.t.Helper()
	if _, err := o.stop(); err != nil {
		o.t.Errorf("Run returned %v", err)
	}
}

func (o *office) ctx() context.Context {
	ctx, cancel := context.WithTimeout(o.t.Context(), patience)
	o.t.Cleanup(cancel)
	return ctx
}

// until waits for the book to say so.
func (o *office) until(ok func() bool) {
	o.t.Helper()
	if err := o.house.Book.Wait(o.ctx(), ok); err != nil {
		o.t.Fatalf("it never happened; stored: %+v", o.house.Book.Messages())
	}
}

// message waits for the n-th message, from 1.
func (o *office) message(n int) channels.Inbound {
	o.t.Helper()
	o.until(func() bool { return len(o.house.Book.Messages()) >= n })
	return o.house.Book.Messages()[n-1]
}

// confirmed waits until Telegram has forgotten every update.
func (o *office) confirmed() {
	o.t.Helper()
	o.phone(0, func() bool { return o.api.Waiting() == 0 })
}

// phone waits for a chat of the sandbox to look so.
func (o *office) phone(chat int64, ok func() bool) {
	o.t.Helper()
	watch(o.t, o.api, chat, ok)
}

func watch(t testing.TB, api *sandbox.Server, chat int64, ok func() bool) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	hints := api.Watch(ctx, chat)
	for !ok() {
		select {
		case <-hints:
		case <-ctx.Done():
			t.Fatal("the phone never showed it")
		}
	}
}

// healthy waits for the door to say something of itself.
func (o *office) healthy(words string) channels.Health {
	o.t.Helper()
	var h channels.Health
	o.eventually(func() bool { h = o.door.Health(); return strings.Contains(h.Text, words) }, "health never says "+words)
	return h
}

// eventually waits for what nothing announces.
func (o *office) eventually(ok func() bool, otherwise string) {
	o.t.Helper()
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	for late := time.After(patience); !ok(); {
		select {
		case <-tick.C:
		case <-late:
			o.t.Fatal(otherwise)
		}
	}
}

func to(chat int64) channels.Address {
	return channels.Address{Kind: channels.Telegram, Handle: place{chat: chat}.String()}
}

// send sends, and fails the test when that fails.
func (o *office) send(m channels.Outbound) channels.Receipt {
	o.t.Helper()
	m.Channel = channelID
	r, err := o.door.Send(o.ctx(), m)
	if err != nil {
		o.t.Fatalf("send: %v", err)
	}
	return r
}

// texts returns what the bot wrote to a chat.
func (o *office) texts(chat int64) []string {
	var out []string
	for _, b := range o.api.Chat(chat) {
		if !b.Mine {
			out = append(out, b.Text)
		}
	}
	return out
}

// reason returns the decision of an error.
func reason(t testing.TB, err error) *channels.SendError {
	t.Helper()
	e, ok := errors.AsType[*channels.SendError](err)
	if !ok {
		t.Fatalf("%v is no *SendError", err)
	}
	return e
}

// picture returns a PNG of a size.
func picture(t testing.TB, w, h int) []byte {
	t.Helper()
	var b bytes.Buffer
	if err := png.Encode(&b, image.NewGray(image.Rect(0, 0, w, h))); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

// kept puts bytes into the house.
func (o *office) kept(name string, data []byte) channels.File {
	o.t.Helper()
	f, err := o.house.Files.Put(o.t.Context(), name, bytes.NewReader(data), 1<<30)
	if err != nil {
		o.t.Fatal(err)
	}
	return f
}

// inside is a transport without sockets, for tests in virtual time.
type inside struct{ h http.Handler }

func (i inside) RoundTrip(r *http.Request) (*http.Response, error) {
	w := &reply{code: http.StatusOK, head: http.Header{}}
	done := make(chan struct{})
	go func() {
		defer close(done)
		body := r.Body
		if body == nil {
			body = http.NoBody
		}
		clone := r.Clone(r.Context())
		clone.Body = body
		i.h.ServeHTTP(w, clone)
		body.Close()
	}()
	select {
	case <-done:
	case <-r.Context().Done():
		r.Body.Close()
		<-done
		return nil, r.Context().Err()
	}
	return &http.Response{StatusCode: w.code, Header: w.head, Body: io.NopCloser(&w.body), Request: r}, nil
}

type reply struct {
	code int
	head http.Header
	body bytes.Buffer
}

func (w *reply) Header() http.Header         { return w.head }
func (w *reply) WriteHeader(code int)        { w.code = code }
func (w *reply) Write(b []byte) (int, error) { return w.body.Write(b) }

// unanswered is a server whose every answer is 404.
type unanswered struct{}

func (unanswered) ServeHTTP(w http.ResponseWriter, _ *http.Request) {
	w.WriteHeader(http.StatusNotFound)
	_, _ = io.WriteString(w, `{"ok":false,"error_code":404,"description":"Not Found"}`)
}
