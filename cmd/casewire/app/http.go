package app

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"strings"
	"syscall"
	"time"

	"github.com/prometheus/client_golang/prometheus/promhttp"

	"casewire/notify/portal"
	"casewire/routing/api"
	"casewire/routing/console"
)

// listen takes the port first: a port in use must be said before anything else
// is touched.
func (a *App) listen(ctx context.Context) error {
	addr := a.Static().Listen
	var lc net.ListenConfig
	l, err := lc.Listen(ctx, "tcp", addr)
	if errors.Is(err, syscall.EADDRINUSE) {
		return fmt.Errorf("listen on %s: another program uses that port; stop it, or choose another with --listen (port 0 picks a free one)", addr)
	}
	if err != nil {
		return fmt.Errorf("listen on %s: %w", addr, err)
	}
	a.listener = l
	a.life.started("listener", func(context.Context) error {
		if err := l.Close(); err != nil && !errors.Is(err, net.ErrClosed) {
			return fmt.Errorf("close listener: %w", err)
		}
		return nil
	})
	bound := l.Addr().(*net.TCPAddr)
	host := bound.IP.String()
	if bound.IP.IsUnspecified() {
		host = "127.0.0.1"
	}
	a.local = "http://" + net.JoinHostPort(host, fmt.Sprint(bound.Port))
	a.url = a.Static().PublicURL
	if a.url == "" {
		a.url = a.local
	}
	return nil
}

// serve opens the doors of the house to requests. It is the last step: what it
// mounts is all there.
func (a *App) serve(ctx context.Context) error {
	mux, err := a.mux() //nolint:contextcheck // handlers have their requests' contexts
	if err != nil {
		return err
	}
	same := http.NewCrossOriginProtection()
	if err := same.AddTrustedOrigin(a.url); err != nil {
		return fmt.Errorf("public URL: %w", err)
	}
	// Customers' pages send no referrer, for which browsers that know no more call
	// our own origin "null": the pages judge that themselves.
	same.AddInsecureBypassPattern(portal.Prefix)
	same.SetDenyHandler(http.HandlerFunc(a.crossOrigin))
	srv := &http.Server{
		Handler:           a.guard(same.Handler(mux)),
		ReadHeaderTimeout: 10 * time.Second,
		WriteTimeout:      10 * time.Minute, // sockets that are upgraded have their own
		IdleTimeout:       2 * time.Minute,
		MaxHeaderBytes:    64 << 10,
		BaseContext:       func(net.Listener) context.Context { return context.WithoutCancel(ctx) },
	}
	done := make(chan struct{})
	go func() {
		defer close(done)
		if err := srv.Serve(a.listener); !errors.Is(err, http.ErrServerClosed) {
			a.fail(fmt.Errorf("serve http: %w", err))
		}
	}()
	a.life.started("http", func(ctx context.Context) error {
		ctx, cancel := context.WithTimeout(ctx, time.Duration(a.Static().Grace)/3)
		defer cancel()
		if err := srv.Shutdown(ctx); err != nil {
			a.o.Log.Warn("requests cut off", "error", err)
			err = srv.Close()
			<-done
			return err
		}
		<-done
		return nil
	})
	return nil
}

// mux lists everything that answers below the root.
func (a *App) mux() (*http.ServeMux, error) {
	pages, err := console.New(a.consoleOptions())
	if err != nil {
		return nil, err
	}
	jsonAPI, err := api.New(a.apiParts(), api.Options{
		Log: a.o.Log, Now: a.o.Now, Version: a.o.Version, Observe: a.observe,
		MaxBody: int64(a.Static().Limits.Request), MaxFile: int64(a.Static().Limits.Attachment),
	})
	if err != nil {
		return nil, err
	}
	mux := http.NewServeMux()
	mux.Handle("/desk/", pages)
	mux.Handle("/api/", jsonAPI)
	mux.Handle("/api/v1/live", a.live)
	mux.Handle("GET /api/v1/backup", a.administrators(a.backup))
	mux.Handle("GET /api/v1/verify", a.administrators(a.verify))
	mux.Handle(portal.Prefix, a.portal)
	mux.HandleFunc("GET /healthz", healthz)
	mux.HandleFunc("GET /readyz", a.health.readyz)
	mux.Handle("GET /metrics", a.insiders(promhttp.HandlerFor(a.metrics, promhttp.HandlerOpts{})))
	home := "/desk/"
	if a.o.Pages != nil {
		more, err := a.o.Pages(a)
		if err != nil {
			return nil, err
		}
		for pattern, h := range more {
			mux.Handle(pattern, h)
			if strings.HasSuffix(pattern, "/sandbox/") {
				home = "/sandbox/"
			}
		}
	}
	mux.HandleFunc("/", func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/" {
			http.Redirect(w, r, home, http.StatusFound)
			return
		}
		a.doors.ServeHTTP(w, r)
	})
	return mux, nil
}
