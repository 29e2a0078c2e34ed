package api

import (
	"context"
	"errors"
	"time"

	"casewire/casecore"
	"casewire/casecore/flow"
	"casewire/casecore/staff"
	"casewire/casecore/store"
	"casewire/channels"
	"casewire/routing/desk"
)

// refuse says in HTTP why a request was not fulfilled. What nobody outside can
// mend is logged here and shown as "internal".
func (a *API) refuse(ctx context.Context, c *call, err error) error {
	if p, ok := errors.AsType[*Problem](err); ok {
		return p
	}
	if p := a.refuseCase(err); p != nil {
		return p
	}
	if all := staff.Refusals(err); len(all) > 0 {
		var faults []Fault
		for _, r := range all {
			faults = append(faults, at(r.Field, r.Msg))
		}
		return invalid(faults...)
	}
	if many, ok := errors.AsType[*staff.TooMany](err); ok {
		return problem("too_many", many.Error()).after(many.RetryAfter)
	}
	switch {
	case errors.Is(err, staff.ErrBadLogin):
		return problem("bad_login", staff.ErrBadLogin.Error())
	case errors.Is(err, staff.ErrNotSignedIn):
		return notSignedIn()
	case errors.Is(err, desk.ErrBadNumber):
		return problem("not_found", desk.ErrBadNumber.Error())
	case errors.Is(err, casecore.ErrForbidden):
		return a.hide(ctx, c)
	case errors.Is(err, store.ErrNotFound), errors.Is(err, channels.ErrNotFound):
		return notFound()
	case errors.Is(err, store.ErrConflict), errors.Is(err, store.ErrExists), errors.Is(err, errAnswered):
		return problem("conflict", "read it again and repeat the change")
	case errors.Is(err, store.ErrLimit):
		return problem("too_large", "it is more than can be kept; make it shorter")
	case ctx.Err() != nil, errors.Is(err, store.ErrClosed), errors.Is(err, store.ErrUnavailable), errors.Is(err, context.DeadlineExceeded):
		return problem("unavailable", "the request was cut short; nothing is known to have changed, so ask again").after(time.Second)
	}
	a.o.Log.Error("request failed", "operation", c.op.id, "request", c.id, "error", err)
	return problem("internal", "the fault is ours; it has been logged")
}

// refuseCase is for what the book and the flow say of a case.
func (a *API) refuseCase(err error) *Problem {
	if t, ok := errors.AsType[*casecore.Taken](err); ok {
		if t.Owner == "" {
			return problem("not_claimed", t.Error())
		}
		p := problem("taken", t.Error())
		p.Holder = &Person{ID: t.Owner, Name: t.OwnerName}
		return p
	}
	if f, ok := errors.AsType[*casecore.Full](err); ok {
		return problem("capacity", f.Error())
	}
	if s, ok := errors.AsType[*casecore.Stale](err); ok {
		p := problem("stale", s.Error()+"; read it again and repeat the change")
		p.Version, p.ClaimNo, p.In = s.Now.Version, s.Now.ClaimNo, s.Now.Status
		p.header.Set("ETag", etag(s.Now.Version))
		if s.Now.Owner != "" {
			p.Holder = &Person{ID: s.Now.Owner, Name: s.Now.OwnerName}
		}
		return p
	}
	if r, ok := errors.AsType[*flow.Refused](err); ok {
		p := problem(r.Code, r.Msg)
		p.Missing = r.Missing
		for _, m := range r.Missing {
			p.Errors = append(p.Errors, at("attributes/"+escapePointer(m), "fill it in first, with PATCH"))
		}
		if len(p.Errors) == 0 {
			p.Errors = []Fault{at("to", r.Msg)}
		}
		return p
	}
	if i, ok := errors.AsType[*casecore.Invalid](err); ok {
		path := i.Field
		if i.Key != "" {
			path += "/" + escapePointer(i.Key)
		}
		return invalid(at(path, i.Msg+"; "+i.Mend))
	}
	if l, ok := errors.AsType[*desk.Late](err); ok {
		return problem("late", l.Error())
	}
	switch {
	case errors.Is(err, casecore.ErrNoAddress):
		return problem("no_address", err.Error())
	case errors.Is(err, casecore.ErrWish):
		return problem("wish", err.Error())
	case errors.Is(err, casecore.ErrShut):
		return problem("shut", err.Error())
	}
	return nil
}

// hide decides between 403 and 404: who may know that the case exists is told
// that they may not, to anybody else it is not there.
func (a *API) hide(ctx context.Context, c *call) *Problem {
	if c.number == "" {
		return notFound()
	}
	var known, waits bool
	err := a.Store.View(ctx, func(tx store.Tx) error {
		k, err := caseByNumber(tx, c.number)
		if err != nil {
			return err
		}
		known, waits = casecore.Authorize(c.actor, casecore.VerbCard, k) == nil, k.OnBoard()
		return nil
	})
	switch {
	case err != nil || !known:
		return notFound()
	case waits:
		return problem("forbidden", "its content is hidden until somebody claims it; claim it first")
	}
	return problem("forbidden", "your roles and queues do not permit this")
}

func notFound() *Problem {
	return problem("not_found", "there is nothing of that name, or it is not for you to see")
}

func notSignedIn() *Problem {
	p := problem("not_signed_in", "send a token (Authorization: Bearer …) or sign in with POST "+Prefix+"/sessions")
	p.header.Set("WWW-Authenticate", `Bearer realm="casewire"`)
	return p
}

// notPermitted is the answer to a right that the actor's roles do not give.
func notPermitted() *Problem {
	return problem("forbidden", "your roles do not permit this; ask an administrator")
}
