package inbox

import (
	"bytes"
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"
	"slices"
	"time"

	"github.com/emersion/go-imap/v2"
	"github.com/emersion/go-imap/v2/imapclient"
)

// Start says which mail of a folder that was never seen before is taken: what
// arrives from now on (the zero value), all, or what arrived since a date.
type Start struct {
	All   bool
	Since time.Time
}

// item is a mail in the folder.
type item struct {
	uid  uint32
	size int64 // as the server says
	date int64 // when the server got it, in seconds
}

const (
	// listRoom bounds the memory for mail that waits; the rest is listed later.
	listRoom = 50000
	// edgeRoom is how many of the last mails are looked at for the date of the
	// newest one.
	edgeRoom  = 100
	edgeBytes = 16 << 10
)

// enter selects the folder and finds out where in it we are.
func (s *session) enter(ctx context.Context) error {
	readOnly := s.b.s.MoveTo == "" && !s.b.s.MarkSeen
	data, err := s.client.Select(s.f.name, &imap.SelectOptions{ReadOnly: readOnly}).Wait()
	if err != nil {
		return &stepError{step: "select", folder: s.f.name, err: err}
	}
	s.step()
	next := uint32(data.UIDNext)
	if next == 0 {
		if next, err = s.nextUID(data.NumMessages); err != nil {
			return err
		}
	}
	p, known := s.b.ledger.get(s.f.name)
	if !known {
		if p, err = s.begin(ctx, data, next); err != nil {
			return err
		}
	}
	// UIDs that start again below where we were are a new folder, too, even when
	// its UIDVALIDITY claims to be the old one (F7).
	if p.Validity != data.UIDValidity || next <= p.UID {
		s.b.count.rescans.Add(1)
		s.b.o.Log.InfoContext(ctx, "folder is numbered anew and read again", "folder", s.f.name)
		clear(s.f.fails)
		clear(s.f.soft)
		clear(s.f.ahead)
		p = Position{Validity: data.UIDValidity, Horizon: next}
		if err := s.b.ledger.set(ctx, s.f.name, p); err != nil {
			return fmt.Errorf("%w: %w", errStore, err)
		}
	}
	return s.leftovers(ctx)
}

// nextUID asks for the last UID where the server does not tell UIDNEXT.
func (s *session) nextUID(messages uint32) (uint32, error) {
	if messages == 0 {
		return 1, nil
	}
	last := uint32(0)
	err := s.each(imap.SeqSetNum(messages), &imap.FetchOptions{UID: true}, func(it item, _ []byte) {
		last = max(last, it.uid)
	})
	return last + 1, err
}

// begin returns the position in a folder without one: where an earlier start, or
// now the first, found it.
func (s *session) begin(ctx context.Context, data *imap.SelectData, next uint32) (Position, error) {
	b, err := s.b.ledger.base(ctx, s.f.name)
	if err != nil {
		return Position{}, fmt.Errorf("%w: %w", errStore, err)
	}
	if b == nil {
		b = &base{Validity: data.UIDValidity, Next: 1}
		switch start := s.b.s.Start; {
		case start.All:
		case !start.Since.IsZero():
			b.Since = start.Since.Unix()
		default:
			b.Next = next
			if err := s.edge(b, data.NumMessages); err != nil {
				return Position{}, err
			}
		}
		if err := s.b.ledger.setBase(ctx, s.f.name, b); err != nil {
			return Position{}, fmt.Errorf("%w: %w", errStore, err)
		}
	}
	p := Position{Validity: b.Validity, UID: b.Next - 1}
	if b.Next == 1 && b.Since != 0 {
		p.Horizon = next
	}
	if err := s.b.ledger.set(ctx, s.f.name, p); err != nil {
		return Position{}, fmt.Errorf("%w: %w", errStore, err)
	}
	return p, nil
}

// edge notes by which dates a later rescan tells mail from before now: the server's
// own, so that no two clocks need to agree. The mails of the newest second are told
// by a hash of their header.
func (s *session) edge(b *base, messages uint32) error {
	if messages == 0 {
		return nil
	}
	var seqs imap.SeqSet // an expunge in between shifts them, which does no harm here
	seqs.AddRange(messages-min(messages, edgeRoom)+1, messages)
	var newest []uint32
	err := s.each(seqs, &imap.FetchOptions{UID: true, InternalDate: true}, func(it item, _ []byte) {
		switch {
		case it.uid >= b.Next || it.date < b.Since:
			return
		case it.date > b.Since:
			newest = newest[:0]
		}
		b.Since = it.date
		newest = append(newest, it.uid)
	})
	if err != nil || len(newest) == 0 {
		return err
	}
	return s.hashes(newest, func(_ uint32, hash string) { b.Edge = append(b.Edge, hash) })
}

