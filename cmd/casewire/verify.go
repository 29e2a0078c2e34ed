package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"

	"github.com/spf13/cobra"

	"casewire/cmd/casewire/app"
)

// errFaulty ends verify with 1 when anything is wrong.
var errFaulty = errors.New("something is wrong; see above")

func newVerify() *cobra.Command {
	var p place
	var asJSON bool
	c := &cobra.Command{
		Use:   "verify",
		Short: "Check everything that is stored",
		Long: `Read everything that is stored and say what is wrong with it: the store itself,
documents that cannot be read, cases whose claims form no chain, events, messages
and evidence of delivery that are not as they were sealed (changed, missing, inserted
or reordered, by case and event), attachments that messages refer to and that are
missing or damaged. Nothing is changed, and a running casewire goes on meanwhile.
Exits with 1 when anything is wrong.`,
		Args: cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			return withStored(c, p, func(ctx context.Context, r *remote) error {
				body, err := r.stream(ctx, "/verify")
				if err != nil {
					return err
				}
				defer body.Close()
				return hear(c, body, asJSON)
			})
		},
	}
	p.flags(c)
	c.Flags().BoolVar(&asJSON, "json", false, "print a line of JSON for each finding, and one at the end")
	return c
}

// hear passes on what a verification finds, as it comes. One that breaks off is no
// good one.
func hear(c *cobra.Command, body io.Reader, asJSON bool) error {
	lines := json.NewDecoder(body)
	out := json.NewEncoder(c.OutOrStdout())
	for {
		var f app.Finding
		if err := lines.Decode(&f); err != nil {
			return fmt.Errorf("the verification broke off: %w", err)
		}
		var err error
		switch {
		case asJSON && (f.Fault != "" || f.Summary != nil):
			err = out.Encode(f)
		case f.Fault != "":
			_, err = fmt.Fprintf(c.OutOrStdout(), "%s: %s\n", f.At, f.Fault)
		case f.Summary != nil:
			s := f.Summary
			if s.Unsealed > 0 {
				if _, err := fmt.Fprintf(c.OutOrStdout(), "%d of %d events are from before events were sealed\n", s.Unsealed, s.Sealed+s.Unsealed); err != nil {
					return fmt.Errorf("write findings: %w", err)
				}
			}
			_, err = fmt.Fprintf(c.OutOrStdout(), "%d documents, %d cases, %d attachments of %d bytes, %d faults\n",
				s.Documents, s.Cases, s.Attachments, s.Bytes, s.Faults)
		case f.Done > 0 && terminal(c.ErrOrStderr()):
			_, err = fmt.Fprintf(c.ErrOrStderr(), "%s: %d so far\n", f.At, f.Done)
		}
		if err != nil {
			return fmt.Errorf("write findings: %w", err)
		}
		if f.Summary == nil {
			continue
		}
		if f.Summary.Faults > 0 {
			return errFaulty
		}
		return nil
	}
}
