package sms

import (
	"encoding/json"
	"net/http"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"casewire/channels"
	"casewire/channels/channeltest"
)

// The requests of this door, judged by a validating mock over Twilio's published
// OpenAPI. TWILIO_BASE_URL, TWILIO_ACCOUNT_SID and TWILIO_AUTH_TOKEN say where it
// is; CASEWIRE_REALSERVERS=required makes their absence a failure.
func TestRequestsFollowThePublishedInterface(t *testing.T) {
	base, account, token := os.Getenv("TWILIO_BASE_URL"), os.Getenv("TWILIO_ACCOUNT_SID"), os.Getenv("TWILIO_AUTH_TOKEN")
	for name, value := range map[string]string{"TWILIO_BASE_URL": base, "TWILIO_ACCOUNT_SID": account, "TWILIO_AUTH_TOKEN": token} {
		if value != "" {
			continue
		}
		if os.Getenv("CASEWIRE_REALSERVERS") == "required" {
			t.Fatalf("%s is not set", name)
		}
		t.Skipf("%s is not set", name)
	}
	c := NewConfig()
	c.AccountSID, c.AuthToken, c.From, c.Server = account, channels.NewSecret(token), "+15552345678", base
	env := channeltest.NewHouse(t).Env(channelID)
	env.PublicURL = "https://repair.example"
	ch, err := c.Open(env)
	if err != nil {
		t.Fatal(err)
	}
	d := ch.(*Door)
	spy := &spy{TB: t, next: d.api.transport}
	d.api.transport = spy
	out := channels.Outbound{ID: "o1", To: channels.Address{Kind: channels.SMS, Handle: customer}, Body: channels.Body{Text: "Ваш ремонт готов"}}

	r, err := d.Send(t.Context(), out)
	if err != nil || r.ProviderID == "" || r.State != channels.Sent {
		t.Errorf("send: %+v, %v", r, err)
	}
	d.cfg.MessagingService = service
	out.ID = "o2"
	if _, err := d.Send(t.Context(), out); err != nil {
		t.Errorf("send through a service: %v", err)
	}
	if _, _, err := d.resolve(t.Context(), "o3", customer, "x", time.Now()); err != nil {
		t.Errorf("list what was sent: %v", err)
	}
	for _, to := range []time.Time{{}, time.Now()} {
		if _, err := d.missed(t.Context(), time.Now().Add(-time.Hour), to); err != nil {
			t.Errorf("list what came in: %v", err)
		}
	}
	if _, err := d.api.mediaURLs(t.Context(), "MM"+account[2:]); err != nil {
		t.Errorf("list files: %v", err)
	}
	if _, err := d.account(t.Context()); err != nil {
		t.Errorf("fetch the account: %v", err)
	}
	d.examineNumber(t.Context(), "+15552345678", func(channels.Finding) {})
	if _, err := d.Call(t.Context(), channels.CallRequest{ID: "c1", Operator: "+381111111111", Customer: customer}); err != nil {
		t.Errorf("call: %v", err)
	}
	for _, v := range spy.found {
		t.Error(v)
	}
	if spy.seen < 8 {
		t.Errorf("only %d requests were judged", spy.seen)
	}

	// The mock does look: what is wrong on purpose is found.
	spy.found = nil
	_, _ = d.api.post(t.Context(), d.params("o4", customer, "x").SetStatusCallback("not an address"))
	if len(spy.found) == 0 {
		t.Error("a wrong request passes")
	}

	for prefer, want := range map[string]channels.Reason{
		"code=429": channels.Throttled, "code=500": channels.Unsure, "code=503": channels.Unsure, "code=401": channels.Misset, "code=404": channels.Misset,
	} {
		spy.prefer = prefer
		out.ID = prefer
		if _, err := d.Send(t.Context(), out); channels.AsSendError(err).Reason != want {
			t.Errorf("%s: %v, want %s", prefer, err, want)
		}
	}
}

// spy reads what the mock says of each request.
type spy struct {
	testing.TB
	next   http.RoundTripper
	prefer string

	mu    sync.Mutex
	seen  int
	found []string
}

func (s *spy) RoundTrip(req *http.Request) (*http.Response, error) {
	if s.prefer != "" {
		req = req.Clone(req.Context())
		req.Header.Set("Prefer", s.prefer)
	}
	resp, err := s.next.RoundTrip(req)
	if err != nil {
		return nil, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.seen++
	for _, v := range violations(s, resp.Header.Get("sl-violations")) {
		s.found = append(s.found, req.Method+" "+req.URL.Path+": "+v)
	}
	return resp, nil
}

// violations returns what is wrong with a request; of the mock's own answers,
// which are the specification's examples, it complains as well.
func violations(t testing.TB, header string) (out []string) {
	if header == "" {
		return nil
	}
	var all []struct {
		Location []string `json:"location"`
		Message  string   `json:"message"`
	}
	if err := json.Unmarshal([]byte(header), &all); err != nil {
		t.Errorf("violations that cannot be read: %v", err)
	}
	for _, v := range all {
		if len(v.Location) > 0 && v.Location[0] == "request" {
			out = append(out, strings.Join(v.Location, ".")+": "+v.Message)
		}
	}
	return out
}
