package sandbox

import (
	"context"
	"crypto/hmac"
	"crypto/sha1"
	"encoding/base64"
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/google/uuid"
)

// Sign returns the signature of a form posted to a URL.
func Sign(token, address string, form url.Values) string {
	address, _, _ = strings.Cut(address, "#")
	mac := hmac.New(sha1.New, []byte(token))
	mac.Write([]byte(address))
	keys := make([]string, 0, len(form))
	for k := range form {
		keys = append(keys, k)
	}
	slices.Sort(keys)
	for _, k := range keys {
		for _, v := range form[k] {
			mac.Write([]byte(k + v))
		}
	}
	return base64.StdEncoding.EncodeToString(mac.Sum(nil))
}

// post sends a signed form and returns the status and the body of the answer.
func (s *Server) post(ctx context.Context, address, idempotency string, form url.Values) (int, []byte, error) {
	ctx, stop := s.until(ctx)
	defer stop()
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, address, strings.NewReader(form.Encode()))
	if err != nil {
		return 0, nil, err
	}
	req.Header.Set("Content-Type", "application/x-www-form-urlencoded; charset=UTF-8")
	req.Header.Set("User-Agent", "TwilioProxy/1.1")
	req.Header.Set("X-Twilio-Signature", Sign(s.o.AuthToken, address, form))
	req.Header.Set("I-Twilio-Idempotency-Token", idempotency)
	resp, err := s.client.Do(req)
	if err != nil {
		return 0, nil, err
	}
	defer resp.Body.Close()
	b, err := io.ReadAll(io.LimitReader(resp.Body, 64<<10))
	return resp.StatusCode, b, err
}

// until returns a context that ends with ctx and with the server.
func (s *Server) until(ctx context.Context) (context.Context, context.CancelFunc) {
	ctx, cancel := context.WithCancel(ctx)
	unhook := context.AfterFunc(s.ctx, cancel)
	return ctx, func() { unhook(); cancel() }
}

// persist posts until the answer is 2xx, with growing pauses, Tries times.
func (s *Server) persist(address string, form url.Values) (body []byte, ok bool) {
	token, pause := uuid.NewString(), s.o.Retry
	for try := range s.o.Tries {
		if try > 0 {
			if !s.pause(pause) {
				return nil, false
			}
			pause = min(2*pause, time.Second)
		}
		status, body, err := s.post(s.ctx, address, token, form)
		if err == nil && status/100 == 2 {
			return body, true
		}
	}
	return nil, false
}

// announce posts an inbound message to a webhook and says to the customer what
// the answer tells it to.
func (s *Server) announce(sid, address string) {
	if address == "" {
		return
	}
	s.mu.Lock()
	m := s.book.find(sid)
	form := s.form(m)
	s.mu.Unlock()
	body, ok := s.persist(address, form)
	if !ok {
		return
	}
	s.change(func() {
		m.Taken = true
		for _, text := range twiml(body) {
			s.say(m.To, m.From, text, false)
		}
	})
}

// form is an inbound message as its webhook tells it. The caller holds mu.
func (s *Server) form(m *message) url.Values {
	f := url.Values{
		"MessageSid": {m.SID}, "SmsSid": {m.SID}, "SmsMessageSid": {m.SID}, "AccountSid": {s.o.AccountSID},
		"From": {m.From}, "To": {m.To}, "Body": {m.Body}, "ApiVersion": {"2010-04-01"}, "SmsStatus": {"received"},
		"NumMedia": {strconv.Itoa(len(m.Media))}, "NumSegments": {strconv.Itoa(segments(m.Body))},
		"FromCountry": {country(m.From)}, "ToCountry": {country(m.To)},
		"FromCity": {""}, "FromState": {""}, "FromZip": {""}, "ToCity": {""}, "ToState": {""}, "ToZip": {""},
	}
	if m.Service != "" {
		f.Set("MessagingServiceSid", m.Service)
	}
	for i, b := range m.Media {
		f.Set("MediaUrl"+strconv.Itoa(i), s.url+root+s.o.AccountSID+"/Messages/"+m.SID+"/Media/"+b.SID)
		f.Set("MediaContentType"+strconv.Itoa(i), b.Type)
	}
	return f
}

