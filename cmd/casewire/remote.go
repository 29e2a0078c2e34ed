package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"strings"
	"time"

	"casewire/cmd/casewire/app"
)

// remote speaks the API as the administrator of this machine: to the process that
// runs on the data folder, or to one started quietly for the purpose.
type remote struct {
	url, secret string
	client      http.Client
	stop        func(context.Context) error
}

// reach finds or starts the process of an installation.
func reach(ctx context.Context, p place, stderr io.Writer) (*remote, error) {
	conf, err := p.load()
	if err != nil {
		return nil, err
	}
	data := conf.Snapshot().Static.Data
	running, err := app.ReadControl(data)
	if err != nil {
		return nil, err
	}
	if running != nil {
		r := &remote{url: running.URL, secret: running.Secret, stop: func(context.Context) error { return nil }}
		r.client.Timeout = time.Minute
		r.client.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
		// A process that was killed leaves its control file behind, and anybody
		// may listen on its port by now.
		var me struct {
			ID string `json:"id"`
		}
		if r.call(ctx, http.MethodGet, "/me", nil, &me) == nil && me.ID == "local" {
			return r, nil
		}
	}
	p.listen = "127.0.0.1:0"
	if conf, err = p.load(); err != nil {
		return nil, err
	}
	log := slog.New(slog.NewTextHandler(stderr, &slog.HandlerOptions{Level: slog.LevelError}))
	a, err := app.Start(ctx, app.Options{Config: conf, Log: log, Version: version(), Idle: true})
	if err != nil {
		return nil, err
	}
	started, err := app.ReadControl(data)
	if err == nil && started == nil {
		err = errors.New("the process left no control file")
	}
	if err != nil {
		return nil, stopAfter(ctx, a, err)
	}
	return &remote{url: started.URL, secret: started.Secret, stop: a.Stop}, nil
}

// close ends what reach started.
func (r *remote) close(ctx context.Context) error { return r.stop(context.WithoutCancel(ctx)) }

// call sends in as JSON to a path below /api/v1 and decodes the answer into out.
func (r *remote) call(ctx context.Context, method, path string, in, out any) error {
	var body io.Reader
	if in != nil {
		b, err := json.Marshal(in)
		if err != nil {
			return fmt.Errorf("encode request: %w", err)
		}
		body = bytes.NewReader(b)
	}
	req, err := http.NewRequestWithContext(ctx, method, r.url+"/api/v1"+path, body)
	if err != nil {
		return fmt.Errorf("%s %s: %w", method, path, err)
	}
	req.Header.Set("Authorization", "Bearer "+r.secret)
	if in != nil {
		req.Header.Set("Content-Type", "application/json")
	}
	res, err := r.client.Do(req)
	if err != nil {
		return fmt.Errorf("reach the running casewire: %w", err)
	}
	defer res.Body.Close()
	if res.StatusCode >= http.StatusBadRequest {
		return problem(res)
	}
	if out == nil {
		return nil
	}
	if err := json.NewDecoder(res.Body).Decode(out); err != nil {
		return fmt.Errorf("read answer of %s: %w", path, err)
	}
	return nil
}

// stream asks for a long answer below /api/v1, which the caller closes. It may take
// as long as it must.
func (r *remote) stream(ctx context.Context, path string) (io.ReadCloser, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, r.url+"/api/v1"+path, nil)
	if err != nil {
		return nil, fmt.Errorf("GET %s: %w", path, err)
	}
	req.Header.Set("Authorization", "Bearer "+r.secret)
	patient := r.client
	patient.Timeout = 0
	res, err := patient.Do(req)
	if err != nil {
		return nil, fmt.Errorf("reach the running casewire: %w", err)
	}
	if res.StatusCode >= http.StatusBadRequest {
		defer res.Body.Close()
		return nil, problem(res)
	}
	return res.Body, nil
}

// refusal is an answer of the API that is not a success, in words for people.
type refusal struct {
	status int
	text   string
}

func (r *refusal) Error() string { return r.text }

// missing replaces the answer that there is no such thing by one that says which
// thing, and how to find the right one.
func missing(err error, what, name, see string) error {
	if r, ok := errors.AsType[*refusal](err); ok && r.status == http.StatusNotFound {
		return fmt.Errorf("no %s %q; see %s", what, name, see)
	}
	return err
}

// problem turns problem+json into an error for people. What the API finds fault
// with came from the command line.
func problem(res *http.Response) error {
	var p struct {
		Title  string `json:"title"`
		Detail string `json:"detail"`
		Errors []struct {
			Pointer string `json:"pointer"`
			Detail  string `json:"detail"`
		} `json:"errors"`
	}
	if err := json.NewDecoder(io.LimitReader(res.Body, 1<<20)).Decode(&p); err != nil {
		return &refusal{res.StatusCode, "answered " + res.Status}
	}
	lines := []string{p.Detail}
	if p.Detail == "" {
		lines[0] = p.Title
	}
	for _, e := range p.Errors {
		at := strings.TrimLeft(e.Pointer, "#/")
		if at != "" {
			at += ": "
		}
		lines = append(lines, at+e.Detail)
	}
	err := &refusal{res.StatusCode, strings.Join(lines, "\n")}
	if res.StatusCode == http.StatusUnprocessableEntity {
		return wrongUsage{err}
	}
	return err
}
