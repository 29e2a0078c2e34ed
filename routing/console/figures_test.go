package console_test

import (
	"context"
	"fmt"
	"os"
	"path/filepath"

	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/chromedp"

	"casewire/casecore"
	"casewire/channels"
	"casewire/routing/desk"
)

// fortnight is what became of some notices.
func fortnight(now time.Time) desk.NoticeFigures {
	took := func(n int, p50, p90 time.Duration) desk.Duration {
		return desk.Duration{Count: n, P50: p50, P90: p90, P99: 2 * p90}
	}
	return desk.NoticeFigures{
		Kinds: []desk.NoticeKind{
			{Kind: "", Skipped: 3},
			{Kind: channels.Email, Waiting: 1, Sent: 212, Dead: 9, Skipped: 4, ToSend: took(212, 2*time.Minute, 3*time.Minute)},
			{Kind: channels.SMS, Waiting: 4, Sent: 11, Delivered: 408, Dead: 17, ToSend: took(419, 2*time.Minute, 9*time.Minute), ToArrive: took(408, 6*time.Second, 40*time.Second)},
			{Kind: channels.Telegram, Sent: 310, Dead: 2, Skipped: 5, ToSend: took(310, 400*time.Millisecond, 2*time.Minute)},
			{Kind: channels.WebChat, Delivered: 41, Read: 88, ToSend: took(129, 300*time.Millisecond, 2*time.Minute), ToArrive: took(129, 200*time.Millisecond, 3*time.Hour)},
		},
		Days:   []desk.NoticeDay{{Gone: 120, Dead: 4, Skipped: 1}, {Gone: 143, Dead: 2}, {Gone: 98, Dead: 9, Skipped: 3}, {Gone: 160}, {Gone: 171, Dead: 6}, {Gone: 44, Dead: 1}, {Gone: 61, Dead: 6}},
		Causes: []desk.NoticeCause{{Reason: "30003", N: 14}, {Reason: "5.1.1", N: 8}, {Reason: "blocked", N: 4}, {Reason: "63038", N: 2}},
		ToSend: took(1070, 2*time.Minute, 4*time.Minute), ToArrive: took(537, 5*time.Second, time.Hour),
		Waiting: 5, Oldest: now.Add(-7 * time.Minute),
	}
}

// A supervisor sees what became of notices, for the period that was chosen, with
// causes in words; an operator has neither the page nor the way to it.
func TestFigures(t *testing.T) {
	h := newHouse(t)
	h.operator("anna", "Anna", operatorRole, "phones")
	h.operator("vera", "Vera", []string{casecore.RoleSupervisor}, "phones")
	h.meter.Figures = fortnight(time.Now())

	vera := h.signIn("vera")
	page := vera.get("/desk/figures")
	if page.code != http.StatusOK {
		t.Fatalf("page: %d", page.code)
	}
	for _, want := range []string{
		`>1070</b>`, // 212+419+310+129 went out
		`>28</a>`,   // 9+17+2 did not arrive
		"9 of 10 within 4 min", "the oldest for 7 min", "nobody at this address", "<code>5.1.1</code>", "63038", `<svg class="chart"`,
		`href="/desk/figures?days=7" aria-current="page"`,
	} {
		if !strings.Contains(strings.ReplaceAll(page.body, "1,070", "1070"), want) {
			t.Errorf("the page lacks %q", want)
		}
	}
	if n := strings.Count(page.body, `class="chart-gone"`); n != 7 {
		t.Errorf("7 days have %d bars", n)
	}
	if n := strings.Count(vera.get("/desk/figures?days=90").body, `class="chart-gone"`); n != 90 {
		t.Errorf("90 days have %d bars", n)
	}
	if page := vera.get("/desk/figures?days=100000"); strings.Count(page.body, `class="chart-gone"`) != 7 {
		t.Error("a period that is none is not answered with the first one")
	}

	anna := h.signIn("anna")
	if strings.Contains(anna.get("/desk/").body, "/desk/figures") {
		t.Error("an operator is shown the way to the figures")
	}
	anna.get("/desk/figures").want(t, http.StatusForbidden, "Your roles do not include this page.")
}

// Days without a notice make no chart and no division by nothing.
func TestNoFigures(t *testing.T) {
	h := newHouse(t)
	h.operator("vera", "Vera", []string{casecore.RoleAdmin})
	page := h.signIn("vera").get("/desk/figures")
	if page.code != http.StatusOK || !strings.Contains(page.body, "No notices in this time") {
		t.Errorf("empty figures: %d", page.code)
	}
}

// TestFigureShots takes pictures of the figures, like TestShots.
func TestFigureShots(t *testing.T) {
	folder := os.Getenv("CASEWIRE_SCREENSHOTS")
	if folder == "" {
		t.Skip("CASEWIRE_SCREENSHOTS names no folder for the pictures")
	}
	h := newHouse(t)
	h.operator("vera", "Vera", []string{casecore.RoleSupervisor}, "phones")
	h.meter.Figures = fortnight(time.Now())
	b := h.tab(chromium(t), "vera")
	for _, v := range []struct {
		width, height int64
		lang, theme   string
		days          int
	}{{1440, 900, "en", "light", 7}, {1440, 1500, "ru", "dark", 30}, {768, 1024, "ru", "light", 90}, {360, 1600, "en", "dark", 7}, {360, 740, "sr", "light", 30}} {
		var data []byte
		b.run(
			chromedp.ActionFunc(func(ctx context.Context) error {
				return emulation.SetDeviceMetricsOverride(v.width, v.height, 1, v.width < 500).Do(ctx)
			}),
			emulation.SetEmulatedMedia().WithFeatures([]*emulation.MediaFeature{{Name: "prefers-color-scheme", Value: v.theme}}),
			chromedp.Evaluate("document.cookie = 'casewire_lang="+v.lang+"; path=/desk/'", nil),
			chromedp.Navigate(fmt.Sprintf("%s/desk/figures?days=%d", h.url, v.days)), chromedp.WaitVisible(".chart", chromedp.ByQuery),
			chromedp.CaptureScreenshot(&data))
		h.must(os.WriteFile(filepath.Join(folder, fmt.Sprintf("figures-%d-%s-%s.png", v.width, v.lang, v.theme)), data, 0o600))
	}
}
