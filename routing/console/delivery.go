package console

import (
	"cmp"
	"strings"
	"time"

	"casewire/casecore"
	"casewire/channels"
)

// delivery is how an answer fares, in words.
type delivery struct {
	Tone, Icon, Word string
	Attempts         []attempt
}

type attempt struct {
	No                                     int
	Word, Channel, Cause, Code, ProviderID string
	At, Next                               time.Time
}

// look is how each state of delivery is drawn.
var look = map[channels.State]struct{ tone, icon string }{
	channels.Queued:      {"quiet", "clock"},
	channels.Sending:     {"quiet", "clock"},
	channels.Uncertain:   {"amber", "alarm"},
	channels.Sent:        {"quiet", "check"},
	channels.Delivered:   {"quiet", "checks"},
	channels.Read:        {"green", "checks"},
	channels.Undelivered: {"red", "alarm"},
	channels.Failed:      {"red", "alarm"},
	channels.Cancelled:   {"quiet", "x"},
}

func (t talk) delivery(m *casecore.Message) *delivery {
	d := m.Delivery
	l := look[d.State]
	out := &delivery{Tone: cmp.Or(l.tone, "quiet"), Icon: cmp.Or(l.icon, "clock"), Word: t.v.Or("delivery."+string(d.State), string(d.State))}
	for _, a := range d.Attempts {
		kind, _, _ := strings.Cut(a.Channel, ":")
		out.Attempts = append(out.Attempts, attempt{
			No: a.No, Word: t.v.Or("delivery."+string(a.State), string(a.State)), Channel: t.v.Or("kind."+kind, a.Channel),
			Cause: t.cause(a), Code: a.Code, ProviderID: a.ProviderID, At: a.At, Next: a.NextAt,
		})
	}
	if d.State == channels.Cancelled {
		out.Word = t.stopped(m)
	}
	if n := len(out.Attempts); n > 0 && out.Tone != "quiet" && out.Attempts[n-1].Cause != "" && d.State != channels.Read {
		out.Word += ": " + out.Attempts[n-1].Cause
	}
	return out
}

// stopped says that a message did not go out after all, and why not.
func (t talk) stopped(m *casecore.Message) string {
	word := t.v.T("delivery.cancelled")
	if why := unsent(t.v, t.notices[m.ID].Reason); why != "" {
		word += ": " + why
	}
	return word
}

// unsent says why a notice did not go out; empty for no reason.
func unsent(v *visit, reason string) string {
	return cmp.Or(v.Or("dossier.why."+reason, ""), cause(v, reason, ""))
}

// cause is why a try failed: our reason for it when there is one, else what the
// provider said.
func (t talk) cause(a casecore.Attempt) string {
	if a.Reason != "" {
		return cause(t.v, a.Reason, a.Detail)
	}
	return cause(t.v, a.Code, a.Detail)
}

// cause says in the operator's words why something did not arrive. What the
// catalog does not know is shown as the provider wrote it.
func cause(v *visit, code, detail string) string {
	if code == "" {
		return detail
	}
	return v.Or("cause."+code, cmp.Or(coded(v, code), clip(plain(cmp.Or(detail, code)))))
}

// coded says what a provider's code means, or "".
func coded(v *visit, code string) string { return v.Coded(code) }

// channelName is what an operator calls a channel: its kind, and its own name.
func channelName(v *visit, id string) string {
	kind, name, _ := strings.Cut(id, ":")
	word := v.Or("kind."+kind, kind)
	if name == "" {
		return word
	}
	return word + " · " + name
}
