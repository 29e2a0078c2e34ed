package telegram

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"time"

	"casewire/channels"

	"github.com/go-telegram/bot"
)

// How often a file is tried, and how long one try may take; nothing new is tried
// after that time either, because the messages behind it wait.
const (
	fetchTries = 4
	fetchTime  = 2 * time.Minute
)

// fetchAll fetches the files of a message (T8). A file that cannot be had is named
// in the text and flags the message; only when the house does not take a file is
// there an error.
func (d *Door) fetchAll(ctx context.Context, p *parcel) error {
	for _, w := range p.wanted {
		f, why, err := d.fetch(ctx, w)
		switch {
		case err != nil:
			return fmt.Errorf("store a file: %w", err)
		case why != "":
			p.line("[%s %s: %s]", w.kind, w.name, why)
			p.in.Broken = cmp.Or(p.in.Broken, "a file "+why)
		default:
			d.count.files.Add(1)
			p.in.Body.Files = append(p.in.Body.Files, f)
		}
	}
	return nil
}

// fetch returns a file, or in words why there is none.
func (d *Door) fetch(ctx context.Context, w wanted) (f channels.File, why string, err error) {
	large := fmt.Sprintf("is too large to be fetched (more than %d MB)", d.cfg.Limits.FileBytes>>20)
	if d.cfg.Limits.FileBytes < 1<<20 {
		large = fmt.Sprintf("is too large to be fetched (more than %d bytes)", d.cfg.Limits.FileBytes)
	}
	if w.size > d.cfg.Limits.FileBytes {
		return f, large, nil
	}
	wait, begun := d.waits.fetch, time.Now()
	for try := 1; ; try++ {
		f, err = d.fetchOnce(ctx, w)
		var r *refusal
		switch {
		case err == nil:
			return f, "", nil
		case errors.Is(err, channels.ErrTooLarge):
			return f, large, nil
		case !errors.As(err, &r):
			return f, "", err
		case ctx.Err() != nil:
			return f, "", ctx.Err()
		case r.code == http.StatusBadRequest && r.says("too big"):
			return f, large, nil
		case try == fetchTries || time.Since(begun) > fetchTime || !r.transient():
			d.count.fileErrors.Add(1)
			d.log.WarnContext(ctx, "a file could not be fetched", "code", r.code, "tries", try)
			return f, "could not be fetched", nil
		}
		if r.code == http.StatusTooManyRequests {
			wait = max(wait, min(r.after, time.Minute))
		}
		if err := pause(ctx, wait); err != nil {
			return f, "", err
		}
		wait *= 2
	}
}

// fetchOnce tries once. What Telegram does not give is a *refusal; other errors
// are the house's.
func (d *Door) fetchOnce(ctx context.Context, w wanted) (channels.File, error) {
	ctx, cancel := context.WithTimeout(ctx, fetchTime)
	defer cancel()
	at, err := d.api.GetFile(ctx, &bot.GetFileParams{FileID: w.id})
	if err != nil {
		return channels.File{}, asRefusal(err)
	}
	if at.FileSize > d.cfg.Limits.FileBytes {
		return channels.File{}, channels.ErrTooLarge
	}
	body, err := d.api.fetch(ctx, at.FilePath)
	if err != nil {
		return channels.File{}, err
	}
	defer body.Close()
	name := w.name
	if w.kind == "photo" {
		name = "photo" + extension(at.FilePath, ".jpg")
	}
	r := &watched{r: body}
	f, err := d.env.Files.Put(ctx, name, r, d.cfg.Limits.FileBytes)
	if err != nil && r.err != nil {
		return f, &refusal{err: bare(r.err)}
	}
	if err == nil && at.FileSize > 0 && f.Size < at.FileSize {
		return f, &refusal{err: io.ErrUnexpectedEOF}
	}
	return f, err
}

// watched remembers that reading failed, which is not the house's fault.
type watched struct {
	r   io.Reader
	err error
}

func (w *watched) Read(p []byte) (int, error) {
	n, err := w.r.Read(p)
	if err != nil && !errors.Is(err, io.EOF) {
		w.err = err
	}
	return n, err
}

// pause waits, or returns the error of ctx.
func pause(ctx context.Context, d time.Duration) error {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-t.C:
		return nil
	}
}
