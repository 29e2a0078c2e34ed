package app

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"casewire/casecore"
	"casewire/notify"
	"casewire/notify/figure"
	"casewire/routing/desk"
)

// noticeMeter shows the figures of the post room to supervisors (desk.Meter).
type noticeMeter struct {
	app  *App
	book *figure.Book
}

var _ desk.Meter = (*noticeMeter)(nil)

func (a *App) newMeter() *noticeMeter {
	return &noticeMeter{a, figure.NewBook(a.store, func() *time.Location { return a.policy.Current().Location }, a.o.Now)}
}

// Today is the midnight that the centre's present day began with.
func (m *noticeMeter) Today() time.Time { return m.book.Today() }

// NoticeFigures counts the notices of several days.
func (m *noticeMeter) NoticeFigures(ctx context.Context, by casecore.Actor, from, to time.Time) (*desk.NoticeFigures, error) {
	if !by.Is(casecore.RoleSupervisor, casecore.RoleAdmin) {
		return nil, fmt.Errorf("figures: %w", casecore.ErrForbidden)
	}
	found, err := m.book.Of(ctx, from, to)
	if err != nil {
		return nil, err
	}
	backlog, err := m.app.outbox.Backlog(ctx)
	if err != nil {
		return nil, fmt.Errorf("what waits to be sent: %w", err)
	}
	out := &desk.NoticeFigures{From: from, To: to, Waiting: backlog.Count, Oldest: backlog.Oldest, Causes: causes(found.Lines)}
	var toSend, toArrive figure.Times
	for _, l := range found.Lines {
		toSend.Join(l.ToSend)
		toArrive.Join(l.ToArrive)
		out.Kinds = append(out.Kinds, desk.NoticeKind{
			Kind: l.Kind, Waiting: l.Waiting, Sent: l.Sent, Delivered: l.Delivered, Read: l.Read, Dead: l.Dead, Skipped: l.Skipped,
			ToSend: quantiles(l.ToSend), ToArrive: quantiles(l.ToArrive),
		})
	}
	out.ToSend, out.ToArrive = quantiles(toSend), quantiles(toArrive)
	for i, lines := range found.Days {
		d := desk.NoticeDay{Day: from.AddDate(0, 0, i)}
		for _, l := range lines {
			d.Gone += l.Sent + l.Delivered + l.Read
			d.Dead += l.Dead
			d.Skipped += l.Skipped
		}
		out.Days = append(out.Days, d)
	}
	return out, nil
}

func quantiles(t figure.Times) desk.Duration {
	return desk.Duration{Count: t.Count, P50: t.Quantile(.5), P90: t.Quantile(.9), P99: t.Quantile(.99)}
}

// causes are those of all kinds together, the most frequent first.
func causes(lines figure.Lines) []desk.NoticeCause {
	n := map[string]int{}
	for _, l := range lines {
		for why, k := range l.Causes {
			n[why] += k
		}
	}
	out := make([]desk.NoticeCause, 0, len(n))
	for why, k := range n {
		out = append(out, desk.NoticeCause{Reason: why, N: k})
	}
	slices.SortFunc(out, func(a, b desk.NoticeCause) int {
		return cmp.Or(cmp.Compare(b.N, a.N), cmp.Compare(a.Reason, b.Reason))
	})
	return out
}

// noticeTimes is how long notices took, for whoever reads the metrics.
type noticeTimes struct {
	came             *prometheus.CounterVec
	toSend, toArrive *prometheus.HistogramVec
}

func newNoticeTimes(r prometheus.Registerer) *noticeTimes {
	buckets := []float64{.01, .05, .1, .5, 1, 5, 15, 60, 150, 300, 900, 3600, 4 * 3600, 24 * 3600}
	t := &noticeTimes{
		came: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "casewire_notices_came_total", Help: "Notices by what became of them.",
		}, []string{"kind", "state"}),
		toSend: prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Name: "casewire_notice_send_seconds", Help: "Time from what happened until the provider had the notice, a hold included.", Buckets: buckets,
		}, []string{"kind"}),
		toArrive: prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Name: "casewire_notice_arrival_seconds", Help: "Time from the provider to its word that the notice arrived.", Buckets: buckets,
		}, []string{"kind"}),
	}
	r.MustRegister(t.came, t.toSend, t.toArrive)
	return t
}

// noticeCame counts a notice that has gone out, arrived or been given up.
func (a *App) noticeCame(was, is notify.Notice) {
	kind := string(is.To.Kind)
	a.times.came.WithLabelValues(kind, string(is.State)).Inc()
	if was.SentAt.IsZero() && !is.SentAt.IsZero() && !is.Since.IsZero() {
		a.times.toSend.WithLabelValues(kind).Observe(is.SentAt.Sub(is.Since).Seconds())
	}
	if was.ArrivedAt.IsZero() && !is.ArrivedAt.IsZero() {
		a.times.toArrive.WithLabelValues(kind).Observe(is.ArrivedAt.Sub(is.SentAt).Seconds())
	}
}
