package email

import (
	"regexp"
	"strings"

	"casewire/channels"
	"casewire/channels/email/mime"
)

// receipt reads a delivery status notification: it finds the message of ours that
// it is about and makes msg a report on it. The token of the envelope comes first,
// headers second (E12). nil means that nothing is known to have changed: a delay,
// or a mail that was not ours.
func (d *Door) receipt(m *mime.Mail, msg *channels.Inbound) *channels.Receipt {
	if m.Report == nil {
		return nil
	}
	id, ok := d.attempt(m)
	if !ok {
		return nil
	}
	msg.Report, msg.Auto = true, true
	msg.Facts = map[string]string{factAuto: "bounce"}
	msg.Answers, msg.Mentions, msg.Case = []string{id}, nil, ""
	r := &channels.Receipt{Channel: d.env.ID, OutboundID: id, Code: status(m.Report.Status), At: d.env.Now()}
	switch strings.ToLower(m.Report.Action) {
	case "failed", "":
		v := verdict(r.Code)
		if v.state == "" {
			return nil
		}
		r.State, r.Reason, r.Detail = v.state, v.reason, v.detail
		if strings.EqualFold(m.Report.Action, "") && v.reason == channels.Unreachable {
			return nil // nobody says that it was given up
		}
	case "delivered":
		r.State, r.Detail = channels.Delivered, "the recipient's mail server says it was delivered"
	default: // delayed, relayed, expanded
		return nil
	}
	return r
}

// attempt finds the id of the message that came back.
func (d *Door) attempt(m *mime.Mail) (string, bool) {
	for _, a := range append(d.delivered(m), m.Report.OriginalTo...) {
		if id, ok := d.tags.BouncedID(a); ok {
			return id, true
		}
	}
	names := append([]string{m.Report.OriginalMessageID}, m.InReplyTo...)
	for _, name := range append(names, m.References...) {
		if id, ok := d.tags.OutboundID(name); ok {
			return id, true
		}
	}
	return "", false
}

var statusShape = regexp.MustCompile(`^\s*([245])\.(\d{1,3})\.(\d{1,3})`)

// status is the code of a notification without what people write behind it.
func status(s string) string {
	return strings.TrimSpace(statusShape.FindString(s))
}

// outcome is what a status code means for the message and for the address.
type outcome struct {
	state  channels.State
	reason channels.Reason
	detail string
}

// verdict reads an enhanced status code (RFC 3463) of a message that was given up.
// What is not clearly the address or the content is nobody's fault that we know.
func verdict(code string) outcome {
	class, rest, _ := strings.Cut(code, ".")
	subject, _, _ := strings.Cut(rest, ".")
	lost := func(reason channels.Reason, detail string) outcome {
		return outcome{channels.Undelivered, reason, detail}
	}
	switch {
	case class == "2":
		return outcome{}
	case class == "4":
		return lost(channels.Unreachable, "the recipient's mail server was not reached in time")
	case subject == "1", code == "5.2.1", code == "5.4.4":
		return lost(channels.BadAddress, "there is no such mailbox")
	case code == "5.2.2":
		return lost(channels.Unreachable, "the recipient's mailbox is full")
	case code == "5.2.3", code == "5.3.4":
		return lost(channels.BadContent, "the message is too large for the recipient")
	case subject == "6":
		return lost(channels.BadContent, "the recipient's mail server cannot handle the content")
	case subject == "7":
		return lost(channels.BadContent, "the recipient's mail server refuses the message by its policy")
	}
	return lost("", "the recipient's mail server did not take the message")
}
