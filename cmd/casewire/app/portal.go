package app

import (
	"context"
	"net/http"
	"time"

	"casewire/casecore"
	"casewire/casecore/lang"
	"casewire/notify/portal"
)

// openPortal makes the customers' pages, before the planner that writes their
// links into notices. Without a public URL, or the leave to link to this machine,
// there are pages and no links: nobody outside could open them.
func (a *App) openPortal(ctx context.Context) error {
	memory := &casecore.Memory{Store: a.store, Channel: "portal", Now: a.o.Now}
	key, err := portal.LoadKey(ctx, memory)
	if err != nil {
		return err
	}
	url := a.Static().PublicURL
	if a.o.LocalLinks && url == "" {
		url = a.url
	}
	a.portal, err = portal.New(portal.Options{
		Store: a.store, Ledger: a.ledger, Reach: a.reach(), Key: key, URL: url,
		Centre:  func() string { return a.policy.Current().Settings.Name },
		Contact: func() lang.Text { return a.policy.Current().Settings.Contact },
		Zone:    func() *time.Location { return a.policy.Current().Location },
		Hold:    func() time.Duration { return a.policy.Current().Notify.Hold() },
		Remote:  func(r *http.Request) string { return a.gate.Remote(r) },
		Log:     a.o.Log, Now: a.o.Now,
	})
	return err
}
