package sandbox

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"
)

const anna = "+381601234567"

func open(t *testing.T, o Options) *Server {
	t.Helper()
	s, err := Open(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
	return s
}

// ask sends a request with the account's password.
func ask(t *testing.T, s *Server, method, path string, form url.Values) (int, map[string]any) {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), method, s.URL()+path, strings.NewReader(form.Encode()))
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	req.SetBasicAuth(s.AccountSID(), s.AuthToken())
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	b, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	var out map[string]any
	if resp.Header.Get("Content-Type") == "application/json" {
		if err := json.Unmarshal(b, &out); err != nil {
			t.Fatal(err)
		}
	}
	return resp.StatusCode, out
}

func messages(s *Server) string { return root + s.AccountSID() + "/Messages.json" }

func wanted(s *Server, change func(url.Values)) url.Values {
	f := url.Values{"To": {anna}, "From": {s.Numbers()[0]}, "Body": {"hello"}}
	if change != nil {
		change(f)
	}
	return f
}

func TestItAsksWhoComes(t *testing.T) {
	s := open(t, Options{})
	for _, v := range []struct{ user, password string }{{s.AccountSID(), "wrong"}, {"AC1", s.AuthToken()}, {"", ""}} {
		req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, s.URL()+messages(s), nil)
		if err != nil {
			t.Fatal(err)
		}
		req.SetBasicAuth(v.user, v.password)
		resp, err := http.DefaultClient.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		resp.Body.Close()
		if resp.StatusCode != 401 {
			t.Errorf("%q: %d", v.user, resp.StatusCode)
		}
	}
}

func TestWrongMessagesAreRefusedWithTwiliosCodes(t *testing.T) {
	s := open(t, Options{Service: "MG1"})
	for code, change := range map[float64]func(url.Values){
		21604: func(f url.Values) { f.Del("To") },
		21603: func(f url.Values) { f.Del("From") },
		21602: func(f url.Values) { f.Del("Body") },
		21606: func(f url.Values) { f.Set("From", "+15550001111") },
		21617: func(f url.Values) { f.Set("Body", strings.Repeat("я", 1601)) },
		21609: func(f url.Values) { f.Set("StatusCallback", "no address") },
		21705: func(f url.Values) { f.Set("MessagingServiceSid", "MG2") },
		21211: func(f url.Values) { f.Set("To", "0601234567") },
		21614: func(f url.Values) { f.Set("To", "+15005550009") },
		21612: func(f url.Values) { f.Set("To", "+15005550002") },
		21408: func(f url.Values) { f.Set("To", "+15005550003") },
		21610: func(f url.Values) { f.Set("To", "+15005550004") },
	} {
		status, body := ask(t, s, http.MethodPost, messages(s), wanted(s, change))
		if status != 400 || body["code"] != code || body["more_info"] == "" {
			t.Errorf("%v: %d %v", code, status, body)
		}
	}
	if len(s.Sent()) != 0 {
		t.Error("a refused message was taken")
	}
}

func TestTheListComesInPages(t *testing.T) {
	s := open(t, Options{})
	for i := range 7 {
		if _, err := s.Text(anna, s.Numbers()[0], string(rune('a'+i))); err != nil {
			t.Fatal(err)
		}
	}
	var got string
	next := messages(s) + "?PageSize=3&To=" + url.QueryEscape(s.Numbers()[0])
	for next != "" {
		status, body := ask(t, s, http.MethodGet, next, nil)
		if status != 200 {
			t.Fatalf("%d %v", status, body)
		}
		for _, m := range body["messages"].([]any) {
			got += m.(map[string]any)["body"].(string)
		}
		next, _ = body["next_page_uri"].(string)
	}
	if got != "gfedcba" {
		t.Errorf("%q", got)
	}
	if status, _ := ask(t, s, http.MethodGet, messages(s)+"?PageSize=5000", nil); status != 400 {
		t.Errorf("a page too large: %d", status)
	}
}

