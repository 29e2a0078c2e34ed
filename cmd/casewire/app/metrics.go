package app

import (
	"context"
	"maps"
	"slices"
	"strconv"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"

	"casewire/channels"
)

// registerMetrics makes the rooms' own counts visible under casewire_*. The rooms
// know nothing of it: they count, and are read when somebody asks.
func (a *App) registerMetrics() {
	a.requests = prometheus.NewHistogramVec(prometheus.HistogramOpts{
		Name: "casewire_http_request_seconds", Help: "Time of API requests by route.",
		Buckets: []float64{.001, .0025, .005, .01, .025, .05, .1, .25, .5, 1, 2.5},
	}, []string{"route", "method", "status"})
	a.metrics.MustRegister(a.requests, doorCounts{a.doors}, webhookCounts{a}, collectors.NewGoCollector(),
		collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	for _, c := range []struct {
		name, help string
		read       func() uint64
	}{
		{"messages_in_total", "Messages taken in, repeats not counted.", a.intake.Taken},
		{"messages_repeated_total", "Messages that had been taken in before.", a.intake.Repeats},
		{"store_commits_total", "Durable commits of the store, each one fsync.", func() uint64 { commits, _ := a.engine.stats(); return commits }},
		{"store_updates_total", "Transactions that were committed.", func() uint64 { _, updates := a.engine.stats(); return updates }},
		{"board_frames_total", "Frames of the live feeds that were encoded.", func() uint64 { return a.board.Stats().Frames }},
		{"board_deliveries_total", "Frames handed to watchers.", func() uint64 { return a.board.Stats().Deliveries }},
		{"board_slow_total", "Feeds ended because their reader was too slow.", func() uint64 { return a.board.Stats().Slow }},
		{"live_bad_frames_total", "Frames of operators' sockets that could not be acted upon.", func() uint64 { return a.live.Stats().Bad }},
		{"notices_planned_total", "Notices written.", func() uint64 { return a.plan.Stats().Planned }},
		{"notices_skipped_total", "Notices that could not be addressed.", func() uint64 { return a.plan.Stats().Skipped }},
		{"notice_events_failed_total", "Events put aside because planning them failed.", func() uint64 { return a.plan.Stats().Failed }},
		{"notices_sent_total", "Notices taken by a provider.", func() uint64 { return a.outbox.Stats().Sent }},
		{"notices_retried_total", "Tries that failed and are repeated.", func() uint64 { return a.outbox.Stats().Retried }},
		{"notices_uncertain_total", "Tries that may have been taken.", func() uint64 { return a.outbox.Stats().Uncertain }},
		{"notices_dead_total", "Notices given up, shown as undelivered.", func() uint64 { return a.outbox.Stats().Dead }},
		{"notices_fenced_total", "Results that came after their lease was over and were dropped.", func() uint64 { return a.outbox.Stats().Fenced }},
		{"notices_rescued_total", "Leases of workers that fell silent.", func() uint64 { return a.outbox.Stats().Rescued }},
		{"receipts_unknown_total", "Receipts for messages that are not ours.", func() uint64 { return a.outbox.Stats().Unknown }},
	} {
		a.metrics.MustRegister(prometheus.NewCounterFunc(prometheus.CounterOpts{Name: "casewire_" + c.name, Help: c.help},
			func() float64 { return float64(c.read()) }))
	}
	for _, g := range []struct {
		name, help string
		read       func() float64
	}{
		{"board_waiting_cases", "Cases that wait to be claimed.", func() float64 { return float64(a.board.Stats().Waiting) }},
		{"live_sockets", "Operators' sockets that are open.", func() float64 { return float64(a.live.Stats().Open) }},
		{"notices_pending", "Notices that are not sent yet, at most 10,000 are counted.", func() float64 { return a.backlog(false) }},
		{"notices_oldest_pending_seconds", "Age of the oldest notice that is not sent yet.", func() float64 { return a.backlog(true) }},
		{"notices_paused_channels", "Channels that nothing is sent on at the moment.", func() float64 { return float64(len(a.outbox.Stats().Paused)) }},
	} {
		a.metrics.MustRegister(prometheus.NewGaugeFunc(prometheus.GaugeOpts{Name: "casewire_" + g.name, Help: g.help}, g.read))
	}
}

// backlog is how many notices wait, or how long the oldest has; 0 when the store
// does not answer, which its own part of /readyz tells.
func (a *App) backlog(age bool) float64 {
	ctx, cancel := context.WithTimeout(a.base, 2*time.Second)
	defer cancel()
	b, err := a.outbox.Backlog(ctx)
	switch {
	case err != nil || b.Count == 0:
		return 0
	case age:
		return a.o.Now().Sub(b.Oldest).Seconds()
	}
	return float64(b.Count)
}

// observe is how the API tells its times.
func (a *App) observe(route, method string, status int, took time.Duration) {
	a.requests.WithLabelValues(route, method, strconv.Itoa(status)).Observe(took.Seconds())
}

// doorCounts reads what the open channels count.
type doorCounts struct{ doors *doors }

// Describe sends nothing: which counts there are depends on the channels.
func (doorCounts) Describe(chan<- *prometheus.Desc) {}

// Collect reads the counts of every open channel.
func (d doorCounts) Collect(out chan<- prometheus.Metric) {
	desc := prometheus.NewDesc("casewire_channel_total", "What a channel did, by what it counts.", []string{"channel", "what"}, nil)
	for _, s := range d.doors.states() {
		c, ok := d.doors.channel(s.ID).(channels.Counter)
		if !ok {
			continue
		}
		counts := c.Counts()
		for _, what := range slices.Sorted(maps.Keys(counts)) {
			out <- prometheus.MustNewConstMetric(desc, prometheus.CounterValue, float64(counts[what]), s.ID, what)
		}
	}
}
