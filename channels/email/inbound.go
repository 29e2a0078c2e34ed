package email

import (
	"cmp"
	"slices"
	"strings"

	"casewire/channels"
	"casewire/channels/email/inbox"
	"casewire/channels/email/mime"
)

// factAuto is the fact that says what kind of machine wrote.
const factAuto = "auto"

// mostNames is how many earlier messages one mail may name.
const mostNames = 50

// inbound makes of a mail what is handed over.
func (d *Door) inbound(m *mime.Mail, raw *inbox.Mail) channels.Inbound {
	id := m.MessageID + "\x00" + m.Digest
	auto := d.automatic(m)
	from, writer := d.from(m)
	msg := channels.Inbound{
		Channel: d.env.ID, ExternalID: d.name(id), Copy: nameOf("", id), From: from, Writer: writer,
		Auto:  auto != "",
		Body:  channels.Body{Subject: m.Subject, Text: m.Text, Quoted: m.Quoted, HTML: m.HTML, Lang: m.Lang, Files: m.Files},
		Topic: mime.Canonical(m.Subject), SentAt: m.Date, Broken: strings.Join(m.Broken, " "),
	}
	if m.MessageID != "" {
		msg.Refs = []string{m.MessageID}
	}
	for _, a := range slices.Concat(m.To, m.Cc) {
		if a.Addr != "" {
			msg.To = append(msg.To, channels.Address{Kind: channels.Email, Handle: a.Addr, Name: a.Name})
		}
	}
	if auto != "" {
		msg.Facts = map[string]string{factAuto: auto}
	}
	if raw.Fault != "" {
		msg.Broken = strings.TrimSpace(msg.Broken + " This mail is " + raw.Fault + ".")
	}
	if msg.From.Handle == "" {
		msg.From.Handle = nobody(msg.ExternalID)
		msg.Broken = strings.TrimSpace(msg.Broken + " It names no sender.")
	}
	if msg.Broken != "" {
		d.count.broken.Add(1)
	}
	d.thread(m, &msg)
	return msg
}

// automatic says what kind of machine wrote, "" for none: our own marks and our own
// address come before what the mail says of itself (E8, E9).
func (d *Door) automatic(m *mime.Mail) string {
	for _, v := range m.Loop {
		if d.tags.IsLoop(v) {
			return "loop"
		}
	}
	for _, a := range slices.Concat(m.From, m.Sender) {
		if d.ours[plainAddress(a.Addr)] {
			return "loop"
		}
	}
	return m.Auto
}

// from is whom to answer: Reply-To, except for mail that a machine calls its own
// (E8), and then who wrote. A form on our site that writes from our address for a
// customer does give the customer's in Reply-To.
func (d *Door) from(m *mime.Mail) (to, writer channels.Address) {
	named := func(list []mime.Address) (mime.Address, bool) {
		i := slices.IndexFunc(list, func(a mime.Address) bool { return isAddress(a.Addr) })
		if i < 0 {
			return mime.Address{}, false
		}
		return list[i], true
	}
	a, ok := named(m.From)
	if !ok {
		a, ok = named(m.Sender)
	}
	if reply, given := named(m.ReplyTo); given && m.Auto == "" && !d.ours[plainAddress(reply.Addr)] {
		if ok && !d.ours[plainAddress(a.Addr)] && !strings.EqualFold(a.Addr, reply.Addr) {
			writer = channels.Address{Kind: channels.Email, Handle: a.Addr, Name: a.Name}
		}
		a, ok = mime.Address{Addr: reply.Addr, Name: cmp.Or(reply.Name, a.Name)}, true
	}
	if !ok && isAddress(m.ReturnPath) {
		a = mime.Address{Addr: m.ReturnPath}
	}
	return channels.Address{Kind: channels.Email, Handle: a.Addr, Name: a.Name}, writer
}

// thread says which messages a mail answers and of which case it proves to be (E5,
// E6). Ids of ours that bear our signature count wherever they stand; what else
// stands only in References is no more than a mention.
func (d *Door) thread(m *mime.Mail, msg *channels.Inbound) {
	var answers, mentions []string
	signed := false
	for _, a := range d.delivered(m) {
		// An automatic answer comes back to the address that bounces go to.
		if id, ok := d.tags.BouncedID(a); ok {
			answers, signed = append(answers, id), true
		}
	}
	for _, id := range m.InReplyTo {
		own, ok := d.tags.OutboundID(id)
		if ok {
			answers, signed = append(answers, own), true
			continue
		}
		answers = append(answers, id)
	}
	for _, id := range slices.Backward(m.References) {
		if own, ok := d.tags.OutboundID(id); ok {
			answers, signed = append(answers, own), true
		} else {
			mentions = append(mentions, id)
		}
	}
	msg.Answers = distinct(answers, nil)
	msg.Mentions = distinct(mentions, msg.Answers)
	for _, a := range d.delivered(m) {
		if number, ok := d.tags.CaseOf(a); ok {
			msg.Case = number
			return
		}
	}
	if signed {
		return // comes before what stands in the subject or the body
	}
	if number, ok := d.tags.CaseInSubject(m.Subject); ok {
		msg.Case = number
		return
	}
	msg.Case, _ = d.tags.CaseInMarker(m.Marker)
}

// delivered lists the addresses to which a mail came, as the server says first.
func (d *Door) delivered(m *mime.Mail) []string {
	out := slices.Clone(m.Delivered)
	for _, a := range slices.Concat(m.To, m.Cc) {
		out = append(out, a.Addr)
	}
	return out
}

// distinct leaves out what is repeated or stands in but, and ends after mostNames.
func distinct(names, but []string) []string {
	var out []string
	for _, n := range names {
		if n != "" && len(out) < mostNames && !slices.Contains(out, n) && !slices.Contains(but, n) {
			out = append(out, n)
		}
	}
	return out
}
