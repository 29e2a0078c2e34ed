package api

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"mime"
	"net"
	"net/http"
	"slices"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/danielgtaylor/huma/v2"
	"github.com/danielgtaylor/huma/v2/adapters/humago"

	"casewire/routing/access"
)

// How much a request may bring, and how long it may take to arrive.
const (
	maxCredentials = 4 << 10 // strangers may send them
	bodyTime       = 30 * time.Second
	fileTime       = 5 * time.Minute
	maxNesting     = 16
	maxTokens      = 20_000 // values, names and brackets of a JSON body
	multiLine      = "\n\t\r"
	maxTextSize    = 20_000 // characters of one message
)

// enter is the one way in: who is it, may they, and is what they bring readable.
// In this order, so that strangers learn nothing and cost little.
func (a *API) enter(ctx huma.Context, next func(huma.Context)) {
	r, w := humago.Unwrap(ctx)
	c := &call{r: r, w: w, id: requestID(r.Context()), number: r.PathValue("number")}
	refuse := func(p *Problem) {
		p.Request = c.id
		p.write(w)
	}
	if c.op = a.ops[ctx.Operation().OperationID]; c.op == nil {
		refuse(notPermitted())
		return
	}
	if !c.op.right.anybody {
		var err error
		if c.actor, c.session, err = a.Gate.Actor(r); access.SignedOut(err) {
			refuse(notSignedIn())
			return
		} else if err != nil {
			a.o.Log.Error("cannot tell who asks", "operation", c.op.id, "request", c.id, "error", err)
			refuse(problem("unavailable", "who asks cannot be checked at the moment; try again").after(time.Second))
			return
		}
		if !c.op.right.allows(c.actor) {
			refuse(notPermitted())
			return
		}
	}
	if p := checkParameters(r); p != nil {
		refuse(p)
		return
	}
	if p := c.readBody(); p != nil {
		refuse(p)
		return
	}
	next(huma.WithValue(ctx, callKey{}, c))
}

// checkParameters refuses parameters that no text of ours can be.
func checkParameters(r *http.Request) *Problem {
	query, err := parseQuery(r)
	if err != nil {
		return problem("malformed", "the query string cannot be read: "+err.Error())
	}
	var faults []Fault
	for name, values := range query {
		for _, v := range append(values, name) {
			if why := badText(v, ""); why != "" {
				faults = append(faults, parameter(strings.ToValidUTF8(name, "?"), why))
			}
		}
	}
	for _, name := range []string{"number", "id", "message", "identity"} {
		if why := badText(r.PathValue(name), ""); why != "" {
			faults = append(faults, parameter(name, why))
		}
	}
	if len(faults) > 0 {
		return invalid(faults...)
	}
	return nil
}

func parseQuery(r *http.Request) (map[string][]string, error) {
	if len(r.URL.RawQuery) > 8<<10 {
		return nil, errors.New("it is longer than 8 KB")
	}
	return urlQuery(r.URL.RawQuery)
}

// badText says what is wrong with a text, or "".
func badText(s, allowed string) string {
	if !utf8.ValidString(s) {
		return "is not valid UTF-8"
	}
	for i, ch := range s {
		if unicode.IsControl(ch) && !strings.ContainsRune(allowed, ch) {
			return fmt.Sprintf("has the control character U+%04X at character %d; leave it out", ch, utf8.RuneCountInString(s[:i])+1)
		}
	}
	return ""
}

// readBody reads what the operation takes and refuses what cannot be it.
func (c *call) readBody() *Problem {
	switch c.op.body {
	case noBody:
		c.r.Body = http.NoBody
		return nil
	case fileBody:
		return c.expect("multipart/form-data")
	}
	took := []string{"application/json"}
	if c.op.body == documentBody {
		took = append([]string{"application/yaml"}, took...)
	}
	raw, p := c.read(c.op.limit)
	if p != nil {
		return p
	}
	if len(raw) == 0 && c.op.body == optionalJSON {
		raw = []byte("{}")
		c.r.Header.Set("Content-Type", took[0])
	}
	if p := c.expect(took...); p != nil {
		return p
	}
	if len(bytes.TrimSpace(raw)) == 0 {
		return problem("malformed", "the body is empty; send "+took[0])
	}
	if c.isJSON() {
		if p := checkJSON(raw); p != nil {
			return p
		}
	} else if p := checkUTF8(raw); p != nil {
		return p
	}
	c.raw = raw
	c.r.Body = io.NopCloser(bytes.NewReader(raw))
	return nil
}

func (c *call) isJSON() bool {
	kind, _, err := mime.ParseMediaType(c.r.Header.Get("Content-Type"))
	return err == nil && kind == "application/json"
}

// expect refuses a body of another media type.
func (c *call) expect(types ...string) *Problem {
	kind, params, err := mime.ParseMediaType(c.r.Header.Get("Content-Type"))
	switch {
	case c.r.Header.Get("Content-Type") == "":
		return problem("unsupported_media_type", "the body has no Content-Type; send "+strings.Join(types, " or "))
	case err != nil || !slices.Contains(types, kind):
		return problem("unsupported_media_type", fmt.Sprintf("the body is %.60q; send %s", kind, strings.Join(types, " or ")))
	case params["charset"] != "" && !strings.EqualFold(params["charset"], "utf-8"):
		return problem("unsupported_media_type", fmt.Sprintf("the charset is %.30q; send UTF-8", params["charset"]))
	}
	if e := c.r.Header.Get("Content-Encoding"); e != "" && !strings.EqualFold(e, "identity") {
		return problem("unsupported_media_type", fmt.Sprintf("the body is encoded as %.30q; send it plain", e))
	}
	return nil
}

// read returns the body, of at most limit bytes, arriving in time.
func (c *call) read(limit int64) ([]byte, *Problem) {
	if c.r.ContentLength > limit {
		return nil, tooLarge("the body", limit)
	}
	c.deadline(bodyTime)
	raw, err := io.ReadAll(http.MaxBytesReader(c.w, c.r.Body, limit))
	if p := readFault(err, "the body", limit); p != nil {
		return nil, p
	}
	return raw, nil
}

// deadline sets by when the body must have arrived. Writers that have none, as
// in tests, have no peer that dawdles either.
func (c *call) deadline(d time.Duration) {
	_ = http.NewResponseController(c.w).SetReadDeadline(time.Now().Add(d))
}

func readFault(err error, what string, limit int64) *Problem {
	if err == nil {
		return nil
	}
	if _, ok := errors.AsType[*http.MaxBytesError](err); ok {
		return tooLarge(what, limit)
	}
	if ne, ok := errors.AsType[net.Error](err); ok && ne.Timeout() {
		return problem("timeout", what+" did not arrive in time; send it again")
	}
	return problem("malformed", what+" broke off; send it again")
}

func tooLarge(what string, limit int64) *Problem {
	size := fmt.Sprintf("%d MB", limit>>20)
	if limit < 1<<20 {
		size = fmt.Sprintf("%d KB", limit>>10)
	}
	return problem("too_large", fmt.Sprintf("%s has more than %d bytes (%s)", what, limit, size))
}
