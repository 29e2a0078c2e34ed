package main

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"
)

// apiToken is an API token as the API shows it; the secret is told once.
type apiToken struct {
	ID        string    `json:"id,omitempty"`
	Name      string    `json:"name"`
	Roles     []string  `json:"roles"`
	ExpiresAt time.Time `json:"expires_at"`
	RevokedAt time.Time `json:"revoked_at,omitzero"`
	Secret    string    `json:"secret,omitempty"`
}

// state is how a token stands, for people.
func (t apiToken) state(now time.Time) string {
	switch {
	case !t.RevokedAt.IsZero():
		return "revoked"
	case !now.Before(t.ExpiresAt):
		return "expired"
	}
	return "active"
}

func newToken() *cobra.Command {
	c := &cobra.Command{Use: "token", Short: "Issue, list and revoke API tokens"}
	c.AddCommand(newTokenAdd(), newTokenList(), newTokenRevoke())
	return c
}

func newTokenAdd() *cobra.Command {
	var p place
	var roles []string
	var days int
	c := &cobra.Command{
		Use:   "add NAME",
		Short: "Issue an API token and print it, this once",
		Args:  cobra.ExactArgs(1),
		RunE: func(c *cobra.Command, args []string) error {
			return withRemote(c, p, func(ctx context.Context, r *remote) error {
				in := apiToken{Name: args[0], Roles: roles, ExpiresAt: time.Now().AddDate(0, 0, days)}
				var out apiToken
				if err := r.call(ctx, http.MethodPost, "/tokens", in, &out); err != nil {
					return err
				}
				_, err := fmt.Fprintln(c.OutOrStdout(), out.Secret)
				return err
			})
		},
	}
	p.flags(c)
	c.Flags().StringSliceVar(&roles, "role", []string{"integrator"}, "what the token may do: integrator, operator, supervisor, admin; may be repeated")
	c.Flags().IntVar(&days, "days", 365, "days until it expires")
	return c
}

func newTokenList() *cobra.Command {
	var p place
	var asJSON bool
	c := &cobra.Command{
		Use:   "list",
		Short: "List API tokens",
		Args:  cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			return withRemote(c, p, func(ctx context.Context, r *remote) error {
				all, err := pages[apiToken](ctx, r, "/tokens")
				if err != nil {
					return err
				}
				if asJSON {
					return json.NewEncoder(c.OutOrStdout()).Encode(all)
				}
				w := tabwriter.NewWriter(c.OutOrStdout(), 0, 0, 2, ' ', 0)
				fmt.Fprintln(w, "ID\tNAME\tROLES\tEXPIRES\tSTATE")
				for _, t := range all {
					fmt.Fprintf(w, "%s\t%s\t%s\t%s\t%s\n", t.ID, t.Name, strings.Join(t.Roles, ","), t.ExpiresAt.Format(time.DateOnly), t.state(time.Now()))
				}
				return w.Flush()
			})
		},
	}
	p.flags(c)
	c.Flags().BoolVar(&asJSON, "json", false, "print JSON")
	return c
}

func newTokenRevoke() *cobra.Command {
	var p place
	c := &cobra.Command{
		Use:   "revoke ID",
		Short: "Make a token worthless, at once",
		Args:  cobra.ExactArgs(1),
		RunE: func(c *cobra.Command, args []string) error {
			return withRemote(c, p, func(ctx context.Context, r *remote) error {
				if err := r.call(ctx, http.MethodDelete, "/tokens/"+url.PathEscape(args[0]), nil, nil); err != nil {
					return missing(err, "token", args[0], "casewire token list")
				}
				_, err := fmt.Fprintln(c.OutOrStdout(), "revoked")
				return err
			})
		},
	}
	p.flags(c)
	return c
}
