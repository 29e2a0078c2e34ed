package telegram

import (
	"context"
	"fmt"
	"sync"
	"time"

	"casewire/channels"
)

// health is what the door knows of itself. Its methods are safe for concurrent use.
type health struct {
	now func() time.Time

	mu     sync.Mutex
	ok     bool
	name   string // of the state
	text   string
	since  time.Time
	asked  time.Time // when Telegram last answered a request for updates
	stuck  string    // why the house does not take messages, "" when it does
	stuckA time.Time
	missed string // what a long absence has cost
}

func newHealth(now func() time.Time) *health {
	return &health{now: now, name: "starting", text: "starting", since: now()}
}

// set notes a state, and says whether it is another than before.
func (h *health) set(ok bool, name, text string) bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	if ok {
		h.asked = h.now()
	}
	changed := h.name != name
	if changed {
		h.since = h.now()
	}
	h.ok, h.name, h.text = ok, name, text
	return changed
}

// store notes whether the house takes messages, and says whether that is news.
func (h *health) store(err error) bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	was := h.stuck != ""
	h.stuck = ""
	if err != nil {
		h.stuck = "the store does not take messages; they wait at Telegram, for 24 hours at most"
		if !was {
			h.stuckA = h.now()
		}
	}
	return was != (err != nil)
}

func (h *health) absent(d time.Duration) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.missed = fmt.Sprintf("nobody asked Telegram for %d hours; it forgets messages after 24", int(d.Hours()))
}

// Health says how the channel fares, in words.
func (d *Door) Health() channels.Health {
	h := d.health
	h.mu.Lock()
	defer h.mu.Unlock()
	switch {
	case !h.ok:
		return channels.Health{Text: h.text, Since: h.since}
	case h.stuck != "":
		return channels.Health{Text: h.stuck, Since: h.stuckA}
	}
	text := h.text
	if d.cfg.Mode == modePolling && !h.asked.IsZero() {
		text += fmt.Sprintf(", last asked %s ago", h.now().Sub(h.asked).Round(time.Second))
	}
	if h.missed != "" {
		text += "; at the start " + h.missed
	}
	return channels.Health{OK: true, Text: text, Since: h.since}
}

// ill notes why Telegram does not serve us, and logs it once.
func (d *Door) ill(ctx context.Context, r *refusal) {
	name, text := r.state()
	if name == "elsewhere" {
		d.count.conflicts.Add(1)
	}
	if d.health.set(false, name, text) {
		d.log.WarnContext(ctx, "telegram does not serve the bot", "state", name, "code", r.code)
	}
}

// well notes that it does.
func (d *Door) well(ctx context.Context) {
	text := "takes messages by polling"
	if d.cfg.Mode == modeWebhook {
		text = "takes messages by webhook"
	}
	if d.health.set(true, "well", text) {
		d.log.InfoContext(ctx, "telegram serves the bot")
	}
}

// storeFailed notes that the house did not take something.
func (d *Door) storeFailed(ctx context.Context, err error) {
	d.count.storeErrors.Add(1)
	if d.health.store(err) {
		d.log.WarnContext(ctx, "the store does not take messages", "err", err)
	}
}
