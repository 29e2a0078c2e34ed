package email

import (
	"cmp"
	"context"
	"errors"
	"strings"

	"casewire/channels"
	"casewire/channels/email/submit"
)

// Send composes m and hands it to the mail server. Errors are *channels.SendError.
// The same m has the same Message-ID each time, so that a repeat is known for one
// (O1).
func (d *Door) Send(ctx context.Context, m channels.Outbound) (channels.Receipt, error) {
	if m.To.Kind != channels.Email || !isAddress(m.To.Handle) || isNobody(m.To.Handle) {
		return channels.Receipt{}, &channels.SendError{Reason: channels.BadAddress, Err: errors.New("not a mail address")}
	}
	if strings.TrimSpace(m.Body.Text) == "" && len(m.Body.Files) == 0 {
		return channels.Receipt{}, &channels.SendError{Reason: channels.BadContent, Err: errors.New("nothing to say")}
	}
	if err := d.ready(ctx); err != nil {
		return channels.Receipt{}, &channels.SendError{Reason: channels.Unreachable, Retry: true, Err: err}
	}
	if err := d.pace.Wait(ctx, m); err != nil {
		return channels.Receipt{}, err
	}
	mail := d.compose(m)
	taken, err := d.sender.Send(ctx, mail)
	if err != nil {
		return channels.Receipt{}, err
	}
	return channels.Receipt{
		Channel: d.env.ID, OutboundID: m.ID, ProviderID: mail.ID, State: channels.Sent,
		Detail: taken.Text, Refs: taken.Refs, At: d.env.Now(),
	}, nil
}

func (d *Door) compose(m channels.Outbound) *submit.Mail {
	smtp := d.cfg.SMTP
	mail := &submit.Mail{
		ID: d.tags.MessageID(m.ID), Envelope: m.ID,
		From:    submit.Address{Name: d.cfg.Name, Addr: d.cfg.Address},
		To:      submit.Address{Name: m.To.Name, Addr: m.To.Handle},
		Subject: d.subject(m), Date: d.env.Now(), Auto: automatic(m),
		Loop: d.tags.Loop(), Marker: d.tags.Marker(m.Case),
		Text: m.Body.Text, Lang: m.Body.Lang, Files: m.Body.Files, Open: d.env.Files.Open,
	}
	mail.InReplyTo, mail.References = thread(m.Answers)
	if smtp.PlusAddress {
		if addr, ok := d.tags.CaseAddress(d.cfg.Address, m.Case); ok {
			mail.ReplyTo = submit.Address{Name: d.cfg.Name, Addr: addr}
		}
	}
	if smtp.ReturnToken {
		mail.ReturnPath = d.tags.ReturnPath(d.cfg.Address, m.ID)
	}
	return mail
}

// subject stays the same through a conversation: the case's, with "Re:" (O1). A mail
// that answers nothing begins one, with the subject of its template.
func (d *Door) subject(m channels.Outbound) string {
	own, ofCase := oneLine(m.Body.Subject), oneLine(m.Subject)
	s := cmp.Or(own, ofCase)
	if len(m.Answers) > 0 && ofCase != "" {
		if s = ofCase; !isReply(s) {
			s = "Re: " + s
		}
	}
	if s == "" {
		s = m.Case
	}
	if d.cfg.SMTP.SubjectToken {
		s = d.tags.Subject(s, m.Case)
	}
	return s
}

func oneLine(s string) string { return strings.Join(strings.Fields(s), " ") }

func isReply(subject string) bool { return len(subject) >= 3 && strings.EqualFold(subject[:3], "re:") }

// automatic says how a mail is marked that no person wrote (E10): a notice tells of
// a status, and what answers a mail without that acknowledges it.
func automatic(m channels.Outbound) submit.Auto {
	switch {
	case !m.Auto:
		return ""
	case m.Status == "" && len(m.Answers) > 0:
		return submit.Replied
	}
	return submit.Generated
}

// thread puts the names of earlier messages in the order of References, the oldest
// first. The nearest is the one that is answered: the customer's latest.
func thread(answers []string) (inReplyTo string, references []string) {
	for i := len(answers) - 1; i >= 0; i-- {
		name := strings.Trim(strings.TrimSpace(answers[i]), "<>")
		if !strings.Contains(name, "@") {
			continue // a name that is not one of mail
		}
		references = append(references, name)
		inReplyTo = name
	}
	return inReplyTo, references
}
