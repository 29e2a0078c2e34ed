package app

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"sync"
	"time"

	"casewire/casecore"
	"casewire/casecore/store"
	"casewire/config"
	"casewire/config/policy"
	"casewire/notify/outbox"
	"casewire/routing/desk"
)

// part is one thing that must work before the process accepts work.
type part struct {
	name  string
	check func(ctx context.Context) (reason string) // "" when well
	vital bool                                      // not ready without it
}

// health answers the probes.
type health struct {
	mu       sync.Mutex
	parts    []part
	stopping bool
}

func (h *health) add(p part) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.parts = append(h.parts, p)
}

// drain makes the process not ready, so that a balancer stops sending.
func (h *health) drain() {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.stopping = true
}

// partState is one line of /readyz.
type partState struct {
	Part   string `json:"part"`
	OK     bool   `json:"ok"`
	Reason string `json:"reason,omitempty"`
}

// readyz answers 200 while every vital part works and 503 with the reasons when
// one does not. A part that is not vital degrades and does not take the rest down.
func (h *health) readyz(w http.ResponseWriter, r *http.Request) {
	ctx, cancel := context.WithTimeout(r.Context(), 3*time.Second)
	defer cancel()
	h.mu.Lock()
	parts, stopping := h.parts, h.stopping
	h.mu.Unlock()
	status, code := "ready", http.StatusOK
	states := make([]partState, 0, len(parts))
	for _, p := range parts {
		reason := p.check(ctx)
		states = append(states, partState{Part: p.name, OK: reason == "", Reason: reason})
		switch {
		case reason == "":
		case p.vital:
			status, code = "not ready", http.StatusServiceUnavailable
		case code == http.StatusOK:
			status = "degraded"
		}
	}
	if stopping {
		status, code = "stopping", http.StatusServiceUnavailable
	}
	writeJSON(w, code, struct {
		Status string      `json:"status"`
		Parts  []partState `json:"parts"`
	}{status, states})
}

// healthz says that the process runs and answers.
func healthz(w http.ResponseWriter, _ *http.Request) {
	writeJSON(w, http.StatusOK, struct {
		Status string `json:"status"`
	}{"ok"})
}

// writeProblem answers as RFC 9457 has it.
func writeProblem(w http.ResponseWriter, status int, code, detail string) {
	w.Header().Set("Content-Type", "application/problem+json")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(struct {
		Title  string `json:"title"`
		Status int    `json:"status"`
		Code   string `json:"code"`
		Detail string `json:"detail"`
	}{http.StatusText(status), status, code, detail}) // the client may be gone
}

func writeJSON(w http.ResponseWriter, code int, v any) {
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Cache-Control", "no-store")
	w.WriteHeader(code)
	_ = json.NewEncoder(w).Encode(v) // the client may be gone
}

// storePart reads the store as a request would.
func storePart(st store.Store) part {
	return part{name: "store", vital: true, check: func(ctx context.Context) string {
		err := st.View(ctx, func(tx store.Tx) error {
			for _, err := range casecore.Cases.Scan(tx, store.Range{Limit: 1}) {
				if err != nil {
					return err
				}
			}
			return nil
		})
		if err != nil {
			return err.Error()
		}
		return ""
	}}
}

// boardPart says why the live boards cannot be relied on.
func boardPart(b *desk.Board) part {
	return part{name: "board", vital: true, check: func(context.Context) string {
		if err := b.Ready(); err != nil {
			return err.Error()
		}
		return ""
	}}
}

// policyPart says that the newest policy could not be used; an older one is.
func policyPart(p *policy.Live) part {
	return part{name: "policy", check: func(context.Context) string { return p.Status().LastErr }}
}

// configPart says that the file was changed and could not be used.
func configPart(c *config.Live) part {
	return part{name: "configuration", check: func(context.Context) string { return c.Status().LastErr }}
}

// noticesPart says which channels nothing is sent on, and why.
func noticesPart(o *outbox.Outbox) part {
	return part{name: "notices", check: func(context.Context) string {
		var out []string
		for _, p := range o.Stats().Paused {
			if p.Until.IsZero() {
				out = append(out, p.Channel+" has notices and is not configured")
				continue
			}
			out = append(out, fmt.Sprintf("%s is paused until %s UTC: %s", p.Channel, p.Until.UTC().Format(time.TimeOnly), p.Reason))
		}
		return strings.Join(out, "; ")
	}}
}

// doorsPart says which channels do not run.
func doorsPart(d *doors) part {
	return part{name: "channels", check: func(context.Context) string {
		for _, s := range d.states() {
			if !s.OK {
				return s.ID + " " + s.Text
			}
		}
		return ""
	}}
}
