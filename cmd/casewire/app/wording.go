package app

import (
	"context"

	"casewire/casecore"
	"casewire/channels"
	"casewire/config/policy"
	"casewire/routing/wording"
)

// wording lets supervisors change what customers are told, shown on the channels
// that are open and, if they like, with a case that they may read.
func (a *App) wording() wording.Room {
	return &policy.Wording{
		Store: a.store, Live: a.policy, Now: a.o.Now,
		Read: func(ctx context.Context, by casecore.Actor, number string) (*casecore.Case, *casecore.Customer, error) {
			v, err := a.work.Read(ctx, by, number)
			if err != nil {
				return nil, nil, err
			}
			return v.Case, v.Customer, nil
		},
		Link: a.portal.Link, Channel: a.doors.ofKind, Measure: a.measure,
	}
}

// measure says what sending a text takes, and false for a channel that does not
// count.
func (a *App) measure(channel, text, lang string) (channels.Measure, bool) {
	m, ok := a.doors.channel(channel).(channels.Measurer)
	if !ok {
		return channels.Measure{}, false
	}
	return m.Measure(text, lang), true
}
