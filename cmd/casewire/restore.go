package main

import (
	"fmt"
	"io"
	"log/slog"
	"os"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"casewire/cmd/casewire/app"
	"casewire/config"
)

func newRestore() *cobra.Command {
	var p place
	c := &cobra.Command{
		Use:   "restore SRC",
		Short: "Make an empty store out of a backup",
		Long: `Make an empty store, embedded or on a server, out of a backup; - reads standard
input. No casewire may run on it, and it must hold nothing: what is there is never
overwritten. A backup that is damaged or cut off changes nothing, or, when it comes
through a pipe, leaves a store that casewire does not start on until restore has
been run again.

What was on its way to customers when the backup was made is not sent: it may have
gone out since. It waits among the notices that did not arrive, where somebody
decides.`,
		Args: cobra.ExactArgs(1),
		RunE: func(c *cobra.Command, args []string) (err error) {
			conf, err := p.load()
			if err != nil {
				return err
			}
			src := c.InOrStdin()
			if args[0] != toStdout {
				f, err := os.Open(args[0])
				if err != nil {
					return wrongUsage{fmt.Errorf("open the backup: %w", err)}
				}
				defer f.Close()
				src = f
			}
			static := conf.Snapshot().Static
			log := slog.New(slog.NewTextHandler(c.ErrOrStderr(), &slog.HandlerOptions{Level: slog.LevelWarn}))
			done, err := app.Restore(c.Context(), static, log, src)
			if err != nil {
				return fmt.Errorf("restore %s: %w", args[0], err)
			}
			return sayRestored(c.OutOrStdout(), where(p, static), done)
		},
	}
	p.flags(c)
	c.Flags().StringVar(&p.store, "store", "", "store `URL`, in place of the configured one")
	return c
}

// sayRestored tells what was done, and what is left to people.
func sayRestored(w io.Writer, where string, done app.Restored) error {
	lines := []string{
		fmt.Sprintf("restored the backup of %s: %s", done.At.Format(time.RFC3339), amount(done.Contents)),
	}
	if len(done.Lacking) > 0 {
		lines = append(lines, fmt.Sprintf("made by casewire %s, which did not keep %s yet", done.Program, strings.Join(done.Lacking, ", ")))
	}
	if n := len(done.Unreadable); n > 0 {
		lines = append(lines, fmt.Sprintf("%d attachments were damaged when the backup was made and are not in it: %s", n, some(done.Unreadable)))
	}
	switch n := done.Notices; n {
	case 0:
		lines = append(lines, "nothing was on its way to customers")
	default:
		lines = append(lines, fmt.Sprintf("%d notices were on their way and wait for your consent: see the notices that did not arrive, at /desk/notices", n))
	}
	if done.Events > 0 {
		lines = append(lines, fmt.Sprintf("%d events had not been told to anybody yet and will not be", done.Events))
	}
	if done.Webhooks > 0 {
		lines = append(lines, fmt.Sprintf("%d webhooks were on their way and are not sent by themselves: replay them if programs outside should hear of it", done.Webhooks))
	}
	lines = append(lines, "to check it: casewire verify"+where)
	_, err := fmt.Fprintln(w, strings.Join(lines, "\n"))
	if err != nil {
		return fmt.Errorf("write what was done: %w", err)
	}
	return nil
}

// where is how another command is told of the same installation.
func where(p place, s config.Static) string {
	switch {
	case p.store != "":
		return " --config with a configuration that names this store"
	case p.config != "" && p.data == "":
		return " --config " + p.config
	case p.config != "":
		return " --config " + p.config + " --data " + p.data
	}
	return " --data " + s.Data
}

// some is the beginning of a list that may be long.
func some(list []string) string {
	const most = 5
	if len(list) <= most {
		return strings.Join(list, ", ")
	}
	return strings.Join(list[:most], ", ") + fmt.Sprintf(" and %d more", len(list)-most)
}
