package api

import (
	"bytes"
	"context"
	"encoding/csv"
	"net/http"
	"reflect"
	"strconv"
	"strings"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"casewire/routing/desk"
)

// NoticeReport is what became of the notices to customers of several days.
type NoticeReport struct {
	From    string        `json:"from" format:"date" doc:"First day, in the centre's time zone."`
	To      string        `json:"to" format:"date" doc:"Last day, which is counted, too."`
	All     NoticeLine    `json:"all"`
	Kinds   []NoticeLine  `json:"channel_kinds"`
	Days    []NoticeDay   `json:"days"`
	Causes  []NoticeCause `json:"causes" doc:"Of what did not arrive, the most frequent first."`
	Waiting int           `json:"waiting_now" doc:"Notices that are not with their provider at this moment; counted up to 10,000."`
	Oldest  *time.Time    `json:"oldest_waiting_at,omitempty" doc:"When the oldest of those was written."`
}

// NoticeLine counts notices. Each is in one of waiting to skipped.
type NoticeLine struct {
	Kind      string  `json:"channel_kind,omitempty" doc:"Absent for all of them, and for those without an address."`
	Total     int     `json:"total"`
	Waiting   int     `json:"waiting" doc:"Held, or on the way to the provider."`
	Sent      int     `json:"sent" doc:"The provider has it; nothing more is known."`
	Delivered int     `json:"delivered"`
	Read      int     `json:"read"`
	Dead      int     `json:"undelivered"`
	Skipped   int     `json:"skipped" doc:"Taken back, cancelled, or nowhere to be sent."`
	ToSend    Seconds `json:"to_send_seconds" doc:"From what happened to the provider, a hold included."`
	ToArrive  Seconds `json:"to_arrive_seconds" doc:"From the provider to its word that it arrived."`
}

// Seconds says how long something took, many times over, right within a tenth.
type Seconds struct {
	Count int     `json:"count"`
	P50   float64 `json:"p50"`
	P90   float64 `json:"p90"`
	P99   float64 `json:"p99"`
}

// NoticeDay is one day of a report.
type NoticeDay struct {
	Day     string `json:"day" format:"date"`
	Gone    int    `json:"sent" doc:"Taken by the provider, whatever came after."`
	Dead    int    `json:"undelivered"`
	Skipped int    `json:"skipped"`
}

// NoticeCause is why notices did not arrive.
type NoticeCause struct {
	Reason string `json:"reason" doc:"A word of ours, or the provider's code."`
	Count  int    `json:"count"`
}

type (
	reportInput struct {
		From   string `query:"from" format:"date" doc:"First day; 7 days up to the last one when left out."`
		To     string `query:"to" format:"date" doc:"Last day, which is counted, too; today when left out."`
		Group  string `query:"group_by" enum:"channel_kind,day,cause" default:"channel_kind" doc:"Which table the CSV is of."`
		Accept string `header:"Accept"`
	}
	reportOutput struct {
		Type string `header:"Content-Type"`
		Body any
	}
)

func (a *API) reportOperations(r *registrar) {
	register(r, operation{
		id: "report-notices", method: http.MethodGet, path: "/reports/notices", tag: "Reports", summary: "What became of notices",
		about: "By the day on which they were written, in the centre's time zone; at most " + strconv.Itoa(desk.MostFigureDays) + " days. With `Accept: text/csv`: one table of it, see group_by.",
	}, a.reportNotices)
	if op := a.ops["report-notices"]; op != nil {
		schema := a.huma.OpenAPI().Components.Schemas.Schema(reflect.TypeFor[NoticeReport](), true, "NoticeReport")
		op.doc.Responses["200"].Content = map[string]*huma.MediaType{
			"application/json": {Schema: schema}, "text/csv": {Schema: &huma.Schema{Type: huma.TypeString}},
		}
	}
}

func (a *API) reportNotices(ctx context.Context, c *call, in *reportInput) (*reportOutput, error) {
	from, to, err := a.span(in.From, in.To)
	if err != nil {
		return nil, err
	}
	f, err := a.Meter.NoticeFigures(ctx, c.actor, from, to)
	if err != nil {
		return nil, err
	}
	report := reportOf(f)
	if strings.Contains(in.Accept, "text/csv") {
		table, err := report.table(in.Group)
		return &reportOutput{"text/csv; charset=utf-8", table}, err
	}
	return &reportOutput{"application/json", report}, nil
}

