// Package portal is the customer's own page of a case: how the repair stands, what
// they were told of it, and how they want to be written to. Whoever has the link
// may read it and choose among the addresses that the customer has; there is no
// account. It shows neither the conversation nor an address in full, and knows
// neither operators nor queues. Half a year after a case was closed its links end;
// whoever is written to again is given a fresh one.
package portal

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"casewire/casecore"
	"casewire/casecore/lang"
	"casewire/casecore/store"
	"casewire/notify"
)

// Prefix is where the pages are.
const Prefix = casecore.PagePath

// Options of a Portal. Those marked optional may be zero.
type Options struct {
	Store  store.Store
	Ledger *casecore.Ledger
	Reach  notify.Reach
	Key    []byte // that links are signed with, at least 32 bytes; whoever has it can make any
	// URL is how customers reach the house, without a trailing slash. Empty: no
	// links are made, and those there are open all the same.
	URL string

	Centre  func() string         // optional: its name
	Contact func() lang.Text      // optional: how else it is reached
	Zone    func() *time.Location // optional: of customers whose own is not known; UTC
	Hold    func() time.Duration  // optional: how long a status can be taken back
	Remote  func(r *http.Request) string
	Log     *slog.Logger     // optional
	Now     func() time.Time // optional
}

// Portal serves the pages and makes the links to them. It is safe for concurrent
// use.
type Portal struct {
	o      Options
	mux    *http.ServeMux
	assets *assets
	voices map[string]*voice // by language
	limit  *limiter
}

// minKey is how many bytes a key must have.
const minKey = 32

// by is who does what a customer asks for on their page.
var by = casecore.System("page")

// New returns the pages over a store.
func New(o Options) (*Portal, error) {
	if o.Store == nil || o.Ledger == nil || len(o.Key) < minKey {
		return nil, fmt.Errorf("customers' pages need a store, a ledger and a key of %d bytes", minKey)
	}
	if o.Centre == nil {
		o.Centre = func() string { return "" }
	}
	if o.Contact == nil {
		o.Contact = func() lang.Text { return nil }
	}
	if o.Zone == nil {
		o.Zone = func() *time.Location { return time.UTC }
	}
	if o.Hold == nil {
		o.Hold = func() time.Duration { return 0 }
	}
	if o.Remote == nil {
		o.Remote = func(r *http.Request) string { return r.RemoteAddr }
	}
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	p := &Portal{o: o, mux: http.NewServeMux(), limit: newLimiter(perMinute, burst, room)}
	var err error
	if p.assets, err = loadAssets(); err != nil {
		return nil, fmt.Errorf("customers' pages: %w", err)
	}
	if p.voices, err = loadVoices(p.assets); err != nil {
		return nil, fmt.Errorf("customers' pages: %w", err)
	}
	p.mux.HandleFunc("GET /c/{token}", p.read)
	p.mux.HandleFunc("POST /c/{token}/{wish}", p.choose)
	p.mux.HandleFunc("GET /c/assets/{hash}/{name}", p.assets.serve)
	p.mux.HandleFunc(Prefix, p.missing)
	return p, nil
}

// Link returns the address of a case's page; empty when there are no links. One that
// is made when the page has ended opens it once more, for as long. It asks nobody, so
// it can be called inside a transaction.
func (p *Portal) Link(c *casecore.Case) string {
	if p.o.URL == "" || c.Number <= 0 {
		return ""
	}
	t := token{number: c.Number, generation: c.Page}
	if now := p.o.Now(); ended(c, now) {
		t.day = day(now)
	}
	return p.o.URL + Prefix + p.sign(t)
}

// ServeHTTP serves everything below Prefix.
func (p *Portal) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	h := w.Header()
	h.Set("Content-Security-Policy", "default-src 'none'; style-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'")
	h.Set("Referrer-Policy", "no-referrer") // the address is the key
	h.Set("X-Robots-Tag", "noindex, nofollow, noarchive")
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("Cross-Origin-Opener-Policy", "same-origin")
	h.Set("Cross-Origin-Resource-Policy", "same-origin")
	if (r.Method == http.MethodGet || r.Method == http.MethodHead) && strings.HasPrefix(r.URL.Path, Prefix+"assets/") {
		p.mux.ServeHTTP(w, r)
		return
	}
	h.Set("Cache-Control", "no-store, private")
	if wait, ok := p.limit.take(network(p.o.Remote(r)), p.o.Now()); !ok {
		h.Set("Retry-After", fmt.Sprint(wait))
		p.say(w, r, http.StatusTooManyRequests, "many")
		return
	}
	p.mux.ServeHTTP(w, r)
}