// hook is a webhook that fails a number of times and then answers.
type hook struct {
	mu    sync.Mutex
	fails int
	reply string
	forms []url.Values
	wrong int
	s     *Server
}

func (h *hook) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	h.mu.Lock()
	defer h.mu.Unlock()
	_ = r.ParseForm()
	if r.Header.Get("X-Twilio-Signature") != Sign(h.s.AuthToken(), "http://"+r.Host+r.RequestURI, r.PostForm) {
		h.wrong++
	}
	h.forms = append(h.forms, r.PostForm)
	if h.fails > 0 {
		h.fails--
		w.WriteHeader(http.StatusServiceUnavailable)
		return
	}
	_, _ = io.WriteString(w, h.reply)
}

func TestWebhooksAreSignedAndRepeated(t *testing.T) {
	s := open(t, Options{Retry: time.Millisecond})
	h := &hook{fails: 2, reply: `<Response><Message>thank you</Message></Response>`, s: s}
	web := httptest.NewServer(h)
	defer web.Close()
	s.Point(s.Numbers()[0], web.URL+"/in?x=1")
	id, err := s.Text(anna, s.Numbers()[0], "hello", Media{Type: "image/png", Data: []byte("x")})
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Await(t.Context(), id); err != nil {
		t.Fatal(err)
	}
	if err := s.Received(t.Context(), anna, "thank you", 1); err != nil {
		t.Fatal(err)
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	if len(h.forms) != 3 || h.wrong != 0 || h.forms[2].Get("MessageSid") != id || h.forms[2].Get("NumMedia") != "1" {
		t.Errorf("%d posts, %d with a wrong signature: %v", len(h.forms), h.wrong, h.forms)
	}
}

func TestStatusCallbacks(t *testing.T) {
	for name, v := range map[string]struct {
		disorder bool
		to       string
		want     []string
	}{
		"delivered":     {false, anna, []string{"sent", "delivered"}},
		"undelivered":   {false, "+15005553003", []string{"sent", "undelivered"}},
		"never told":    {false, "+15005550299", []string{"sent"}},
		"failed":        {false, "+15005551610", []string{"failed"}},
		"in disorder":   {true, anna, []string{"delivered", "delivered", "sent", "sent"}},
		"30005, reason": {false, "+15005553005", []string{"sent", "undelivered"}},
	} {
		s := open(t, Options{Disorder: v.disorder})
		h := &hook{s: s}
		told := make(chan struct{}, 8)
		web := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { h.ServeHTTP(w, r); told <- struct{}{} }))
		f := wanted(s, func(f url.Values) { f.Set("To", v.to); f.Set("StatusCallback", web.URL+"/status?id=7") })
		if status, body := ask(t, s, http.MethodPost, messages(s), f); status != 201 || body["status"] != "queued" {
			t.Fatalf("%d %v", status, body)
		}
		for range v.want {
			<-told
		}
		web.Close()
		var got []string
		for _, f := range h.forms {
			got = append(got, f.Get("MessageStatus"))
		}
		if !slices.Equal(got, v.want) || h.wrong != 0 {
			t.Errorf("%s: %v", name, got)
		}
	}
}

func TestStopIsObeyedUntilStart(t *testing.T) {
	s := open(t, Options{})
	send := func() float64 {
		_, body := ask(t, s, http.MethodPost, messages(s), wanted(s, nil))
		code, _ := body["code"].(float64)
		return code
	}
	for _, v := range []struct {
		say   string
		code  float64
		phone string
	}{{"stop", 21610, "unsubscribed"}, {"hello", 21610, ""}, {"START", 0, "re-subscribed"}, {"stop it", 0, ""}, {"help", 0, "Msg&Data"}} {
		if _, err := s.Text(anna, s.Numbers()[0], v.say); err != nil {
			t.Fatal(err)
		}
		if got := send(); got != v.code {
			t.Errorf("after %q: %v, want %v", v.say, got, v.code)
		}
		if err := s.Received(t.Context(), anna, v.phone, 1); err != nil {
			t.Errorf("after %q: %v", v.say, err)
		}
	}
}

