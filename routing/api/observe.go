package api

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"runtime/debug"
	"strings"
	"time"

	"github.com/google/uuid"
)

// other is the route of requests that match none, so that metrics and logs have
// no more routes than the API.
const other = "other"

type requestKey struct{}

// requestID is the id that this request is logged under.
func requestID(ctx context.Context) string {
	id, _ := ctx.Value(requestKey{}).(string)
	return id
}

// observe gives each request an id, answers what matches no operation, keeps a
// panic from taking the connection down without a word, and tells the log and
// the metrics. Neither learns of paths, queries or bodies: they may hold names.
func (a *API) observe(mux *http.ServeMux) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		started := time.Now()
		id := givenID(r.Header.Get("X-Request-Id"))
		r = r.WithContext(context.WithValue(r.Context(), requestKey{}, id))
		rec := &recorder{ResponseWriter: w}
		h := w.Header()
		h.Set("X-Request-Id", id)
		h.Set("X-Content-Type-Options", "nosniff")
		h.Set("Referrer-Policy", "no-referrer")
		h.Set("Cache-Control", "no-store")
		defer func() {
			if fault := recover(); fault != nil {
				a.recovered(rec, r, id, fault)
			}
			a.tell(r, rec, id, time.Since(started))
		}()
		if _, pattern := mux.Handler(r); pattern == "" {
			a.unmatched(rec, r, mux)
			return
		}
		mux.ServeHTTP(rec, r)
	})
}

func (a *API) recovered(w *recorder, r *http.Request, id string, fault any) {
	if err, ok := fault.(error); ok && errors.Is(err, http.ErrAbortHandler) {
		panic(fault)
	}
	if r.Context().Err() != nil {
		return // the client has gone, and writing to it was what failed
	}
	a.o.Log.Error("request panicked", "route", route(r), "request", id, "fault", fmt.Sprintf("%T", fault), "stack", string(debug.Stack()))
	if w.status == 0 {
		p := problem("internal", "the fault is ours; it has been logged")
		p.Request = id
		p.write(w)
	}
}

func (a *API) tell(r *http.Request, w *recorder, id string, took time.Duration) {
	status := w.status
	if status == 0 {
		status = http.StatusOK
	}
	a.o.Log.Info("request", "method", method(r), "route", route(r), "status", status, "took", took, "request", id)
	if a.o.Observe != nil {
		a.o.Observe(route(r), method(r), status, took)
	}
}

// unmatched answers what the mux would answer in plain text.
func (a *API) unmatched(w *recorder, r *http.Request, mux *http.ServeMux) {
	var allowed []string
	for _, m := range []string{http.MethodGet, http.MethodHead, http.MethodPost, http.MethodPut, http.MethodPatch, http.MethodDelete} {
		probe := r.Clone(r.Context())
		probe.Method = m
		if _, pattern := mux.Handler(probe); pattern != "" {
			allowed = append(allowed, m)
		}
	}
	p := problem("not_found", "no operation has this path; see /api/docs")
	if len(allowed) > 0 {
		p = problem("method_not_allowed", "this path takes "+strings.Join(allowed, ", "))
		p.header.Set("Allow", strings.Join(allowed, ", "))
	}
	p.Request = requestID(r.Context())
	p.write(w)
}

// route is the pattern that the request matched, without its method.
func route(r *http.Request) string {
	if r.Pattern == "" {
		return other
	}
	_, path, ok := strings.Cut(r.Pattern, " ")
	if !ok {
		return r.Pattern
	}
	return path
}

// method is one of the methods there are: a client may send any word.
func method(r *http.Request) string {
	switch r.Method {
	case http.MethodGet, http.MethodHead, http.MethodPost, http.MethodPut, http.MethodPatch, http.MethodDelete, http.MethodOptions:
		return r.Method
	}
	return other
}

// givenID takes over the id of whoever asks, so that logs of both sides meet, if
// it cannot spoil ours.
func givenID(s string) string {
	ok := func(r rune) bool {
		return r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' || r == '-' || r == '_'
	}
	if len(s) < 8 || len(s) > 64 || strings.ContainsFunc(s, func(r rune) bool { return !ok(r) }) {
		return uuid.NewString()
	}
	return s
}

// recorder remembers the status.
type recorder struct {
	http.ResponseWriter
	status int
}

func (r *recorder) WriteHeader(status int) {
	if r.status == 0 && status >= 200 {
		r.status = status
	}
	r.ResponseWriter.WriteHeader(status)
}

func (r *recorder) Write(b []byte) (int, error) {
	if r.status == 0 {
		r.status = http.StatusOK
	}
	return r.ResponseWriter.Write(b)
}

// Unwrap is for http.ResponseController.
func (r *recorder) Unwrap() http.ResponseWriter { return r.ResponseWriter }
