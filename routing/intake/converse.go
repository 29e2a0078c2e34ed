package intake

import (
	"regexp"
	"strings"
	"time"

	"casewire/casecore"
	"casewire/casecore/lang"
	"casewire/casecore/store"
	"casewire/channels"
)

// How far back a customer's cases are looked at, and how long a customer who has
// just written is taken to go on about the same matter.
const (
	recent  = 8
	ongoing = 30 * time.Minute
)

// converse finds the case of a message in a conversation: the one whose number or
// serial it names, else the newest of the thread, else the newest of the customer.
// With several open ones it goes to the newest, and the customer is asked, unless
// they have just been writing about it.
func (in *Intake) converse(tx store.Tx, p *prepared, who *sender) (place, error) {
	if who.stranger {
		return place{}, nil
	}
	fresh, err := in.fresh(tx, p, who.identity)
	if fresh || err != nil {
		return place{}, err
	}
	list, err := in.recent(tx, p, who.Customer)
	if err != nil || len(list) == 0 {
		return place{}, err
	}
	for _, c := range list {
		if names(p.in.Body.Text, c) {
			return place{to: c}, nil
		}
	}
	at := place{to: list[0]}
	if p.in.Auto || p.called() || !at.to.Stage.Active() || in.ledger.Now().Sub(at.to.InboundAt) < ongoing {
		return at, nil
	}
	for _, c := range list[1:] {
		if c.Stage.Active() {
			at.others = append(at.others, c)
		}
	}
	return at, nil
}

// called says that the message stands for a call: that proves nothing of whether
// texts arrive at the number, and there is no use in asking what it was about.
func (p *prepared) called() bool {
	return p.in.Facts["call"] != "" && (p.in.From.Kind == channels.SMS || p.in.From.Kind == channels.Voice)
}

// fresh says that the customer wished for a new case, which is thereby fulfilled.
func (in *Intake) fresh(tx store.Tx, p *prepared, i *casecore.Identity) (bool, error) {
	if !i.Fresh || p.in.Auto {
		return false, nil
	}
	i.Fresh = false
	return true, casecore.Identities.Put(tx, i)
}

// recent returns the customer's cases that the message may join: of its own
// thread first, newest first.
func (in *Intake) recent(tx store.Tx, p *prepared, who *casecore.Customer) ([]*casecore.Case, error) {
	var own, other []*casecore.Case
	r := store.Range{Index: "customer", Prefix: store.Under(who.ID), Reverse: true, Limit: recent}
	for c, err := range casecore.Cases.Scan(tx, r) {
		switch {
		case err != nil:
			return nil, err
		case !in.joinable(c):
		case c.Channel == p.in.Channel && c.To.Key() == p.in.From.Key():
			own = append(own, c)
		case c.Stage.Active():
			other = append(other, c)
		}
	}
	return append(own, other...), nil
}

var numberShape = regexp.MustCompile(`(?i)\bCW-0*[1-9][0-9]{0,17}\b`)

// shortSerial is how long a serial number must be to be believed when it stands
// among other words.
const shortSerial = 5

// names says that a text names a case by its number or by the serial number of
// what is repaired.
func names(text string, c *casecore.Case) bool {
	for _, s := range numberShape.FindAllString(text, 4) {
		if n, ok := lang.ParseCaseNumber(s); ok && n == c.Number {
			return true
		}
	}
	serial := c.Attributes["serial"]
	return len(serial) >= shortSerial && strings.Contains(strings.ToUpper(text), strings.ToUpper(serial))
}

// choices are the cases that a message may be about, as buttons; see package bot.
func choices(message string, cases []*casecore.Case) []casecore.Choice {
	out := make([]casecore.Choice, 0, len(cases)+1)
	for _, c := range cases {
		out = append(out, casecore.Choice{Label: Label(c), Data: FileData(message, c.CaseNumber())})
	}
	return append(out, casecore.Choice{Data: FileData(message, NewCase)})
}

// NewCase stands for a new case where a number is asked.
const NewCase = "new"

// FileData is what a button says that files a message under a case.
func FileData(message, number string) string { return "file|" + message + "|" + number }

// Label names a case on a button: its number and what it is about.
func Label(c *casecore.Case) string {
	about := strings.TrimSpace(c.Attributes["brand"] + " " + c.Attributes["model"])
	if about == "" {
		about = c.Subject
	}
	return oneLine(c.CaseNumber()+" "+about, 40)
}