func TestThePhoneIsKeptAndWatched(t *testing.T) {
	dir := t.TempDir()
	s, err := Open(t.Context(), Options{Dir: dir})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	hints, err := s.Watch(ctx, anna)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := s.Text(anna, s.Numbers()[0], "hello", Media{Type: "image/png", Data: []byte("x")}); err != nil {
		t.Fatal(err)
	}
	<-hints
	if status, _ := ask(t, s, http.MethodPost, messages(s), wanted(s, nil)); status != 201 {
		t.Fatal(status)
	}
	if err := s.Received(t.Context(), anna, "hello", 1); err != nil {
		t.Fatal(err)
	}
	<-hints
	cancel()
	before := s.Phone(anna)
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	after := open(t, Options{Dir: dir}).Phone(anna)
	if len(after) != 2 || len(before) != 2 || !after[0].Mine || after[1].Mine || !bytes.Equal(after[0].Media[0].Data, []byte("x")) || after[1].SID != before[1].SID {
		t.Errorf("%+v, before %+v", after, before)
	}
}

func TestNobodyTextsFromNowhere(t *testing.T) {
	s := open(t, Options{})
	if _, err := s.Text("anna", s.Numbers()[0], "x"); err == nil {
		t.Error("no number")
	}
	if _, err := s.Text(anna, "+15550001111", "x"); err == nil {
		t.Error("not a number of the account")
	}
}

func TestCallsAreBridged(t *testing.T) {
	s := open(t, Options{})
	for name, v := range map[string]struct {
		operator, customer string
		want               []string
	}{
		"answered":           {"+381111111111", anna, []string{"initiated", "ringing", "in-progress", "dial completed", "completed"}},
		"customer busy":      {"+381111111111", "+15005554486", []string{"initiated", "ringing", "in-progress", "dial busy", "completed"}},
		"operator is absent": {"+15005554480", anna, []string{"initiated", "ringing", "no-answer"}},
	} {
		h := &hook{s: s}
		told := make(chan struct{}, 8)
		web := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { h.ServeHTTP(w, r); told <- struct{}{} }))
		status, body := ask(t, s, http.MethodPost, root+s.AccountSID()+"/Calls.json", url.Values{
			"To": {v.operator}, "From": {s.Numbers()[0]}, "StatusCallback": {web.URL + "/call"},
			"StatusCallbackEvent": {"initiated", "ringing", "answered", "completed"},
			"Twiml":               {`<Response><Dial action="` + web.URL + `/dial"><Number>` + v.customer + `</Number></Dial></Response>`},
		})
		if status != 201 || body["status"] != "queued" {
			t.Fatalf("%d %v", status, body)
		}
		for range v.want {
			<-told
		}
		web.Close()
		var got []string
		for _, f := range h.forms {
			word := f.Get("CallStatus")
			if d := f.Get("DialCallStatus"); d != "" {
				word = "dial " + d
			}
			got = append(got, word)
		}
		if !slices.Equal(got, v.want) || h.wrong != 0 {
			t.Errorf("%s: %v", name, got)
		}
	}
	if c := s.Calls(); len(c) != 3 || c[0].Dials == "" {
		t.Errorf("%+v", c)
	}
	for code, f := range map[float64]url.Values{
		21201: {"To": {anna}},
		21210: {"To": {anna}, "From": {"+15550001111"}, "Twiml": {"<Response/>"}},
		21211: {"To": {"060"}, "From": {s.Numbers()[0]}},
		21205: {"To": {anna}, "From": {s.Numbers()[0]}},
		12100: {"To": {anna}, "From": {s.Numbers()[0]}, "Twiml": {"<Response"}},
	} {
		if status, body := ask(t, s, http.MethodPost, root+s.AccountSID()+"/Calls.json", f); status != 400 || body["code"] != code {
			t.Errorf("%v: %d %v", code, status, body)
		}
	}
}
