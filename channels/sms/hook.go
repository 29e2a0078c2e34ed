package sms

import (
	"context"
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"mime"
	"net/http"
	"strconv"
	"strings"
	"time"

	"casewire/channels"
)

// Handler serves the webhooks: messages at the path itself, below it delivery at
// "status" and calls of ours at "call"; calls that come in at the voice path, below
// it what becomes of them at "status". Messages go to in.
func (d *Door) Handler(in channels.Sink) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		do := d.webhook(r.URL.Path)
		if do == nil {
			http.NotFound(w, r)
			return
		}
		if r.Method != http.MethodPost {
			w.Header().Set("Allow", http.MethodPost)
			http.Error(w, "POST only", http.StatusMethodNotAllowed)
			return
		}
		ctx, leave, ok := d.life.enter(r.Context())
		if !ok {
			unavailable(w)
			return
		}
		defer leave()
		f, status, why := d.read(w, r, r.URL.Path)
		if status != 0 {
			d.turnAway(ctx, w, status, why)
			return
		}
		if err := do(ctx, w, r, in, f); err != nil {
			d.failed(ctx, w, err)
		}
	})
}

// webhook is what is done with what Twilio posts to a path, nil when nothing is.
func (d *Door) webhook(path string) func(context.Context, http.ResponseWriter, *http.Request, channels.Sink, form) error {
	switch strings.TrimSuffix(path, "/") {
	case d.path:
		return d.message
	case d.path + "/status":
		return d.status
	case d.path + "/call":
		return d.called
	case d.voice:
		return d.rung
	case d.voice + "/status":
		return d.hungUp
	}
	return nil
}

// reason is why a webhook was refused: its name in the log and among the counts.
type reason string

const (
	unsigned reason = "unsigned" // no signature: nothing was read
	forged   reason = "forged"   // the signature is of another URL, body or token
	oversize reason = "oversized"
	mangled  reason = "mangled"
	foreign  reason = "foreign_account"
	unknown  reason = "unknown_number"
)

// read returns the form of a webhook once its signature is proven (S1). A status
// other than 0 is the answer to refuse it with.
func (d *Door) read(w http.ResponseWriter, r *http.Request, path string) (form, int, reason) {
	signature := r.Header.Values("X-Twilio-Signature")
	if len(signature) != 1 || signature[0] == "" {
		return nil, http.StatusForbidden, unsigned
	}
	kind, _, err := mime.ParseMediaType(r.Header.Get("Content-Type"))
	if err != nil || kind != "application/x-www-form-urlencoded" {
		return nil, http.StatusBadRequest, mangled
	}
	if r.ContentLength > d.cfg.Limits.FormBytes {
		return nil, http.StatusRequestEntityTooLarge, oversize
	}
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, d.cfg.Limits.FormBytes))
	if _, ok := errors.AsType[*http.MaxBytesError](err); ok {
		return nil, http.StatusRequestEntityTooLarge, oversize
	}
	if err != nil {
		return nil, http.StatusBadRequest, mangled
	}
	f, err := parseForm(string(body))
	if err != nil {
		return nil, http.StatusBadRequest, mangled
	}
	if r.URL.RawQuery != "" || r.URL.ForceQuery {
		path += "?" + r.URL.RawQuery
	}
	if !d.seals.holds(signature[0], path, f) {
		return nil, http.StatusForbidden, forged
	}
	if f.get("AccountSid") != d.cfg.AccountSID {
		return nil, http.StatusForbidden, foreign
	}
	return f, 0, ""
}

// refused is an error that says no more than why a webhook cannot be taken.
type refused struct {
	status int
	why    reason
}

func (r *refused) Error() string { return string(r.why) }

// message is POST /hooks/sms/{channel}.
func (d *Door) message(ctx context.Context, w http.ResponseWriter, _ *http.Request, in channels.Sink, f form) error {
	m := d.arrival(f)
	switch {
	case !sidShape(m.sid) || m.from == "":
		return &refused{http.StatusBadRequest, mangled}
	case !d.ours(m):
		return &refused{http.StatusNotFound, unknown}
	}
	reply, err := d.take(ctx, in, m)
	if err != nil {
		return err
	}
	d.check("sms.taken")
	w.Header().Set("Content-Type", "text/xml; charset=utf-8")
	_, _ = io.WriteString(w, twiml(reply))
	return nil
}

// arrival reads the parameters of an inbound message.
func (d *Door) arrival(f form) arrival {
	m := arrival{
		sid: f.get("MessageSid"), from: f.get("From"), to: f.get("To"), service: f.get("MessagingServiceSid"),
		body: f.get("Body"), optOut: f.get("OptOutType"), country: f.get("FromCountry"), at: d.env.Now(),
	}
	if m.sid == "" {
		m.sid = f.get("SmsMessageSid")
	}
	n, _ := strconv.Atoi(f.get("NumMedia"))
	for i := range min(n, maxMedia) {
		m.media = append(m.media, f.get("MediaUrl"+strconv.Itoa(i)))
	}
	m.files = len(m.media)
	return m
}

