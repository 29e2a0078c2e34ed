package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"slices"

	"github.com/spf13/cobra"
)

// examined is one channel with what was found of its counterpart.
type examined struct {
	Channel  string    `json:"channel"`
	Findings []finding `json:"findings"`
}

type finding struct {
	Step string `json:"step"`
	OK   bool   `json:"ok"`
	Warn bool   `json:"warn,omitempty"`
	Text string `json:"text"`
	Mend string `json:"mend,omitempty"`
}

// errUnwell ends doctor with 1 when anything was found that does not work.
var errUnwell = errors.New("something does not work; see above")

func newDoctor() *cobra.Command {
	var p place
	var asJSON bool
	c := &cobra.Command{
		Use:   "doctor [CHANNEL...]",
		Short: "Try every configured counterpart and say what to do",
		Long: `Try what can be tried of the providers behind the channels: names, encryption,
logins, rights, a round trip. Channels may be named, email:support; without a name
all are tried, and a ping is posted to every webhook (webhook:workshop). A running
casewire is asked; without one the command opens the data folder itself. Nothing is sent to customers. Exits with 1 when anything does not work.`,
		RunE: func(c *cobra.Command, args []string) error {
			return withRemote(c, p, func(ctx context.Context, r *remote) error {
				all, err := examine(ctx, r, args)
				if err != nil {
					return err
				}
				if asJSON {
					if err := json.NewEncoder(c.OutOrStdout()).Encode(all); err != nil {
						return fmt.Errorf("write findings: %w", err)
					}
				} else if err := sayFindings(c.OutOrStdout(), all); err != nil {
					return err
				}
				return verdict(all)
			})
		},
	}
	p.flags(c)
	c.Flags().BoolVar(&asJSON, "json", false, "print JSON")
	return c
}

func examine(ctx context.Context, r *remote, want []string) ([]examined, error) {
	var known struct {
		Items []struct {
			ID string `json:"id"`
		} `json:"items"`
	}
	if err := r.call(ctx, http.MethodGet, "/channels", nil, &known); err != nil {
		return nil, err
	}
	var out []examined
	for _, k := range known.Items {
		if len(want) > 0 && !slices.Contains(want, k.ID) {
			continue
		}
		var list struct {
			Items []finding `json:"items"`
		}
		if err := r.call(ctx, http.MethodPost, "/channels/"+url.PathEscape(k.ID)+"/examine", nil, &list); err != nil {
			return nil, err
		}
		out = append(out, examined{k.ID, list.Items})
	}
	hooks, err := tryWebhooks(ctx, r, want)
	if err != nil {
		return nil, err
	}
	out = append(out, hooks...)
	for _, id := range want {
		if !slices.ContainsFunc(out, func(e examined) bool { return e.Channel == id }) {
			return nil, wrongUsage{fmt.Errorf("no channel %q is configured", id)}
		}
	}
	return out, nil
}

// tryWebhooks posts a ping to the programs outside, which are called webhook:ID here.
func tryWebhooks(ctx context.Context, r *remote, want []string) ([]examined, error) {
	var known struct {
		Items []struct {
			ID   string `json:"id"`
			Host string `json:"host"`
		} `json:"items"`
	}
	if err := r.call(ctx, http.MethodGet, "/webhooks", nil, &known); err != nil {
		return nil, err
	}
	var out []examined
	for _, k := range known.Items {
		name := "webhook:" + k.ID
		if len(want) > 0 && !slices.Contains(want, name) {
			continue
		}
		var t struct {
			OK     bool   `json:"ok"`
			Status int    `json:"status"`
			Reason string `json:"reason"`
			TookMS int64  `json:"took_ms"`
		}
		if err := r.call(ctx, http.MethodPost, "/webhooks/"+url.PathEscape(k.ID)+"/test", nil, &t); err != nil {
			return nil, err
		}
		f := finding{Step: "ping", OK: t.OK, Text: fmt.Sprintf("%s answered %d after %d ms", k.Host, t.Status, t.TookMS)}
		if !t.OK {
			f.Text, f.Mend = fmt.Sprintf("%s did not take it: %s", k.Host, t.Reason), "its receiver must answer 2xx to a signed POST"
		}
		out = append(out, examined{name, []finding{f}})
	}
	return out, nil
}

func sayFindings(w io.Writer, all []examined) error {
	for _, e := range all {
		if _, err := fmt.Fprintln(w, e.Channel); err != nil {
			return fmt.Errorf("write findings: %w", err)
		}
		for _, f := range e.Findings {
			mark := "ok  "
			switch {
			case !f.OK:
				mark = "FAIL"
			case f.Warn:
				mark = "warn"
			}
			line := fmt.Sprintf("  %s  %-18s %s", mark, f.Step, f.Text)
			if f.Mend != "" {
				line += "; " + f.Mend
			}
			if _, err := fmt.Fprintln(w, line); err != nil {
				return fmt.Errorf("write findings: %w", err)
			}
		}
	}
	return nil
}

func verdict(all []examined) error {
	for _, e := range all {
		if slices.ContainsFunc(e.Findings, func(f finding) bool { return !f.OK }) {
			return errUnwell
		}
	}
	return nil
}
