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
	"casewire/config"
)

func newDemo() *cobra.Command {
	var p place
	c := &cobra.Command{
		Use:   "demo",
		Short: "Show the whole loop with nothing to set up",
		Long: `Start casewire with a repair centre's morning in it: the default policy, three
operators, some history, and a sandbox page on which you are the customer: in the
web chat, with a mail program, in Telegram and with a phone that texts. A status can be
taken back for a few seconds before the customer is told. The data
goes to a temporary folder unless --data names one; the same folder keeps its
logins, cases, mails and chats.`,
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
	d, err := newShow(conf, p.data)
	if err != nil {
		return err
	}
	// The providers end after the process that talks to them.
	defer func() { err = errors.Join(err, d.close()) }()
	log, level := logger(stderr, conf.Snapshot())
	a, err := app.Start(ctx, d.options(ctx, app.Options{Log: log, Level: level, Version: version()}))
	if err != nil {
		return err
	}
	if err := sayDemo(stdout, a.URL(), d.file); err != nil {
		return stopAfter(ctx, a, err)
	}
	return runUntilDone(ctx, a, stdout, log)
}

// show is what the demo has besides the process itself: its logins, and the
// providers that its channels talk to.
type show struct {
	conf  *config.Live
	file  *demo.File
	world *demo.Counterparts // nil until the process has the data folder for itself
}

// newShow reads what an earlier run left in the data folder.
func newShow(conf *config.Live, data string) (*show, error) {
	file, err := demo.Load(data)
	if err != nil {
		return nil, err
	}
	if file == nil {
		file = demo.NewFile(absolute(data))
	}
	file.Data = absolute(data)
	return &show{conf: conf, file: file}, nil
}

// options are those of the process. What goes on in the sandbox's pages ends with
// ctx.
func (d *show) options(ctx context.Context, o app.Options) app.Options {
	o.Config = d.conf
	o.Before = d.prepare
	o.LocalLinks = true
	o.Policy = demo.Policy()
	o.Pages = func(a *app.App) (map[string]http.Handler, error) {
		sandbox, err := demo.NewSandbox(ctx, d.file.Operators, d.world, a.Router)
		return map[string]http.Handler{"/sandbox/": sandbox}, err
	}
	return o
}

// close stops the providers.
func (d *show) close() error {
	if d.world == nil {
		return nil
	}
	return d.world.Close()
}

// prepare starts the providers, before the channels that talk to them, and makes
// operators and history in a fresh folder. The store's lock keeps everybody else
// out of the folder by now.
func (d *show) prepare(ctx context.Context, a *app.App) (err error) {
	if d.world, err = demo.OpenCounterparts(ctx, d.file, a.URL()); err != nil {
		return err
	}
	more, err := d.world.Channels()
	if err != nil {
		return err
	}
	snap := d.conf.Snapshot()
	snap.Channels = append(snap.Channels, more...)
	return prepareDemo(ctx, a, d.file, d.world)
}

// prepareDemo makes operators and history in a fresh folder, and writes demo.json
// with the addresses of this run.
func prepareDemo(ctx context.Context, a *app.App, file *demo.File, world *demo.Counterparts) error {
	file.URL = a.URL()
	// Saved before anybody is made: whoever is killed in between finds the
	// passwords that the store has.
	if err := file.Save(); err != nil {
		return err
	}
	for _, o := range file.Operators {
		_, err := a.Staff().Create(ctx, staff.Operator{
			Login: o.Login, Name: o.Name, Roles: o.Roles, Queues: o.Queues, Capacity: 25,
		}, o.Password)
		if err != nil && !taken(err) {
			return fmt.Errorf("demo operator %s: %w", o.Login, err)
		}
	}
	if file.APIToken == "" {
		token, err := a.Staff().CreateToken(ctx, "demo", []string{"admin"}, 365*24*time.Hour)
		if err != nil {
			return fmt.Errorf("demo token: %w", err)
		}
		file.APIToken = token
		if err := file.Save(); err != nil {
			return err
		}
	}
	if file.Seeded {
		return nil
	}
	if err := demo.Seed(ctx, a.House(), world, time.Now()); err != nil {
		return err
	}
	file.Seeded = true
	return file.Save()
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
	fmt.Fprintf(w, "mail\timap %s, smtp %s\t%s\n", f.Sandbox["imap"], f.Sandbox["smtp"], demo.SupportAddress)
	fmt.Fprintf(w, "data and logins\t%s\n", demo.Path(f.Data))
	if err := w.Flush(); err != nil {
		return fmt.Errorf("write to stdout: %w", err)
	}
	return nil
}
