package webhook

import (
	"context"
	"fmt"
	"time"

	"casewire/casecore/store"
)

// Sweep removes deliveries that have been over for longer than they are kept, and
// gives up what nobody takes any more: of subscriptions that are not configured, or
// gone, for longer than Patience. It touches at most limit of each and says how many.
func (s *Sender) Sweep(ctx context.Context, limit int) (int, error) {
	subs, now, n := s.subs(), s.o.Now(), 0
	err := s.store.Update(ctx, func(tx store.Tx) error {
		old, err := some(tx, store.Range{Index: "over", To: store.TimeKey(now.Add(-s.o.Retention)), Limit: limit}, nil)
		if err != nil {
			return err
		}
		for _, d := range old {
			if err := Deliveries.Delete(tx, d); err != nil {
				return err
			}
		}
		given, err := giveUp(tx, subs, now, limit)
		n = len(old) + given
		return err
	})
	if err != nil {
		return 0, fmt.Errorf("sweep webhook deliveries: %w", err)
	}
	return n, nil
}

// giveUp ends deliveries that are not tried and have waited too long.
func giveUp(tx store.Tx, subs []Subscription, now time.Time, limit int) (int, error) {
	takes := map[string]bool{}
	for i := range subs {
		h, err := health(tx, &subs[i])
		if err != nil {
			return 0, err
		}
		takes[subs[i].ID] = h.Gone.IsZero()
	}
	known, err := hooks(tx)
	if err != nil {
		return 0, err
	}
	n := 0
	for _, hook := range known {
		if takes[hook] {
			continue
		}
		reason := "gone"
		if _, configured := takes[hook]; !configured {
			reason = "removed"
		}
		r := store.Range{
			Index: "list", From: store.Under(hook, string(Waiting)),
			To: store.Join(hook, string(Waiting), store.TimeKey(now.Add(-Patience))), Limit: limit,
		}
		late, err := some(tx, r, func(d *Delivery) bool { return d.Since.Before(now.Add(-Patience)) })
		if err != nil {
			return 0, err
		}
		for _, d := range late {
			d.State, d.Behind, d.Reason, d.Done, d.NextAt = Dead, false, reason, now, time.Time{}
			if err := Deliveries.Put(tx, d); err != nil {
				return 0, err
			}
			n++
		}
	}
	return n, nil
}

// hooks lists the subscriptions that there are deliveries of, configured or not. It
// costs one look for each, however many deliveries there are.
func hooks(tx store.Tx) ([]string, error) {
	var out []string
	r := store.Range{Index: "period", Limit: 1}
	for {
		page, err := some(tx, r, nil)
		if err != nil || len(page) == 0 {
			return out, err
		}
		out = append(out, page[0].Hook)
		r.From = page[0].Hook + " " // behind all its keys: parts end with a control character
	}
}

func some(tx store.Tx, r store.Range, only func(*Delivery) bool) ([]*Delivery, error) {
	var out []*Delivery
	for d, err := range Deliveries.Scan(tx, r) {
		if err != nil {
			return nil, err
		}
		if only == nil || only(d) {
			out = append(out, d)
		}
	}
	return out, nil
}

// Restored is why deliveries of a backup are not sent by themselves.
const Restored = "restored"

// AfterRestore gives up what was on its way when a backup was made, and says how
// many: whoever restores decides what is sent again. It is called before anything
// is sent.
func AfterRestore(ctx context.Context, st store.Store, now time.Time) (int, error) {
	total := 0
	for {
		n := 0
		err := st.Update(ctx, func(tx store.Tx) error {
			n = 0
			for _, index := range []string{"lease", "due", "behind"} {
				open, err := some(tx, store.Range{Index: index, Limit: page}, nil)
				if err != nil {
					return err
				}
				for _, d := range open {
					d.State, d.Behind, d.Reason, d.Done = Dead, false, Restored, now
					d.NextAt, d.LeaseUntil = time.Time{}, time.Time{}
					if err := Deliveries.Put(tx, d); err != nil {
						return err
					}
					n++
				}
			}
			return nil
		})
		if err != nil {
			return total, fmt.Errorf("settle webhook deliveries: %w", err)
		}
		total += n
		if n == 0 {
			return total, nil
		}
	}
}
