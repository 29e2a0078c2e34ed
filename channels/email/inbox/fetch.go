package inbox

import (
	"context"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/emersion/go-imap/v2"
	"github.com/emersion/go-imap/v2/imapclient"
)

const (
	batchMails = 100
	batchBytes = 16 << 20
	// A mail is given up after so many tries that were its own fault: a connection
	// that broke over it weighs a third of that, a server too busy for it a tenth.
	maxTries  = 3
	whenCut   = 3
	whileBusy = 10
	// A server may send a little more than was asked for; beyond that it is cheaper
	// to connect again than to read it.
	excess = 1 << 20
)

// takeAll takes the items in batches and sees to what is done with mail that is
// stored.
func (s *session) takeAll(ctx context.Context, items []item) error {
	for len(items) > 0 {
		batch, err := s.hand(ctx, items)
		if err != nil {
			return fmt.Errorf("%w: %w", errStore, err)
		}
		s.b.o.Check("inbox.in-hand")
		n := len(batch.items)
		err = s.take(ctx, batch)
		batch.wait()
		s.step()
		if err == nil {
			err = ctx.Err()
		}
		if err != nil {
			return err
		}
		if err := s.settle(ctx, batch.delivered()); err != nil {
			return err
		}
		items = items[n:]
	}
	return nil
}

// hand chooses the next batch and notes durably that it is in hand, once for all
// of it. What a process died with before is taken alone and counted before each try.
func (s *session) hand(ctx context.Context, items []item) (*flow, error) {
	p, _ := s.b.ledger.get(s.f.name)
	n, tries := 1, 0
	suspect := s.b.ledger.suspect(s.f.name, p.Validity)
	if first := items[0].uid; suspect != nil && first <= suspect.Upto {
		tries = 1
		if suspect.One == first {
			tries = suspect.Tries + 1
		}
		p.Hand = &Hand{Upto: suspect.Upto, One: first, Tries: tries}
	} else {
		for size := items[0].size; n < min(len(items), batchMails); n++ {
			if size += items[n].size; size > batchBytes {
				break
			}
		}
		p.Hand = &Hand{Upto: items[n-1].uid}
	}
	if err := s.b.ledger.set(ctx, s.f.name, p); err != nil {
		return nil, err
	}
	fl := newFlow(s, p, items[:n])
	fl.tries = tries
	return fl, nil
}

// take fetches a batch and submits it: what gave trouble before comes last and
// alone, so that it holds up nothing.
func (s *session) take(ctx context.Context, fl *flow) error {
	var run, alone []int
	for i, it := range fl.items {
		switch {
		case fl.stored[i]:
			fl.skip(i)
		case s.f.fails[it.uid]+s.f.soft[it.uid] > 0 || fl.tries > maxTries+1:
			alone = append(alone, i)
		case it.size > s.b.s.MaxBytes:
			if err := s.fetch(ctx, fl, run); err != nil {
				return err
			}
			run = run[:0]
			if err := s.fetch(ctx, fl, []int{i}); err != nil {
				return err
			}
		default:
			run = append(run, i)
		}
	}
	if err := s.fetch(ctx, fl, run); err != nil {
		return err
	}
	for _, i := range alone {
		take := s.fetch
		if s.f.fails[fl.items[i].uid] >= maxTries || fl.tries > maxTries+1 {
			take = s.giveUp
		}
		if err := take(ctx, fl, []int{i}); err != nil {
			return err
		}
	}
	return nil
}

// giveUp hands on that there is a mail, the first of is, which the server cannot deliver.
func (s *session) giveUp(ctx context.Context, fl *flow, is []int) error {
	i := is[0]
	s.b.count.unfetched.Add(1)
	it := fl.items[i]
	return fl.submit(ctx, i, &Mail{
		Folder: s.f.name, Validity: fl.validity, UID: it.uid, Arrived: time.Unix(it.date, 0), Suspect: fl.tries > maxTries,
		Fault: "the mail server could not deliver this mail; it is still in the mailbox",
	})
}

// fetch gets items by their places and submits each as it comes. With a FETCH that
// fails, what was complete by the server's own count stays; of the rest each is
// asked for alone.
func (s *session) fetch(ctx context.Context, fl *flow, is []int) error {
	if len(is) == 0 {
		return nil
	}
	got, err := s.stream(ctx, fl, is)
	if ctx.Err() != nil {
		return ctx.Err()
	}
	var missing []int
	for _, i := range is {
		if !got[fl.items[i].uid] {
			missing = append(missing, i)
		}
	}
	ie, refused := errors.AsType[*imap.Error](err)
	switch {
	case len(missing) == 0 && (err == nil || refused):
		return nil
	case err == nil:
		return s.vanished(ctx, fl, missing)
	case errors.Is(err, errStore), len(missing) == 0:
		return err
	case refused && temporary(ie):
		s.fail(fl.items[missing[0]].uid, whileBusy)
		return err
	case refused && len(is) > 1:
		for _, i := range missing {
			if err := s.fetch(ctx, fl, []int{i}); err != nil {
				return err
			}
		}
		return nil
	}
	// Only what was asked for first can be blamed: nothing else came, either.
	if missing[0] == is[0] {
		weight := 1
		if s.conn.Failed() != nil {
			weight = whenCut
		}
		s.fail(fl.items[is[0]].uid, weight)
	}
	return err
}

