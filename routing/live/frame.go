package live

import (
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"unicode"
	"unicode/utf8"

	"casewire/casecore"
	"casewire/casecore/store"
	"casewire/routing/desk"
)

// maxFrame is how many bytes a client's frame may have.
const maxFrame = 64 << 10

// Limits of what stands in a frame.
const (
	maxID     = 64
	maxQueues = 200
	maxName   = 200 // bytes of a queue, a case's number, a language, an epoch
)

// Code names what is wrong, for programs; it never changes its meaning.
type Code string

// Codes of error frames: the frame could not be acted upon.
const (
	CodeBadJSON     Code = "bad_json"
	CodeNotUTF8     Code = "not_utf8"
	CodeBinary      Code = "binary"
	CodeTooLarge    Code = "too_large"
	CodeUnknownType Code = "unknown_type"
	CodeMissing     Code = "missing_field"
	CodeBadField    Code = "bad_field"
	CodeNoHello     Code = "no_hello"
	CodeRateLimited Code = "rate_limited"
	CodeUnavailable Code = "unavailable"
)

// Codes of refused frames, and of error frames about queues and watches.
const (
	CodeTaken      Code = "taken"
	CodeNotClaimed Code = "not_claimed"
	CodeFull       Code = "full"
	CodeForbidden  Code = "forbidden"
	CodeNotFound   Code = "not_found"
	CodeEmpty      Code = "empty"
	CodeStale      Code = "stale"
	CodeTooMany    Code = "too_many"
)

// request is a client's frame.
type request struct {
	T        string   `json:"t"`
	ID       string   `json:"id"`
	Case     string   `json:"case"`
	Queue    string   `json:"queue"`
	ClaimNo  int64    `json:"claim_no"`
	Queues   []string `json:"queues"`
	Language string   `json:"language"`
	Resume   *resume  `json:"resume"`
}

type resume struct {
	Epoch string `json:"epoch"`
	Seq   uint64 `json:"seq"`
}

// What the server says besides the board's own frames.
type (
	errorFrame struct {
		T      string `json:"t"` // "error"
		Code   Code   `json:"code"`
		ID     string `json:"id,omitempty"`
		Detail string `json:"detail"`
	}
	claimedFrame struct {
		T       string `json:"t"` // "claimed"
		ID      string `json:"id"`
		Case    string `json:"case"`
		ClaimNo int64  `json:"claim_no"`
	}
	releasedFrame struct {
		T    string `json:"t"` // "released"
		ID   string `json:"id"`
		Case string `json:"case"`
	}
	refusedFrame struct {
		T      string `json:"t"` // "refused"
		ID     string `json:"id"`
		Code   Code   `json:"code"`
		Holder string `json:"holder,omitempty"` // name of who has the case
		Detail string `json:"detail"`
	}
)

// fault is what is wrong with a client's frame.
type fault struct {
	code   Code
	id     string
	detail string
}

func (f *fault) frame() errorFrame {
	return errorFrame{T: "error", Code: f.code, ID: f.id, Detail: f.detail}
}

// parse reads a client's text frame. A fault carries the frame's id if it has a
// usable one.
func parse(data []byte) (request, *fault) {
	var r request
	if !utf8.Valid(data) {
		return r, &fault{code: CodeNotUTF8, detail: "a text frame must be valid UTF-8"}
	}
	if err := json.Unmarshal(data, &r); err != nil {
		return r, &fault{code: CodeBadJSON, id: usable(r.ID), detail: explain(err)}
	}
	if f := r.check(); f != nil {
		f.id = usable(r.ID)
		return r, f
	}
	return r, nil
}

// explain says where JSON went wrong without repeating what was sent.
func explain(err error) string {
	if e, ok := errors.AsType[*json.SyntaxError](err); ok {
		return fmt.Sprintf("not a JSON object: error at byte %d", e.Offset)
	}
	if e, ok := errors.AsType[*json.UnmarshalTypeError](err); ok && e.Field != "" {
		return fmt.Sprintf("field %s cannot be of this type", e.Field)
	}
	return `not a JSON object; write {"t":"hello"}`
}

