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
	id, proven, ok := d.attempt(m)
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
		if v.reason == channels.BadAddress && !proven && d.returns(id) {
			// Whoever was shown our answer knows its id: that moves the message on, and
			// does not shut the address.
			r.Reason = channels.Unreachable
		}
		if m.Report.Action == "" && !strings.HasPrefix(r.Code, "5") {
			return nil // nobody says that it was given up
		}
	case "delivered":
		r.State, r.Detail = channels.Delivered, "the recipient's mail server says it was delivered"
	default: // delayed, relayed, expanded
		return nil
	}
	return r
}

// attempt finds the id of the message that came back. It is proven when the report
// came to the address that only the envelope of that message had.
func (d *Door) attempt(m *mime.Mail) (id string, proven, ok bool) {
	for _, a := range append(d.delivered(m), m.Report.OriginalTo...) {
		if id, ok := d.tags.BouncedID(a); ok {
			return id, true, true
		}
	}
	names := append([]string{m.Report.OriginalMessageID}, m.InReplyTo...)
	for _, name := range append(names, m.References...) {
		if id, ok := d.tags.OutboundID(name); ok {
			return id, false, true
		}
	}
	return "", false, false
}

// returns says that a bounce of this message comes to an address of its own.
func (d *Door) returns(id string) bool {
	_, ok := d.tags.BouncedID(d.tags.ReturnPath(d.cfg.Address, id))
	return ok && d.cfg.SMTP.ReturnToken
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
// What is not clearly the address or the content is a way that does not work: the
// address stays as it is, and the message goes to the customer's next one.
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
		// As a rule who we are displeases, and not what we say (E12).
		return lost(channels.Unreachable, "the recipient's mail server refuses the message by its policy")
	}
	return lost(channels.Unreachable, "the recipient's mail server did not take the message")
}
