package demo

import (
	"context"
	"io"
	"net/http"
	"time"
)

// heartbeat is how often a live answer says that it is still there.
const heartbeat = 20 * time.Second

// stream answers with an event each time that wait returns (Server-Sent Events).
// It ends with the request, with the sandbox, or with an error of wait.
func (s *Sandbox) stream(w http.ResponseWriter, r *http.Request, wait func(ctx context.Context) error) {
	ctx, cancel := context.WithCancel(r.Context())
	defer cancel()
	defer context.AfterFunc(s.ctx, cancel)() //nolint:contextcheck // the sandbox ends it, too
	h := w.Header()
	h.Set("Content-Type", "text/event-stream")
	h.Set("Cache-Control", "no-store")
	out := http.NewResponseController(w)
	for event := "retry: 2000\n\n"; ; {
		if _, err := io.WriteString(w, event); err != nil || out.Flush() != nil {
			return
		}
		pause, end := context.WithTimeout(ctx, heartbeat)
		err := wait(pause)
		end()
		switch {
		case ctx.Err() != nil:
			return
		case err == nil:
			event = "event: change\ndata:\n\n"
		case pause.Err() != nil:
			event = ": still here\n\n"
		default:
			return
		}
	}
}

// hinted waits for one of two hints.
func hinted(ctx context.Context, a, b <-chan struct{}) error {
	select {
	case <-a:
	case <-b:
	case <-ctx.Done():
		return ctx.Err()
	}
	return nil
}
