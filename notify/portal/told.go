package portal

import (
	"regexp"
	"strings"
	"unicode/utf8"

	"casewire/casecore"
	"casewire/channels"
)

// maxTold is how many notices the page shows, the newest.
const maxTold = 20

// gone says that a message has left the house, or should have: not that it still
// waits, nor that it was taken back.
func gone(m *casecore.Message) bool {
	if m.Delivery == nil {
		return false
	}
	switch m.Delivery.State {
	case channels.Queued, channels.Cancelled:
		return false
	}
	return true
}

// links are lines that lead to a page like this one: who reads it is there.
var links = regexp.MustCompile(`(?m)^.*` + casecore.PageLink + `.*$\n?`)

// minSecret is how long a word must be to be looked for: a shorter one is in
// everything.
const minSecret = 3

// discreet returns a notice without what a forwarded link must not give away: the
// customer's name and subject, and their addresses. A policy's template may use
// them; to whom it was sent they are no secret.
func discreet(text string, d *data) string {
	text = links.ReplaceAllString(text, "")
	for _, s := range secrets(d) {
		if utf8.RuneCountInString(s) >= minSecret {
			text = strings.ReplaceAll(text, s, "…")
		}
	}
	return strings.TrimSpace(text)
}

func secrets(d *data) []string {
	out := []string{oneLine(d.c.Subject), oneLine(d.who.Name), d.c.To.Handle, oneLine(d.c.To.Name)}
	for _, i := range d.addresses {
		out = append(out, i.Address.Handle, oneLine(i.Address.Name))
	}
	for k, v := range d.c.Attributes {
		if !shown[k] && personal(v) {
			out = append(out, oneLine(v))
		}
	}
	return out
}

// shown are the attributes that the page may show as they are: what is repaired
// and what it costs.
var shown = map[string]bool{"brand": true, "model": true, "product": true, "estimate": true, "price": true, "part": true, "date": true}

// personal says that a value looks like an address or a number that somebody is
// known by.
func personal(v string) bool {
	digits := 0
	for _, r := range v {
		if '0' <= r && r <= '9' {
			digits++
		}
	}
	return strings.Contains(v, "@") || digits >= 6
}

// oneLine is a value as a template writes it.
func oneLine(s string) string {
	s = strings.Join(strings.Fields(s), " ")
	const most = 200
	if r := []rune(s); len(r) > most {
		return string(r[:most])
	}
	return s
}

// device names what is repaired; empty when nothing tells.
func device(c *casecore.Case) string {
	brand, model := oneLine(c.Attributes["brand"]), oneLine(c.Attributes["model"])
	if strings.HasPrefix(strings.ToLower(model), strings.ToLower(brand)+" ") {
		return model
	}
	return strings.TrimSpace(brand + " " + model)
}
