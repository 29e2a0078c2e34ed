package inbox

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/emersion/go-imap/v2"
	"github.com/emersion/go-imap/v2/imapclient"
)

const settleRoom = 500

// settle marks and moves mail that is stored, as configured. Mail that cannot be
// moved stays where it is: that is a matter for Health and holds up nothing. An
// error is one of the connection.
func (s *session) settle(ctx context.Context, uids []uint32) error {
	if len(uids) == 0 || s.b.s.MoveTo == "" && !s.b.s.MarkSeen {
		return nil
	}
	slices.Sort(uids)
	for part := range slices.Chunk(uids, settleRoom) {
		set := uidSet(part)
		err := s.mark(set)
		if err == nil && s.b.s.MoveTo != "" {
			if err = s.move(set); err == nil {
				s.b.count.moved.Add(int64(len(part)))
			}
		}
		s.step()
		if err := s.settled(ctx, err); err != nil {
			return err
		}
	}
	return nil
}

// settled keeps what became of it for Health.
func (s *session) settled(ctx context.Context, err error) error {
	ie, refused := errors.AsType[*imap.Error](err)
	switch {
	case err == nil:
		s.f.settling("")
		return nil
	case errors.Is(err, errNoMove):
		s.f.settling("the mail server supports neither MOVE nor UIDPLUS, so mail cannot be moved; leave move_to empty")
	case refused && ie.Code == imap.ResponseCodeOverQuota:
		s.f.settling("mail cannot be moved: the mailbox is full; delete mail or have the mailbox enlarged")
	case refused:
		s.f.settling("mail cannot be moved or marked; check that the folder of move_to exists and may be written to")
	default:
		return &stepError{step: "move", err: err}
	}
	s.b.o.Log.WarnContext(ctx, "stored mail was not moved or marked", "folder", s.f.name)
	return nil
}

func (s *session) mark(set imap.UIDSet) error {
	if !s.b.s.MarkSeen {
		return nil
	}
	return s.flag(set, imap.FlagSeen)
}

func (s *session) flag(set imap.UIDSet, flag imap.Flag) error {
	return s.client.Store(set, &imap.StoreFlags{Op: imap.StoreFlagsAdd, Silent: true, Flags: []imap.Flag{flag}}, nil).Close()
}

var errNoMove = errors.New("no way to move mail")

// move moves mail. Without MOVE it is copied, and removed only when the copy is
// there: the library's own fallback does not wait for that. Without UIDPLUS it is
// not moved, as EXPUNGE would remove what others have marked.
func (s *session) move(set imap.UIDSet) error {
	if s.caps.Has(imap.CapMove) {
		_, err := s.client.Move(set, s.b.s.MoveTo).Wait()
		return err
	}
	if !s.caps.Has(imap.CapUIDPlus) {
		return errNoMove
	}
	if _, err := s.client.Copy(set, s.b.s.MoveTo).Wait(); err != nil {
		return err
	}
	if err := s.flag(set, imap.FlagDeleted); err != nil {
		return err
	}
	return s.client.UIDExpunge(set).Close()
}

// leftovers moves what was stored before the last connection ended and is still
// there. What is marked as deleted was copied already.
func (s *session) leftovers(ctx context.Context) error {
	if s.b.s.MoveTo == "" {
		return nil
	}
	p, _ := s.b.ledger.get(s.f.name)
	b, err := s.b.ledger.base(ctx, s.f.name)
	if err != nil {
		return fmt.Errorf("%w: %w", errStore, err)
	}
	if b == nil {
		return nil
	}
	from := uint32(1)
	if b.Validity == p.Validity {
		from = b.Next
	}
	if from > p.UID {
		return nil
	}
	var items []item
	deleted := map[uint32]bool{}
	cmd := s.client.Fetch(imap.UIDSet{{Start: imap.UID(from), Stop: imap.UID(p.UID)}}, &imap.FetchOptions{UID: true, InternalDate: true, Flags: true})
	for m := cmd.Next(); m != nil; m = cmd.Next() {
		var it item
		var gone bool
		for d := m.Next(); d != nil; d = m.Next() {
			switch d := d.(type) {
			case imapclient.FetchItemDataUID:
				it.uid = uint32(d.UID)
			case imapclient.FetchItemDataInternalDate:
				it.date = d.Time.Unix()
			case imapclient.FetchItemDataFlags:
				gone = slices.Contains(d.Flags, imap.FlagDeleted)
			}
		}
		if it.uid >= from && it.uid <= p.UID && len(items) < listRoom {
			items = append(items, it)
			deleted[it.uid] = gone
		}
	}
	if err := cmd.Close(); err != nil {
		return &stepError{step: "fetch", err: err}
	}
	old, err := s.old(ctx, p, items)
	if err != nil {
		return err
	}
	var uids []uint32
	for _, it := range items {
		if !old[it.uid] && !deleted[it.uid] {
			uids = append(uids, it.uid)
		}
	}
	return s.settle(ctx, uids)
}
