package main

import (
	"archive/tar"
	"compress/gzip"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"

	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/cdproto/runtime"
	"github.com/chromedp/chromedp"
)

// axeVersion is the release of axe-core that judges the pages. It is fetched when
// the test runs and not kept.
const axeVersion = "4.14.1"

// browserAxe: axe-core finds nothing against WCAG 2.2 AA on any page, in both
// themes, on a desk and on a telephone.
func browserAxe(t *testing.T, c *centre, web *chromium) {
	axe := fetchAxe(t)
	c.employ("maja", "Маја Ђорђевић", "phones", "computers", "appliances", "tv", "general")
	maja, visitor := web.operator(c, "maja"), web.visitor(c, "en")
	for _, o := range []*page{maja.page, visitor.page} {
		o.wears("light")
	}
	maja.opens("/desk/sign-in")
	maja.passes(axe, "the sign-in page")
	maja.signsIn()
	maja.isLive()
	maja.passes(axe, "the board")
	maja.press("?")
	maja.sees(`$("#help").open`)
	maja.passes(axe, "the map of the keys")

	waits := reads[string](maja.page, `$$(".card").at(-1).dataset.number`)
	maja.forgive("answer 403 " + c.url + "/desk/cases/" + waits)
	maja.opens("/desk/cases/" + waits)
	maja.passes(axe, "a case that waits")
	maja.clicks(`$("form[action$='/claim'] button")`)
	maja.sees(`$(".composer")`)
	maja.isLive()
	maja.answers("Good morning, we have a look at once.")
	maja.sees(`$(".message.is-out .delivery summary")`)
	maja.passes(axe, "a case")
	maja.clicks(`$(".move-ask summary")`)
	maja.passes(axe, "what a status tells the customer")
	maja.opens("/desk/cases/" + waits + "/dossier")
	maja.passes(axe, "a dossier")
	maja.opens("/desk/mine")
	maja.isLive()
	maja.passes(axe, "my cases")
	maja.opens("/desk/notices")
	maja.passes(axe, "what was not delivered")
	maja.opens("/desk/settings")
	maja.passes(axe, "the settings")

	visitor.goes(c.url + "/chat/?lang=en")
	visitor.passes(axe, "the site")
	visitor.goes(c.url + "/chat/frame?lang=en")
	visitor.sees(`!$("#intro").hidden`)
	visitor.passes(axe, "the chat, empty")
	visitor.clicks(`$("#text")`)
	visitor.types("My laptop is slow. Call me at +381 60 123 4567, please.")
	visitor.clicks(`$("#send")`)
	visitor.sees(`$("#lines .auto")`)
	visitor.passes(axe, "the chat")
	visitor.goes(c.url + "/sandbox/?lang=en")
	visitor.passes(axe, "the sandbox")
}

// wears switches the theme. Animations are off: contrast is judged on what stays.
func (p *page) wears(theme string) {
	p.t.Helper()
	p.run(emulation.SetEmulatedMedia().WithFeatures([]*emulation.MediaFeature{
		{Name: "prefers-color-scheme", Value: theme}, {Name: "prefers-reduced-motion", Value: "reduce"},
	}))
}

// passes has axe-core judge the page as it stands, in both themes and both widths.
func (p *page) passes(axe, where string) {
	p.t.Helper()
	p.run(chromedp.Evaluate(axe, nil))
	for _, look := range []struct {
		theme         string
		width, height int64
	}{{"light", 1440, 900}, {"dark", 1440, 900}, {"light", 360, 740}} {
		p.wears(look.theme)
		p.run(screen(look.width, look.height))
		var faults []string
		p.run(chromedp.Evaluate(`axe.run(document, {
			runOnly: ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa"], resultTypes: ["violations"], iframes: false,
		}).then((r) => r.violations.flatMap((v) => v.nodes.map((n) => v.id + " (" + v.help + "): " + n.target.join(" ") + ": "
			+ [...n.any, ...n.all, ...n.none].map((c) => c.message).join("; "))))`, &faults, func(e *runtime.EvaluateParams) *runtime.EvaluateParams {
			return e.WithAwaitPromise(true)
		}))
		for _, f := range faults {
			p.t.Errorf("%s, %s, %d wide: %s", where, look.theme, look.width, f)
		}
	}
	p.wears("light")
	p.run(screen(1440, 900))
}

// fetchAxe returns the source of axe-core. Without npm or its registry the test is
// skipped, and says so, or fails when CASEWIRE_BROWSER=required.
func fetchAxe(t *testing.T) string {
	t.Helper()
	npm, err := exec.LookPath("npm")
	if err != nil {
		without(t, err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	dir := t.TempDir()
	cmd := exec.CommandContext(ctx, npm, "pack", "--silent", "axe-core@"+axeVersion)
	cmd.Dir = dir
	if out, err := cmd.CombinedOutput(); err != nil {
		without(t, fmt.Errorf("%w\n%s", err, out))
	}
	src, err := unpacked(filepath.Join(dir, "axe-core-"+axeVersion+".tgz"), "package/axe.min.js")
	if err != nil {
		t.Fatal(err)
	}
	return src
}

// without ends a test that has no axe-core.
func without(t *testing.T, err error) {
	t.Helper()
	const say = "axe-core cannot be fetched with npm, and accessibility is judged by the keyboard test alone: %v"
	if os.Getenv("CASEWIRE_BROWSER") == "required" {
		t.Fatalf(say, err)
	}
	t.Skipf(say, err)
}

// unpacked returns one file of a package.
func unpacked(archive, name string) (string, error) {
	f, err := os.Open(archive)
	if err != nil {
		return "", err
	}
	defer f.Close()
	z, err := gzip.NewReader(f)
	if err != nil {
		return "", fmt.Errorf("read %s: %w", archive, err)
	}
	for r := tar.NewReader(z); ; {
		h, err := r.Next()
		if errors.Is(err, io.EOF) {
			return "", fmt.Errorf("%s has no %s", archive, name)
		}
		if err != nil {
			return "", fmt.Errorf("read %s: %w", archive, err)
		}
		if h.Name == name {
			b, err := io.ReadAll(r)
			return string(b), err
		}
	}
}
