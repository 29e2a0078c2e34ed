package sms

import (
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"casewire/channels/sms/sandbox"

	openapi "github.com/twilio/twilio-go/rest/api/v2010"
)

// circle is a provider whose list leads back to itself.
type circle struct{ asked int }

func (c *circle) RoundTrip(req *http.Request) (*http.Response, error) {
	c.asked++
	body := `{"messages":[{"sid":"SM1"}],"next_page_uri":"/2010-04-01/Accounts/AC/Messages.json?Page=1&PageToken=PA1"}`
	return &http.Response{StatusCode: 200, Header: http.Header{}, Body: io.NopCloser(strings.NewReader(body)), Request: req}, nil
}

func TestAListThatLeadsBackToItselfEnds(t *testing.T) {
	c := &circle{}
	a := &api{account: "AC", tokens: []string{"a"}, transport: c, patience: time.Second}
	n := 0
	if err := a.list(t.Context(), &openapi.ListMessageParams{}, func(*openapi.ApiV2010Message) bool { n++; return true }); err != nil || c.asked != 2 || n != 2 {
		t.Errorf("%v after %d requests, %d messages", err, c.asked, n)
	}
}

// Answers that are none of Twilio's, a proxy's page for instance, are judged by
// what they may have done.
func TestAnswersOfOthers(t *testing.T) {
	r := assemble(t, sandbox.Options{})
	d := r.closed()
	for i, v := range []struct {
		status int
		body   string
		want   string
	}{
		{200, "<html>", "unsure"}, {201, "{}", "unsure"}, {502, "<html>bad gateway", "unsure"},
		{302, "", "misset"}, {403, "<html>", "misset"}, {429, "", "throttled"},
	} {
		d.api.transport = answer{v.status, v.body}
		_, err := d.Send(t.Context(), r.outbound(string(rune('a'+i)), customer, "x"))
		if err == nil || !strings.HasPrefix(err.Error(), v.want) || strings.Contains(err.Error(), customer) {
			t.Errorf("%d %q: %v", v.status, v.body, err)
		}
	}
}

type answer struct {
	status int
	body   string
}

func (a answer) RoundTrip(req *http.Request) (*http.Response, error) {
	return &http.Response{StatusCode: a.status, Header: http.Header{}, Body: io.NopCloser(strings.NewReader(a.body)), Request: req}, nil
}
