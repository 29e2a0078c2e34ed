package main

import "testing"

// TestBrowser tries the pages as people meet them: in Chromium, against the whole
// program. One centre and one browser serve all parts, each with its own people.
func TestBrowser(t *testing.T) {
	web := openChromium(t)
	c := openCentre(t)
	for _, part := range []struct {
		name string
		run  func(*testing.T, *centre, *chromium)
	}{
		{"story", browserStory},
		{"hold", browserHold},
		{"plain forms", browserPlain},
		{"keyboard", browserKeyboard},
		{"axe", browserAxe},
		{"pictures", browserShots},
	} {
		t.Run(part.name, func(t *testing.T) { part.run(t, c.in(t), web.in(t)) })
	}
}
