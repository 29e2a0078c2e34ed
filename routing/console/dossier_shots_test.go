package console_test

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/cdproto/page"
	"github.com/chromedp/chromedp"
)

// TestDossierShots takes pictures of a dossier, and prints it, into the folder that
// CASEWIRE_SCREENSHOTS names, for people to look at.
func TestDossierShots(t *testing.T) {
	folder := os.Getenv("CASEWIRE_SCREENSHOTS")
	if folder == "" {
		t.Skip("CASEWIRE_SCREENSHOTS names no folder for the pictures")
	}
	h := newHouse(t)
	anna := h.operator("anna", "Anna Kovalchuk", []string{"operator"}, "phones")
	path := "/desk/cases/" + h.evidence(anna).CaseNumber() + "/dossier"
	opts := append(chromedp.DefaultExecAllocatorOptions[:], chromedp.ExecPath(chromiumPath(t)), chromedp.NoSandbox, chromedp.DisableGPU)
	ctx, cancel := chromedp.NewExecAllocator(t.Context(), opts...)
	defer cancel()
	ctx, cancel = chromedp.NewContext(ctx)
	defer cancel()
	if err := chromedp.Run(ctx, chromedp.Navigate(h.url+"/desk/"),
		chromedp.SendKeys(`[name="login"]`, "anna"), chromedp.SendKeys(`[name="password"]`, password+"\r"), chromedp.WaitVisible("#cards")); err != nil {
		t.Fatal(err)
	}
	for _, v := range []struct {
		width       int64
		lang, theme string
	}{{1440, "en", "light"}, {1440, "ru", "dark"}, {360, "uk", "light"}, {360, "en", "dark"}} {
		var data []byte
		if err := chromedp.Run(ctx,
			chromedp.ActionFunc(func(ctx context.Context) error {
				return emulation.SetDeviceMetricsOverride(v.width, 900, 1, v.width < 500).Do(ctx)
			}),
			emulation.SetEmulatedMedia().WithFeatures([]*emulation.MediaFeature{{Name: "prefers-color-scheme", Value: v.theme}}),
			chromedp.Evaluate(fmt.Sprintf("document.cookie = 'casewire_lang=%s; path=/desk/'", v.lang), nil),
			chromedp.Navigate(h.url+path), chromedp.WaitReady("body"), chromedp.Sleep(200*time.Millisecond), chromedp.FullScreenshot(&data, 100)); err != nil {
			t.Fatal(err)
		}
		h.must(os.WriteFile(filepath.Join(folder, fmt.Sprintf("dossier-%d-%s-%s.png", v.width, v.lang, v.theme)), data, 0o600))
	}
	var pdf []byte
	if err := chromedp.Run(ctx, chromedp.Navigate(h.url+path), chromedp.ActionFunc(func(ctx context.Context) (err error) {
		pdf, _, err = page.PrintToPDF().WithPreferCSSPageSize(true).Do(ctx)
		return err
	})); err != nil {
		t.Fatal(err)
	}
	h.must(os.WriteFile(filepath.Join(folder, "dossier.pdf"), pdf, 0o600))
}
