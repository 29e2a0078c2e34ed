// Package console is the operators' browser face under /desk/: pages made on the
// server, plain forms that change things, and small modules that keep the pages
// live. It knows what may be shown and how to say it; what happens to a case is
// desk.Work's, who somebody is comes from the Gate, and how a customer is reached
// it does not know at all.
package console

import (
	"context"
	"errors"
	"html/template"
	"log/slog"
	"net/http"
	"strings"
	"time"

	"casewire/casecore"
	"casewire/casecore/flow"
	"casewire/casecore/staff"
	"casewire/channels"
	"casewire/routing"
	"casewire/routing/console/words"
	"casewire/routing/desk"
	"casewire/routing/wording"
)

// Prefix is where the console is mounted.
const Prefix = "/desk/"

// Gate tells who asks, and opens and ends sessions. access.Gate is one.
type Gate interface {
	// Actor returns who asks, or staff.ErrNotSignedIn.
	Actor(r *http.Request) (casecore.Actor, *staff.Session, error)
	// SignIn opens a session and sets its cookie. It returns
	// staff.ErrBadLogin or *staff.TooMany.
	SignIn(w http.ResponseWriter, r *http.Request, login, password string) (casecore.Actor, error)
	SignOut(w http.ResponseWriter, r *http.Request) error
}

// Directory is as much of staff.Directory as the console asks.
type Directory interface {
	Find(ctx context.Context, loginOrID string) (*staff.Operator, error)
	LinkOwner(ctx context.Context, secret string) (*staff.Operator, error)
	Redeem(ctx context.Context, secret, password string) (*staff.Operator, error)
}

// Told is what a customer would be told, where and when.
type Told struct {
	Kind      channels.Kind
	Subject   string // of a mail; empty when it goes out with the case's own
	Text      string
	Parts     int       // messages that are paid for Text; 0 where its length does not count
	At        time.Time // when it would go out; until then it can be taken back
	Reason    string    // why nobody can be told: "no_address", "shut"
	TakesBack bool      // nothing is told, and what waits to be told is taken back
}

// Colleague is somebody a case can be given to.
type Colleague struct{ Login, Name string }

// Options are what the console is built from. Those marked optional may be nil.
type Options struct {
	Work  *desk.Work
	Board *desk.Board
	Gate  Gate
	Staff Directory

	Router   func() *routing.Router
	Flow     func() *flow.Flow
	Centre   func() string         // the centre's name
	Location func() *time.Location // optional; the centre's time zone, else UTC

	Files     channels.Files // optional: without it answers take no attachments
	FileLimit int64          // bytes of one attachment; 0: 20 MB

	// Preview returns what the customer would be told if the case moved to a
	// status; nil for nothing. Optional.
	Preview func(ctx context.Context, c *casecore.Case, to string) (*Told, error)
	// Typing shows the customer that somebody is writing. Optional.
	Typing func(ctx context.Context, channel string, to channels.Address)
	// Colleagues lists whom cases can be given to. Optional: without it the
	// page asks for a login.
	Colleagues func(ctx context.Context) ([]Colleague, error)

	// Post shows and changes notices. Optional: without it no page tells of them.
	Post desk.Post
	// Meter counts notices for supervisors. Optional: without it there are no
	// figures.
	Meter desk.Meter
	// Hooks shows webhooks to administrators. Optional: without it there is no page
	// of them.
	Hooks desk.Hooks
	// Refile puts a message under another case of its customer, named by its
	// number, or under a "new" one; casecore.ErrNotTheirs when they have none of
	// that number. Optional.
	Refile func(ctx context.Context, by casecore.Actor, message, to string) (*casecore.Case, error)
	// Link makes an address by which the case's customer adds their chat with the
	// bot, once; Links says whether there is a bot now. Optional, both or none.
	Link  func(ctx context.Context, by casecore.Actor, number string) (url string, err error)
	Links func() bool
	// Page is the link to the customer's own page of a case, empty when there are
	// none. Optional.
	Page func(k *casecore.Case) string
	// Reaches says that a channel can write to an address of the case's customer
	// now. Optional: all are taken for reached.
	Reaches func(k *casecore.Case, a channels.Address) bool
	// Measure says what sending a text takes, and false for a channel that does not
	// count. Optional.
	Measure func(channel, text, lang string) (channels.Measure, bool)
	// Dial has the operator's phone ring and then an address of the customer's;
	// Dials says whether there is a channel for a case that can. Optional, both or
	// none.
	Dial  func(ctx context.Context, by casecore.Actor, number, identity string) error
	Dials func(ctx context.Context, number string) bool

	// Wording reads and changes the texts that customers are told. Optional:
	// without it there are no pages for them.
	Wording wording.Room

	Log *slog.Logger     // optional
	Now func() time.Time // optional
}

