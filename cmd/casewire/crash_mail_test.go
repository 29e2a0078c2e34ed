package main

import (
	"context"
	"encoding/base64"
	"fmt"
	"slices"
	"strings"
	"time"

	"casewire/channels"
	mail "casewire/channels/email/sandbox"
)

const (
	supportAddress = "support@shop.test"
	doneFolder     = "Done"
)

// writer is a customer who writes letters. A letter is the centre's to take as soon
// as it is in the mailbox; where the door moves what it has stored, that is seen.
type writer struct {
	correspondent
	srv   *mail.Server
	moves bool
	ids   []string // of the letters
}

func newWriter(name string, w *world, srv *mail.Server, moves bool) *writer {
	at := channels.Address{Kind: channels.Email, Handle: name + "@mail.test"}
	p := &writer{srv: srv, moves: moves}
	p.correspondent = correspondent{
		name: name, at: at, tick: w.tick, excused: w.excuses,
		shows: func() []arrival {
			var out []arrival
			for _, m := range srv.Messages(at.Handle) {
				out = append(out, arrival{id: m.Header("Message-Id"), text: plain(m.Text())})
			}
			return out
		},
		watch: func(ctx context.Context, ok func() bool) error {
			return srv.Wait(ctx, at.Handle, func([]mail.Stored) bool { return ok() })
		},
	}
	return p
}

// say posts a letter: the first, and every one that is to open a case, by itself,
// others as an answer to what came last.
func (p *writer) say(ctx context.Context, m *written) error {
	if m.sent == 0 {
		if err := p.post(m); err != nil {
			return err
		}
		m.sent++
	}
	if !p.moves {
		return nil
	}
	return p.during(ctx, "its letter to be moved", func(ctx context.Context) error {
		return p.srv.Wait(ctx, supportAddress, func([]mail.Stored) bool { _, ok := p.promised(m); return ok })
	})
}

func (p *writer) post(m *written) error {
	var b strings.Builder
	id := m.id + "@mail.test"
	fmt.Fprintf(&b, "From: %s <%s>\r\nTo: %s\r\nDate: %s\r\nMessage-ID: <%s>\r\nMIME-Version: 1.0\r\n",
		p.name, p.at.Handle, supportAddress, time.Now().Format(time.RFC1123Z), id)
	subject := "My phone"
	if before := p.before(); before != "" && !m.fresh {
		fmt.Fprintf(&b, "In-Reply-To: %s\r\nReferences: %s\r\n", before, before)
		subject = "Re: " + subject
	}
	fmt.Fprintf(&b, "Subject: %s\r\n", subject)
	const border = "the-border"
	fmt.Fprintf(&b, "Content-Type: multipart/mixed; boundary=%s\r\n\r\n--%s\r\nContent-Type: text/plain; charset=utf-8\r\n\r\n%s\r\n", border, border, m.text)
	for _, f := range m.files {
		fmt.Fprintf(&b, "--%s\r\nContent-Type: application/octet-stream\r\nContent-Disposition: attachment; filename=\"phone.bin\"\r\nContent-Transfer-Encoding: base64\r\n\r\n", border)
		for line := range slices.Chunk([]byte(base64.StdEncoding.EncodeToString(f)), 76) {
			fmt.Fprintf(&b, "%s\r\n", line)
		}
	}
	fmt.Fprintf(&b, "--%s--\r\n", border)
	m.raw = []byte(b.String())
	p.ids = append(p.ids, "<"+id+">")
	return p.srv.Post(p.at.Handle, []string{supportAddress}, m.raw)
}

// before is the mail that an answer is to: the last that came, else the customer's
// own first.
func (p *writer) before() string {
	if list := p.srv.Messages(p.at.Handle); len(list) > 0 {
		return list[len(list)-1].Header("Message-Id")
	}
	if len(p.ids) > 0 {
		return p.ids[0]
	}
	return ""
}

// promised says that a letter is where the door puts what it has stored. Without
// such a folder nothing is promised before the end.
func (p *writer) promised(m *written) (ack, bool) {
	id := "<" + m.id + "@mail.test>"
	return ack{}, slices.ContainsFunc(p.srv.Messages(supportAddress), func(s mail.Stored) bool {
		return s.Folder == doneFolder && s.Header("Message-Id") == id
	})
}

// again delivers the first letter once more, as servers do that missed an answer,
// but only when it had its receipt: a letter that was lost must not come back by it.
func (p *writer) again(_ context.Context, all []*written) error {
	if len(p.shows()) == 0 {
		return nil
	}
	i := slices.IndexFunc(all, func(m *written) bool { return m.by == customer(p) && m.sent > 0 })
	return p.srv.Post(p.at.Handle, []string{supportAddress}, all[i].raw)
}
