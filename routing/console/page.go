package console

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"html/template"
	"slices"
	"strings"
	"time"

	"casewire/casecore"
	"casewire/routing/desk"
	"casewire/routing/wording"
)

// shell is what every page of a signed-in operator has around it.
type shell struct {
	Title  string
	Centre string
	Page   string
	Path   string
	Live   string
	Me     casecore.Actor
	Queues []queueLink
	Queue  string // the one that is being looked at; empty: all
	Total  int    // cases waiting
	Held   int    // cases in hand, of those that count against the capacity
	Words  template.JS
	Notice *notice
	Lost   *lost // what did not arrive; nil without a post room
	Meter  bool  // there are figures for this operator
	Hooks  bool  // they may see webhooks
	Texts  bool  // they may change what customers are told

	snapshot *desk.Snapshot
}

// queueLink is one queue in the side bar.
type queueLink struct {
	ID, Name, Icon string
	Count          int
	Overdue        int
	Oldest         time.Time
}

// notice is a message above what it is about.
type notice struct {
	Tone string // "red", "amber", "green"
	Icon string
	Text string
	Mend string
	Code string
}

// livePath is where the modules listen.
const livePath = "/api/v1/live"

func (c *Console) shell(v *visit, page, title string) (shell, error) {
	snap, err := c.o.Board.Snapshot(v.ctx(), v.by)
	if err != nil {
		return shell{}, fmt.Errorf("snapshot of the queues: %w", err)
	}
	s := shell{
		Title: title, Centre: c.o.Centre(), Page: page, Path: v.r.URL.RequestURI(), Live: livePath,
		Me: v.by, snapshot: snap, Meter: c.seesFigures(v.by), Hooks: c.seesHooks(v.by),
		Texts: c.o.Wording != nil && wording.May(v.by),
	}
	for _, q := range snap.Queues {
		s.Queues = append(s.Queues, queueLink{
			ID: q.ID, Name: v.Policy(q.Name), Icon: queueIcon(q.ID),
			Count: q.Counts.Waiting, Overdue: q.Counts.Overdue, Oldest: q.Counts.Oldest,
		})
		s.Total += q.Counts.Waiting
	}
	for _, m := range snap.Mine {
		if active(m) {
			s.Held++
		}
	}
	if s.Lost, err = c.lost(v); err != nil {
		return shell{}, err
	}
	s.Words, err = c.words(v)
	return s, err
}

// vocabulary is what the modules need to speak.
type vocabulary struct {
	Lang     string            `json:"lang"`
	T        map[string]any    `json:"t"`
	Status   map[string]string `json:"status"`
	Queue    map[string]string `json:"queue"`
	Initial  string            `json:"initial"`
	Capacity int               `json:"capacity"`
}

// spoken are the prefixes of the keys that the modules use.
var spoken = []string{"js.", "span.", "due.", "kind.", "category.", "priority.", "board.", "card.", "hand.", "hold.", "customer.unknown"}

func (c *Console) words(v *visit) (template.JS, error) {
	out := vocabulary{
		Lang: v.Tag(), T: map[string]any{}, Status: map[string]string{}, Queue: map[string]string{},
		Initial: c.o.Flow().Spec().Initial, Capacity: v.by.Capacity,
	}
	for _, k := range v.Keys() {
		if slices.ContainsFunc(spoken, func(p string) bool { return strings.HasPrefix(k, p) }) {
			out.T[k], _ = v.Phrase(k)
		}
	}
	for _, s := range c.o.Flow().Spec().Statuses {
		out.Status[s.ID] = v.Policy(s.Name)
	}
	for _, q := range c.o.Router().Queues() {
		out.Queue[q.ID] = v.Policy(q.Name)
	}
	return script(out)
}

// queueIcon takes the picture that fits a queue's id, as far as we have one.
func queueIcon(id string) string {
	for _, k := range []string{"phone", "computer", "appliance", "tv"} {
		if strings.Contains(id, k) {
			return k
		}
	}
	return "general"
}

func active(m desk.Mine) bool {
	return m.Stage == "new" || m.Stage == "open" || m.Stage == "waiting"
}

func etag(body []byte) string {
	sum := sha256.Sum256(body)
	return `"` + hex.EncodeToString(sum[:12]) + `"`
}