// Console serves the pages. It is safe for concurrent use.
type Console struct {
	o      Options
	mux    *http.ServeMux
	assets *assets
	speak  map[string]*voice // by language tag
	remote remotes
}

// voice is one language with its templates.
type voice struct {
	*words.Locale
	pages func() (*template.Template, error)
}

// New returns the console. It wants to see every request below Prefix, behind a
// guard against cross-origin requests.
func New(o Options) (*Console, error) {
	for what, missing := range map[string]bool{
		"Work": o.Work == nil, "Gate": o.Gate == nil, "Staff": o.Staff == nil, "Board": o.Board == nil,
		"Router": o.Router == nil, "Flow": o.Flow == nil, "Centre": o.Centre == nil,
	} {
		if missing {
			return nil, errors.New("console: Options." + what + " is required")
		}
	}
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.Location == nil {
		o.Location = func() *time.Location { return time.UTC }
	}
	if o.FileLimit <= 0 {
		o.FileLimit = 20 << 20
	}
	c := &Console{o: o}
	var err error
	if c.assets, err = loadAssets(); err != nil {
		return nil, err
	}
	if c.speak, err = c.loadVoices(); err != nil {
		return nil, err
	}
	c.mux = c.routes()
	return c, nil
}

func (c *Console) routes() *http.ServeMux {
	m := http.NewServeMux()
	m.HandleFunc("GET /desk/assets/{hash}/{path...}", c.assets.serve)
	m.HandleFunc("GET /desk/sign-in", c.signInPage)
	m.HandleFunc("POST /desk/sign-in", c.signIn)
	m.HandleFunc("POST /desk/sign-out", c.signOut)
	m.HandleFunc("GET /desk/welcome/{token}", c.welcomePage)
	m.HandleFunc("POST /desk/welcome/{token}", c.welcome)
	m.HandleFunc("POST /desk/settings", c.setLanguage)

	page := func(pattern string, h func(*visit) error) { m.HandleFunc(pattern, c.signedIn(h)) }
	page("GET /desk/{$}", c.board)
	page("POST /desk/next", c.next)
	page("GET /desk/mine", c.mine)
	page("GET /desk/find", c.find)
	page("GET /desk/settings", c.settings)
	page("GET /desk/cases/{number}", c.casePage)
	page("GET /desk/cases/{number}/dossier", c.dossier)
	page("GET /desk/cases/{number}/files/{message}/{n}", c.file)
	page("GET /desk/cases/{number}/messages/{message}/html", c.letter)
	page("GET /desk/cases/{number}/messages/{message}/source", c.source)
	page("POST /desk/cases/{number}/claim", c.claim)
	page("POST /desk/cases/{number}/release", c.release)
	page("POST /desk/cases/{number}/transfer", c.transfer)
	page("POST /desk/cases/{number}/assign", c.assign)
	page("POST /desk/cases/{number}/status", c.move)
	page("POST /desk/cases/{number}/attributes", c.attributes)
	page("POST /desk/cases/{number}/tags", c.tags)
	page("POST /desk/cases/{number}/reopen", c.reopen)
	page("POST /desk/cases/{number}/prefer", c.prefer)
	page("POST /desk/cases/{number}/opt-out", c.optOut)
	page("POST /desk/cases/{number}/opt-in", c.optIn)
	page("POST /desk/cases/{number}/page", c.renewPage)
	page("POST /desk/cases/{number}/called", c.called)
	page("POST /desk/cases/{number}/dial", c.dial)
	page("POST /desk/cases/{number}/link", c.invite)
	page("POST /desk/cases/{number}/messages/{message}/refile", c.refile)
	page("POST /desk/cases/{number}/notices/{id}/{verb}", c.noticeInCase)
	page("GET /desk/notices", c.notices)
	page("GET /desk/figures", c.figures)
	page("GET /desk/webhooks", c.webhooks)
	page("GET /desk/webhooks/{id}", c.webhook)
	page("POST /desk/webhooks/{id}/test", c.tryWebhook)
	page("POST /desk/webhooks/{id}/replay", c.replayPeriod)
	page("POST /desk/webhooks/{id}/deliveries/{delivery}/replay", c.replayDelivery)
	page("POST /desk/notices/{id}/{verb}", c.noticeInList)
	page("POST /desk/cases/{number}/write", c.write)
	page("POST /desk/cases/{number}/typing", c.typing)
	page("POST /desk/cases/{number}/measure", c.measure)
	page("GET /desk/policy", c.revisions)
	page("GET /desk/policy/revisions/{n}", c.revision)
	page("POST /desk/policy/revisions/{n}/restore", c.restore)
	page("GET /desk/policy/templates", c.templates)
	page("POST /desk/policy/templates", c.saveTemplate)
	page("GET /desk/policy/new-template", c.newTemplate)
	page("POST /desk/policy/preview", c.tryTemplate)
	page("GET /desk/policy/templates/{id}", c.template)
	page("POST /desk/policy/templates/{id}", c.saveTemplate)
	page("POST /desk/policy/templates/{id}/delete", c.dropTemplate)
	page(Prefix, func(v *visit) error { return noPage(m, v) })
	return m
}

