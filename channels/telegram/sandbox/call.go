package sandbox

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"mime"
	"net/http"
	"slices"
	"strconv"
	"time"
)

// Call is one request of the bot, other than getUpdates.
type Call struct {
	Method string
	Fields map[string]string
	Files  map[string]string // file name by field
	At     time.Time

	uploads map[string]upload
}

type upload struct {
	name string
	data []byte
}

// callsKept is how many calls are remembered.
const callsKept = 20000

// Calls returns what the bot asked for, getUpdates apart, in order.
func (s *Server) Calls() []Call {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.calls)
}

func (s *Server) record(c *Call) {
	if c.Method == "getUpdates" {
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	c.At = s.o.Now()
	if len(s.calls) == callsKept {
		s.calls = slices.Delete(s.calls, 0, callsKept/2)
	}
	kept := *c
	kept.uploads = nil
	s.calls = append(s.calls, kept)
}

// readCall reads the parameters from the query, a form or JSON, and refuses those
// that the method does not have.
func readCall(r *http.Request, name string, m method) (*Call, *fault) {
	c := &Call{Method: name, Fields: map[string]string{}, Files: map[string]string{}, uploads: map[string]upload{}}
	for k, v := range r.URL.Query() {
		c.Fields[k] = v[0]
	}
	kind, _, _ := mime.ParseMediaType(r.Header.Get("Content-Type"))
	var f *fault
	switch kind {
	case "multipart/form-data":
		f = c.readForm(r)
	case "application/json":
		f = c.readJSON(r)
	case "application/x-www-form-urlencoded":
		r.Body = http.MaxBytesReader(nil, r.Body, 1<<20)
		if err := r.ParseForm(); err != nil {
			return nil, bad("can't parse form")
		}
		for k, v := range r.PostForm {
			c.Fields[k] = v[0]
		}
	}
	if f != nil {
		return nil, f
	}
	for k, v := range c.Fields {
		if !slices.Contains(m.params, k) {
			return nil, bad("unknown parameter %q of %s", k, name)
		}
		if slices.Contains(integers, k) {
			if _, err := strconv.ParseInt(v, 10, 64); err != nil {
				return nil, bad("parameter %q must be a number", k)
			}
		}
	}
	for k := range c.uploads {
		if !slices.Contains(m.params, k) {
			return nil, bad("unknown file %q of %s", k, name)
		}
	}
	return c, nil
}

// integers are the parameters that are numbers.
var integers = []string{"message_thread_id", "offset", "limit", "timeout", "message_id", "max_connections", "cache_time"}

func (c *Call) readForm(r *http.Request) *fault {
	parts, err := r.MultipartReader()
	if err != nil {
		return bad("can't parse form")
	}
	for {
		p, err := parts.NextPart()
		switch {
		case errors.Is(err, io.EOF):
			return nil
		case errors.Is(err, io.ErrUnexpectedEOF) && len(c.Fields)+len(c.uploads) == 0:
			return nil // a form without a single part, which some clients send
		case err != nil:
			return bad("can't parse form")
		}
		limit := int64(1 << 20)
		if p.FileName() != "" {
			limit = maxUpload
		}
		b, err := io.ReadAll(io.LimitReader(p, limit+1))
		if err != nil {
			return bad("can't parse form")
		}
		if int64(len(b)) > limit {
			return &fault{code: http.StatusRequestEntityTooLarge, text: "Request Entity Too Large"}
		}
		if p.FileName() == "" {
			c.Fields[p.FormName()] = string(b)
			continue
		}
		c.uploads[p.FormName()] = upload{p.FileName(), b}
		c.Files[p.FormName()] = p.FileName()
	}
}

func (c *Call) readJSON(r *http.Request) *fault {
	b, err := io.ReadAll(io.LimitReader(r.Body, 1<<20))
	if err != nil {
		return bad("can't read the request")
	}
	if len(bytes.TrimSpace(b)) == 0 {
		return nil
	}
	var fields map[string]json.RawMessage
	if json.Unmarshal(b, &fields) != nil {
		return bad("can't parse JSON object")
	}
	for k, v := range fields {
		var text string
		if json.Unmarshal(v, &text) != nil {
			text = string(v)
		}
		c.Fields[k] = text
	}
	return nil
}

func (c *Call) number(name string) int64 {
	n, _ := strconv.ParseInt(c.Fields[name], 10, 64)
	return n
}

// Fault is a scripted answer to calls of one method; "download" is the method of
// fetching a file.
type Fault struct {
	Method      string // "": any but getUpdates
	Code        int    // HTTP status and error code
	Description string // "": the usual one of the code
	RetryAfter  int    // seconds
	Migrate     int64  // migrate_to_chat_id
	Times       int    // how often; 0: once
	After       bool   // the call is carried out first: the answer that gets lost
	Drop        bool   // closes the connection instead of answering
	Raw         string // is sent as it stands instead of JSON
}

// Fail scripts an answer. Faults are used up in the order they were scripted.
func (s *Server) Fail(f Fault) {
	s.mu.Lock()
	defer s.mu.Unlock()
	f.Times = max(f.Times, 1)
	s.faults = append(s.faults, &f)
}

// Heal forgets the faults that were not used up.
func (s *Server) Heal() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.faults = nil
}

// script returns the fault that the call must meet.
func (s *Server) script(method string) *Fault {
	s.mu.Lock()
	defer s.mu.Unlock()
	for i, f := range s.faults {
		if f.Method == method || f.Method == "" && method != "getUpdates" {
			if f.Times--; f.Times == 0 {
				s.faults = slices.Delete(s.faults, i, i+1)
			}
			return f
		}
	}
	return nil
}

func (s *Server) play(w http.ResponseWriter, f *Fault) {
	switch {
	case f.Drop:
		if conn, _, err := http.NewResponseController(w).Hijack(); err == nil {
			conn.Close()
		}
	case f.Raw != "":
		w.WriteHeader(f.Code)
		_, _ = io.WriteString(w, f.Raw)
	default:
		text := f.Description
		if text == "" {
			text = http.StatusText(f.Code)
			if f.RetryAfter > 0 {
				text += ": retry after " + strconv.Itoa(f.RetryAfter)
			}
		}
		refuse(w, &fault{code: f.Code, text: text, retryAfter: f.RetryAfter, migrate: f.Migrate})
	}
}
