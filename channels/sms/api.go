package sms

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"net/http/httptrace"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/twilio/twilio-go/client"
	openapi "github.com/twilio/twilio-go/rest/api/v2010"
)

// maxAnswer is the longest answer of the API that is read, in bytes.
const maxAnswer = 8 << 20

// maxPages is how many pages of a list are read: more than a day's messages fill.
const maxPages = 5000

// api is Twilio's REST as this door uses it. The library knows no contexts, fixed
// hosts only, and leaves answers unread that it takes for errors: each call gets a
// client of its own whose transport mends that.
type api struct {
	account   string
	tokens    []string // the first that is accepted counts: one is void after an exchange
	transport http.RoundTripper
	patience  time.Duration // of one call
}

// trip is the transport of one call, and what became of it.
type trip struct {
	ctx    context.Context
	next   http.RoundTripper
	status int
	after  time.Duration
	begun  bool // a connection was there: the request may have arrived
}

// RoundTrip sends a request in the call's context and reads its whole answer.
func (t *trip) RoundTrip(req *http.Request) (*http.Response, error) {
	trace := &httptrace.ClientTrace{GotConn: func(httptrace.GotConnInfo) { t.begun = true }}
	resp, err := t.next.RoundTrip(req.Clone(httptrace.WithClientTrace(t.ctx, trace)))
	if err != nil {
		return nil, err
	}
	defer resp.Body.Close()
	b, err := io.ReadAll(io.LimitReader(resp.Body, maxAnswer))
	if err != nil {
		return nil, err
	}
	resp.Body = io.NopCloser(bytes.NewReader(b))
	t.status = resp.StatusCode
	if s, err := strconv.Atoi(resp.Header.Get("Retry-After")); err == nil && s > 0 {
		t.after = time.Duration(min(s, 3600)) * time.Second
	}
	return resp, nil
}

// call runs do with a client for one request. The error is a *refusal, and never
// holds what was sent or the address it was sent to.
func (a *api) call(ctx context.Context, do func(*client.RequestHandler, *openapi.ApiService) error) error {
	ctx, cancel := context.WithTimeout(ctx, a.patience)
	defer cancel()
	var r *refusal
	for _, token := range a.tokens {
		if r = a.try(ctx, token, do); r == nil {
			return nil
		}
		if r.status != http.StatusUnauthorized {
			break
		}
	}
	return r
}

func (a *api) try(ctx context.Context, token string, do func(*client.RequestHandler, *openapi.ApiService) error) *refusal {
	t := &trip{ctx: ctx, next: a.transport}
	c := &client.Client{
		Credentials: client.NewCredentials(a.account, token),
		HTTPClient: &http.Client{
			Transport:     t,
			CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
		},
	}
	c.SetAccountSid(a.account)
	h := &client.RequestHandler{Client: c}
	err := do(h, openapi.NewApiService(h))
	if err == nil && t.status/100 == 2 {
		return nil
	}
	r := &refusal{status: t.status, after: t.after, err: bare(err)}
	if e, ok := errors.AsType[*client.TwilioRestError](err); ok {
		r.code = e.Code
	}
	// An answer of 2xx that cannot be read, or of 5xx, says nothing of whether it was done.
	r.doubt = t.begun && t.status == 0 || t.status/100 == 2 || t.status >= 500
	return r
}

// bare removes from an error what repeats the request: its URL holds numbers, and
// Twilio's sentences hold them, too.
func bare(err error) error {
	if u, ok := errors.AsType[*url.Error](err); ok {
		return u.Err
	}
	if _, ok := errors.AsType[*client.TwilioRestError](err); ok {
		return nil
	}
	return err
}

// post creates a message.
func (a *api) post(ctx context.Context, p *openapi.CreateMessageParams) (*openapi.ApiV2010Message, error) {
	var m *openapi.ApiV2010Message
	err := a.call(ctx, func(_ *client.RequestHandler, s *openapi.ApiService) (err error) {
		m, err = s.CreateMessage(p)
		return err
	})
	if err == nil && text(m.Sid) == "" {
		err = &refusal{doubt: true, err: errors.New("the answer names no message")}
	}
	return m, err
}

// list calls each for the messages that p selects, newest first, until it returns
// false.
func (a *api) list(ctx context.Context, p *openapi.ListMessageParams, each func(*openapi.ApiV2010Message) bool) error {
	page, token := "", ""
	for range maxPages {
		var got *openapi.ListMessageResponse
		err := a.call(ctx, func(_ *client.RequestHandler, s *openapi.ApiService) (err error) {
			got, err = s.PageMessage(p, token, page)
			return err
		})
		if err != nil {
			return err
		}
		for i := range got.Messages {
			if !each(&got.Messages[i]) {
				return nil
			}
		}
		next, err := url.Parse(text(got.NextPageUri))
		if err != nil || text(got.NextPageUri) == "" || len(got.Messages) == 0 {
			return nil
		}
		q := next.Query()
		if q.Get("Page") == page && q.Get("PageToken") == token {
			return nil // a page that names itself as the next is the last
		}
		page, token = q.Get("Page"), q.Get("PageToken")
	}
	return errors.New("the list has no end")
}

// mediaURLs returns where the files of a message are.
func (a *api) mediaURLs(ctx context.Context, sid string) ([]string, error) {
	var out []string
	err := a.call(ctx, func(_ *client.RequestHandler, s *openapi.ApiService) error {
		got, err := s.PageMedia(sid, nil, "", "")
		if err != nil {
			return err
		}
		for _, m := range got.MediaList {
			out = append(out, apiHost+strings.TrimSuffix(text(m.Uri), ".json"))
		}
		return nil
	})
	return out, err
}

// inquire fetches a resource that the library has no small package for.
func (a *api) inquire(ctx context.Context, address string, into any) error {
	return a.call(ctx, func(h *client.RequestHandler, _ *openapi.ApiService) error {
		resp, err := h.Get(address, nil, nil, "")
		if err != nil {
			return err
		}
		defer resp.Body.Close()
		return json.NewDecoder(resp.Body).Decode(into)
	})
}

func text(s *string) string {
	if s == nil {
		return ""
	}
	return *s
}

// moment reads a time of the API, zero when there is none.
func moment(s *string) time.Time {
	t, err := time.Parse(time.RFC1123Z, text(s))
	if err != nil {
		return time.Time{}
	}
	return t.UTC()
}
