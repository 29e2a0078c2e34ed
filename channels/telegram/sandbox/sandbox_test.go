package sandbox

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"mime/multipart"
	"net/http"
	"net/http/httptest"
	"runtime"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

const olena = int64(7)

// result is an answer of the Bot API.
type result struct {
	OK         bool
	Result     json.RawMessage
	Code       int    `json:"error_code"`
	Text       string `json:"description"`
	Parameters struct {
		RetryAfter int   `json:"retry_after"`
		Moved      int64 `json:"migrate_to_chat_id"`
	}
}

// client calls the API as a bot.
type client struct {
	t testing.TB
	s *Server
}

func start(t testing.TB, o Options) client {
	t.Helper()
	s, err := Open(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	return client{t, s}
}

func (c client) call(method string, params map[string]any) result {
	c.t.Helper()
	b, err := json.Marshal(params)
	if err != nil {
		c.t.Fatal(err)
	}
	return c.post(method, "application/json", bytes.NewReader(b))
}

func (c client) post(method, kind string, body io.Reader) result {
	c.t.Helper()
	r, err := http.NewRequestWithContext(c.t.Context(), http.MethodPost, c.s.URL()+"/bot"+c.s.Token()+"/"+method, body)
	if err != nil {
		c.t.Fatal(err)
	}
	r.Header.Set("Content-Type", kind)
	resp, err := http.DefaultClient.Do(r)
	if err != nil {
		c.t.Fatal(err)
	}
	defer resp.Body.Close()
	var out result
	if err := json.NewDecoder(resp.Body).Decode(&out); err != nil {
		c.t.Fatal(err)
	}
	if out.OK != (resp.StatusCode == http.StatusOK) {
		c.t.Errorf("%s: status %d and ok %t", method, resp.StatusCode, out.OK)
	}
	return out
}

// What the documentation forbids is refused, in the words of the real server.
func TestRefuses(t *testing.T) {
	c := start(t, Options{})
	c.s.Say(olena, "hello")
	c.s.Block(8)
	c.s.Deactivate(9)
	c.s.Group(-5, "group", "Old", -1005)
	send := func(more map[string]any) map[string]any {
		p := map[string]any{"chat_id": olena, "text": "x"}
		for k, v := range more {
			p[k] = v
		}
		return p
	}
	button := func(data string) map[string]any {
		return map[string]any{"inline_keyboard": [][]map[string]any{{{"text": "a", "callback_data": data}}}}
	}
	for _, test := range []struct {
		name, method string
		params       map[string]any
		code         int
		text         string
	}{
		{"unknown method", "sendLove", nil, 404, "Not Found"},
		{"unknown parameter", "sendMessage", send(map[string]any{"colour": 1}), 400, `unknown parameter "colour"`},
		{"not a number", "getUpdates", map[string]any{"offset": "x"}, 400, "must be a number"},
		{"no chat", "sendMessage", map[string]any{"text": "x"}, 400, "chat_id is empty"},
		{"strange chat", "sendMessage", send(map[string]any{"chat_id": 12345}), 400, "chat not found"},
		{"blocked", "sendMessage", send(map[string]any{"chat_id": 8}), 403, "bot was blocked by the user"},
		{"deactivated", "sendMessage", send(map[string]any{"chat_id": 9}), 403, "user is deactivated"},
		{"moved", "sendMessage", send(map[string]any{"chat_id": -5}), 400, "upgraded to a supergroup"},
		{"empty", "sendMessage", send(map[string]any{"text": " \n"}), 400, "message text is empty"},
		{"too long", "sendMessage", send(map[string]any{"text": strings.Repeat("😀", 2049)}), 400, "message is too long"},
		{"unknown tag", "sendMessage", send(map[string]any{"text": "<x>", "parse_mode": "HTML"}), 400, `can't parse entities: Unsupported start tag "x" at byte offset 0`},
		{"open tag", "sendMessage", send(map[string]any{"text": "a<b>c", "parse_mode": "HTML"}), 400, `can't parse entities: Can't find end tag`},
		{"wrong end", "sendMessage", send(map[string]any{"text": "<b>c</i>", "parse_mode": "HTML"}), 400, `can't parse entities: Unmatched end tag`},
		{"lone end", "sendMessage", send(map[string]any{"text": "c</i>", "parse_mode": "HTML"}), 400, `can't parse entities: Unexpected end tag`},
		{"half a tag", "sendMessage", send(map[string]any{"text": "1 < 2", "parse_mode": "HTML"}), 400, `can't parse entities`},
		{"long payload", "sendMessage", send(map[string]any{"reply_markup": button(strings.Repeat("x", 65))}), 400, "BUTTON_DATA_INVALID"},
		{"answers nothing", "sendMessage", send(map[string]any{"reply_parameters": map[string]any{"message_id": 999}}), 400, "message to be replied not found"},
		{"unknown press", "answerCallbackQuery", map[string]any{"callback_query_id": "1"}, 400, "query is too old"},
		{"unknown action", "sendChatAction", map[string]any{"chat_id": olena, "action": "dance"}, 400, "wrong parameter action"},
		{"no photo", "sendPhoto", map[string]any{"chat_id": olena}, 400, "there is no photo"},
		{"unknown file", "getFile", map[string]any{"file_id": "x"}, 400, "invalid file_id"},
		{"edit of nothing", "editMessageText", send(map[string]any{"message_id": 999}), 400, "message to edit not found"},
		{"edit of the customer's", "editMessageText", send(map[string]any{"message_id": 1}), 400, "message can't be edited"},
		{"webhook nowhere", "setWebhook", map[string]any{"url": "nowhere"}, 400, "bad webhook"},
		{"odd secret", "setWebhook", map[string]any{"url": "http://127.0.0.1:1/", "secret_token": "a b"}, 400, "unallowed characters"},
	} {
		if got := c.call(test.method, test.params); got.OK || got.Code != test.code || !strings.Contains(got.Text, test.text) {
			t.Errorf("%s: %d %q, want %d %q", test.name, got.Code, got.Text, test.code, test.text)
		}
	}
	if got := c.call("sendMessage", send(map[string]any{"text": "<b>a</b> &lt; &amp;amp; " + strings.Repeat("x", 4000), "parse_mode": "HTML"})); !got.OK {
		t.Errorf("a good message: %+v", got)
	}
	if got := c.s.Chat(olena); !strings.HasPrefix(got[len(got)-1].Text, "a < &amp; x") {
		t.Errorf("the phone shows %q", got[len(got)-1].Text)
	}
	resp, err := http.Get(c.s.URL() + "/bot4242:wrong/getMe")
	if err != nil {
		t.Fatal(err)
	}
	resp.Body.Close()
	if resp.StatusCode != http.StatusUnauthorized {
		t.Errorf("a wrong token: %d", resp.StatusCode)
	}
}

// Updates wait until a higher offset confirms them, a second poller ends the
// first, and a webhook keeps both out.
func TestUpdatesWait(t *testing.T) {
	c := start(t, Options{})
	c.s.Say(olena, "one")
	c.s.Say(olena, "two")
	ids := func(r result) []int64 {
		var got []struct {
			ID int64 `json:"update_id"`
		}
		if err := json.Unmarshal(r.Result, &got); err != nil {
			t.Fatalf("%+v: %v", r, err)
		}
		var out []int64
		for _, u := range got {
			out = append(out, u.ID)
		}
		return out
	}
	first := ids(c.call("getUpdates", nil))
	if again := ids(c.call("getUpdates", nil)); len(first) != 2 || len(again) != 2 {
		t.Fatalf("%v, then %v", first, again)
	}
	if got := ids(c.call("getUpdates", map[string]any{"offset": first[1]})); len(got) != 1 || got[0] != first[1] {
		t.Errorf("after confirming one: %v", got)
	}
	if got := ids(c.call("getUpdates", map[string]any{"offset": first[1] + 1})); len(got) != 0 || c.s.Waiting() != 0 {
		t.Errorf("after confirming all: %v", got)
	}
	var wg sync.WaitGroup
	var held result
	wg.Go(func() { held = c.call("getUpdates", map[string]any{"timeout": 30}) })
	for c.s.polling() == nil {
		runtime.Gosched()
	}
	if got := c.call("getUpdates", nil); !got.OK {
		t.Errorf("the second poller: %+v", got)
	}
	wg.Wait()
	if held.Code != http.StatusConflict || !strings.Contains(held.Text, "terminated by other getUpdates") {
		t.Errorf("the first poller: %+v", held)
	}
	c.call("setWebhook", map[string]any{"url": "http://127.0.0.1:1/"})
	if got := c.call("getUpdates", nil); got.Code != http.StatusConflict || !strings.Contains(got.Text, "webhook is active") {
		t.Errorf("with a webhook: %+v", got)
	}
	c.call("deleteWebhook", nil)
	if got := c.call("getUpdates", nil); !got.OK {
		t.Errorf("without it: %+v", got)
	}
}

func (s *Server) polling() chan struct{} {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.poller
}

// The documented limits are kept when they are switched on, and a day later
// nothing waits any more.
func TestLimitsAndExpiry(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, err := New(t.Context(), Options{Limits: true})
		if err != nil {
			t.Fatal(err)
		}
		defer s.Close()
		s.Group(-3, "group", "G", 0)
		send := func(chat int64) *fault {
			s.mu.Lock()
			if chat > 0 {
				s.private(chat)
			}
			s.mu.Unlock()
			_, f := s.sendMessage(t.Context(), &Call{Method: "sendMessage", Fields: map[string]string{"chat_id": fmt.Sprint(chat), "text": "x"}})
			return f
		}
		if f := send(1); f != nil {
			t.Fatal(f.text)
		}
		if f := send(1); f == nil || f.code != 429 || f.retryAfter != 1 {
			t.Errorf("two in a second to one chat: %+v", f)
		}
		time.Sleep(2 * time.Second)
		for i := range int64(30) {
			if f := send(10 + i); f != nil {
				t.Errorf("message %d of a second: %+v", i, f)
			}
		}
		if f := send(99); f == nil || f.retryAfter != 1 {
			t.Errorf("31 in a second: %+v", f)
		}
		time.Sleep(2 * time.Second)
		for i := range 20 {
			if f := send(-3); f != nil {
				t.Errorf("message %d to a group: %+v", i, f)
			}
			time.Sleep(time.Second)
		}
		if f := send(-3); f == nil || f.retryAfter != 40 {
			t.Errorf("21 in a minute to a group: %+v", f)
		}
		s.Say(1, "forgotten")
		time.Sleep(keepUpdates + time.Second)
		if _, f := s.getUpdates(t.Context(), &Call{Fields: map[string]string{}}); f != nil || s.Waiting() != 0 {
			t.Errorf("%d updates wait after a day, %v", s.Waiting(), f)
		}
	})
}

