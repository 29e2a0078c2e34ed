package main

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"text/tabwriter"

	"github.com/spf13/cobra"
)

// operator is an operator as the API shows it.
type operator struct {
	ID       string   `json:"id,omitempty"`
	Login    string   `json:"login"`
	Name     string   `json:"name"`
	Roles    []string `json:"roles"`
	Queues   []string `json:"queues"`
	Capacity int      `json:"capacity"`
	Language string   `json:"lang"`
	Phone    string   `json:"phone,omitempty"`
	Email    string   `json:"email,omitempty"`
	Disabled bool     `json:"disabled,omitempty"`
	Password string   `json:"password,omitempty"`
}

func newUser() *cobra.Command {
	c := &cobra.Command{Use: "user", Short: "Add, change and list operators"}
	c.AddCommand(newUserAdd(), newUserList(), newUserPassword(), newUserDisable())
	return c
}

// withRemote runs do against the installation and ends what had to be started.
func withRemote(c *cobra.Command, p place, do func(ctx context.Context, r *remote) error) error {
	r, err := reach(c.Context(), p, c.ErrOrStderr())
	if err != nil {
		return err
	}
	return errors.Join(do(c.Context(), r), r.close(c.Context()))
}

func newUserAdd() *cobra.Command {
	var p place
	var o operator
	c := &cobra.Command{
		Use:   "add LOGIN",
		Short: "Add an operator; the password is read from standard input",
		Args:  cobra.ExactArgs(1),
		RunE: func(c *cobra.Command, args []string) error {
			o.Login = args[0]
			if o.Name == "" {
				o.Name = o.Login
			}
			var err error
			if o.Password, err = readPassword(c); err != nil {
				return err
			}
			return withRemote(c, p, func(ctx context.Context, r *remote) error {
				if err := r.call(ctx, http.MethodPost, "/operators", o, nil); err != nil {
					return err
				}
				_, err := fmt.Fprintf(c.OutOrStdout(), "added %s\n", o.Login)
				return err
			})
		},
	}
	p.flags(c)
	c.Flags().StringVar(&o.Name, "name", "", "name as colleagues and customers see it")
	c.Flags().StringSliceVar(&o.Roles, "role", []string{"operator"}, "operator, master, qc, supervisor, admin; may be repeated")
	c.Flags().StringSliceVar(&o.Queues, "queue", nil, "queues that the operator serves; may be repeated")
	c.Flags().IntVar(&o.Capacity, "capacity", 0, "active cases to hold at once; 0 for no limit")
	c.Flags().StringVar(&o.Language, "language", "", "language of the pages: en, ru, uk, sr")
	c.Flags().StringVar(&o.Phone, "phone", "", "phone that rings when they call a customer, with its country: +381601234567")
	c.Flags().StringVar(&o.Email, "email", "", "mail address for the notices of their role")
	return c
}

// readPassword takes one line of standard input, so that a password stands in no
// process list and no history.
func readPassword(c *cobra.Command) (string, error) {
	if terminal(c.InOrStdin()) {
		fmt.Fprint(c.ErrOrStderr(), "password: ")
	}
	line, err := bufio.NewReader(c.InOrStdin()).ReadString('\n')
	if err != nil && !errors.Is(err, io.EOF) {
		return "", fmt.Errorf("read password: %w", err)
	}
	line = strings.TrimRight(line, "\r\n")
	if line == "" {
		return "", wrongUsage{errors.New("no password on standard input; type one, or pipe it in")}
	}
	return line, nil
}

func newUserList() *cobra.Command {
	var p place
	var asJSON bool
	c := &cobra.Command{
		Use:   "list",
		Short: "List operators",
		Args:  cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			return withRemote(c, p, func(ctx context.Context, r *remote) error {
				all, err := pages[operator](ctx, r, "/operators")
				if err != nil {
					return err
				}
				if asJSON {
					return json.NewEncoder(c.OutOrStdout()).Encode(all)
				}
				w := tabwriter.NewWriter(c.OutOrStdout(), 0, 0, 2, ' ', 0)
				fmt.Fprintln(w, "LOGIN\tNAME\tROLES\tQUEUES\tSTATE")
				for _, o := range all {
					state := "active"
					if o.Disabled {
						state = "disabled"
					}
					fmt.Fprintf(w, "%s\t%s\t%s\t%s\t%s\n", o.Login, o.Name, strings.Join(o.Roles, ","), strings.Join(o.Queues, ","), state)
				}
				return w.Flush()
			})
		},
	}
	p.flags(c)
	c.Flags().BoolVar(&asJSON, "json", false, "print JSON")
	return c
}

// pages reads a whole list of the API.
func pages[T any](ctx context.Context, r *remote, path string) ([]T, error) {
	var all []T
	cursor := ""
	for {
		var page struct {
			Items      []T    `json:"items"`
			NextCursor string `json:"next_cursor"`
		}
		q := url.Values{"limit": {"100"}}
		if cursor != "" {
			q.Set("cursor", cursor)
		}
		if err := r.call(ctx, http.MethodGet, path+"?"+q.Encode(), nil, &page); err != nil {
			return nil, err
		}
		all = append(all, page.Items...)
		if page.NextCursor == "" {
			return all, nil
		}
		cursor = page.NextCursor
	}
}

func newUserPassword() *cobra.Command {
	var p place
	c := &cobra.Command{
		Use:   "password LOGIN",
		Short: "Set an operator's password, read from standard input, and end their sessions",
		Args:  cobra.ExactArgs(1),
		RunE: func(c *cobra.Command, args []string) error {
			password, err := readPassword(c)
			if err != nil {
				return err
			}
			return patchUser(c, p, args[0], "password set", struct {
				Password string `json:"password"`
			}{password})
		},
	}
	p.flags(c)
	return c
}

func newUserDisable() *cobra.Command {
	var p place
	var enable bool
	c := &cobra.Command{
		Use:   "disable LOGIN",
		Short: "Lock an operator out, at once; --undo lets them in again",
		Args:  cobra.ExactArgs(1),
		RunE: func(c *cobra.Command, args []string) error {
			done := "disabled"
			if enable {
				done = "enabled"
			}
			return patchUser(c, p, args[0], done, struct {
				Disabled bool `json:"disabled"`
			}{!enable})
		},
	}
	p.flags(c)
	c.Flags().BoolVar(&enable, "undo", false, "let the operator in again")
	return c
}

func patchUser(c *cobra.Command, p place, login, done string, change any) error {
	return withRemote(c, p, func(ctx context.Context, r *remote) error {
		if err := r.call(ctx, http.MethodPatch, "/operators/"+url.PathEscape(login), change, nil); err != nil {
			return missing(err, "operator", login, "casewire user list")
		}
		_, err := fmt.Fprintf(c.OutOrStdout(), "%s: %s\n", login, done)
		return err
	})
}