// span reads the days that a report is about.
func (a *API) span(first, last string) (from, to time.Time, err error) {
	to = a.Meter.Today()
	if last != "" {
		if to, err = time.ParseInLocation(time.DateOnly, last, to.Location()); err != nil {
			return from, to, invalid(parameter("to", "write a date, 2026-11-22"))
		}
	}
	from = to.AddDate(0, 0, -6)
	if first != "" {
		if from, err = time.ParseInLocation(time.DateOnly, first, to.Location()); err != nil {
			return from, to, invalid(parameter("from", "write a date, 2026-11-22"))
		}
	}
	switch {
	case from.After(to):
		return from, to, invalid(parameter("from", "is after the last day"))
	case from.AddDate(0, 0, desk.MostFigureDays-1).Before(to):
		return from, to, invalid(parameter("from", "ask for at most "+strconv.Itoa(desk.MostFigureDays)+" days"))
	}
	return from, to, nil
}

func reportOf(f *desk.NoticeFigures) *NoticeReport {
	out := &NoticeReport{
		From: f.From.Format(time.DateOnly), To: f.To.Format(time.DateOnly), All: noticeLine(f.All()),
		Kinds: []NoticeLine{}, Days: []NoticeDay{}, Causes: []NoticeCause{}, Waiting: f.Waiting, Oldest: moment(f.Oldest),
	}
	for _, k := range f.Kinds {
		out.Kinds = append(out.Kinds, noticeLine(k))
	}
	for _, d := range f.Days {
		out.Days = append(out.Days, NoticeDay{d.Day.Format(time.DateOnly), d.Gone, d.Dead, d.Skipped})
	}
	for _, why := range f.Causes {
		out.Causes = append(out.Causes, NoticeCause{why.Reason, why.N})
	}
	return out
}

func noticeLine(k desk.NoticeKind) NoticeLine {
	return NoticeLine{
		Kind: string(k.Kind), Total: k.Total(), Waiting: k.Waiting, Sent: k.Sent, Delivered: k.Delivered, Read: k.Read,
		Dead: k.Dead, Skipped: k.Skipped, ToSend: seconds(k.ToSend), ToArrive: seconds(k.ToArrive),
	}
}

func seconds(d desk.Duration) Seconds {
	return Seconds{d.Count, d.P50.Seconds(), d.P90.Seconds(), d.P99.Seconds()}
}

// table writes one part of the report as CSV, with a line of names above it.
func (r *NoticeReport) table(group string) ([]byte, error) {
	var rows [][]string
	number := strconv.Itoa
	switch group {
	case "day":
		rows = append(rows, []string{"day", "sent", "undelivered", "skipped"})
		for _, d := range r.Days {
			rows = append(rows, []string{d.Day, number(d.Gone), number(d.Dead), number(d.Skipped)})
		}
	case "cause":
		rows = append(rows, []string{"reason", "count"})
		for _, c := range r.Causes {
			rows = append(rows, []string{harmless(c.Reason), number(c.Count)})
		}
	default:
		rows = append(rows, []string{"channel_kind", "total", "waiting", "sent", "delivered", "read", "undelivered", "skipped",
			"to_send_p50_seconds", "to_send_p90_seconds", "to_arrive_p50_seconds", "to_arrive_p90_seconds"})
		for _, k := range r.Kinds {
			rows = append(rows, []string{k.Kind, number(k.Total), number(k.Waiting), number(k.Sent), number(k.Delivered), number(k.Read),
				number(k.Dead), number(k.Skipped), k.ToSend.p50(), k.ToSend.p90(), k.ToArrive.p50(), k.ToArrive.p90()})
		}
	}
	var b bytes.Buffer
	err := csv.NewWriter(&b).WriteAll(rows)
	return b.Bytes(), err
}

func (s Seconds) p50() string { return s.cell(s.P50) }
func (s Seconds) p90() string { return s.cell(s.P90) }

// cell is a time in a table, empty when none was measured: 0 would be at once.
func (s Seconds) cell(f float64) string {
	if s.Count == 0 {
		return ""
	}
	return strconv.FormatFloat(f, 'f', 3, 64)
}

// harmless keeps a spreadsheet from taking a word from outside for a formula.
func harmless(s string) string {
	if s != "" && strings.ContainsRune("=+-@\t\r", rune(s[0])) {
		return "'" + s
	}
	return s
}