// With a folder the same chat is there after a restart, files and waiting updates
// too.
func TestKeeps(t *testing.T) {
	dir := t.TempDir()
	one := start(t, Options{Dir: dir})
	one.s.Join(Person{ID: olena, First: "Olena", Lang: "uk"})
	id := one.s.Document(olena, "act.txt", []byte("the act"), "see")
	var b bytes.Buffer
	form := multipart.NewWriter(&b)
	_ = form.WriteField("chat_id", fmt.Sprint(olena))
	w, err := form.CreateFormFile("document", "b.txt")
	if err != nil {
		t.Fatal(err)
	}
	fmt.Fprint(w, "from the bot")
	form.Close()
	if got := one.post("sendDocument", form.FormDataContentType(), &b); !got.OK {
		t.Fatalf("%+v", got)
	}
	if err := one.s.Close(); err != nil {
		t.Fatal(err)
	}
	two := start(t, Options{Dir: dir})
	got := two.s.Chat(olena)
	if len(got) != 2 || got[0].ID != id || two.s.Waiting() != 1 || two.s.People()[0].First != "Olena" {
		t.Fatalf("%+v, %d waiting", got, two.s.Waiting())
	}
	for i, want := range []string{"the act", "from the bot"} {
		if _, data, ok := two.s.File(got[i].File.ID); !ok || string(data) != want {
			t.Errorf("file %d is %q", i, data)
		}
	}
	if next := two.s.Say(olena, "more"); next <= got[1].ID {
		t.Errorf("number %d was given twice", next)
	}
}

// A webhook gets each update in order until it takes it, with the secret.
func TestBrings(t *testing.T) {
	c := start(t, Options{})
	var mu sync.Mutex
	var got []string
	refusals := 2
	l := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		mu.Lock()
		defer mu.Unlock()
		if refusals--; refusals >= 0 {
			w.WriteHeader(http.StatusServiceUnavailable)
			return
		}
		var u struct{ Message struct{ Text string } }
		_ = json.NewDecoder(r.Body).Decode(&u)
		got = append(got, u.Message.Text+" "+r.Header.Get("X-Telegram-Bot-Api-Secret-Token"))
	}))
	defer l.Close()
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	hints := c.s.Watch(ctx, 0)
	c.call("setWebhook", map[string]any{"url": l.URL, "secret_token": "s3cret"})
	c.s.Say(olena, "one")
	c.s.Say(olena, "two")
	for c.s.Waiting() > 0 {
		select {
		case <-hints:
		case <-ctx.Done():
			t.Fatal("never brought")
		}
	}
	if strings.Join(got, ", ") != "one s3cret, two s3cret" {
		t.Errorf("brought %q", got)
	}
}