// sidShape says that s can be the id of a message.
func sidShape(s string) bool {
	return len(s) == 34 && (s[:2] == "SM" || s[:2] == "MM") && hexadecimal(s[2:])
}

func hexadecimal(s string) bool {
	for i := range len(s) {
		if c := s[i]; (c < '0' || c > '9') && (c < 'a' || c > 'f') && (c < 'A' || c > 'F') {
			return false
		}
	}
	return true
}

// twiml is the answer to a message; text is sent back to its writer.
func twiml(text string) string {
	const head = `<?xml version="1.0" encoding="UTF-8"?>`
	if text == "" {
		return head + `<Response/>`
	}
	var b strings.Builder
	if xml.EscapeText(&b, []byte(text)) != nil {
		return head + `<Response/>`
	}
	return head + `<Response><Message>` + b.String() + `</Message></Response>`
}

// status is POST /hooks/sms/{channel}/status (S4).
func (d *Door) status(ctx context.Context, w http.ResponseWriter, r *http.Request, in channels.Sink, f form) error {
	sid, status := f.get("MessageSid"), f.get("MessageStatus")
	if !sidShape(sid) || status == "" {
		return &refused{http.StatusBadRequest, mangled}
	}
	state, known := states[status]
	if !known {
		// New words of the provider are no reason to have it try again.
		if held, ok := d.quiet.may("state"); ok {
			d.log.WarnContext(ctx, "unknown delivery state", "sid", sid, "held_back", held)
		}
		w.WriteHeader(http.StatusNoContent)
		return nil
	}
	receipt := channels.Receipt{
		Channel: d.env.ID, OutboundID: r.URL.Query().Get("id"), ProviderID: sid,
		State: state, Detail: "Twilio: " + status, Refs: []string{sid}, At: d.env.Now(),
	}
	if state == channels.Undelivered || state == channels.Failed {
		receipt.Code = f.get("ErrorCode")
		receipt.Reason = rulings[receipt.Code].reason
	}
	if err := in.Receipt(ctx, receipt); err != nil {
		return fmt.Errorf("report a receipt: %w", err)
	}
	if receipt.Code == codeStopped { // it may come here only (S5)
		if err := d.stopped(ctx, in, sender(f.get("To"), d.cfg.DefaultRegion), sid+"/"+codeStopped, d.env.Now()); err != nil {
			return err
		}
	}
	d.count.receipts.Add(1)
	w.WriteHeader(http.StatusNoContent)
	return nil
}

// states maps Twilio's words to ours. Whatever comes before delivery says that the
// provider has the message; their order among themselves means nothing to us.
var states = map[string]channels.State{
	"accepted": channels.Sent, "scheduled": channels.Sent, "queued": channels.Sent, "sending": channels.Sent,
	"sent": channels.Sent, "delivered": channels.Delivered, "read": channels.Read,
	"undelivered": channels.Undelivered, "failed": channels.Failed, "canceled": channels.Failed,
}

// turnAway refuses a webhook, counted and with a line that repeats nothing of it.
func (d *Door) turnAway(ctx context.Context, w http.ResponseWriter, status int, why reason) {
	d.count.refused(why).Add(1)
	if why == forged {
		d.state.forged()
	}
	if held, ok := d.quiet.may(string(why)); ok {
		d.log.WarnContext(ctx, "webhook refused", "reason", string(why), "status", status, "held_back", held)
	}
	http.Error(w, http.StatusText(status), status)
}

// failed answers a webhook that could not be taken. Where the store is away, Twilio
// is asked to come again, and what it does not bring again is looked for.
func (d *Door) failed(ctx context.Context, w http.ResponseWriter, err error) {
	if r, ok := errors.AsType[*refused](err); ok {
		d.turnAway(ctx, w, r.status, r.why)
		return
	}
	d.count.storeErrors.Add(1)
	if held, ok := d.quiet.may("store"); ok {
		d.log.WarnContext(ctx, "webhook not stored", "err", err, "held_back", held)
	}
	d.lookAgain()
	unavailable(w)
}

func unavailable(w http.ResponseWriter) {
	w.Header().Set("Retry-After", "5")
	http.Error(w, "try again", http.StatusServiceUnavailable)
}

// arrival is a message as the provider tells of it, in a webhook or a list.
type arrival struct {
	sid, from, to, service, body, optOut, country string
	files                                         int
	media                                         []string // where the files are; nil: to be asked
	at                                            time.Time
	missed                                        bool // found in the list, not told by a webhook
}