// noPage tells an address that there is not from one that takes other methods.
func noPage(m *http.ServeMux, v *visit) error {
	var allowed []string
	for _, method := range []string{http.MethodGet, http.MethodHead, http.MethodPost} {
		r := v.r.WithContext(v.ctx()) // a copy
		r.Method = method
		if _, pattern := m.Handler(r); pattern != Prefix {
			allowed = append(allowed, method)
		}
	}
	if len(allowed) == 0 {
		return errNoPage
	}
	v.w.Header().Set("Allow", strings.Join(allowed, ", "))
	return &saying{code: http.StatusMethodNotAllowed, key: "error.method"}
}

// ServeHTTP serves everything below Prefix.
func (c *Console) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	h := w.Header()
	h.Set("Content-Security-Policy", "default-src 'self'; object-src 'none'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'")
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("Referrer-Policy", "same-origin")
	h.Set("Cross-Origin-Opener-Policy", "same-origin")
	c.mux.ServeHTTP(w, r)
}

// visit is one request of somebody who is signed in.
type visit struct {
	w  http.ResponseWriter
	r  *http.Request
	by casecore.Actor
	*voice
	now time.Time // in the centre's time zone

	lost     []desk.Notice // what did not arrive, once it was asked for
	lostMore bool
}

func (v *visit) ctx() context.Context { return v.r.Context() }

// signedIn lets only operators through and turns what h returns into a page.
func (c *Console) signedIn(h func(*visit) error) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Cache-Control", "no-store")
		v := &visit{w: w, r: r, voice: c.voiceFor(r), now: c.now()}
		by, _, err := c.o.Gate.Actor(r)
		switch {
		case errors.Is(err, staff.ErrNotSignedIn):
			c.sendToSignIn(v)
			return
		case err != nil:
			c.fault(v, err)
			return
		}
		v.by = by
		if err := h(v); err != nil {
			c.fault(v, err)
		}
	}
}

func (c *Console) now() time.Time { return c.o.Now().In(c.o.Location()) }
