package desktest

import (
	"context"
	"fmt"
	"time"

	"casewire/casecore"
	"casewire/routing/desk"
)

// Meter answers every question for figures with the same ones, moved to the days
// that were asked for.
type Meter struct {
	Day     time.Time // what Today says
	Figures desk.NoticeFigures
}

var _ desk.Meter = (*Meter)(nil)

// Today implements desk.Meter.
func (m *Meter) Today() time.Time { return m.Day }

// NoticeFigures implements desk.Meter, and refuses whom the house refuses.
func (m *Meter) NoticeFigures(_ context.Context, by casecore.Actor, from, to time.Time) (*desk.NoticeFigures, error) {
	if !by.Is(casecore.RoleSupervisor, casecore.RoleAdmin) {
		return nil, fmt.Errorf("figures: %w", casecore.ErrForbidden)
	}
	f := m.Figures
	f.From, f.To, f.Days = from, to, nil
	for i := 0; !from.AddDate(0, 0, i).After(to); i++ {
		d := desk.NoticeDay{Day: from.AddDate(0, 0, i)}
		if k := len(m.Figures.Days); k > 0 {
			d = m.Figures.Days[i%k]
			d.Day = from.AddDate(0, 0, i)
		}
		f.Days = append(f.Days, d)
	}
	return &f, nil
}
