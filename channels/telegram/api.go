package telegram

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptrace"
	"net/url"
	"strings"
	"sync/atomic"
	"time"

	"github.com/go-telegram/bot"
)

// Most bytes of an answer that are read.
const maxAnswer = 32 << 20

// api speaks to the Bot API. The library makes the forms; each request goes
// through Do, which knows how far it came and keeps the token out of every error.
type api struct {
	*bot.Bot
	http   *http.Client
	server string
	token  string
}

// newAPI returns an api that has not spoken yet.
func newAPI(server, token string, rt http.RoundTripper) (*api, error) {
	a := &api{server: server, token: token, http: &http.Client{
		Transport: rt,
		// Following a redirect would show the token to somebody else.
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}}
	var err error
	a.Bot, err = bot.New(token, bot.WithServerURL(server), bot.WithSkipGetMe(), bot.WithHTTPClient(time.Minute, a),
		bot.WithErrorsHandler(func(error) {}))
	if err != nil {
		return nil, errors.New("the token cannot be used")
	}
	return a, nil
}

// Do makes one request for the library. Anything but a result is a *refusal.
func (a *api) Do(r *http.Request) (*http.Response, error) {
	result, err := a.do(r)
	if err != nil {
		return nil, err
	}
	return &http.Response{
		StatusCode: http.StatusOK, Header: http.Header{}, Request: r,
		Body: io.NopCloser(bytes.NewReader(sentOnly(result))),
	}, nil
}

// sentOnly leaves of a message that was sent its number. The library would fail
// on parts that it does not know, and what was sent would look as if it were not.
func sentOnly(answer []byte) []byte {
	var sent struct {
		Result struct {
			ID int64 `json:"message_id"`
		} `json:"result"`
	}
	if json.Unmarshal(answer, &sent) != nil || sent.Result.ID == 0 {
		return answer
	}
	return fmt.Appendf(nil, `{"ok":true,"result":{"message_id":%d}}`, sent.Result.ID)
}

// do makes one request and returns the whole answer of a call that went well.
func (a *api) do(r *http.Request) ([]byte, error) {
	var wrote atomic.Bool
	trace := &httptrace.ClientTrace{WroteRequest: func(i httptrace.WroteRequestInfo) {
		if i.Err == nil {
			wrote.Store(true)
		}
	}}
	resp, err := a.http.Do(r.WithContext(httptrace.WithClientTrace(r.Context(), trace)))
	if err != nil {
		return nil, &refusal{wrote: wrote.Load(), err: bare(err)}
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(io.LimitReader(resp.Body, maxAnswer))
	if err != nil {
		return nil, &refusal{wrote: true, err: fmt.Errorf("read the answer: %w", bare(err))}
	}
	var head struct {
		OK         bool   `json:"ok"`
		Code       int    `json:"error_code"`
		Text       string `json:"description"`
		Parameters struct {
			RetryAfter int   `json:"retry_after"`
			Moved      int64 `json:"migrate_to_chat_id"`
		} `json:"parameters"`
	}
	if json.Unmarshal(body, &head) != nil {
		return nil, &refusal{code: resp.StatusCode, foreign: true, wrote: true, text: "the answer is not of a Bot API server"}
	}
	if head.OK {
		return body, nil
	}
	if head.Code == 0 {
		head.Code = resp.StatusCode
	}
	return nil, &refusal{
		code: head.Code, text: shown(head.Text), wrote: true, moved: head.Parameters.Moved,
		after: time.Duration(head.Parameters.RetryAfter) * time.Second,
	}
}

// bare returns the cause of a failure without the address that was called, which
// holds the token.
func bare(err error) error {
	if called, ok := errors.AsType[*url.Error](err); ok {
		return called.Err
	}
	return err
}

// call makes a request that the library does not offer.
func (a *api) call(ctx context.Context, method string, params, dest any) error {
	b, err := json.Marshal(params)
	if err != nil {
		return fmt.Errorf("%s: %w", method, err)
	}
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, a.server+"/bot"+a.token+"/"+method, bytes.NewReader(b))
	if err != nil {
		return fmt.Errorf("%s: the request cannot be made", method)
	}
	r.Header.Set("Content-Type", "application/json")
	body, err := a.do(r)
	if err != nil {
		return err
	}
	answer := struct {
		Result any `json:"result"`
	}{dest}
	if err := json.Unmarshal(body, &answer); err != nil {
		return &refusal{foreign: true, wrote: true, text: "the answer cannot be read", err: err}
	}
	return nil
}

// fetch returns a file of the path that getFile has told (T8). Its errors are
// *refusal. The caller closes it.
func (a *api) fetch(ctx context.Context, path string) (io.ReadCloser, error) {
	var parts []string
	for p := range strings.SplitSeq(path, "/") {
		if p == "" || p == "." || p == ".." {
			return nil, &refusal{code: http.StatusNotFound, text: "the server names no path to fetch it from"}
		}
		parts = append(parts, url.PathEscape(p))
	}
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, a.server+"/file/bot"+a.token+"/"+strings.Join(parts, "/"), nil)
	if err != nil {
		return nil, &refusal{code: http.StatusNotFound, text: "the server names no path to fetch it from"}
	}
	resp, err := a.http.Do(r)
	if err != nil {
		return nil, &refusal{err: bare(err)}
	}
	if resp.StatusCode != http.StatusOK {
		resp.Body.Close()
		return nil, &refusal{code: resp.StatusCode, text: http.StatusText(resp.StatusCode), wrote: true}
	}
	return resp.Body, nil
}

// close lets go of idle connections.
func (a *api) close() { a.http.CloseIdleConnections() }