// check looks at the fields that the frame's type needs.
func (r *request) check() *fault {
	missing := func(field string) *fault {
		return &fault{code: CodeMissing, detail: fmt.Sprintf("%s needs %s", r.T, field)}
	}
	needsID := func() *fault {
		switch {
		case r.ID == "":
			return missing("id")
		case usable(r.ID) == "":
			return &fault{code: CodeBadField, detail: fmt.Sprintf("id: at most %d printable characters", maxID)}
		}
		return nil
	}
	switch r.T {
	case "hello":
		return r.checkHello()
	case "claim", "release":
		if f := needsID(); f != nil {
			return f
		}
		if r.Case == "" {
			return missing("case")
		}
		if r.T == "release" && r.ClaimNo <= 0 {
			return missing("claim_no")
		}
	case "next":
		if f := needsID(); f != nil {
			return f
		}
	case "watch", "unwatch":
		if r.Case == "" {
			return missing("case")
		}
	case "":
		return &fault{code: CodeMissing, detail: "a frame needs t"}
	default:
		return &fault{code: CodeUnknownType, detail: "t is none of hello, claim, next, release, watch, unwatch"}
	}
	if len(r.Case) > maxName || len(r.Queue) > maxName {
		return &fault{code: CodeBadField, detail: fmt.Sprintf("case, queue: at most %d bytes", maxName)}
	}
	if r.Case != "" {
		if _, err := desk.ParseNumber(r.Case); err != nil {
			return &fault{code: CodeBadField, detail: "case: a number looks like CW-000123"}
		}
	}
	return nil
}

func (r *request) checkHello() *fault {
	if len(r.Queues) > maxQueues {
		return &fault{code: CodeBadField, detail: fmt.Sprintf("queues: at most %d", maxQueues)}
	}
	for i, q := range r.Queues {
		if q == "" || len(q) > maxName {
			return &fault{code: CodeBadField, detail: fmt.Sprintf("queues[%d]: 1 to %d bytes", i, maxName)}
		}
	}
	if len(r.Language) > maxName || r.Resume != nil && len(r.Resume.Epoch) > maxName {
		return &fault{code: CodeBadField, detail: fmt.Sprintf("language, resume.epoch: at most %d bytes", maxName)}
	}
	return nil
}

// usable returns an id that may be sent back, or nothing.
func usable(id string) string {
	if len(id) > maxID || strings.ContainsFunc(id, func(r rune) bool { return !unicode.IsPrint(r) }) {
		return ""
	}
	return id
}

// refusal says what stands in the way of a claim or a release. ok is false for
// what is not the operator's doing.
func refusal(id string, err error) (f refusedFrame, ok bool) {
	f = refusedFrame{T: "refused", ID: id}
	if taken, is := errors.AsType[*casecore.Taken](err); is {
		f.Code, f.Holder, f.Detail = CodeTaken, taken.OwnerName, taken.Error()
		if taken.Owner == "" {
			f.Code = CodeNotClaimed
		}
		return f, true
	}
	if full, is := errors.AsType[*casecore.Full](err); is {
		f.Code, f.Detail = CodeFull, full.Error()
		return f, true
	}
	if stale, is := errors.AsType[*casecore.Stale](err); is {
		f.Code, f.Detail = CodeStale, "the claim is over; the case has been claimed again since"
		f.Holder = stale.Now.OwnerName
		return f, true
	}
	switch {
	case errors.Is(err, casecore.ErrForbidden):
		f.Code, f.Detail = CodeForbidden, "you may not do this to this case"
	case errors.Is(err, store.ErrNotFound):
		f.Code, f.Detail = CodeNotFound, "there is no such case"
	default:
		return f, false
	}
	return f, true
}
