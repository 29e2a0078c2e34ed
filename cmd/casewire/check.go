package main

import (
	"errors"
	"fmt"
	"os"

	"github.com/spf13/cobra"

	"casewire/channels"
	"casewire/channels/sms/segment"
	"casewire/config"
	"casewire/config/policy"
)

func newCheck() *cobra.Command {
	var p place
	var policyFile string
	c := &cobra.Command{
		Use:   "check",
		Short: "Check the configuration and a policy, and change nothing",
		Long: `Print everything that is wrong with the configuration file and the policy file, one
fault a line: file:line:column: what; how to mend. Exits with 2 when there is any.
What may be wrong with the templates of a policy is printed as a warning and does
not change that.`,
		Args: cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			var faults []error
			if p.config != "" || policyFile == "" {
				if _, err := p.load(); err != nil {
					faults = append(faults, err)
				}
			}
			if policyFile != "" {
				warnings, err := checkPolicy(policyFile)
				if err != nil {
					faults = append(faults, err)
				}
				for _, w := range warnings {
					if _, err := fmt.Fprintln(c.ErrOrStderr(), "warning:", w); err != nil {
						return err
					}
				}
			}
			if len(faults) > 0 {
				return wrongUsage{report(faults)}
			}
			_, err := fmt.Fprintln(c.OutOrStdout(), "nothing wrong")
			return err
		},
	}
	p.flags(c)
	c.Flags().StringVar(&policyFile, "policy", "", "policy `file` to check")
	return c
}

func checkPolicy(file string) (warnings config.Errors, err error) {
	data, err := os.ReadFile(file)
	if err != nil {
		return nil, fmt.Errorf("read policy: %w", err)
	}
	p, err := policy.Load(file, data, 0)
	if err != nil {
		return nil, err
	}
	return p.Warnings(func(text, _ string) channels.Measure {
		i := segment.Count(text)
		return channels.Measure{Sent: text, Parts: i.Segments, Left: i.Left, Wide: i.Encoding == segment.UCS2, Long: i.TooLong()}
	}), nil
}

// report puts a count above the faults of all files.
func report(faults []error) error {
	n := 0
	for _, f := range faults {
		if es, ok := errors.AsType[config.Errors](f); ok {
			n += len(es)
			continue
		}
		n++
	}
	word := "faults"
	if n == 1 {
		word = "fault"
	}
	return fmt.Errorf("%d %s\n%w", n, word, errors.Join(faults...))
}
