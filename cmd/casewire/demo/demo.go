// Package demo fills a fresh store with a repair centre's morning and serves the
// sandbox page, so that whoever starts "casewire demo" sees the whole loop at
// once. It goes through the same doors and verbs as everything else.
package demo

import (
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"casewire/casecore"
	sms "casewire/channels/sms/sandbox"
	"casewire/cmd/casewire/app"
)

// File is what demo.json says: where everything is and how to get in.
type File struct {
	URL       string            `json:"url"`
	Data      string            `json:"data"`
	APIToken  string            `json:"api_token"`
	Operators []Login           `json:"operators"`
	Sandbox   map[string]string `json:"sandbox"`
	Mailboxes []Mailbox         `json:"mailboxes"`
	Keys      Keys              `json:"keys"`
	Seeded    bool              `json:"seeded"` // the history is all there
}

// Keys open the sandbox's providers to the demo's channels.
type Keys struct {
	TelegramToken string `json:"telegram_token"`
	TwilioAccount string `json:"twilio_account"`
	TwilioToken   string `json:"twilio_token"`
}

// Login is an operator of the demo.
type Login struct {
	Login    string   `json:"login"`
	Password string   `json:"password"`
	Name     string   `json:"name"`
	Queues   []string `json:"queues"`
	Roles    []string `json:"roles"`
}

// Mailbox is a mail account of the sandbox.
type Mailbox struct {
	Address  string `json:"address"`
	User     string `json:"user"`
	Password string `json:"password"`
}

// NewFile is that of a fresh data folder: passwords and keys are made anew.
func NewFile(data string) *File {
	f := &File{Data: data, Operators: Operators(), Sandbox: map[string]string{}}
	f.complete()
	return f
}

// complete adds what a file has not got that an older version wrote.
func (f *File) complete() {
	if len(f.Mailboxes) == 0 {
		f.Mailboxes = mailboxes()
	}
	if f.Keys == (Keys{}) {
		f.Keys = Keys{
			TelegramToken: "5005550006:" + rand.Text() + rand.Text()[:9],
			TwilioAccount: sms.DefaultAccount, TwilioToken: strings.ToLower(rand.Text() + rand.Text()[:6]),
		}
	}
}

// mailboxes are the centre's and the customers'.
func mailboxes() []Mailbox {
	out := []Mailbox{{Address: SupportAddress, User: SupportAddress, Password: password("support")}}
	for _, p := range mailPeople {
		local, _, _ := strings.Cut(p.ID, "@")
		out = append(out, Mailbox{Address: p.ID, User: p.ID, Password: password(local)})
	}
	return out
}

// Operators are the demo's three people; passwords are made anew for each data
// folder.
func Operators() []Login {
	all := []string{"phones", "computers", "appliances", "tv", "general"}
	return []Login{
		{Login: "olena", Password: password("olena"), Name: "Олена Шевчук", Queues: []string{"phones", "computers", "general"}, Roles: []string{casecore.RoleOperator}},
		{Login: "marko", Password: password("marko"), Name: "Marko Ilić", Queues: []string{"appliances", "tv", "general"}, Roles: []string{casecore.RoleOperator}},
		{Login: "vera", Password: password("vera"), Name: "Vera Lindqvist", Queues: all, Roles: []string{casecore.RoleOperator, casecore.RoleSupervisor, casecore.RoleAdmin}},
	}
}

func password(login string) string { return login + "-" + strings.ToLower(rand.Text()[:8]) }

// Path is where the file is kept in a data folder.
func Path(data string) string { return filepath.Join(data, "demo.json") }

// Load reads the file of an earlier run; a fresh folder has none, which is nil.
func Load(data string) (*File, error) {
	b, err := os.ReadFile(Path(data))
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("read demo logins: %w", err)
	}
	var f File
	if err := json.Unmarshal(b, &f); err != nil {
		return nil, fmt.Errorf("read %s: %w; remove it to start anew", Path(data), err)
	}
	f.complete()
	return &f, nil
}

// Save writes the file, for its owner's eyes only.
func (f *File) Save() error {
	b, err := json.MarshalIndent(f, "", "  ")
	if err != nil {
		return fmt.Errorf("encode demo.json: %w", err)
	}
	return app.WritePrivate(Path(f.Data), append(b, '\n'))
}