// twiml returns the texts that an answer wants to be sent.
func twiml(body []byte) []string {
	var r struct {
		Messages []struct {
			Text string `xml:",chardata"`
			Body string `xml:"Body"`
		} `xml:"Message"`
	}
	if xml.Unmarshal(body, &r) != nil {
		return nil
	}
	var out []string
	for _, m := range r.Messages {
		if t := strings.TrimSpace(m.Body + m.Text); t != "" {
			out = append(out, t)
		}
	}
	return out
}

// Again posts the webhook of an inbound message once more, and returns the status
// of the answer.
func (s *Server) Again(ctx context.Context, sid string) (status int, err error) {
	s.mu.Lock()
	m := s.book.find(sid)
	if m == nil {
		s.mu.Unlock()
		return 0, errors.New("no such message")
	}
	address, form := s.hooks[m.To], s.form(m)
	s.mu.Unlock()
	status, _, err = s.post(ctx, address, uuid.NewString(), form)
	if err == nil && status/100 == 2 {
		s.change(func() { m.Taken = true })
	}
	return status, err
}

// step is one state a message comes to.
type step struct {
	status string
	code   int
}

// plan is how a message to a number fares.
func plan(to string) []step {
	switch {
	case to == "+15005550299":
		return []step{{status: "sent"}}
	case to == "+15005551610":
		return []step{{status: "failed", code: 21610}}
	case strings.HasPrefix(to, "+15005553") && len(to) == 12:
		if code, err := strconv.Atoi("30" + to[9:]); err == nil {
			return []step{{status: "sent"}, {status: "undelivered", code: code}}
		}
	}
	return []step{{status: "sent"}, {status: "delivered"}}
}

// travel takes a message through its states and tells each.
func (s *Server) travel(sid string) {
	s.mu.Lock()
	m := s.book.find(sid)
	to, now := m.To, m.Status
	s.mu.Unlock()
	steps := plan(to)
	if i := slices.IndexFunc(steps, func(p step) bool { return p.status == now }); i >= 0 {
		steps = steps[i+1:]
	}
	var told []step
	for _, p := range steps {
		if !s.pause(s.o.Step) {
			return
		}
		s.reach(sid, p)
		if s.o.Disorder {
			told = append([]step{p, p}, told...)
		} else if !s.o.Manual {
			s.tell(sid, p)
		}
	}
	for _, p := range told {
		s.tell(sid, p)
	}
}

// reach puts a message into a state; once delivered the phone shows it.
func (s *Server) reach(sid string, p step) {
	s.change(func() {
		m := s.book.find(sid)
		m.Status, m.Code, m.Updated = p.status, p.code, s.o.Now()
		if m.Sent.IsZero() {
			m.Sent = m.Updated
		}
		s.ring(m.To)
	})
}

// tell posts a state to the message's status callback.
func (s *Server) tell(sid string, p step) {
	address, form := s.callback(sid, p)
	if address != "" {
		s.persist(address, form)
	}
}

func (s *Server) callback(sid string, p step) (string, url.Values) {
	s.mu.Lock()
	defer s.mu.Unlock()
	m := s.book.find(sid)
	if m == nil {
		return "", nil
	}
	f := url.Values{
		"MessageSid": {sid}, "SmsSid": {sid}, "MessageStatus": {p.status}, "SmsStatus": {p.status},
		"AccountSid": {s.o.AccountSID}, "From": {m.From}, "To": {m.To}, "ApiVersion": {"2010-04-01"},
	}
	if p.code != 0 {
		f.Set("ErrorCode", strconv.Itoa(p.code))
	}
	if p.status == "delivered" {
		f.Set("RawDlrDoneDate", s.o.Now().UTC().Format("0601021504"))
	}
	return m.Callback, f
}

// Callback tells a state of a message once, whatever its own is, and returns the
// status of the answer.
func (s *Server) Callback(ctx context.Context, sid, status string, code int) (int, error) {
	address, form := s.callback(sid, step{status, code})
	if address == "" {
		return 0, fmt.Errorf("message %s has no status callback", sid)
	}
	got, _, err := s.post(ctx, address, uuid.NewString(), form)
	return got, err
}
