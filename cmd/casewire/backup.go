package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/spf13/cobra"

	"casewire/casecore/archive"
	"casewire/cmd/casewire/app"
)

// toStdout is the destination, or the source, that is no file.
const toStdout = "-"

func newBackup() *cobra.Command {
	var p place
	var force bool
	c := &cobra.Command{
		Use:   "backup DEST",
		Short: "Copy everything that is stored into one file",
		Long: `Copy all documents and attachments into one file, or to standard output for -. A
running casewire goes on meanwhile; without one the command opens the data folder itself. The
documents are those of one moment, and the file gets its name when it is whole:
until then it is DEST.partial. It restores into either store. It holds everything,
customers' words and operators' hashed passwords too: keep it as you keep the data.
The configuration file is not in it.`,
		Args: cobra.ExactArgs(1),
		RunE: func(c *cobra.Command, args []string) error {
			dest := args[0]
			if err := mayWrite(dest, force); err != nil {
				return err
			}
			return withStored(c, p, func(ctx context.Context, r *remote) error {
				body, err := r.stream(ctx, "/backup")
				if err != nil {
					return err
				}
				defer body.Close()
				return receive(ctx, c, dest, body)
			})
		},
	}
	p.flags(c)
	c.Flags().BoolVar(&force, "force", false, "write over a file that is there")
	return c
}

// mayWrite refuses a destination before anything is asked of the store.
func mayWrite(dest string, force bool) error {
	if dest == toStdout {
		return nil
	}
	info, err := os.Stat(dest)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return nil
	case err != nil:
		return fmt.Errorf("look at %s: %w", dest, err)
	case info.IsDir():
		return wrongUsage{fmt.Errorf("%s is a folder; name a file in it, as in %s", dest, filepath.Join(dest, "casewire.tar.gz"))}
	case !force:
		return wrongUsage{fmt.Errorf("%s is there already; choose another name, or write over it with --force", dest)}
	}
	return nil
}

// withStored is withRemote for what makes no sense without a store: none is made.
func withStored(c *cobra.Command, p place, do func(ctx context.Context, r *remote) error) error {
	conf, err := p.load()
	if err != nil {
		return err
	}
	static := conf.Snapshot().Static
	there, err := app.Stored(static)
	if err != nil {
		return err
	}
	if !there {
		return wrongUsage{fmt.Errorf("there is no store in %s; name its folder with --data, or its configuration with --config", absolute(static.Data))}
	}
	return withRemote(c, p, do)
}

// receive checks a backup while it writes it down, and says what it holds.
func receive(ctx context.Context, c *cobra.Command, dest string, body io.Reader) error {
	var report archive.Report
	var err error
	name, words := dest, c.OutOrStdout()
	if dest == toStdout {
		name, words = "standard output", c.ErrOrStderr()
		report, err = archive.Check(ctx, io.TeeReader(body, c.OutOrStdout()), nil)
	} else {
		report, err = writeDown(ctx, dest, body)
	}
	if err != nil {
		return fmt.Errorf("backup: %w", err)
	}
	if _, err := fmt.Fprintf(words, "%s: %s\n", name, amount(report.Contents)); err != nil {
		return fmt.Errorf("write what was done: %w", err)
	}
	if n := len(report.Unreadable); n > 0 {
		return fmt.Errorf("the backup is written, without %d attachments that are damaged in the store: %s; casewire verify names the cases, an earlier backup may have them",
			n, some(report.Unreadable))
	}
	return nil
}

// amount says how much an archive holds.
func amount(c archive.Contents) string {
	return fmt.Sprintf("%d documents, %d attachments of %d bytes", c.Total(), c.Blobs, c.BlobBytes)
}

// writeDown writes a backup beside its name, and gives it the name when it is whole
// and on the disk.
func writeDown(ctx context.Context, dest string, body io.Reader) (report archive.Report, err error) {
	partial := dest + ".partial"
	f, err := os.OpenFile(partial, os.O_CREATE|os.O_WRONLY|os.O_TRUNC, 0o600)
	if err != nil {
		return report, err
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, os.Remove(partial))
		}
	}()
	report, err = archive.Check(ctx, io.TeeReader(body, f), nil)
	if err == nil {
		err = f.Sync()
	}
	if err = errors.Join(err, f.Close()); err != nil {
		return report, err
	}
	if err := os.Rename(partial, dest); err != nil {
		return report, err
	}
	return report, syncFolder(filepath.Dir(dest))
}

// syncFolder makes the names in a folder durable.
func syncFolder(name string) error {
	d, err := os.Open(name)
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}
