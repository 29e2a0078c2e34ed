package sandbox

import (
	"bytes"
	"net/mail"
	"strings"
	"time"

	"github.com/emersion/go-imap/v2"
	"github.com/emersion/go-imap/v2/imapserver"
)

// Search finds mails.
func (i *imapSession) Search(kind imapserver.NumKind, criteria *imap.SearchCriteria, o *imap.SearchOptions) (*imap.SearchData, error) {
	i.srv.mu.Lock()
	defer i.srv.mu.Unlock()
	var seqs imap.SeqSet
	var uids imap.UIDSet
	data := &imap.SearchData{}
	i.view.fix(criteria)
	all := imap.UIDSet{{Start: 1, Stop: 0}}
	for _, m := range i.view.pick(all) {
		if m.seq == 0 || !m.matches(criteria) {
			continue
		}
		num := uint32(m.uid)
		if kind == imapserver.NumKindSeq {
			num = m.seq
		}
		seqs.AddNum(m.seq)
		uids.AddNum(m.uid)
		if data.Min == 0 {
			data.Min = num
		}
		data.Max = num
		data.Count++
	}
	if data.All = uids; kind == imapserver.NumKindSeq {
		data.All = seqs
	}
	if o.ReturnSave {
		i.view.found = uids
	}
	return data, nil
}

// fix puts numbers in place of "*" and "$", everywhere in the criteria.
func (v *view) fix(c *imap.SearchCriteria) {
	var seqs []imap.SeqSet
	for _, set := range c.SeqNum {
		switch set := v.fixed(set).(type) {
		case imap.SeqSet:
			seqs = append(seqs, set)
		case imap.UIDSet: // "$"
			c.UID = append(c.UID, set)
		}
	}
	c.SeqNum = seqs
	for n := range c.UID {
		c.UID[n], _ = v.fixed(c.UID[n]).(imap.UIDSet)
	}
	for n := range c.Not {
		v.fix(&c.Not[n])
	}
	for n := range c.Or {
		v.fix(&c.Or[n][0])
		v.fix(&c.Or[n][1])
	}
}

func (m picked) matches(c *imap.SearchCriteria) bool {
	for _, set := range c.SeqNum {
		if !set.Contains(m.seq) {
			return false
		}
	}
	for _, set := range c.UID {
		if !set.Contains(m.uid) {
			return false
		}
	}
	for _, f := range c.Flag {
		if !m.has(f) {
			return false
		}
	}
	for _, f := range c.NotFlag {
		if m.has(f) {
			return false
		}
	}
	size := int64(len(m.raw))
	if c.Larger != 0 && size <= c.Larger || c.Smaller != 0 && size >= c.Smaller || !dated(m.message.at, c.Since, c.Before) {
		return false
	}
	if !m.says(c) {
		return false
	}
	for n := range c.Not {
		if m.matches(&c.Not[n]) {
			return false
		}
	}
	for n := range c.Or {
		if !m.matches(&c.Or[n][0]) && !m.matches(&c.Or[n][1]) {
			return false
		}
	}
	return true
}

// says looks into the mail itself.
func (m picked) says(c *imap.SearchCriteria) bool {
	if len(c.Header) == 0 && len(c.Body) == 0 && len(c.Text) == 0 && c.SentSince.IsZero() && c.SentBefore.IsZero() {
		return true
	}
	var header mail.Header
	if parsed, err := mail.ReadMessage(bytes.NewReader(m.raw)); err == nil {
		header = parsed.Header
	}
	for _, h := range c.Header {
		if value := header.Get(h.Key); value == "" || !holds(value, h.Value) {
			return false
		}
	}
	if !c.SentSince.IsZero() || !c.SentBefore.IsZero() {
		if at, err := header.Date(); err != nil || !dated(at, c.SentSince, c.SentBefore) {
			return false
		}
	}
	for _, text := range append(append([]string(nil), c.Text...), c.Body...) {
		if !holds(string(m.raw), text) {
			return false
		}
	}
	return true
}

func holds(s, part string) bool { return strings.Contains(strings.ToLower(s), strings.ToLower(part)) }

// dated compares days and takes no notice of zones, as the standard wants.
func dated(at, since, before time.Time) bool {
	at = time.Date(at.Year(), at.Month(), at.Day(), 0, 0, 0, 0, time.UTC)
	return (since.IsZero() || !at.Before(since)) && (before.IsZero() || at.Before(before))
}
