package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"casewire/casecore/staff"
	"casewire/cmd/casewire/app"
	"casewire/cmd/casewire/demo"
)

func newDemo() *cobra.Command {
	var p place
	c := &cobra.Command{
		Use:   "demo",
		Short: "Show the whole loop with nothing to set up",
		Long: `Start casewire with a repair centre's morning in it: the default policy, three
operators, some history, and a sandbox page on which you are the customer. The data
goes to a temporary folder unless --data names one; the same folder keeps its
logins and cases.`,
		Args: cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			return runDemo(c.Context(), p, c.OutOrStdout(), c.ErrOrStderr())
		},
	}
	c.Flags().StringVar(&p.listen, "listen", "127.0.0.1:8080", "`address:port` to answer on; port 0 picks a free one")
	c.Flags().StringVar(&p.data, "data", "", "`folder` to keep the data in; a temporary one without it")
	return c
}

func runDemo(ctx context.Context, p place, stdout, stderr io.Writer) (err error) {
	if p.data == "" {
		if p.data, err = os.MkdirTemp("", "casewire-demo-"); err != nil {
			return fmt.Errorf("make a temporary data folder: %w", err)
		}
		defer func() { err = errors.Join(err, os.RemoveAll(p.data)) }()
	}
	conf, err := p.load()
	if err != nil {
		return err
	}
	file, err := demo.Load(p.data)
	if err != nil {
		return err
	}
	log, level := logger(stderr, conf.Snapshot())
	a, err := app.Start(ctx, app.Options{
		Config: conf, Log: log, Level: level, Version: version(),
		Before: func(ctx context.Context, a *app.App) (err error) {
			file, err = prepareDemo(ctx, a, file, absolute(p.data))
			return err
		},
		Pages: func(a *app.App) (map[string]http.Handler, error) {
			sandbox, err := demo.NewSandbox(file.Operators, a.Router)
			return map[string]http.Handler{"GET /sandbox/": sandbox}, err
		},
	})
	if err != nil {
		return err
	}
	if err := sayDemo(stdout, a.URL(), file); err != nil {
		return stopAfter(ctx, a, err)
	}
	return runUntilDone(ctx, a, stdout, log)
}

// prepareDemo makes operators and history in a fresh folder, and writes demo.json
// with the address of this run.
func prepareDemo(ctx context.Context, a *app.App, file *demo.File, data string) (*demo.File, error) {
	if file == nil {
		file = &demo.File{Operators: demo.Operators(), Sandbox: map[string]string{}, Mailboxes: []demo.Mailbox{}}
	}
	file.URL, file.Data = a.URL(), data
	// Saved before anybody is made: whoever is killed in between finds the
	// passwords that the store has.
	if err := file.Save(); err != nil {
		return nil, err
	}
	for _, o := range file.Operators {
		_, err := a.Staff().Create(ctx, staff.Operator{
			Login: o.Login, Name: o.Name, Roles: o.Roles, Queues: o.Queues, Capacity: 25,
		}, o.Password)
		if err != nil && !taken(err) {
			return nil, fmt.Errorf("demo operator %s: %w", o.Login, err)
		}
	}
	if file.APIToken == "" {
		token, err := a.Staff().CreateToken(ctx, "demo", []string{"admin"}, 365*24*time.Hour)
		if err != nil {
			return nil, fmt.Errorf("demo token: %w", err)
		}
		file.APIToken = token
		if err := file.Save(); err != nil {
			return nil, err
		}
	}
	if file.Seeded {
		return file, nil
	}
	if err := demo.Seed(ctx, a.House(), time.Now()); err != nil {
		return nil, err
	}
	file.Seeded = true
	return file, file.Save()
}

// taken says that the operator exists already.
func taken(err error) bool {
	for _, r := range staff.Refusals(err) {
		if r.Field == "login" && strings.Contains(r.Msg, "is taken") {
			return true
		}
	}
	return false
}

func sayDemo(stdout io.Writer, url string, f *demo.File) error {
	w := tabwriter.NewWriter(stdout, 0, 0, 2, ' ', 0)
	fmt.Fprintf(w, "the customer's side\t%s/sandbox/\t(and a site with the widget: %s/chat/)\n", url, url)
	fmt.Fprintf(w, "the operators' side\t%s/desk/\n", url)
	for _, o := range f.Operators {
		fmt.Fprintf(w, "  %s\t%s / %s\t%s\n", o.Name, o.Login, o.Password, strings.Join(o.Queues, ", "))
	}
	fmt.Fprintf(w, "data and logins\t%s\n", demo.Path(f.Data))
	if err := w.Flush(); err != nil {
		return fmt.Errorf("write to stdout: %w", err)
	}
	return nil
}
