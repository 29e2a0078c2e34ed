// Package login proves to a mail server who we are: by a password, or by an OAuth
// token that a command prints or that a refresh token buys. It knows SASL, and
// neither IMAP nor SMTP.
package login

import (
	"context"
	"fmt"
	"net/url"
	"slices"
	"strings"
	"time"

	"casewire/channels"

	"github.com/emersion/go-sasl"
)

// Config says who we are.
type Config struct {
	// User is the name of the account; empty is the channel's address.
	User string `yaml:"user"`
	// Password is the account's password, or an app password. It is not used when
	// OAuth is set.
	Password channels.Secret `yaml:"password"`
	// OAuth is for servers that no longer take passwords: give a token_command, or
	// token_url with client_id and refresh_token.
	OAuth OAuth `yaml:"oauth"`
}

// OAuth says how a token is got.
type OAuth struct {
	// TokenCommand is a program with its arguments that prints an access token, or
	// JSON with access_token and expires_in.
	TokenCommand []string `yaml:"token_command"`
	// TokenURL is where a refresh token is changed for an access token.
	TokenURL string `yaml:"token_url"`
	// ClientID is the name under which we are registered there.
	ClientID string `yaml:"client_id"`
	// ClientSecret is the secret of that registration, where there is one.
	ClientSecret channels.Secret `yaml:"client_secret"`
	// RefreshToken is what the account's owner was given on signing in.
	RefreshToken channels.Secret `yaml:"refresh_token"`
	// Scope is what the token is to be good for; empty leaves it to the server.
	Scope string `yaml:"scope"`
}

func (o OAuth) used() bool { return len(o.TokenCommand) > 0 || o.TokenURL != "" }

// Faults returns what is wrong with the configuration; path is its key.
func (c Config) Faults(path string) []*channels.FieldError {
	var out []*channels.FieldError
	add := func(key, msg, mend string) {
		out = append(out, &channels.FieldError{Path: strings.TrimPrefix(path+"."+key, "."), Msg: msg, Mend: mend})
	}
	o := c.OAuth
	switch {
	case len(o.TokenCommand) > 0 && o.TokenURL != "":
		add("oauth", "gives both a token_command and a token_url", "keep one of them")
	case len(o.TokenCommand) > 0 && o.TokenCommand[0] == "":
		add("oauth.token_command[0]", "is empty", `write the program first, ["/usr/local/bin/mail-token"]`)
	case o.TokenURL != "":
		if u, err := url.Parse(o.TokenURL); err != nil || u.Host == "" || u.User != nil || u.Scheme != "https" && !loopback(u) {
			add("oauth.token_url", "is not an address that tokens may be sent to", "write it with https://")
		}
		if o.ClientID == "" {
			add("oauth.client_id", "is empty", "write the client id of the registration")
		}
		if o.RefreshToken.Value() == "" {
			add("oauth.refresh_token", "is missing", "name where it is, {env: NAME} or {file: PATH}")
		}
	}
	return out
}

func loopback(u *url.URL) bool {
	h := u.Hostname()
	return u.Scheme == "http" && (h == "localhost" || h == "127.0.0.1" || h == "::1")
}

// Error is a login that cannot work until somebody does something: an alarm, not a
// line in a log (E18). It holds no secret.
type Error struct {
	Text string // what is wrong
	Mend string // what to do about it
	Err  error  // may be nil
}

func (e *Error) Error() string {
	if e.Err == nil {
		return e.Text
	}
	return e.Text + ": " + e.Err.Error()
}

func (e *Error) Unwrap() error { return e.Err }

// Login logs in as one account. It is safe for concurrent use.
type Login struct {
	cfg    Config
	user   string
	tokens *tokens
}

// New returns the Login of an account. address stands for an empty user; now is the
// clock, nil is time.Now.
func New(c Config, address string, now func() time.Time) *Login {
	if c.User != "" {
		address = c.User
	}
	if now == nil {
		now = time.Now
	}
	return &Login{cfg: c, user: address, tokens: newTokens(c.OAuth, now)}
}

// Client returns what proves our identity in the best of the mechanisms that the
// server offers. Passwords go as PLAIN or LOGIN, tokens as OAUTHBEARER or XOAUTH2.
// Errors are *Error, or those of ctx.
func (l *Login) Client(ctx context.Context, mechanisms []string) (sasl.Client, error) {
	offered := func(name string) bool {
		return slices.ContainsFunc(mechanisms, func(m string) bool { return strings.EqualFold(m, name) })
	}
	if l.cfg.OAuth.used() {
		if !offered("XOAUTH2") && !offered(sasl.OAuthBearer) {
			return nil, &Error{Text: "the mail server takes no OAuth tokens", Mend: "remove oauth and set a password"}
		}
		token, err := l.tokens.get(ctx)
		if err != nil {
			return nil, err
		}
		if offered("XOAUTH2") {
			return &xoauth2{user: l.user, token: token}, nil
		}
		return sasl.NewOAuthBearerClient(&sasl.OAuthBearerOptions{Username: l.user, Token: token}), nil
	}
	password, err := l.password()
	switch {
	case err != nil:
		return nil, err
	case offered(sasl.Plain):
		return sasl.NewPlainClient("", l.user, password), nil
	case offered(sasl.Login):
		return sasl.NewLoginClient(l.user, password), nil
	}
	return nil, &Error{
		Text: "the mail server offers no way to log in that we know: " + strings.Join(mechanisms, ", "),
		Mend: "check that the connection is encrypted (tls), and whether the server wants oauth",
	}
}

// Plain returns user and password for protocols with a command of their own for
// them. It is not ok when the account logs in by token.
func (l *Login) Plain() (user, password string, ok bool) {
	password, err := l.password()
	return l.user, password, err == nil && !l.cfg.OAuth.used()
}

func (l *Login) password() (string, error) {
	if p := l.cfg.Password.Value(); p != "" {
		return p, nil
	}
	return "", &Error{Text: "no password is configured", Mend: "name where it is under password, {env: NAME} or {file: PATH}, or set oauth"}
}

// Refused tells that the server did not take what Client gave, so that the next
// Client does not come with the same token.
func (l *Login) Refused() { l.tokens.drop() }

// Denied is the Error for a server's refusal, err.
func (l *Login) Denied(err error) *Error {
	if l.cfg.OAuth.used() {
		return &Error{Text: "the mail server refuses the token", Mend: "check user, and that the token's scope covers IMAP and SMTP; sign in again if it was revoked", Err: err}
	}
	return &Error{Text: "the mail server refuses the user name or the password", Mend: "check user and password; many providers want an app password or oauth", Err: err}
}

// xoauth2 is the mechanism of Gmail and Microsoft from before RFC 7628.
type xoauth2 struct{ user, token string }

func (x *xoauth2) Start() (mech string, ir []byte, err error) {
	return "XOAUTH2", []byte("user=" + x.user + "\x01auth=Bearer " + x.token + "\x01\x01"), nil
}

// Next answers the server's complaint with nothing, upon which it says no.
func (x *xoauth2) Next(challenge []byte) ([]byte, error) {
	if len(challenge) == 0 {
		return nil, fmt.Errorf("xoauth2: %w", sasl.ErrUnexpectedServerChallenge)
	}
	return []byte{}, nil
}
