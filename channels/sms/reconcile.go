package sms

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"time"

	"casewire/channels"

	openapi "github.com/twilio/twilio-go/rest/api/v2010"
)

const (
	reconciledKey = "reconciled"
	// overlap is how far each search reaches back before the last: the provider's
	// clock is not ours, and its list lags behind.
	overlap = 10 * time.Minute
	// window is how much of a long outage is searched and handed over at a time.
	window = 24 * time.Hour
	// soon is when to search again after a webhook or a search has failed.
	soon = 20 * time.Second
)

// lookAgain has the list searched soon, because a webhook may be lost: by default
// Twilio does not repeat one.
func (d *Door) lookAgain() {
	select {
	case d.nudge <- struct{}{}:
	default:
	}
}

// reconcile searches the provider's list for messages whose webhook never reached
// us: at the start, every Reconcile, and soon after trouble.
func (d *Door) reconcile(ctx context.Context, in channels.Sink) {
	for ctx.Err() == nil {
		wait := d.cfg.Reconcile
		if err := d.catchUp(ctx, in); err != nil {
			d.trouble(ctx, "missed messages", err)
			wait = min(wait, soon)
		}
		t := time.NewTimer(wait)
		select {
		case <-ctx.Done():
		case <-t.C:
		case <-d.nudge:
			// Not at once: what failed is likely still failing.
			t.Reset(min(wait, soon))
			select {
			case <-ctx.Done():
			case <-t.C:
			}
		}
		t.Stop()
	}
}

// catchUp hands over what came since the last search and was not seen, oldest
// first. A channel that has never been open starts now. However long the outage,
// nothing is left out that the provider still lists.
func (d *Door) catchUp(ctx context.Context, in channels.Sink) error {
	now := d.env.Now()
	raw, err := d.env.State.Load(ctx, reconciledKey)
	if errors.Is(err, channels.ErrNotFound) {
		return d.reconciled(ctx, now)
	}
	if err != nil {
		return fmt.Errorf("look up the last search: %w", err)
	}
	from, err := time.Parse(time.RFC3339, string(raw))
	if err != nil {
		return fmt.Errorf("look up the last search: %w", err)
	}
	for from = from.Add(-overlap); from.Before(now); from = from.Add(window) {
		to := from.Add(window)
		if !to.Before(now) {
			to = time.Time{} // the last one is open: clocks differ
		}
		missed, err := d.missed(ctx, from, to)
		d.state.heard(listing, err)
		if err != nil {
			return fmt.Errorf("search for missed messages: %w", err)
		}
		for _, m := range missed {
			if err := d.takeMissed(ctx, in, m); err != nil {
				return err
			}
		}
		if !to.IsZero() {
			if err := d.reconciled(ctx, to); err != nil {
				return err
			}
		}
	}
	d.count.reconcile.Add(1)
	return d.reconciled(ctx, now)
}

// takeMissed takes a message of the list, which may have come by webhook before.
func (d *Door) takeMissed(ctx context.Context, in channels.Sink, m arrival) error {
	done, err := d.judged(ctx, m.sid)
	if err != nil || done {
		return err
	}
	if _, err := d.take(ctx, in, m); err != nil {
		return err
	}
	d.count.missed.Add(1)
	return nil
}

func (d *Door) reconciled(ctx context.Context, at time.Time) error {
	if err := d.env.State.Save(ctx, reconciledKey, []byte(at.UTC().Format(time.RFC3339)), 0); err != nil {
		return fmt.Errorf("remember the last search: %w", err)
	}
	return nil
}

// missed lists the messages to us from one time to another (zero: open) that were
// not seen, oldest first.
func (d *Door) missed(ctx context.Context, from, to time.Time) ([]arrival, error) {
	numbers := d.own
	if len(numbers) == 0 || d.cfg.MessagingService != "" {
		numbers = []string{""} // all of the account's, and ours are picked
	}
	var out []arrival
	for _, n := range numbers {
		// The filter goes by days; what is meant is picked here.
		p := (&openapi.ListMessageParams{}).SetPageSize(200).SetDateSentAfter(from)
		if n != "" {
			p.SetTo(n)
		}
		if !to.IsZero() {
			p.SetDateSentBefore(to)
		}
		err := d.api.list(ctx, p, func(m *openapi.ApiV2010Message) bool {
			a := listed(m)
			if text(m.Direction) == "inbound" && sidShape(a.sid) && a.from != "" && d.ours(a) && !d.seen.has(a.sid) &&
				!a.at.Before(from.Truncate(time.Second)) && (to.IsZero() || a.at.Before(to)) {
				out = append(out, a)
			}
			return true
		})
		if err != nil {
			return nil, err
		}
	}
	slices.Reverse(out) // the list is newest first, within a second, too
	slices.SortStableFunc(out, func(a, b arrival) int { return a.at.Compare(b.at) })
	return out, nil
}

// listed reads a message of the list.
func listed(m *openapi.ApiV2010Message) arrival {
	a := arrival{
		missed: true,
		sid:    text(m.Sid), from: text(m.From), to: text(m.To), service: text(m.MessagingServiceSid), body: text(m.Body),
		at: moment(m.DateSent),
	}
	if a.at.IsZero() {
		a.at = moment(m.DateCreated)
	}
	a.files, _ = strconv.Atoi(text(m.NumMedia))
	return a
}
