// Package api is the JSON face of the house, below /api: what operators do with
// cases, and what administrators and programs need besides, as operations with
// an OpenAPI document that is made from the handlers. Every operation declares
// its right in one table. The package decides nothing about cases: verbs and
// their authorisation are the desk's and the book's, and what lies outside
// routing (policy, channels, intake) it knows by interfaces of its own.
package api

import (
	"cmp"
	"context"
	"crypto/cipher"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"sync"
	"time"

	"github.com/danielgtaylor/huma/v2"
	"github.com/danielgtaylor/huma/v2/adapters/humago"

	"casewire/casecore"
	"casewire/casecore/flow"
	"casewire/casecore/staff"
	"casewire/casecore/store"
	"casewire/channels"
	"casewire/routing"
	"casewire/routing/access"
	"casewire/routing/console/words"
	"casewire/routing/desk"
	"casewire/routing/wording"
)

// Parts are the rooms the API is a face of. All are required.
type Parts struct {
	Store    store.Store
	Work     *desk.Work
	Board    Board
	Staff    *staff.Directory
	Gate     *access.Gate
	Flow     func() *flow.Flow
	Router   func() *routing.Router
	Files    channels.Files
	Opener   Opener
	Policies Policies
	Channels Health
	Post     desk.Post
	Hooks    desk.Hooks
	Wording  wording.Room
	Meter    desk.Meter
	// Refile puts a customer's message under another of their cases, named by its
	// number, or under a "new" one. casecore.ErrNotTheirs says that they have none
	// of that number.
	Refile func(ctx context.Context, by casecore.Actor, message, to string) (*casecore.Case, error)
	// Link makes an address by which the case's customer adds a chat with us, once;
	// empty when no channel has any.
	Link func(ctx context.Context, by casecore.Actor, number string) (url string, err error)
	// Page is the link to the customer's own page of a case, empty when there are
	// none. Nil: there never are.
	Page func(k *casecore.Case) string
	// Dial calls the case's customer from the actor's own phone. identity is one of
	// their addresses, empty: the best known. also is written once the call is being
	// made. Errors are, besides those of rights: casecore.ErrNoNumber,
	// *casecore.OnCall, desk.ErrNoPhone and *desk.NoCall.
	Dial func(ctx context.Context, by casecore.Actor, number, identity string, also desk.Also) error
}

// Board shows the waiting cases of queues (*desk.Board).
type Board interface {
	Snapshot(ctx context.Context, a casecore.Actor, queues ...string) (*desk.Snapshot, error)
}

// Opener makes a case of what an operator or a program enters.
type Opener interface {
	// Open stores the entry as a case. An entry whose Key was used before is not
	// stored again; its case is returned as it is now.
	Open(ctx context.Context, by casecore.Actor, e Entry) (*casecore.Case, error)
}

// Entry is a case as it is entered at the counter, on the phone or by a program.
type Entry struct {
	Key        string // unique to this entry, whoever repeats it
	Source     string // "walk_in", "phone" or "api"
	Customer   string // id of a known customer; else Address and Name tell who
	Name       string
	Lang       string
	Address    channels.Address // where to answer; of kind desk when there is no address
	Subject    string
	Text       string
	Files      []channels.File
	Queue      string            // empty: the rules decide
	Priority   casecore.Priority // 0: the rules decide
	Category   string            // empty: the rules decide
	Attributes map[string]string
	Tags       []string
}

// Options of an API; the zero value is right for most.
type Options struct {
	Log     *slog.Logger
	Now     func() time.Time
	Version string // of the program, for the OpenAPI document
	MaxBody int64  // bytes of a body of JSON; 0: 1 MB
	MaxFile int64  // bytes of an uploaded file; 0: 20 MB
	// Observe is told of every request, for metrics. route is the pattern, of
	// which there are few, and "other" for what matched none.
	Observe func(route, method string, status int, took time.Duration)
}

// API serves everything below /api/ but the live feed. It is safe for concurrent
// use.
type API struct {
	Parts
	o       Options
	huma    huma.API
	ops     map[string]*operation
	handler http.Handler
	spec    []byte
	english *words.Locale // in which codes are explained

	sealing sync.Mutex // guards seal
	seal    cipher.AEAD
}

// Prefix is below which path the operations are.
const Prefix = "/api/v1"

// New builds the API. It fails when a part is missing or an operation has no
// right declared.
func New(p Parts, o Options) (*API, error) {
	if err := p.check(); err != nil {
		return nil, err
	}
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	o.MaxBody, o.MaxFile = cmp.Or(o.MaxBody, 1<<20), cmp.Or(o.MaxFile, 20<<20)
	if o.Version == "" {
		o.Version = "dev"
	}
	locales, err := words.Load()
	if err != nil {
		return nil, err
	}
	a := &API{Parts: p, o: o, ops: map[string]*operation{}, english: locales["en"]}
	mux := http.NewServeMux()
	a.huma = humago.NewWithPrefix(mux, Prefix, a.config())
	a.huma.UseMiddleware(a.enter)
	if err := a.operations(); err != nil {
		return nil, err
	}
	if err := a.describe(mux); err != nil {
		return nil, err
	}
	a.handler = a.observe(mux)
	return a, nil
}

func (p Parts) check() error {
	var errs []error
	for name, missing := range map[string]bool{
		"Store": p.Store == nil, "Work": p.Work == nil, "Board": p.Board == nil, "Staff": p.Staff == nil,
		"Gate": p.Gate == nil, "Flow": p.Flow == nil, "Router": p.Router == nil, "Files": p.Files == nil,
		"Opener": p.Opener == nil, "Policies": p.Policies == nil, "Channels": p.Channels == nil,
		"Post": p.Post == nil, "Hooks": p.Hooks == nil, "Meter": p.Meter == nil, "Refile": p.Refile == nil, "Link": p.Link == nil,
		"Dial": p.Dial == nil,
	} {
		if missing {
			errs = append(errs, fmt.Errorf("api: part %s is missing", name))
		}
	}
	return errors.Join(errs...)
}

// operations registers everything that can be asked for.
func (a *API) operations() error {
	r := &registrar{api: a}
	a.sessionOperations(r)
	a.caseOperations(r)
	a.dossierOperations(r)
	a.workOperations(r)
	a.reachOperations(r)
	a.dialOperations(r)
	a.noticeOperations(r)
	a.reportOperations(r)
	a.fileOperations(r)
	a.queueOperations(r)
	a.customerOperations(r)
	a.operatorOperations(r)
	a.tokenOperations(r)
	a.policyOperations(r)
	a.templateOperations(r)
	a.channelOperations(r)
	a.webhookOperations(r)
	return errors.Join(append(r.errs, r.unused())...)
}

// ServeHTTP answers requests below /api/.
func (a *API) ServeHTTP(w http.ResponseWriter, r *http.Request) { a.handler.ServeHTTP(w, r) }

// Collections lists what the API keeps, for opening a store.
func Collections() []*store.Coll {
	return []*store.Coll{answers.Coll(), uploads.Coll(), secrets.Coll()}
}

// Sweep removes at most limit answers and uploads each whose time is over by now
// and says how many.
func Sweep(ctx context.Context, st store.Store, now time.Time, limit int) (int, error) {
	n := 0
	err := st.Update(ctx, func(tx store.Tx) error {
		i, err := sweepAnswers(tx, now, limit)
		if err != nil {
			return err
		}
		j, err := sweepUploads(tx, now, limit)
		n = i + j
		return err
	})
	return n, err
}
