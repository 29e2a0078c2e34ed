// Command casewire is the intake and notification gateway for repair and service
// centres. Results go to stdout, logs to stderr. It exits with 0 when done, 1 when
// it failed while running, 2 for wrong usage or a wrong file.
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"syscall"
	_ "time/tzdata" // the policy names time zones, and a small image has none

	"github.com/spf13/cobra"
)

func main() {
	tune()
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM, os.Interrupt)
	code := run(ctx, os.Args[1:], os.Stdin, os.Stdout, os.Stderr, stop)
	os.Exit(code)
}

// wrongUsage is an error that ends the process with 2.
type wrongUsage struct{ error }

func (w wrongUsage) Unwrap() error { return w.error }

// run is main without the process around it. A second signal ends the process at
// once, because restore gives signals back their usual meaning when the first has
// come.
func run(ctx context.Context, args []string, stdin io.Reader, stdout, stderr io.Writer, restore func()) int {
	context.AfterFunc(ctx, restore)
	root := newRoot(stdout, stderr) //nolint:contextcheck // ExecuteContext hands the context to the commands
	root.SetIn(stdin)
	root.SetArgs(args)
	err := root.ExecuteContext(ctx)
	if err == nil {
		return 0
	}
	fmt.Fprintln(stderr, "casewire:", err)
	if _, ok := errors.AsType[wrongUsage](err); ok {
		return 2
	}
	return 1
}

func newRoot(stdout, stderr io.Writer) *cobra.Command {
	root := &cobra.Command{
		Use:           "casewire",
		Short:         "Intake and notification gateway for repair and service centres",
		SilenceErrors: true,
		SilenceUsage:  true,
	}
	root.SetOut(stdout)
	root.SetErr(stderr)
	root.SetFlagErrorFunc(func(c *cobra.Command, err error) error {
		return wrongUsage{fmt.Errorf("%w; see %s --help", err, c.CommandPath())}
	})
	root.AddCommand(newDemo(), newServe(), newCheck(), newDoctor(), newUser(), newToken(),
		newBackup(), newRestore(), newVerify(), newVersion())
	strict(root)
	return root
}

// strict makes wrong arguments of a command exit with 2, like wrong flags, and a
// command that only holds others refuse what is none of them.
func strict(c *cobra.Command) {
	if c.HasSubCommands() {
		c.Args = cobra.ArbitraryArgs // so that they come to RunE
		c.RunE = func(c *cobra.Command, args []string) error {
			if len(args) > 0 {
				return wrongUsage{fmt.Errorf("no command %q; see %s --help", args[0], c.CommandPath())}
			}
			return c.Help()
		}
	}
	if check := c.Args; check != nil {
		c.Args = func(c *cobra.Command, args []string) error {
			if err := check(c, args); err != nil {
				return wrongUsage{fmt.Errorf("%w; see %s --help", err, c.CommandPath())}
			}
			return nil
		}
	}
	for _, sub := range c.Commands() {
		strict(sub)
	}
}
