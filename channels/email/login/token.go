package login

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os/exec"
	"strings"
	"sync/atomic"
	"time"
)

const (
	tokenPatience = 30 * time.Second
	tokenBytes    = 64 << 10
	// A token is renewed before it ends, so that it lasts for the login at hand.
	tokenMargin = 2 * time.Minute
	// A token whose end nobody told is asked for anew after this time.
	tokenUnknown = 10 * time.Minute
)

// tokens gets access tokens and keeps the newest until shortly before its end.
type tokens struct {
	cfg    OAuth
	now    func() time.Time
	client *http.Client
	stale  atomic.Bool
	turn   chan struct{} // held by whoever uses the fields below

	token   string
	until   time.Time
	refresh string // the server may replace it; the configured one stays where it is
}

func newTokens(cfg OAuth, now func() time.Time) *tokens {
	return &tokens{
		cfg: cfg, now: now, turn: make(chan struct{}, 1), refresh: cfg.RefreshToken.Value(),
		client: &http.Client{
			Timeout:       tokenPatience,
			CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
		},
	}
}

// get returns a token that is valid now. Callers at the same time share one.
func (t *tokens) get(ctx context.Context) (string, error) {
	select {
	case t.turn <- struct{}{}:
		defer func() { <-t.turn }()
	case <-ctx.Done():
		return "", ctx.Err()
	}
	if t.stale.Swap(false) {
		t.token = ""
	}
	if t.token != "" && t.now().Before(t.until) {
		return t.token, nil
	}
	fetch := t.buy
	if len(t.cfg.TokenCommand) > 0 {
		fetch = t.run
	}
	g, err := fetch(ctx)
	if err != nil {
		if ctx.Err() != nil {
			return "", ctx.Err()
		}
		return "", err
	}
	t.token, t.until = g.AccessToken, t.now().Add(tokenUnknown)
	if g.ExpiresIn > 0 {
		t.until = t.now().Add(max(time.Duration(g.ExpiresIn)*time.Second-tokenMargin, 0))
	}
	if g.RefreshToken != "" {
		t.refresh = g.RefreshToken
	}
	return t.token, nil
}

// drop has the token forgotten before the next is asked for.
func (t *tokens) drop() { t.stale.Store(true) }

// grant is the answer of a token endpoint (RFC 6749 section 5).
type grant struct {
	AccessToken  string `json:"access_token"`
	ExpiresIn    int64  `json:"expires_in"`
	RefreshToken string `json:"refresh_token"`
	Error        string `json:"error"`
}

// run asks the command. What it printed is in no error, as it may be a secret.
func (t *tokens) run(ctx context.Context) (grant, error) {
	ctx, cancel := context.WithTimeout(ctx, tokenPatience)
	defer cancel()
	cmd := exec.CommandContext(ctx, t.cfg.TokenCommand[0], t.cfg.TokenCommand[1:]...)
	cmd.WaitDelay = time.Second
	var out bytes.Buffer
	cmd.Stdout = &capped{w: &out, left: tokenBytes}
	if err := cmd.Run(); err != nil {
		return grant{}, &Error{Text: "the token command did not succeed", Mend: "run oauth.token_command by hand and see what it says", Err: err}
	}
	var g grant
	text := strings.TrimSpace(out.String())
	switch {
	case strings.HasPrefix(text, "{"):
		if json.Unmarshal([]byte(text), &g) != nil || g.AccessToken == "" {
			return grant{}, &Error{Text: "the token command printed JSON without an access_token", Mend: "have oauth.token_command print the token alone"}
		}
	case text == "" || strings.ContainsAny(text, "\n\r \t\x01"):
		return grant{}, &Error{Text: "the token command printed no token", Mend: "have oauth.token_command print the token alone"}
	default:
		g.AccessToken = text
	}
	if strings.ContainsAny(g.AccessToken, "\n\r\x01") {
		return grant{}, &Error{Text: "the token command printed no token", Mend: "have oauth.token_command print the token alone"}
	}
	return g, nil
}

// buy changes the refresh token for an access token.
func (t *tokens) buy(ctx context.Context) (grant, error) {
	form := url.Values{"grant_type": {"refresh_token"}, "refresh_token": {t.refresh}, "client_id": {t.cfg.ClientID}}
	if s := t.cfg.ClientSecret.Value(); s != "" {
		form.Set("client_secret", s)
	}
	if t.cfg.Scope != "" {
		form.Set("scope", t.cfg.Scope)
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, t.cfg.TokenURL, strings.NewReader(form.Encode()))
	if err != nil {
		return grant{}, &Error{Text: "the token address cannot be used", Mend: "correct oauth.token_url"}
	}
	req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	req.Header.Set("Accept", "application/json")
	res, err := t.client.Do(req)
	if err != nil {
		return grant{}, &Error{Text: "the token server cannot be reached", Mend: "check oauth.token_url and the network", Err: withoutURL(err)}
	}
	defer res.Body.Close()
	body, err := io.ReadAll(io.LimitReader(res.Body, tokenBytes))
	if err != nil {
		return grant{}, &Error{Text: "the token server stopped answering", Mend: "check the network", Err: withoutURL(err)}
	}
	var g grant
	bad := json.Unmarshal(body, &g)
	if res.StatusCode != http.StatusOK || bad != nil || g.AccessToken == "" || strings.ContainsAny(g.AccessToken, "\n\r\x01") {
		return grant{}, refusal(res.StatusCode, g.Error)
	}
	return g, nil
}

// refusal explains an answer without a token.
func refusal(status int, code string) *Error {
	e := &Error{Text: "the token server gave no token", Mend: "check the oauth settings", Err: fmt.Errorf("status %d", status)}
	switch code {
	case "invalid_grant":
		e.Text, e.Mend = "the refresh token is no longer valid", "sign the account in again and store the new refresh token"
	case "invalid_client", "unauthorized_client": //nolint:misspell // RFC 6749
		e.Text, e.Mend = "the token server does not know us", "check oauth.client_id and oauth.client_secret"
	case "invalid_scope":
		e.Text, e.Mend = "the token server refuses the scope", "correct oauth.scope"
	default:
		if status >= 500 {
			e.Text, e.Mend = "the token server is out of order", "nothing, if it passes: it is asked again"
		}
	}
	return e
}

// withoutURL strips what net/http puts around an error: the address may be long
// and says nothing new.
func withoutURL(err error) error {
	if e, ok := errors.AsType[*url.Error](err); ok {
		return e.Err
	}
	return err
}

// capped writes at most left bytes and swallows the rest.
type capped struct {
	w    io.Writer
	left int
}

func (c *capped) Write(p []byte) (int, error) {
	n := min(len(p), c.left)
	c.left -= n
	if _, err := c.w.Write(p[:n]); err != nil {
		return 0, err
	}
	return len(p), nil
}
