package webchat

import (
	"context"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"regexp"
	"strings"
	"time"

	"casewire/channels"
)

// visitor is somebody who chats.
type visitor struct {
	id    string // 128 random bits; nothing of the token is in it
	name  string // as the embedding site vouched for, else ""
	known bool   // the embedding site signed who this is
}

// grant is what is remembered of a token, under the token's hash: the token
// itself is nowhere but with its visitor (W1).
type grant struct {
	Visitor string    `json:"visitor"`
	Known   bool      `json:"known,omitempty"`
	Wrote   bool      `json:"wrote,omitempty"`
	Minted  time.Time `json:"minted"`
	Until   time.Time `json:"until"`
}

// decree is what was decided about all tokens of a visitor. It is only ever
// written whole and by people, so visitors who come at once cannot undo it.
type decree struct {
	Revoked time.Time `json:"revoked,omitzero"` // tokens minted up to here are void
	Renewed time.Time `json:"renewed,omitzero"` // tokens minted up to here are replaced
}

const (
	fleeting   = 48 * time.Hour   // how long a visitor who never wrote is remembered
	grace      = 10 * time.Minute // how long a replaced token serves other tabs
	knownToken = 12 * time.Hour   // lifetime of the token of a signed visitor
	uploadKeep = 48 * time.Hour   // how long an upload waits for its message
)

// errUnknownToken covers tokens that never were, are over, or were revoked: the
// difference is nobody's business.
var errUnknownToken = errors.New("unknown token")

// gate knows visitors by their tokens. It is safe for concurrent use.
type gate struct {
	channel  string // part of signed visitors' ids: a thread belongs to one channel
	state    channels.Memory
	now      func() time.Time
	lifetime time.Duration
	secret   []byte
}

var tokenShape = regexp.MustCompile(`^[A-Za-z0-9_-]{43}$`)

func tokenKey(token string) string {
	sum := sha256.Sum256([]byte(token))
	return "token/" + hex.EncodeToString(sum[:])
}

// know returns whose token this is. Everything that is not a valid token is
// errUnknownToken; other errors are the store's.
func (g *gate) know(ctx context.Context, token string) (grant, error) {
	if !tokenShape.MatchString(token) {
		return grant{}, errUnknownToken
	}
	var t grant
	err := g.load(ctx, tokenKey(token), &t)
	if errors.Is(err, channels.ErrNotFound) {
		return grant{}, errUnknownToken
	}
	if err != nil {
		return grant{}, err
	}
	d, err := g.decreeOn(ctx, t.Visitor)
	if err != nil {
		return grant{}, err
	}
	if !g.now().Before(t.Until) || !t.Minted.After(d.Revoked) {
		return grant{}, errUnknownToken
	}
	return t, nil
}

// arrival is what a hello came to.
type arrival struct {
	visitor visitor
	token   string
	wrote   bool
	expired bool // a token was shown, and it is nobody's
	forged  bool // an identity was shown, and it is not valid
}

// welcome finds out who says hello, and mints a token where one is needed: for a
// new visitor, for one whose token is half spent or ordered to be replaced, and
// for one whom the embedding site has signed in (W1).
func (g *gate) welcome(ctx context.Context, token, identity string) (arrival, error) {
	var a arrival
	if identity != "" {
		v, err := g.identify(identity)
		if err == nil {
			return g.welcomeKnown(ctx, v, token)
		}
		a.forged = true
	}
	if token == "" {
		return g.newcomer(ctx, a)
	}
	t, err := g.know(ctx, token)
	// The token of a signed visitor opens nothing without the signature: the
	// next person at this computer must not read on.
	if errors.Is(err, errUnknownToken) || err == nil && t.Known {
		a.expired = true
		return g.newcomer(ctx, a)
	}
	if err != nil {
		return a, err
	}
	a.visitor, a.token, a.wrote = visitor{id: t.Visitor}, token, t.Wrote
	return g.renew(ctx, a, t)
}

func (g *gate) newcomer(ctx context.Context, a arrival) (arrival, error) {
	raw := make([]byte, 16)
	if _, err := rand.Read(raw); err != nil {
		return a, err
	}
	a.visitor = visitor{id: hex.EncodeToString(raw)}
	var err error
	a.token, err = g.mint(ctx, grant{Visitor: a.visitor.id}, fleeting)
	return a, err
}

func (g *gate) welcomeKnown(ctx context.Context, v visitor, token string) (arrival, error) {
	a := arrival{visitor: v, wrote: true}
	t, err := g.know(ctx, token)
	if err == nil && t.Known && t.Visitor == v.id && t.Until.Sub(g.now()) > knownToken/2 {
		a.token = token
		return a, nil
	}
	if err != nil && !errors.Is(err, errUnknownToken) {
		return a, err
	}
	a.token, err = g.mint(ctx, grant{Visitor: v.id, Known: true, Wrote: true}, knownToken)
	return a, err
}