// fail counts a failed fetch. So many of a weight count as one refusal.
func (s *session) fail(uid uint32, weight int) {
	if s.f.soft[uid]++; s.f.soft[uid]%weight == 0 {
		s.f.fails[uid]++
	}
}

// vanished tells mail that was removed while we fetched from mail that the server
// keeps back.
func (s *session) vanished(ctx context.Context, fl *flow, missing []int) error {
	var uids []uint32
	for _, i := range missing {
		uids = append(uids, fl.items[i].uid)
	}
	there := map[uint32]bool{}
	if err := s.each(uidSet(uids), &imap.FetchOptions{UID: true}, func(it item, _ []byte) { there[it.uid] = true }); err != nil {
		return err
	}
	var err error
	for _, i := range missing {
		uid := fl.items[i].uid
		if !there[uid] {
			s.b.count.vanished.Add(1)
			fl.skip(i)
			continue
		}
		s.f.fails[uid]++ // the next connection asks for it alone, and at last gives it up
		err = &stepError{step: "fetch", err: errors.New("a mail was not delivered")}
	}
	return err
}

// stream runs one FETCH and says which UIDs were submitted.
func (s *session) stream(ctx context.Context, fl *flow, is []int) (map[uint32]bool, error) {
	index := make(map[uint32]int, len(is))
	uids := make([]uint32, 0, len(is))
	for _, i := range is {
		index[fl.items[i].uid] = i
		uids = append(uids, fl.items[i].uid)
	}
	section := &imap.FetchItemBodySection{Peek: true} // \Seen is the mailbox owner's
	if len(is) == 1 && fl.items[is[0]].size > s.b.s.MaxBytes {
		section.Partial = &imap.SectionPartial{Size: s.b.s.MaxBytes}
	}
	got := make(map[uint32]bool, len(is))
	cmd := s.client.Fetch(uidSet(uids), &imap.FetchOptions{UID: true, BodySection: []*imap.FetchItemBodySection{section}})
	for data := cmd.Next(); data != nil; data = cmd.Next() {
		m, lied, err := s.receive(data, section.Partial != nil)
		if err != nil {
			// The library would read on where its own reader reads again: without its
			// connection it ends by itself.
			s.conn.Close()
			return got, err
		}
		if m == nil {
			continue
		}
		i, asked := index[m.UID]
		if !asked || got[m.UID] {
			m.close()
			if lied {
				return got, &stepError{step: "fetch", err: errors.New("a mail came that nobody asked for")}
			}
			continue
		}
		m.Validity, m.Arrived = fl.validity, time.Unix(fl.items[i].date, 0)
		m.Suspect = fl.tries > maxTries
		got[m.UID] = true
		s.step()
		err = fl.submit(ctx, i, m)
		if lied {
			return got, &stepError{step: "fetch", err: errors.New("a mail is larger than the server said")}
		}
		if err != nil {
			s.conn.Close() // or the rest would have to be read
			_ = cmd.Close()
			return got, err
		}
	}
	if err := cmd.Close(); err != nil {
		return got, &stepError{step: "fetch", err: err}
	}
	return got, nil
}

// receive reads one mail; nil when its body did not come. lied says that the server
// sent so much more than it announced or was asked for that the connection was
// given up. After that, and after an error, the command must be left alone.
func (s *session) receive(data *imapclient.FetchMessageData, cut bool) (m *Mail, lied bool, err error) {
	var uid uint32
	limit := s.b.s.MaxBytes
	for d := data.Next(); d != nil; d = data.Next() {
		switch d := d.(type) {
		case imapclient.FetchItemDataUID:
			uid = uint32(d.UID)
		case imapclient.FetchItemDataBodySection:
			if d.Literal == nil || d.Literal.Size() == 0 || uid == 0 || m != nil {
				continue
			}
			size := d.Literal.Size()
			m = &Mail{Folder: s.f.name, UID: uid}
			if err := m.fill(d.Literal, size, limit, s.step); err != nil {
				if errors.Is(err, errStore) {
					return nil, false, err
				}
				return nil, false, &stepError{step: "fetch", err: err}
			}
			if cut || size > limit {
				m.Fault = fmt.Sprintf("larger than %d MB; the rest was left in the mailbox", limit>>20)
			}
			if size > limit+excess {
				s.conn.Close()
				_, _ = io.Copy(io.Discard, d.Literal) // what had come; it frees the library's reader
				return m, true, nil
			}
		}
	}
	return m, false, nil
}
