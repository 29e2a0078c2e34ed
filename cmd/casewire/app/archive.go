package app

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"time"

	"casewire/casecore"
	"casewire/casecore/archive"
	"casewire/config"
	"casewire/notify"
	"casewire/notify/webhook"
	"casewire/routing/access"
)

// stalled is how long a client may take no byte of a long answer: a backup holds a
// snapshot of the store for as long as it is read.
const stalled = time.Minute

// queueing is how long a backup or a verification waits for another one to end.
const queueing = 10 * time.Second

// Stored says whether there is a store to work with already. A database on a
// server always counts as one.
func Stored(s config.Static) (bool, error) {
	if isMongo(s) {
		return true, nil
	}
	_, err := os.Stat(storeFile(s))
	if errors.Is(err, os.ErrNotExist) {
		return false, nil
	}
	if err != nil {
		return false, fmt.Errorf("look for the store: %w", err)
	}
	return true, nil
}

func isMongo(s config.Static) bool { return strings.HasPrefix(s.Store, "mongodb") }

// storeFile is the file of the embedded store.
func storeFile(s config.Static) string {
	if path := strings.TrimPrefix(s.Store, "sqlite:"); path != "" {
		return path
	}
	return filepath.Join(s.Data, "casewire.db")
}

// Restored says what a restore came to.
type Restored struct {
	archive.Report
	notify.Settled
	Webhooks int // deliveries that had not ended; they may be replayed
}

// Restore makes an empty store, which no process works with, out of a backup. When
// src can be read twice, a backup that is not whole changes nothing; from a pipe it
// leaves a store that nothing starts on, and that the next Restore empties. What
// was on its way to customers when the backup was made waits for consent (F22).
func Restore(ctx context.Context, s config.Static, log *slog.Logger, src io.Reader) (_ Restored, err error) {
	if err := tryOut(ctx, src); err != nil {
		return Restored{}, err
	}
	failed := func(err error) { log.Error("store has failed", "error", err) } // the next Update says so, too
	e, err := openEngine(ctx, s, log, func(string) error { return nil }, failed)
	if err != nil {
		return Restored{}, err
	}
	defer func() { err = errors.Join(err, e.end()) }()
	var out Restored
	out.Report, err = archive.Read(ctx, src, archive.Book{Store: e.store, Blobs: e.blobs, Colls: collections()}, func(ctx context.Context) (err error) {
		if out.Webhooks, err = webhook.AfterRestore(ctx, e.store, time.Now()); err != nil {
			return err
		}
		out.Settled, err = notify.AfterRestore(ctx, e.store, &casecore.Ledger{Now: time.Now})
		return err
	})
	if errors.Is(err, archive.ErrNotEmpty) {
		return Restored{}, fmt.Errorf("%w; choose an empty one with --data or --store, or move this one away", err)
	}
	return out, err
}

// tryOut reads a backup through before anything is touched, when it can be read
// twice.
func tryOut(ctx context.Context, src io.Reader) error {
	s, ok := src.(io.Seeker)
	if !ok {
		return nil
	}
	at, err := s.Seek(0, io.SeekCurrent)
	if err != nil {
		return nil // a pipe
	}
	if _, err := archive.Check(ctx, src, collections()); err != nil {
		return err
	}
	if _, err := s.Seek(at, io.SeekStart); err != nil {
		return fmt.Errorf("read the backup again: %w", err)
	}
	return nil
}

// administrators lets an administrator through, and one request of theirs at a
// time: what is behind it reads everything.
func (a *App) administrators(next http.HandlerFunc) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		who, _, err := a.gate.Actor(r)
		switch {
		case access.SignedOut(err):
			w.Header().Set("WWW-Authenticate", "Bearer")
			writeProblem(w, http.StatusUnauthorized, "not_signed_in", "Sign in, or send a token.")
			return
		case err != nil:
			a.o.Log.Error("who asks cannot be told", "error", err)
			writeProblem(w, http.StatusServiceUnavailable, "unavailable", "Try again in a moment.")
			return
		case !who.Is(casecore.RoleAdmin):
			writeProblem(w, http.StatusForbidden, "forbidden", "This is for administrators.")
			return
		}
		select {
		case a.copying <- struct{}{}:
			defer func() { <-a.copying }()
		case <-time.After(queueing):
			writeProblem(w, http.StatusConflict, "busy", "A backup or a verification is running already; come back when it is done.")
			return
		case <-r.Context().Done():
			return
		}
		a.o.Log.Info("everything is read", "route", r.Pattern, "by", who.ID)
		next(w, r)
	})
}

// backup streams a copy of everything.
func (a *App) backup(w http.ResponseWriter, r *http.Request) {
	now := a.o.Now()
	h := w.Header()
	h.Set("Content-Type", "application/gzip")
	h.Set("Content-Disposition", `attachment; filename="casewire-`+now.UTC().Format("20060102-150405")+`.tar.gz"`)
	h.Set("Cache-Control", "no-store")
	out := newSteady(w)
	from := archive.Book{Store: a.store, Blobs: a.blobs, Colls: collections()}
	report, err := archive.Write(r.Context(), from, archive.Manifest{Program: a.o.Version, At: now.UTC()}, out)
	if err != nil {
		a.o.Log.Error("backup failed", "error", err)
		out.abort()
		return
	}
	a.o.Log.Info("backup made", "documents", report.Total(), "attachments", report.Blobs, "damaged", len(report.Unreadable))
}

// steady is a long answer: it may take as long as it must, while the client reads.
type steady struct {
	w     http.ResponseWriter
	c     *http.ResponseController
	begun bool
}

func newSteady(w http.ResponseWriter) *steady {
	return &steady{w: w, c: http.NewResponseController(w)}
}

// Write implements io.Writer.
func (s *steady) Write(p []byte) (int, error) {
	s.begun = true
	// A connection that cannot be given a deadline has none to lose.
	_ = s.c.SetWriteDeadline(time.Now().Add(stalled))
	return s.w.Write(p)
}

// abort ends an answer that is not whole so that the client can tell.
func (s *steady) abort() {
	if s.begun {
		panic(http.ErrAbortHandler)
	}
	s.w.Header().Del("Content-Disposition")
	writeProblem(s.w, http.StatusInternalServerError, "internal", "It cannot be made; the log of casewire says why.")
}