// renew replaces a token that is half spent or ordered to be replaced. The old
// one serves a little longer: the answer may be lost, and other tabs hold it.
func (g *gate) renew(ctx context.Context, a arrival, t grant) (arrival, error) {
	d, err := g.decreeOn(ctx, t.Visitor)
	if err != nil {
		return a, err
	}
	now, ordered := g.now(), !t.Minted.After(d.Renewed)
	if !ordered && (!t.Wrote || t.Until.Sub(now) > g.lifetime/2) {
		return a, nil
	}
	life := g.lifetime
	if !t.Wrote {
		life = fleeting
	}
	old := a.token
	if a.token, err = g.mint(ctx, grant{Visitor: t.Visitor, Wrote: t.Wrote}, life); err != nil {
		return a, err
	}
	if t.Until.After(now.Add(grace)) {
		t.Until = now.Add(grace)
		err = g.save(ctx, tokenKey(old), t, grace)
	}
	return a, err
}

// wrote makes a token last, now that its visitor has something to come back to.
func (g *gate) wrote(ctx context.Context, token string) error {
	t, err := g.know(ctx, token)
	if err != nil || t.Wrote {
		return err
	}
	t.Wrote, t.Until = true, g.now().Add(g.lifetime)
	return g.save(ctx, tokenKey(token), t, g.lifetime)
}

func (g *gate) mint(ctx context.Context, t grant, life time.Duration) (string, error) {
	raw := make([]byte, 32)
	if _, err := rand.Read(raw); err != nil {
		return "", err
	}
	token := base64.RawURLEncoding.EncodeToString(raw)
	t.Minted = g.now()
	t.Until = t.Minted.Add(life)
	return token, g.save(ctx, tokenKey(token), t, life)
}

// order changes the decree on a visitor.
func (g *gate) order(ctx context.Context, id string, change func(*decree)) error {
	d, err := g.decreeOn(ctx, id)
	if err != nil {
		return err
	}
	change(&d)
	return g.save(ctx, "visitor/"+id, d, max(g.lifetime, fleeting))
}

func (g *gate) decreeOn(ctx context.Context, id string) (decree, error) {
	var d decree
	err := g.load(ctx, "visitor/"+id, &d)
	if errors.Is(err, channels.ErrNotFound) {
		err = nil
	}
	return d, err
}

func (g *gate) load(ctx context.Context, key string, v any) error {
	b, err := g.state.Load(ctx, key)
	if err != nil {
		return err
	}
	return json.Unmarshal(b, v)
}

func (g *gate) save(ctx context.Context, key string, v any, keep time.Duration) error {
	b, err := json.Marshal(v)
	if err != nil {
		return err
	}
	return g.state.Save(ctx, key, b, keep)
}

// claims are what an embedding site says of a visitor.
type claims struct {
	Subject string `json:"sub"`
	Name    string `json:"name"`
	Expires int64  `json:"exp"` // Unix seconds
}

var errIdentity = errors.New("identity is not valid")

// identify checks a signed identity, base64url(claims) "." base64url(HMAC-SHA256).
// One subject is the same visitor on every device.
func (g *gate) identify(identity string) (visitor, error) {
	body, sign, ok := strings.Cut(identity, ".")
	if len(g.secret) == 0 || !ok || len(identity) > 2048 {
		return visitor{}, errIdentity
	}
	got, err := base64.RawURLEncoding.DecodeString(sign)
	if err != nil || !hmac.Equal(got, g.mac(body)) {
		return visitor{}, errIdentity
	}
	raw, err := base64.RawURLEncoding.DecodeString(body)
	if err != nil {
		return visitor{}, errIdentity
	}
	var c claims
	if json.Unmarshal(raw, &c) != nil || c.Subject == "" || g.now().Unix() >= c.Expires {
		return visitor{}, errIdentity
	}
	id := hex.EncodeToString(g.mac("visitor|" + g.channel + "|" + c.Subject)[:16])
	return visitor{id: id, name: cleanPerson(c.Name), known: true}, nil
}

func (g *gate) mac(s string) []byte {
	m := hmac.New(sha256.New, g.secret)
	m.Write([]byte(s))
	return m.Sum(nil)
}

// SignIdentity returns the identity that an embedding site hands to the widget for
// a visitor it has signed in, valid until exp. It shows what the site's own
// server must compute: base64url(JSON {sub, name, exp}) "." base64url(HMAC-SHA256).
func SignIdentity(secret, subject, name string, exp time.Time) (string, error) {
	raw, err := json.Marshal(claims{Subject: subject, Name: name, Expires: exp.Unix()})
	if err != nil {
		return "", fmt.Errorf("sign identity: %w", err)
	}
	body := base64.RawURLEncoding.EncodeToString(raw)
	g := gate{secret: []byte(secret)}
	return body + "." + base64.RawURLEncoding.EncodeToString(g.mac(body)), nil
}

func cleanPerson(s string) string {
	s = strings.Join(strings.Fields(cleanText(s)), " ")
	if r := []rune(s); len(r) > 80 {
		s = string(r[:80])
	}
	return s
}

// handleShape is the shape of a visitor's id.
var handleShape = regexp.MustCompile(`^[0-9a-f]{32}$`)