// errNoPage is the one answer to a link that opens nothing, whatever is wrong with
// it.
var errNoPage = errors.New("the link opens no page")

// errGone is the answer to a choice that is not open any more.
var errGone = errors.New("the choice is not open any more")

func (p *Portal) missing(w http.ResponseWriter, r *http.Request) {
	p.say(w, r, http.StatusNotFound, "gone")
}

// read shows the page.
func (p *Portal) read(w http.ResponseWriter, r *http.Request) {
	saved := r.URL.Query().Get("saved")
	if !slices.Contains(wishes, saved) {
		saved = ""
	}
	p.show(w, r, http.StatusOK, saved)
}

// show writes the page as it is now, with what has just been saved or refused.
func (p *Portal) show(w http.ResponseWriter, r *http.Request, code int, news string) {
	var d *data
	err := p.o.Store.View(r.Context(), func(tx store.Tx) (err error) {
		d, err = p.load(tx, r.PathValue("token"))
		return err
	})
	if err != nil {
		p.fault(w, r, err)
		return
	}
	v := p.voices[p.language(r, d.who.Reads(d.c))]
	p.render(w, r, code, v, "page", p.present(v, r, d, news))
}

// language is the one that the visitor switched to, else the one that the customer
// reads.
func (p *Portal) language(r *http.Request, reads string) string {
	if tag := r.URL.Query().Get("lang"); slices.Contains(lang.Supported, tag) {
		return tag
	}
	if tag := lang.Base(reads); slices.Contains(lang.Supported, tag) {
		return tag
	}
	return lang.Match(r.Header.Get("Accept-Language"))
}

// fault answers what stands in the way of a page.
func (p *Portal) fault(w http.ResponseWriter, r *http.Request, err error) {
	var over *errEnded
	switch {
	case errors.As(err, &over):
		v := p.voices[p.language(r, over.reads)]
		p.render(w, r, http.StatusGone, v, "words", plain{
			Centre: p.o.Centre(), Heading: v.t("ended_title"), Text: v.t("ended_text", "days", strconv.Itoa(int(linger.Hours()/24))), Contact: p.o.Contact().In(v.tag),
		})
	case errors.Is(err, errNoPage):
		p.missing(w, r)
	case errors.Is(err, errGone):
		p.show(w, r, http.StatusConflict, "stale")
	case errors.Is(err, context.Canceled):
	default:
		p.o.Log.Error("a customer's page cannot be shown", "error", err)
		w.Header().Set("Retry-After", "30")
		p.say(w, r, http.StatusServiceUnavailable, "later")
	}
}

// say writes a page without a case: only words, in the browser's language.
func (p *Portal) say(w http.ResponseWriter, r *http.Request, code int, what string) {
	v := p.voices[lang.Match(r.Header.Get("Accept-Language"))]
	p.render(w, r, code, v, "words", plain{Centre: p.o.Centre(), Heading: v.t(what + "_title"), Text: v.t(what + "_text")})
}

// plain is a page without a case.
type plain struct {
	Centre, Heading, Text string

	Contact string // how else the centre is reached, where that helps
}

// render writes a page whole, so that a fault in it never shows half of one.
func (p *Portal) render(w http.ResponseWriter, _ *http.Request, code int, v *voice, name string, with any) {
	var b bytes.Buffer
	if err := v.pages.ExecuteTemplate(&b, name, with); err != nil {
		p.o.Log.Error("a customer's page cannot be written", "error", err)
		http.Error(w, "Internal error", http.StatusInternalServerError)
		return
	}
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	w.WriteHeader(code)
	_, _ = w.Write(b.Bytes()) // the visitor may be gone
}

// ownPage says that a form was sent from a page of ours, as far as the browser
// tells: with no-referrer it may call our own origin "null". The address itself is
// a secret that no other site has.
func ownPage(r *http.Request, base string) bool {
	switch r.Header.Get("Sec-Fetch-Site") {
	case "same-origin", "none":
		return true
	case "":
	default:
		return false
	}
	origin := r.Header.Get("Origin")
	if origin == "" || origin == "null" || origin == base {
		return true
	}
	u, err := url.Parse(origin)
	return err == nil && u.Host == r.Host
}
