package console

import (
	"fmt"
	"html/template"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"casewire/casecore"
	"casewire/routing/desk"
)

// periods are how many days figures can be looked at.
var periods = []int{7, 30, 90}

type figuresPage struct {
	shell
	F        *desk.NoticeFigures
	All      desk.NoticeKind
	Days     int
	Periods  []int
	Chart    template.HTML
	Causes   []causeRow
	Receipts int // notices that a provider may yet say more of, or has
}

// causeRow is one reason for which notices did not arrive.
type causeRow struct {
	Words, Code string
	N           int
}

// Arrived is how many are known to have arrived.
func (p *figuresPage) Arrived() int { return p.All.Delivered + p.All.Read }

// seesFigures says whether there are figures for this operator.
func (c *Console) seesFigures(by casecore.Actor) bool {
	return c.o.Meter != nil && by.Is(casecore.RoleSupervisor, casecore.RoleAdmin)
}

// figures shows what became of notices.
func (c *Console) figures(v *visit) error {
	if c.o.Meter == nil {
		return errNoPage
	}
	days, err := strconv.Atoi(v.r.URL.Query().Get("days"))
	if err != nil || !slices.Contains(periods, days) {
		days = periods[0]
	}
	to := c.o.Meter.Today()
	f, err := c.o.Meter.NoticeFigures(v.ctx(), v.by, to.AddDate(0, 0, 1-days), to)
	if err != nil {
		return err
	}
	s, err := c.shell(v, "figures", v.T("figures.title"))
	if err != nil {
		return err
	}
	p := &figuresPage{shell: s, F: f, All: f.All(), Days: days, Periods: periods, Chart: chart(v, f.Days)}
	for _, k := range f.Kinds {
		if k.Kind.Receipts() || k.Kind.Hosted() {
			p.Receipts += k.Gone()
		}
	}
	for _, why := range f.Causes {
		row := causeRow{Words: cause(v, why.Reason, ""), N: why.N}
		if row.Words != why.Reason && coded(v, why.Reason) != "" {
			row.Code = why.Reason
		}
		p.Causes = append(p.Causes, row)
	}
	return c.show(v, http.StatusOK, "figures", p)
}

// The chart's measures, in its own units.
const (
	chartWidth, chartHeight = 720, 166
	chartLeft, chartFloor   = 36, 136
	chartTop                = 16
	chartRight              = 16
)

// chart draws a bar for each day: below what went out, above it what did not
// arrive. The same numbers stand in a table beside it.
func chart(v *visit, days []desk.NoticeDay) template.HTML {
	most := 1
	for _, d := range days {
		most = max(most, d.Gone+d.Dead)
	}
	most = roundUp(most)
	height := func(n int) float64 { return float64(n) / float64(most) * (chartFloor - chartTop) }
	var b strings.Builder
	fmt.Fprintf(&b, `<svg class="chart" viewBox="0 0 %d %d" role="img" aria-labelledby="chart-title">`, chartWidth, chartHeight)
	fmt.Fprintf(&b, `<title id="chart-title">%s</title>`, template.HTMLEscapeString(v.T("figures.chart")))
	for _, n := range marks(most) {
		y := chartFloor - height(n)
		fmt.Fprintf(&b, `<line class="chart-line" x1="%d" x2="%d" y1="%.1f" y2="%.1f"/><text class="chart-word is-count" x="%d" y="%.1f">%s</text>`,
			chartLeft, chartWidth-chartRight, y, y, chartLeft-6, y, template.HTMLEscapeString(v.Number(int64(n))))
	}
	step := float64(chartWidth-chartLeft-chartRight) / float64(len(days))
	width := min(step*.7, 40)
	every := max(1, (len(days)+9)/10)
	for i, d := range days {
		x := chartLeft + step*float64(i) + (step-width)/2
		gone, dead := height(d.Gone), height(d.Dead)
		fmt.Fprintf(&b, `<g><title>%s</title>`, template.HTMLEscapeString(v.Day(d.Day, v.now)+": "+v.T("figures.day_is", "gone", v.Number(int64(d.Gone)), "dead", v.Number(int64(d.Dead)))))
		fmt.Fprintf(&b, `<rect class="chart-gone" x="%.1f" y="%.1f" width="%.1f" height="%.1f"/>`, x, chartFloor-gone, width, gone)
		fmt.Fprintf(&b, `<rect class="chart-dead" x="%.1f" y="%.1f" width="%.1f" height="%.1f"/></g>`, x, chartFloor-gone-dead, width, dead)
		if back := len(days) - 1 - i; back%every == 0 {
			class := "chart-word is-day"
			if back/every%2 == 1 {
				class += " is-between"
			}
			fmt.Fprintf(&b, `<text class="%s" x="%.1f" y="%d">%s</text>`, class, x+width/2, chartFloor+8, template.HTMLEscapeString(v.ShortDate(d.Day)))
		}
	}
	b.WriteString(`</svg>`)
	return template.HTML(b.String()) //nolint:gosec // numbers, and words escaped above
}

// marks are the numbers beside the scale.
func marks(most int) []int {
	if most%2 != 0 {
		return []int{0, most}
	}
	return []int{0, most / 2, most}
}

// roundUp is the next number that looks well at the top of a scale.
func roundUp(n int) int {
	for scale := 1; ; scale *= 10 {
		for _, m := range []int{1, 2, 4, 6, 10} {
			if m*scale >= n {
				return m * scale
			}
		}
	}
}

// share is a part of a whole in per cent; empty of nothing.
func share(part, whole int) string {
	if whole == 0 {
		return "–"
	}
	return strconv.Itoa((part*100+whole/2)/whole) + " %"
}

// took writes how long something took, if it ever did.
func took(v interface{ Took(time.Duration) string }) func(desk.Duration, string) string {
	return func(d desk.Duration, which string) string {
		switch {
		case d.Count == 0:
			return "–"
		case which == "p90":
			return v.Took(d.P90)
		}
		return v.Took(d.P50)
	}
}
