package sms

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"strings"
	"sync"
	"time"

	"casewire/channels"
	"casewire/channels/sms/segment"

	openapi "github.com/twilio/twilio-go/rest/api/v2010"
)

const (
	// skew is how far the provider's clock may be behind ours.
	skew = 2 * time.Minute
	// settle is how long a request without an answer is given to show up in the
	// list before the message is sent again.
	settle = 30 * time.Second
)

// Send hands m to Twilio. The outbox has written down that it is tried; when it may
// have been taken before, or the answer is lost, the list of sent messages is
// searched before it is sent again (S3). Errors are *SendError.
func (d *Door) Send(ctx context.Context, m channels.Outbound) (channels.Receipt, error) {
	to, body, fault := d.compose(m)
	if fault != nil {
		return channels.Receipt{}, fault
	}
	if err := d.pace.Wait(ctx, m); err != nil {
		return channels.Receipt{}, err
	}
	since := m.Doubt
	if since.IsZero() {
		since = d.env.Now()
	} else {
		switch r, found, err := d.resolve(ctx, m.ID, to, body, since); {
		case err != nil:
			d.state.heard(sending, err)
			return channels.Receipt{}, unsure(err)
		case found:
			return r, nil
		}
	}
	d.check("sms.posting")
	got, err := d.api.post(ctx, d.params(m.ID, to, body))
	d.state.heard(sending, err)
	if err == nil {
		d.check("sms.posted")
		d.count.sent.Add(1)
		d.claims.note(text(got.Sid), m.ID)
		return d.receipt(m.ID, got), nil
	}
	return d.unsent(ctx, m, to, body, since, err)
}

// unsent judges a request that brought no message.
func (d *Door) unsent(ctx context.Context, m channels.Outbound, to, body string, since time.Time, cause error) (channels.Receipt, error) {
	e := verdict(cause)
	if e.Reason == channels.Unsure {
		d.count.unsure.Add(1)
		if r, found, err := d.resolve(ctx, m.ID, to, body, since); err == nil && found {
			return r, nil
		}
		return channels.Receipt{}, unsure(cause)
	}
	if e.Code == codeStopped {
		if in := d.sink.Load(); in != nil {
			if err := d.stopped(ctx, *in, to, codeStopped+"/"+m.ID, d.env.Now()); err != nil {
				d.trouble(ctx, "an opt-out", err)
			}
		}
	}
	return channels.Receipt{}, e
}

// unsure is the failure of a message that may have been taken.
func unsure(err error) *channels.SendError {
	return &channels.SendError{Reason: channels.Unsure, Retry: true, RetryAfter: settle, Code: codeUnsure, Err: err}
}

// compose returns where to and what to send, or why it cannot be.
func (d *Door) compose(m channels.Outbound) (to, body string, fault *channels.SendError) {
	refuse := func(r channels.Reason, code, why string) (string, string, *channels.SendError) {
		return "", "", &channels.SendError{Reason: r, Code: code, Err: errors.New(why)}
	}
	to, ok := Canonical(m.To.Handle, d.cfg.DefaultRegion)
	body = d.cfg.write(m.Body.Text, m.Body.Lang)
	info := segment.Count(body)
	switch {
	case m.To.Kind != channels.SMS || !ok:
		return refuse(channels.BadAddress, codeNumber, "not a phone number")
	case len(m.Body.Files) > 0:
		return refuse(channels.BadContent, codeFiles, "files cannot be sent by SMS")
	case body == "":
		return refuse(channels.BadContent, codeEmpty, "no text")
	case info.Segments > d.cfg.Limits.Segments || info.TooLong():
		return refuse(channels.BadContent, codeLong, fmt.Sprintf("%d characters in %d parts are too many", info.Runes, info.Segments))
	}
	return to, body, nil
}

func (d *Door) params(id, to, body string) *openapi.CreateMessageParams {
	p := (&openapi.CreateMessageParams{}).SetTo(to).SetBody(body).
		SetStatusCallback(d.env.PublicURL + d.path + "/status?id=" + url.QueryEscape(id))
	if d.cfg.MessagingService != "" {
		p.SetMessagingServiceSid(d.cfg.MessagingService)
	}
	if d.cfg.From != "" {
		p.SetFrom(d.cfg.From)
	}
	return p
}

func (d *Door) receipt(id string, m *openapi.ApiV2010Message) channels.Receipt {
	status := text(m.Status)
	r := channels.Receipt{
		Channel: d.env.ID, OutboundID: id, ProviderID: text(m.Sid), State: channels.Sent,
		Detail: "Twilio: " + status, Refs: []string{text(m.Sid)}, At: d.env.Now(),
	}
	if s, ok := states[status]; ok {
		r.State = s
	}
	if m.ErrorCode != nil {
		r.Code = fmt.Sprint(*m.ErrorCode)
		r.Reason = rulings[r.Code].reason
	}
	return r
}

// claims are which of our messages those at the provider are, of the latest ones: the
// outbox records it, but not before another may ask.
type claims struct {
	resolving sync.Mutex // held while a message at the provider is matched with one of ours
	mu        sync.Mutex
	id        map[string]string // by SID
	sids      []string          // oldest first
}

// latest is how many claims are kept: many more than can be on their way to the store.
const latest = 4096

func (c *claims) note(sid, id string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.id == nil {
		c.id = make(map[string]string)
	}
	if _, known := c.id[sid]; !known {
		c.sids = append(c.sids, sid)
	}
	c.id[sid] = id
	if len(c.sids) > latest {
		delete(c.id, c.sids[0])
		c.sids = c.sids[1:]
	}
}

func (c *claims) find(sid string) string {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.id[sid]
}

// owner returns which of our messages one at the provider is, "" when it is none's.
func (d *Door) owner(ctx context.Context, sid string) (string, error) {
	if id := d.claims.find(sid); id != "" {
		return id, nil
	}
	id, err := d.env.Ours(ctx, sid)
	if errors.Is(err, channels.ErrNotFound) {
		return "", nil
	}
	return id, err
}

// resolve looks for a message among those sent to its number since it was first
// tried: the one noted as ours, else the oldest of the same words that is nobody's.
func (d *Door) resolve(ctx context.Context, id, to, body string, since time.Time) (r channels.Receipt, found bool, err error) {
	d.claims.resolving.Lock()
	defer d.claims.resolving.Unlock()
	var match *openapi.ApiV2010Message
	var lookup error
	p := (&openapi.ListMessageParams{}).SetTo(to).SetPageSize(50)
	err = d.api.list(ctx, p, func(m *openapi.ApiV2010Message) bool {
		if at := moment(m.DateCreated); !at.IsZero() && at.Before(since.Add(-skew)) {
			return false // the list is newest first
		}
		if text(m.Direction) == "inbound" || !sameText(text(m.Body), body) {
			return true
		}
		owner, err := d.owner(ctx, text(m.Sid))
		switch {
		case err != nil:
			lookup = err
			return false
		case owner == "":
			match = m
		case owner == id:
			match = m
			return false
		}
		return true
	})
	if err = errors.Join(err, lookup); err != nil || match == nil {
		return r, false, err
	}
	d.claims.note(text(match.Sid), id)
	d.count.resolved.Add(1)
	return d.receipt(id, match), true, nil
}

// sameText compares what we sent with what the provider shows, which may differ in
// the space around it.
func sameText(a, b string) bool {
	plain := func(s string) string { return strings.TrimSpace(strings.ReplaceAll(s, "\r\n", "\n")) }
	return plain(a) == plain(b)
}
