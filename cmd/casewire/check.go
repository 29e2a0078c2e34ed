package main

import (
	"errors"
	"fmt"
	"os"

	"github.com/spf13/cobra"

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
fault a line: file:line:column: what; how to mend. Exits with 2 when there is any.`,
		Args: cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			var faults []error
			if p.config != "" || policyFile == "" {
				if _, err := p.load(); err != nil {
					faults = append(faults, err)
				}
			}
			if policyFile != "" {
				if err := checkPolicy(policyFile); err != nil {
					faults = append(faults, err)
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

func checkPolicy(file string) error {
	data, err := os.ReadFile(file)
	if err != nil {
		return fmt.Errorf("read policy: %w", err)
	}
	_, err = policy.Load(file, data, 0)
	return err
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
