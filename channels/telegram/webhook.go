package telegram

import (
	"context"
	"crypto/subtle"
	"errors"
	"io"
	"net/http"
	"time"

	"casewire/channels"

	"github.com/go-telegram/bot"
	"github.com/go-telegram/bot/models"
)

const (
	maxHook     = 1 << 20 // bytes of one update
	hookTime    = 25 * time.Second
	hookParty   = 40 // connections that Telegram may hold
	secretField = "X-Telegram-Bot-Api-Secret-Token"
)

// Handler takes updates that Telegram brings (T3). In polling mode it is not there.
func (d *Door) Handler(in channels.Sink) http.Handler {
	mux := http.NewServeMux()
	if d.cfg.Mode == modeWebhook {
		mux.HandleFunc("POST "+d.Prefix()+"{$}", func(w http.ResponseWriter, r *http.Request) { d.hook(w, r, in) })
	}
	return mux
}

// hook answers 200 when an update is durable and 503 when it is not, so that
// Telegram brings it again. Nothing of a request is used before its secret.
func (d *Door) hook(w http.ResponseWriter, r *http.Request, in channels.Sink) {
	d.count.hooks.Add(1)
	if subtle.ConstantTimeCompare([]byte(r.Header.Get(secretField)), []byte(d.secret)) != 1 {
		d.count.badHooks.Add(1)
		http.Error(w, "not from Telegram", http.StatusForbidden)
		return
	}
	work := d.working()
	if work == nil {
		http.Error(w, "closed", http.StatusServiceUnavailable)
		return
	}
	raw, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxHook))
	if err != nil {
		d.count.badHooks.Add(1)
		code := http.StatusBadRequest
		if _, ok := errors.AsType[*http.MaxBytesError](err); ok {
			code = http.StatusRequestEntityTooLarge
		}
		http.Error(w, "the update cannot be read", code)
		return
	}
	u, err := readUpdate(raw)
	if err != nil {
		d.count.badHooks.Add(1)
		http.Error(w, "not an update", http.StatusBadRequest)
		return
	}
	if err := d.hooked(r.Context(), work, u, in); err != nil {
		if r.Context().Err() == nil && work.Err() == nil {
			d.storeFailed(r.Context(), err)
		}
		http.Error(w, "try again", http.StatusServiceUnavailable)
		return
	}
	d.health.store(nil)
	w.WriteHeader(http.StatusOK)
}

// hooked takes an update in after those of its chat that came before it.
func (d *Door) hooked(ctx, work context.Context, u update, in channels.Sink) error {
	ctx, cancel := context.WithTimeout(ctx, hookTime)
	defer cancel()
	defer context.AfterFunc(work, cancel)()
	done := make(chan error, 1)
	d.lanes.put(ctx, u.lane(), func(ctx context.Context) { done <- d.take(ctx, u, nil, in) })
	select {
	case err := <-done:
		return err
	case <-ctx.Done():
		return ctx.Err()
	}
}

// hookURL is where Telegram is told to bring updates.
func (d *Door) hookURL() string { return d.env.PublicURL + d.Prefix() }

// keepHook sets the webhook and looks after it until ctx is done. It stays set
// afterwards: Telegram keeps what it cannot bring.
func (d *Door) keepHook(ctx context.Context) {
	for ctx.Err() == nil {
		wait := d.waits.renews
		if err := d.setHook(ctx); err != nil {
			wait = d.waits.checkHook
			if r := asRefusal(err); r.transient() || r.code == http.StatusUnauthorized {
				wait = d.backOff(r, 3)
			}
		}
		_ = pause(ctx, wait)
	}
}

// setHook sets the webhook unless it is another program's.
func (d *Door) setHook(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, d.cfg.Times.Call)
	defer cancel()
	info, err := d.api.GetWebhookInfo(ctx)
	if err == nil && info.URL != "" && info.URL != d.hookURL() && !d.cfg.Takeover {
		d.ill(ctx, foreignHook)
		return foreignHook
	}
	if err == nil {
		_, err = d.api.SetWebhook(ctx, &bot.SetWebhookParams{
			URL: d.hookURL(), SecretToken: d.secret, AllowedUpdates: allowed, MaxConnections: hookParty,
		})
	}
	if err != nil {
		if ctx.Err() == nil {
			d.ill(ctx, asRefusal(err))
		}
		return err
	}
	d.wellHooked(ctx, info)
	d.learn(ctx)
	return nil
}

// foreignHook is a webhook of another program.
var foreignHook = &refusal{code: http.StatusConflict, text: "a foreign webhook is set"}

// wellHooked judges by what Telegram says of its last tries to bring updates.
func (d *Door) wellHooked(ctx context.Context, info *models.WebhookInfo) {
	failed := time.Unix(int64(info.LastErrorDate), 0)
	if info.URL == d.hookURL() && info.PendingUpdateCount > 0 && info.LastErrorDate > 0 && d.env.Now().Sub(failed) < d.waits.renews {
		if d.health.set(false, "unbrought", "Telegram cannot bring messages to the webhook: is the public URL reachable from outside, with a valid certificate?") {
			d.log.WarnContext(ctx, "telegram cannot bring messages to the webhook", "waiting", info.PendingUpdateCount)
		}
		return
	}
	d.well(ctx)
}

// dropHook removes a webhook that stands in the way of polling: our own of
// earlier, or any when the configuration says so.
func (d *Door) dropHook(ctx context.Context) bool {
	ctx, cancel := context.WithTimeout(ctx, d.cfg.Times.Call)
	defer cancel()
	info, err := d.api.GetWebhookInfo(ctx)
	if err != nil || info.URL == "" {
		return false
	}
	if info.URL != d.hookURL() && !d.cfg.Takeover {
		return false
	}
	if _, err := d.api.DeleteWebhook(ctx, &bot.DeleteWebhookParams{}); err != nil {
		return false
	}
	d.log.InfoContext(ctx, "removed the webhook that was set at the bot")
	return true
}
