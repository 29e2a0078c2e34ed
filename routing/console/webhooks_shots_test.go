package console_test

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"testing"

	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/chromedp"

	"casewire/casecore"
)

// TestWebhookShots takes pictures of the webhooks, like TestShots.
func TestWebhookShots(t *testing.T) {
	folder := os.Getenv("CASEWIRE_SCREENSHOTS")
	if folder == "" {
		t.Skip("CASEWIRE_SCREENSHOTS names no folder for the pictures")
	}
	h := newHouse(t)
	h.operator("adam", "Adam", []string{casecore.RoleAdmin}, "phones")
	b := h.tab(chromium(t), "adam")
	for _, v := range []struct {
		width, height int64
		lang, theme   string
		path          string
	}{{1440, 700, "en", "light", ""}, {1440, 700, "ru", "dark", "/shop"}, {360, 740, "en", "dark", ""}, {360, 740, "sr", "light", "/shop"}} {
		var data []byte
		b.run(
			chromedp.ActionFunc(func(ctx context.Context) error {
				return emulation.SetDeviceMetricsOverride(v.width, v.height, 1, v.width < 500).Do(ctx)
			}),
			emulation.SetEmulatedMedia().WithFeatures([]*emulation.MediaFeature{{Name: "prefers-color-scheme", Value: v.theme}}),
			chromedp.Evaluate("document.cookie = 'casewire_lang="+v.lang+"; path=/desk/'", nil),
			chromedp.Navigate(h.url+"/desk/webhooks"+v.path), chromedp.WaitVisible(".panel", chromedp.ByQuery),
			chromedp.CaptureScreenshot(&data))
		h.must(os.WriteFile(filepath.Join(folder, fmt.Sprintf("webhooks-%d-%s-%s.png", v.width, v.lang, v.theme)), data, 0o600))
	}
}
