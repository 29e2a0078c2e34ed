package main

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"os"
	"os/signal"
	"path/filepath"
	"runtime/debug"
	"syscall"
	"time"

	"github.com/spf13/cobra"

	"casewire/cmd/casewire/app"
	"casewire/config"
)

// place is how a command is told which installation it is about.
type place struct {
	config, data, listen, store string
}

func (p *place) flags(c *cobra.Command) {
	c.Flags().StringVar(&p.config, "config", "", "configuration `file`; without one the defaults hold")
	c.Flags().StringVar(&p.data, "data", "", "data `folder`, in place of the configured one")
}

// load reads the configuration with the command line on top of it.
func (p *place) load() (*config.Live, error) {
	over := func(s *config.Static) {
		for _, f := range []struct{ flag, field *string }{{&p.data, &s.Data}, {&p.listen, &s.Listen}, {&p.store, &s.Store}} {
			if *f.flag != "" {
				*f.field = *f.flag
			}
		}
	}
	var snap *config.Snapshot
	var err error
	if p.config == "" {
		snap, err = config.Default(kinds(), over)
	} else {
		snap, err = config.Load(p.config, kinds(), over)
	}
	if err != nil {
		return nil, wrongUsage{err}
	}
	return config.NewLive(snap, kinds(), time.Now, over), nil
}

func newServe() *cobra.Command {
	var p place
	c := &cobra.Command{
		Use:   "serve",
		Short: "Run casewire",
		Long: `Run casewire until SIGTERM or an interrupt, then drain and stop. SIGHUP reads the
configuration again. Without a configuration file the store is kept in
./casewire-data, web chat is on, and a link is printed with which the first
administrator signs in.`,
		Args: cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			conf, err := p.load()
			if err != nil {
				return err
			}
			log, level := logger(c.ErrOrStderr(), conf.Snapshot())
			a, err := app.Start(c.Context(), app.Options{Config: conf, Log: log, Level: level, Version: version()})
			if err != nil {
				return err
			}
			link, err := a.FirstLink(c.Context())
			if err != nil {
				return stopAfter(c.Context(), a, err)
			}
			if link != "" {
				fmt.Fprintf(c.OutOrStdout(), "first administrator, once and within a day: %s\n", link)
			}
			return runUntilDone(c.Context(), a, c.OutOrStdout(), log)
		},
	}
	p.flags(c)
	c.Flags().StringVar(&p.listen, "listen", "", "`address:port` to answer on; port 0 picks a free one")
	c.Flags().StringVar(&p.store, "store", "", "store `URL`, in place of the configured one")
	return c
}

// runUntilDone says that the process is ready, reloads on SIGHUP and waits for
// the end.
func runUntilDone(ctx context.Context, a *app.App, stdout io.Writer, log *slog.Logger) error {
	hup, ignore := hangups()
	defer ignore()
	done := make(chan error, 1)
	go func() { done <- a.Wait(ctx) }()
	fmt.Fprintf(stdout, "casewire ready %s\n", a.URL())
	debug.FreeOSMemory() // a quiet process would hold what the start took until it gets busy
	for {
		select {
		case <-hup:
			if err := a.Reload(ctx); err != nil {
				log.Error("configuration kept as it was", "error", err)
				continue
			}
			log.Info("configuration reloaded")
		case err := <-done:
			return err
		}
	}
}

// hangups receives SIGHUP, which would otherwise end the process.
func hangups() (<-chan os.Signal, func()) {
	hup := make(chan os.Signal, 1)
	signal.Notify(hup, syscall.SIGHUP)
	return hup, func() { signal.Stop(hup) }
}

// stopAfter stops a process that cannot go on for this cause.
func stopAfter(ctx context.Context, a *app.App, cause error) error {
	if err := a.Stop(context.WithoutCancel(ctx)); err != nil {
		return fmt.Errorf("%w (and while stopping: %w)", cause, err)
	}
	return cause
}

// logger writes to stderr: text for people, JSON for programs.
func logger(w io.Writer, s *config.Snapshot) (*slog.Logger, *slog.LevelVar) {
	level := &slog.LevelVar{}
	level.Set(slog.Level(s.Dynamic.LogLevel))
	o := &slog.HandlerOptions{Level: level}
	if s.Static.LogFormat == "json" || s.Static.LogFormat == "auto" && !terminal(w) {
		return slog.New(slog.NewJSONHandler(w, o)), level
	}
	return slog.New(slog.NewTextHandler(w, o)), level
}

// terminal says whether a stream is one that a person sits at.
func terminal(stream any) bool {
	f, ok := stream.(*os.File)
	if !ok {
		return false
	}
	info, err := f.Stat()
	return err == nil && info.Mode()&os.ModeCharDevice != 0
}

// absolute is path as the user will find it again.
func absolute(path string) string {
	if abs, err := filepath.Abs(path); err == nil {
		return abs
	}
	return path
}
