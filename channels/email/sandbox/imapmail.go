package sandbox

import (
	"bufio"
	"bytes"
	"slices"

	"github.com/emersion/go-imap/v2"
	"github.com/emersion/go-imap/v2/imapserver"
	"github.com/emersion/go-message/textproto"
)

// picked is a mail of the folder under the number by which the client knows it.
type picked struct {
	*message
	at    int    // in the list
	seq   uint32 // for the client
	flags []imap.Flag
}

// pick returns the mails that a set of numbers means. The caller holds mu.
func (v *view) pick(set imap.NumSet) []picked {
	set = v.fixed(set)
	var out []picked
	for i, m := range v.list {
		if uids, ok := set.(imap.UIDSet); ok && !uids.Contains(m.uid) {
			continue
		}
		seq := v.tracker.EncodeSeqNum(uint32(i) + 1)
		if seqs, ok := set.(imap.SeqSet); ok && (seq == 0 || !seqs.Contains(seq)) {
			continue
		}
		out = append(out, picked{m, i, seq, m.flags})
	}
	return out
}

// fixed puts numbers in place of "*" and "$".
func (v *view) fixed(set imap.NumSet) imap.NumSet {
	if imap.IsSearchRes(set) {
		return v.found
	}
	switch set := set.(type) {
	case imap.SeqSet:
		for i := range set {
			fix(&set[i].Start, &set[i].Stop, uint32(len(v.list)))
		}
	case imap.UIDSet:
		var last uint32
		if len(v.list) > 0 {
			last = uint32(v.list[len(v.list)-1].uid)
		}
		for i := range set {
			fix((*uint32)(&set[i].Start), (*uint32)(&set[i].Stop), last)
		}
	}
	return set
}

// fix puts the last number in place of "*".
func fix(start, stop *uint32, last uint32) {
	star := *start == 0 || *stop == 0
	if *start == 0 {
		*start = last
	}
	if *stop == 0 {
		*stop = last
	}
	if star && *start > *stop {
		*start, *stop = *stop, *start
	}
}

// Fetch writes mails. A client that reads slowly keeps nobody waiting.
func (i *imapSession) Fetch(w *imapserver.FetchWriter, set imap.NumSet, o *imap.FetchOptions) error {
	if err := i.fails("FETCH"); err != nil {
		return err
	}
	seen := slices.ContainsFunc(o.BodySection, func(b *imap.FetchItemBodySection) bool { return !b.Peek })
	i.srv.mu.Lock()
	list := i.view.pick(set)
	for n, m := range list {
		if seen && !m.has(imap.FlagSeen) {
			if err := i.account.setFlags(i.view.folder, m.at+1, append(slices.Clone(m.flags), imap.FlagSeen), nil); err != nil {
				i.srv.mu.Unlock()
				return err
			}
			list[n].flags = m.message.flags
		}
	}
	i.srv.mu.Unlock()
	for _, m := range list {
		if m.seq == 0 {
			continue // the client does not know of it yet
		}
		if err := m.write(w.CreateMessage(m.seq), o); err != nil {
			return err
		}
	}
	return nil
}

func (m picked) write(w *imapserver.FetchResponseWriter, o *imap.FetchOptions) error {
	w.WriteUID(m.uid)
	if o.Flags {
		w.WriteFlags(m.flags)
	}
	if o.InternalDate {
		w.WriteInternalDate(m.message.at)
	}
	if o.RFC822Size {
		w.WriteRFC822Size(int64(len(m.raw)))
	}
	if o.Envelope {
		header, _ := textproto.ReadHeader(bufio.NewReader(bytes.NewReader(m.raw)))
		w.WriteEnvelope(imapserver.ExtractEnvelope(header))
	}
	if o.BodyStructure != nil {
		w.WriteBodyStructure(imapserver.ExtractBodyStructure(bytes.NewReader(m.raw)))
	}
	for _, section := range o.BodySection {
		b := m.raw
		if section.Specifier != "" || len(section.Part) > 0 || section.Partial != nil {
			b = imapserver.ExtractBodySection(bytes.NewReader(m.raw), section)
		}
		wc := w.WriteBodySection(section, int64(len(b)))
		if _, err := wc.Write(b); err != nil {
			return err
		}
		if err := wc.Close(); err != nil {
			return err
		}
	}
	return w.Close()
}

// Store changes flags.
func (i *imapSession) Store(w *imapserver.FetchWriter, set imap.NumSet, flags *imap.StoreFlags, _ *imap.StoreOptions) error {
	if err := i.fails("STORE"); err != nil {
		return err
	}
	i.srv.mu.Lock()
	list := i.view.pick(set)
	for n, m := range list {
		if err := i.account.setFlags(i.view.folder, m.at+1, changed(m.flags, flags), i.view); err != nil {
			i.srv.mu.Unlock()
			return err
		}
		list[n].flags = m.message.flags
	}
	i.srv.tell()
	i.srv.mu.Unlock()
	for _, m := range list {
		if flags.Silent || m.seq == 0 {
			continue
		}
		if err := m.write(w.CreateMessage(m.seq), &imap.FetchOptions{Flags: true}); err != nil {
			return err
		}
	}
	return nil
}

func changed(has []imap.Flag, by *imap.StoreFlags) []imap.Flag {
	named := canonical(by.Flags)
	switch by.Op {
	case imap.StoreFlagsAdd:
		return append(slices.Clone(has), named...)
	case imap.StoreFlagsDel:
		return slices.DeleteFunc(slices.Clone(has), func(f imap.Flag) bool { return slices.Contains(named, f) })
	}
	return named
}

// Expunge removes what is marked as deleted. Clients are told by Poll.
func (i *imapSession) Expunge(_ *imapserver.ExpungeWriter, uids *imap.UIDSet) error {
	i.srv.mu.Lock()
	defer i.srv.mu.Unlock()
	defer i.srv.tell()
	return i.account.expunge(i.view.folder, func(m *message) bool {
		return m.has(imap.FlagDeleted) && (uids == nil || uids.Contains(m.uid))
	})
}

// Copy puts mails into another folder, too.
func (i *imapSession) Copy(set imap.NumSet, name string) (*imap.CopyData, error) {
	i.srv.mu.Lock()
	defer i.srv.mu.Unlock()
	data, _, err := i.copy(set, name)
	return data, err
}

func (i *imapSession) copy(set imap.NumSet, name string) (*imap.CopyData, imap.UIDSet, error) {
	dest, err := i.folder(name, imap.ResponseCodeTryCreate)
	if err != nil {
		return nil, nil, err
	}
	data := &imap.CopyData{UIDValidity: dest.validity}
	for _, m := range i.view.pick(set) {
		added, err := i.account.add(dest, *m.message)
		if err != nil {
			return nil, nil, err
		}
		data.SourceUIDs.AddNum(m.uid)
		data.DestUIDs.AddNum(added.uid)
	}
	i.srv.tell()
	return data, data.SourceUIDs, nil
}

// Move puts mails into another folder.
func (i *imapSession) Move(w *imapserver.MoveWriter, set imap.NumSet, name string) error {
	if err := i.fails("MOVE"); err != nil {
		return err
	}
	i.srv.mu.Lock()
	data, moved, err := i.copy(set, name)
	if err == nil {
		err = i.account.expunge(i.view.folder, func(m *message) bool { return moved.Contains(m.uid) })
	}
	i.srv.mu.Unlock()
	if err != nil || len(moved) == 0 {
		return err
	}
	return w.WriteCopyData(data)
}
