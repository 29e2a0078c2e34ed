package main

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"

	"casewire/channels"
	sms "casewire/channels/sms/sandbox"
)

// texter is a customer with a phone. A text is acknowledged when its webhook was
// answered with 200; until then Twilio brings it again.
type texter struct {
	correspondent
	srv *sms.Server
}

func newTexter(name string, n int, w *world, srv *sms.Server) *texter {
	number := fmt.Sprintf("+4915550100%02d", n)
	p := &texter{srv: srv}
	p.correspondent = correspondent{
		name: name, at: channels.Address{Kind: channels.SMS, Handle: number}, tick: w.tick, excused: w.excuses,
		shows: func() []arrival {
			var out []arrival
			for _, m := range srv.Sent() {
				if m.To == number {
					out = append(out, arrival{id: m.SID, text: plain(m.Body)})
				}
			}
			return out
		},
		watch: func(ctx context.Context, ok func() bool) error {
			hints, err := srv.Watch(ctx, number)
			if err != nil {
				return err
			}
			for !ok() {
				select {
				case <-hints:
				case <-ctx.Done():
					return ctx.Err()
				}
			}
			return nil
		},
	}
	return p
}

// rings is what the door writes of a call.
const rings = "Incoming call"

// calls has the phone call us, until everything about the call was told.
func (p *texter) calls(ctx context.Context, m *written) error {
	if m.sent == 0 {
		sid, err := p.srv.Call(p.at.Handle, p.srv.Numbers()[0])
		if err != nil {
			return err
		}
		m.names = []string{sid}
		m.sent++
	}
	return p.during(ctx, "its call to be answered", func(ctx context.Context) error {
		r, err := p.srv.AwaitCall(ctx, m.sid())
		if m.rung = r.Taken; err == nil && !m.rung {
			err = errors.New("nobody answered the webhook")
		}
		return err
	})
}

// dialled counts the calls that the provider was asked to make to the phone.
func (p *texter) dialled() int {
	n := 0
	for _, c := range p.srv.Calls() {
		if c.Dials == p.at.Handle {
			n++
		}
	}
	return n
}

func (p *texter) say(ctx context.Context, m *written) error {
	if m.call {
		return p.calls(ctx, m)
	}
	if m.sent == 0 {
		var media []sms.Media
		for _, f := range m.files {
			media = append(media, sms.Media{Type: "text/plain", Data: f})
		}
		sid, err := p.srv.Text(p.at.Handle, p.srv.Numbers()[0], m.text, media...)
		if err != nil {
			return err
		}
		m.names = []string{sid, sid + "/media"}
		m.sent++
	}
	return p.during(ctx, "its webhook to be answered", func(ctx context.Context) error { return p.srv.Await(ctx, m.sid()) })
}

func (p *texter) promised(m *written) (ack, bool) {
	return ack{}, m.rung || p.srv.Taken(m.sid())
}

// sid is Twilio's name for a text, "" before it was sent.
func (m *written) sid() string {
	if len(m.names) == 0 {
		return ""
	}
	return m.names[0]
}

// again has Twilio bring the last text once more (S2).
func (p *texter) again(ctx context.Context, all []*written) error {
	for _, m := range slices.Backward(all) {
		if m.by != customer(p) || !p.srv.Taken(m.sid()) {
			continue
		}
		return p.during(ctx, "a repeated webhook to be answered", func(ctx context.Context) error {
			status, err := p.srv.Again(ctx, m.sid())
			if err != nil || status == http.StatusBadGateway {
				return errCut
			}
			if status != http.StatusOK && status != http.StatusServiceUnavailable { // the door may not run yet
				return fmt.Errorf("%s: a repeated webhook is answered %d", strings.ToLower(p.name), status)
			}
			return nil
		})
	}
	return nil
}
