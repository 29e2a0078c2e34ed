package sandbox

import (
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"
)

// A call is announced, signed, until it is taken; our phones ring in turn, and what
// becomes of them is told in order.
func TestCustomersCall(t *testing.T) {
	const absent, shop = "+15005554480", "+381111111111"
	for name, v := range map[string]struct {
		from, twiml, by string
		told            []string
	}{
		"answered": {anna, `<Response><Say language="sr-RS">Dobar dan</Say><Dial action="URL/end"><Number statusCallback="URL/leg">` + absent + `</Number><Number statusCallback="URL/leg">` + shop + `</Number></Dial></Response>`, shop,
			[]string{"/call ringing", "/leg in-progress", "/end completed", "/status completed"}},
		"absent":   {anna, `<Response><Dial action="URL/end"><Number>` + absent + `</Number></Dial></Response>`, "", []string{"/call ringing", "/end no-answer", "/status completed"}},
		"hangs up": {"+15005554481", `<Response><Dial action="URL/end"><Number>` + shop + `</Number></Dial></Response>`, "", []string{"/call ringing", "/end canceled", "/status completed"}},
		"a text":   {anna, `<Response><Say language="en-US">Hello</Say><Hangup/></Response>`, "", []string{"/call ringing", "/status completed"}},
		"rejected": {anna, `<Response><Reject/></Response>`, "", []string{"/call ringing", "/status no-answer"}},
	} {
		s := open(t, Options{Retry: time.Millisecond})
		h := &hook{fails: 1, s: s}
		var told []string
		web := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			h.ServeHTTP(w, r)
			h.mu.Lock()
			defer h.mu.Unlock()
			f := h.forms[len(h.forms)-1]
			status := f.Get("DialCallStatus")
			if status == "" {
				status = f.Get("CallStatus")
			}
			told = append(told, r.URL.Path+" "+status)
		}))
		h.reply = strings.ReplaceAll(v.twiml, "URL", web.URL)
		s.PointVoice(s.Numbers()[0], web.URL+"/call", web.URL+"/status")
		sid, err := s.Call(v.from, s.Numbers()[0])
		if err != nil {
			t.Fatal(err)
		}
		got, err := s.AwaitCall(t.Context(), sid)
		if err != nil || !got.Taken || got.By != v.by || got.Rejected != strings.Contains(v.twiml, "Reject") {
			t.Errorf("%s: %+v, %v", name, got, err)
		}
		if status, err := s.CallAgain(t.Context(), sid); err != nil || status != http.StatusOK {
			t.Errorf("%s: again %d, %v", name, status, err)
		}
		web.Close()
		want := slices.Concat([]string{v.told[0]}, v.told, []string{v.told[0]}) // refused once, and again at the end
		if !slices.Equal(told, want) || h.wrong != 0 {
			t.Errorf("%s: %q, want %q; %d with a wrong signature", name, told, want, h.wrong)
		}
	}
}

func TestNobodyCallsFromNowhere(t *testing.T) {
	s := open(t, Options{})
	if _, err := s.Call(anna, "+15550001111"); err == nil {
		t.Error("not a number of the account")
	}
	if _, err := s.CallAgain(t.Context(), "CA1"); err == nil {
		t.Error("no such call")
	}
	// A number that announces calls nowhere takes none.
	sid, err := s.Call(anna, s.Numbers()[0])
	if err != nil {
		t.Fatal(err)
	}
	if got, err := s.AwaitCall(t.Context(), sid); err != nil || got.Taken {
		t.Errorf("%+v, %v", got, err)
	}
	status, body := ask(t, s, http.MethodGet, root+s.AccountSID()+"/IncomingPhoneNumbers.json?"+url.Values{"PhoneNumber": {s.Numbers()[0]}}.Encode(), nil)
	if n, ok := body["incoming_phone_numbers"].([]any); status != 200 || !ok || len(n) != 1 || n[0].(map[string]any)["voice_url"] != "" {
		t.Errorf("%d %v", status, body)
	}
}
