package app

import (
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/netip"
	"strings"
	"time"
)

// guard stands before everything else: it bounds how long a request may take to
// arrive, sets what every answer has in common, and keeps one request's panic from
// being silent.
func (a *App) guard(next http.Handler) http.Handler {
	secure := strings.HasPrefix(a.url, "https:")
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		defer a.caught(w, r)
		if !a.ourHost(r.Host) {
			http.Error(w, "This is "+a.url+". Open it by that address.", http.StatusMisdirectedRequest)
			return
		}
		if r.ContentLength != 0 {
			// A connection that cannot be given a deadline has none to lose.
			_ = http.NewResponseController(w).SetReadDeadline(time.Now().Add(bodyTime(r.ContentLength)))
		}
		h := w.Header()
		h.Set("X-Content-Type-Options", "nosniff")
		h.Set("Referrer-Policy", "same-origin")
		if secure {
			h.Set("Strict-Transport-Security", "max-age=31536000")
		}
		next.ServeHTTP(w, r)
	})
}

// bodyTime is how long a body of so many bytes may take: half a minute, and more
// for what is large, so that a phone on a slow line can send a picture.
func bodyTime(length int64) time.Duration {
	const base, slowest, most = 30 * time.Second, 32 << 10, 5 * time.Minute
	if length < 0 {
		return most
	}
	return min(base+time.Duration(length/slowest)*time.Second, most)
}

// caught logs a panic of a handler. The path may hold a secret; the pattern does
// not.
func (a *App) caught(w http.ResponseWriter, r *http.Request) {
	fault := recover()
	if fault == nil {
		return
	}
	if err, ok := fault.(error); ok && errors.Is(err, http.ErrAbortHandler) {
		panic(fault)
	}
	a.o.Log.Error("request panicked", "method", r.Method, "route", r.Pattern, "fault", fmt.Sprint(fault))
	http.Error(w, "Internal error", http.StatusInternalServerError)
}

// ourHost says whether a request names us. Without a public URL we are reached on
// this machine only, and whoever comes by another name is a page elsewhere whose
// name was made to point here.
func (a *App) ourHost(host string) bool {
	bound := a.listener.Addr().(*net.TCPAddr)
	if a.Static().PublicURL != "" || !bound.IP.IsLoopback() {
		return true
	}
	name := host
	if h, _, err := net.SplitHostPort(host); err == nil {
		name = h
	}
	ip, err := netip.ParseAddr(strings.Trim(name, "[]"))
	return strings.EqualFold(name, "localhost") || err == nil && ip.IsLoopback()
}

// crossOrigin refuses what another site's page sends.
func (a *App) crossOrigin(w http.ResponseWriter, r *http.Request) {
	const detail = "The request comes from a page of another site."
	mend := "Open the pages at " + a.url + ". If a proxy stands in front, set public_url to its address."
	a.o.Log.Warn("cross-origin request refused", "method", r.Method, "origin", r.Header.Get("Origin"))
	if !strings.HasPrefix(r.URL.Path, "/api/") {
		http.Error(w, detail+" "+mend, http.StatusForbidden)
		return
	}
	writeProblem(w, http.StatusForbidden, "cross_origin", detail+" "+mend)
}

// insiders lets through who asks from this machine itself, and who shows a token
// that is not bound to queues. What came through a proxy is not from here.
func (a *App) insiders(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		from, err := netip.ParseAddrPort(r.RemoteAddr)
		here := err == nil && from.Addr().Unmap().IsLoopback() && r.Header.Get("X-Forwarded-For") == ""
		if !here {
			who, _, err := a.gate.Actor(r)
			if err != nil || !who.Wide() {
				w.Header().Set("WWW-Authenticate", "Bearer")
				http.Error(w, "Metrics are for this machine, or for a token of an administrator, supervisor or integrator.", http.StatusUnauthorized)
				return
			}
		}
		next.ServeHTTP(w, r)
	})
}
