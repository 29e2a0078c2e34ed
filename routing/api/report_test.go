package api_test

import (
	"encoding/csv"
	"strings"
	"testing"
	"time"

	"casewire/channels"
	"casewire/routing/api"
	"casewire/routing/desk"
)

// A supervisor gets what became of notices as JSON or as a table; wrong spans are
// named with the mend.
func TestReportOfNotices(t *testing.T) {
	h := newHouse(t)
	h.meter.Figures = desk.NoticeFigures{
		Kinds:  []desk.NoticeKind{{Kind: channels.SMS, Delivered: 8, Dead: 2, ToSend: desk.Duration{Count: 8, P50: 1500 * time.Millisecond, P90: 3 * time.Second}}},
		Causes: []desk.NoticeCause{{Reason: "30003", N: 1}, {Reason: "=cmd()", N: 1}},
		ToSend: desk.Duration{Count: 8, P50: 1500 * time.Millisecond},
	}
	var r api.NoticeReport
	h.as("susan", "GET", v1+"/reports/notices", nil).want(200).json(&r)
	if r.From != "2026-11-16" || r.To != "2026-11-22" || len(r.Days) != 7 || r.All.Total != 10 || r.All.ToSend.P50 != 1.5 || r.Kinds[0].Dead != 2 {
		t.Errorf("report: %+v", r)
	}
	h.as("susan", "GET", v1+"/reports/notices?from=2026-11-20&to=2026-11-21", nil).want(200).json(&r)
	if r.From != "2026-11-20" || len(r.Days) != 2 {
		t.Errorf("two days: %+v", r)
	}
	for query, pointer := range map[string]string{
		"?from=2026-11-23": "from", "?from=2020-01-01": "from", "?to=yesterday": "to", "?from=2026-02-30": "from",
	} {
		if got := string(h.as("susan", "GET", v1+"/reports/notices"+query, nil).want(422).body); !strings.Contains(got, pointer) {
			t.Errorf("%s: %s", query, got)
		}
	}
	h.as("anna", "GET", v1+"/reports/notices", nil).want(403)

	for group, want := range map[string]string{"channel_kind": "sms", "day": "2026-11-16", "cause": "30003"} {
		got := h.as("susan", "GET", v1+"/reports/notices?group_by="+group, nil, "Accept", "text/csv").want(200)
		if kind := got.Header.Get("Content-Type"); kind != "text/csv; charset=utf-8" {
			t.Errorf("%s: type %q", group, kind)
		}
		rows, err := csv.NewReader(strings.NewReader(string(got.body))).ReadAll()
		if err != nil || len(rows) < 2 || rows[1][0] != want {
			t.Errorf("%s: %v %q", group, err, got.body)
		}
		if group == "cause" && rows[2][0] != "'=cmd()" {
			t.Errorf("a spreadsheet would take %q for a formula", rows[2][0])
		}
	}
}
