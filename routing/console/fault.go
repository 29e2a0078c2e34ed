package console

import (
	"cmp"
	"context"
	"errors"
	"net/http"
	"net/url"
	"time"

	"casewire/casecore"
	"casewire/casecore/flow"
	"casewire/casecore/lang"
	"casewire/casecore/store"
	"casewire/routing/desk"
)

const minute = time.Minute

var (
	errNoPage = errors.New("no such page")
	errGone   = errors.New("the browser has gone")
)

// saying is a refusal whose words the catalog has: key for the heading, key+"_do"
// for what to do.
type saying struct {
	code int
	key  string
	icon string
	args []any
}

func (s *saying) Error() string { return s.key }

type faultPage struct {
	Title, Centre, Heading, Text, Tone, Icon, Code, Number, Draft string

	Claim bool
	Facts []fact
}

type fact struct{ Name, Value string }

// explain puts an error into words, with the status it is answered with. Errors
// that are nobody's doing get a code to quote, under which the log has them.
func (c *Console) explain(v *visit, err error) (int, *notice) {
	n := &notice{Tone: "amber", Icon: "alarm"}
	say := func(key string, args ...any) { n.Text, n.Mend = v.T(key, args...), v.Or(key+"_do", "") }
	var (
		said   *saying
		taken  *casecore.Taken
		full   *casecore.Full
		stale  *casecore.Stale
		moved  *flow.Refused
		length *http.MaxBytesError
		bad    *casecore.Invalid
		late   *desk.Late
		silent *desk.NoCall
		onCall *casecore.OnCall
	)
	switch {
	case errors.As(err, &said):
		say(said.key, said.args...)
		n.Icon = cmp.Or(said.icon, n.Icon)
		return said.code, n
	case errors.As(err, &taken) && taken.Owner == "":
		say("error.unclaimed", "case", taken.Case)
		n.Icon = "lock"
		return http.StatusConflict, n
	case errors.As(err, &taken):
		say("error.taken", "case", taken.Case, "name", cmp.Or(taken.OwnerName, v.T("customer.unknown")))
		return http.StatusConflict, n
	case errors.As(err, &full):
		say("error.full", "held", full.Held, "capacity", full.Capacity)
		n.Text = v.N("error.full", full.Capacity, "held", full.Held)
		return http.StatusConflict, n
	case errors.As(err, &stale):
		say("error.stale", "case", stale.Now.CaseNumber())
		return http.StatusPreconditionFailed, n
	case errors.As(err, &moved):
		say("error.move_" + moved.Code)
		return http.StatusUnprocessableEntity, n
	case errors.As(err, &bad):
		say("error.text_"+bad.Code, "field", fieldName(v, bad), "n", bad.Most)
		n.Icon = "edit"
		return http.StatusUnprocessableEntity, n
	case errors.As(err, &late):
		say("error.late")
		return http.StatusConflict, n
	case errors.As(err, &silent):
		say("error.no_call")
		n.Mend = silent.Words
		return http.StatusConflict, n
	case errors.As(err, &onCall):
		say("error.on_call", "name", onCall.ByName)
		return http.StatusConflict, n
	case errors.Is(err, desk.ErrNoPhone):
		say("error.no_phone")
		return http.StatusConflict, n
	case errors.Is(err, casecore.ErrNoNumber):
		say("error.no_number")
		return http.StatusConflict, n
	case errors.Is(err, casecore.ErrNotTheirs):
		say("error.not_theirs")
		return http.StatusUnprocessableEntity, n
	case errors.Is(err, casecore.ErrNotMovable):
		say("error.not_movable")
		return http.StatusUnprocessableEntity, n
	case errors.As(err, &length), errors.Is(err, store.ErrLimit):
		say("error.too_large")
		return http.StatusRequestEntityTooLarge, n
	case errors.Is(err, casecore.ErrNoAddress):
		say("error.no_address")
		return http.StatusUnprocessableEntity, n
	case errors.Is(err, casecore.ErrForbidden):
		say("error.forbidden")
		if v.r.PathValue("number") == "" && v.r.PathValue("verb") == "" { // neither of a case nor of a notice of one
			n.Mend = v.T("error.forbidden_page_do")
		}
		n.Icon = "lock"
		return http.StatusForbidden, n
	case errors.Is(err, store.ErrNotFound), errors.Is(err, errNoPage), errors.Is(err, desk.ErrBadNumber):
		say("error.missing")
		n.Icon = "search"
		return http.StatusNotFound, n
	}
	n.Tone, n.Code = "red", store.NewID()[24:]
	say("error.internal")
	c.o.Log.ErrorContext(v.ctx(), "console request", "code", n.Code, "route", v.r.Pattern, "error", err)
	return http.StatusInternalServerError, n
}

// fieldName is what the page calls the field that was refused.
func fieldName(v *visit, bad *casecore.Invalid) string {
	switch bad.Field {
	case "text":
		return v.T("write.text")
	case "reason":
		return v.T("place.why")
	case "note":
		return v.T("call.note")
	case "attributes":
		switch {
		case bad.Key != "":
			return v.Or("attr.key."+bad.Key, clip(plain(bad.Key)))
		case bad.Code == casecore.TooMany:
			return v.T("attr.title")
		}
		return v.T("attr.name")
	}
	return v.T("attr." + bad.Field)
}

// fault answers with a page of its own.
//
//nolint:contextcheck // the visit's request carries the context
func (c *Console) fault(v *visit, err error) {
	if errors.Is(err, errGone) || errors.Is(err, context.Canceled) {
		return
	}
	code, n := c.explain(v, err)
	p := faultPage{Title: n.Text, Centre: c.o.Centre(), Heading: n.Text, Text: n.Mend, Tone: n.Tone, Icon: n.Icon, Code: n.Code}
	if err := c.show(v, code, "fault", p); err != nil && !errors.Is(err, errGone) {
		c.o.Log.ErrorContext(v.ctx(), "console fault page", "error", err)
		http.Error(v.w, n.Text, http.StatusInternalServerError)
	}
}

// goTo ends a change that succeeded: the browser reads the result with GET.
func (v *visit) goTo(path string) error {
	http.Redirect(v.w, v.r, path, http.StatusSeeOther)
	return nil
}

func number(n int64) string { return lang.CaseNumber(n) }

func queryEscape(s string) string { return url.QueryEscape(s) }

// clip shortens what came from outside before it is shown again.
func clip(s string) string {
	if r := []rune(s); len(r) > 80 {
		return string(r[:80])
	}
	return s
}
