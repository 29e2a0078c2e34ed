// Package demo fills a fresh store with a repair centre's morning and serves the
// sandbox page, so that whoever starts "casewire demo" sees the whole loop at
// once. It goes through the same doors and verbs as everything else.
package demo

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"iter"
	"os"
	"path/filepath"
	"strings"
	"time"

	"casewire/casecore"
	"casewire/casecore/store"
	"casewire/channels"
	"casewire/cmd/casewire/app"
	"casewire/routing/desk"
	"casewire/routing/intake"
)

// File is what demo.json says: where everything is and how to get in.
type File struct {
	URL       string            `json:"url"`
	Data      string            `json:"data"`
	APIToken  string            `json:"api_token"`
	Operators []Login           `json:"operators"`
	Sandbox   map[string]string `json:"sandbox"`
	Mailboxes []Mailbox         `json:"mailboxes"`
	Seeded    bool              `json:"seeded"` // the history is all there
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

// Seed plays the stories into the store, each at its own time in the past. It may
// be repeated after a start that was cut short, before anybody has worked on the
// cases: messages that are there are not taken in again.
func Seed(ctx context.Context, h app.House, now time.Time) error {
	clock := now
	ledger := &casecore.Ledger{Flow: h.Flow, Now: func() time.Time { return clock }}
	p := player{
		house: h, ledger: ledger, clock: &clock,
		in:   intake.New(h.Store, ledger, h.Router, h.Blobs, intake.Options{}),
		work: desk.NewWork(h.Store, ledger, h.Router, h.Operators),
	}
	for i, s := range stories {
		clock = now.Add(-s.ago)
		if err := p.play(ctx, i, s); err != nil {
			return fmt.Errorf("seed story %d: %w", i, err)
		}
	}
	return nil
}

type player struct {
	house  app.House
	ledger *casecore.Ledger
	clock  *time.Time
	in     *intake.Intake
	work   *desk.Work
}

func (p *player) play(ctx context.Context, i int, s story) error {
	res, err := p.in.Take(ctx, p.message(s, fmt.Sprintf("demo|%d", i), s.text))
	if err != nil {
		return err
	}
	if res.Repeat {
		return p.settle(ctx, res.Case.ID)
	}
	number := res.Case.CaseNumber()
	for j, a := range s.then {
		*p.clock = p.clock.Add(a.after)
		if a.do == "write" {
			if err := p.in.Message(ctx, p.message(s, fmt.Sprintf("demo|%d|%d", i, j), a.text)); err != nil {
				return err
			}
			continue
		}
		if err := p.act(ctx, number, a); err != nil {
			return fmt.Errorf("%s: %w", a.do, err)
		}
	}
	return p.settle(ctx, res.Case.ID)
}

// settle makes the story history: its events are read and its answers have been
// seen, so that nothing of it is told to anybody today.
func (p *player) settle(ctx context.Context, id string) error {
	under := store.Range{Index: "case", Prefix: store.Under(id)}
	return p.house.Store.Update(ctx, func(tx store.Tx) error {
		events, err := collect(casecore.Events.Scan(tx, under))
		if err != nil {
			return err
		}
		for _, e := range events {
			e.Pending = nil
			if err := casecore.Events.Put(tx, e); err != nil {
				return err
			}
		}
		messages, err := collect(casecore.Messages.Scan(tx, under))
		if err != nil {
			return err
		}
		for _, m := range messages {
			if m.Delivery == nil {
				continue
			}
			m.Delivery = &casecore.Delivery{State: channels.Read, At: m.At, Attempts: []casecore.Attempt{
				{No: 1, Channel: m.Channel, At: m.At, State: channels.Read},
			}}
			if err := casecore.Messages.Put(tx, m); err != nil {
				return err
			}
		}
		return nil
	})
}

func collect[T any](seq iter.Seq2[T, error]) ([]T, error) {
	var out []T
	for v, err := range seq {
		if err != nil {
			return nil, err
		}
		out = append(out, v)
	}
	return out, nil
}

func (p *player) message(s story, id, text string) channels.Inbound {
	return channels.Inbound{
		Channel: "webchat:site", ExternalID: id, From: s.address(),
		Body: channels.Body{Text: text, Lang: s.lang}, Facts: s.facts, Received: *p.clock,
	}
}

func (p *player) act(ctx context.Context, number string, a act) error {
	var by casecore.Actor
	err := p.house.Store.View(ctx, func(tx store.Tx) (err error) {
		by, err = p.house.Operators.Operator(tx, a.by)
		return err
	})
	if err != nil {
		return err
	}
	switch a.do {
	case "claim":
		_, err = p.work.Claim(ctx, by, number)
	case "answer":
		_, _, err = p.work.Answer(ctx, by, number, channels.Body{Text: a.text}, casecore.Guard{})
	case "note":
		_, _, err = p.work.Note(ctx, by, number, a.text)
	case "move":
		_, err = p.work.Move(ctx, by, number, a.text, casecore.Guard{})
	case "set":
		k, v, _ := strings.Cut(a.text, "=")
		_, err = p.work.Edit(ctx, by, number, casecore.Edit{Attributes: map[string]string{k: v}}, casecore.Guard{})
	default:
		err = fmt.Errorf("unknown act %q", a.do)
	}
	return err
}

// visitor makes a web chat visitor's id of a name.
func visitor(name string) string {
	sum := sha256.Sum256([]byte("demo visitor " + name))
	return hex.EncodeToString(sum[:16])
}