// hashes reads the headers that tell a mail from others.
func (s *session) hashes(uids []uint32, found func(uid uint32, hash string)) error {
	section := &imap.FetchItemBodySection{
		Peek: true, Specifier: imap.PartSpecifierHeader, HeaderFields: []string{"Message-Id", "Date", "From"},
	}
	return s.each(uidSet(uids), &imap.FetchOptions{UID: true, BodySection: []*imap.FetchItemBodySection{section}}, func(it item, header []byte) {
		sum := sha256.Sum256(bytes.TrimSpace(header))
		found(it.uid, hex.EncodeToString(sum[:8]))
	})
}

// each runs a FETCH of small things to its end. What was got of a FETCH that fails
// must not be used.
func (s *session) each(set imap.NumSet, o *imap.FetchOptions, found func(item, []byte)) error {
	cmd := s.client.Fetch(set, o)
	for m := cmd.Next(); m != nil; m = cmd.Next() {
		var it item
		var body []byte
		for d := m.Next(); d != nil; d = m.Next() {
			switch d := d.(type) {
			case imapclient.FetchItemDataUID:
				it.uid = uint32(d.UID)
			case imapclient.FetchItemDataRFC822Size:
				it.size = d.Size
			case imapclient.FetchItemDataInternalDate:
				it.date = d.Time.Unix()
			case imapclient.FetchItemDataBodySection:
				if d.Literal == nil {
					continue
				}
				// A cut looks like an end: the length tells.
				body = make([]byte, min(d.Literal.Size(), edgeBytes))
				if _, err := io.ReadFull(d.Literal, body); err != nil {
					s.conn.Close() // see stream
					return &stepError{step: "fetch", err: err}
				}
			}
		}
		if it.uid != 0 {
			found(it, body)
		}
	}
	if err := cmd.Close(); err != nil {
		return &stepError{step: "fetch", err: err}
	}
	s.step()
	return nil
}

// look takes all that arrived since the position.
func (s *session) look(ctx context.Context) error {
	for {
		p, _ := s.b.ledger.get(s.f.name)
		items, more, err := s.list(p)
		if err != nil {
			return err
		}
		if len(items) > 0 {
			last := items[len(items)-1].uid
			if items, err = s.ours(ctx, p, items); err != nil {
				return err
			}
			if err := s.takeAll(ctx, items); err != nil {
				return err
			}
			s.b.ledger.pass(s.f.name, last) // what was old or vanished carries no cursor
		}
		if err := s.b.ledger.flush(ctx); err != nil {
			return fmt.Errorf("%w: %w", errStore, err)
		}
		if !more {
			return nil
		}
	}
}

// list returns the mail after the position, in order; more when there is more than
// the list holds.
func (s *session) list(p Position) (items []item, more bool, err error) {
	if p.UID == ^uint32(0) {
		return nil, false, nil
	}
	dropped := ^uint32(0)
	set := imap.UIDSet{{Start: imap.UID(p.UID + 1)}} // to "*", which is also there when it is below
	o := &imap.FetchOptions{UID: true, RFC822Size: true, InternalDate: true}
	err = s.each(set, o, func(it item, _ []byte) {
		switch {
		case it.uid <= p.UID:
		case len(items) >= listRoom:
			more, dropped = true, min(dropped, it.uid)
		default:
			items = append(items, it)
		}
	})
	if err != nil {
		return nil, false, err
	}
	// The position must not pass what did not fit, whatever the server's order.
	items = slices.DeleteFunc(items, func(it item) bool { return it.uid >= dropped })
	slices.SortFunc(items, func(a, b item) int { return cmp.Compare(a.uid, b.uid) })
	return slices.CompactFunc(items, func(a, b item) bool { return a.uid == b.uid }), more, nil
}

// ours leaves out the mail that was there before the first start, when a folder
// numbered anew is read again.
func (s *session) ours(ctx context.Context, p Position, items []item) ([]item, error) {
	if p.Horizon <= p.UID+1 || len(items) == 0 {
		return items, nil
	}
	old, err := s.old(ctx, p, items)
	if err != nil {
		return nil, err
	}
	s.b.count.old.Add(int64(len(old)))
	return slices.DeleteFunc(items, func(it item) bool { return old[it.uid] }), nil
}

// old returns which of the items were there before the first start.
func (s *session) old(ctx context.Context, p Position, items []item) (map[uint32]bool, error) {
	b, err := s.b.ledger.base(ctx, s.f.name)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", errStore, err)
	}
	old := map[uint32]bool{}
	if b == nil || b.Since == 0 {
		return old, nil
	}
	var unsure []uint32
	for _, it := range items {
		switch {
		case it.uid >= p.Horizon || it.date > b.Since:
		case it.date < b.Since:
			old[it.uid] = true
		case len(b.Edge) > 0:
			unsure = append(unsure, it.uid)
		}
	}
	for part := range slices.Chunk(unsure, edgeRoom) {
		err := s.hashes(part, func(uid uint32, hash string) {
			if slices.Contains(b.Edge, hash) {
				old[uid] = true
			}
		})
		if err != nil {
			return nil, err
		}
	}
	return old, nil
}

func uidSet(uids []uint32) imap.UIDSet {
	var set imap.UIDSet
	for _, u := range uids {
		set.AddNum(imap.UID(u))
	}
	return set
}
