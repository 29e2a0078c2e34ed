package outbox_test

import (
	"context"
	"errors"
	"slices"
	"testing"
	"time"

	"casewire/channels"
	"casewire/notify"
	"casewire/notify/outbox"
)

// A door is told since when its provider may have the message, and only then.
func TestDoorIsToldOfDoubt(t *testing.T) {
	unsure := &channels.SendError{Reason: channels.Unsure, Retry: true}
	refused := &channels.SendError{Reason: channels.Unreachable, Retry: true}
	for name, v := range map[string]struct {
		ends []error // of the tries
		told []int   // the try since which it is in doubt, by try; 0: it is not
	}{
		"taken":                       {[]error{nil}, []int{0}},
		"refused, then taken":         {[]error{refused, nil}, []int{0, 0}},
		"unknown, then taken":         {[]error{unsure, nil}, []int{0, 1}},
		"unknown twice, then taken":   {[]error{unsure, unsure, nil}, []int{0, 1, 1}},
		"refused, unknown, taken":     {[]error{refused, unsure, nil}, []int{0, 0, 2}},
		"unknown, refused, refused":   {[]error{unsure, refused, refused, nil}, []int{0, 1, 1, 1}},
		"refused, unknown, refused …": {[]error{refused, unsure, refused, nil}, []int{0, 0, 2, 2}},
	} {
		t.Run(name, func(t *testing.T) {
			room(t, func(t *testing.T, h *house) {
				var began []time.Time
				var told []int
				h.door(mail).on(func(_ context.Context, m channels.Outbound, try int) (channels.Receipt, error) {
					began = append(began, time.Now())
					told = append(told, 1+slices.IndexFunc(began, m.Doubt.Equal))
					if !m.Doubt.IsZero() && told[try-1] == 0 {
						t.Errorf("try %d is in doubt since %s, which is no try", try, m.Doubt)
					}
					if err := v.ends[try-1]; err != nil {
						return channels.Receipt{}, err
					}
					return channels.Receipt{State: channels.Sent}, nil
				})
				_, stop := h.start(outbox.Options{})
				h.answer(h.openCase(mail, channels.Email, "a@b", true), "hello")
				time.Sleep(72 * time.Hour)
				stop()
				if !slices.Equal(told, v.told) {
					t.Errorf("told %v, want %v", told, v.told)
				}
				if n := h.only(); n.State != notify.Sent || !n.Doubt.IsZero() {
					t.Errorf("%s, in doubt since %s", n.State, n.Doubt)
				}
			})
		})
	}
}

// A try whose process died in the middle is in doubt.
func TestDoorIsToldOfDoubtAfterADeath(t *testing.T) {
	room(t, func(t *testing.T, h *house) {
		h.answer(h.openCase(mail, channels.Email, "a@b", true), "hello")
		began := time.Now()
		h.door(mail)
		l := newLife(h)
		l.dieAt("outbox.sent", 1)
		l.run(outbox.Options{Alone: true})
		l.wait()
		var doubt []time.Time
		h.door(mail).on(func(_ context.Context, m channels.Outbound, _ int) (channels.Receipt, error) {
			doubt = append(doubt, m.Doubt)
			return channels.Receipt{State: channels.Sent}, nil
		})
		_, stop := h.start(outbox.Options{Alone: true})
		time.Sleep(time.Hour)
		stop()
		if len(doubt) != 1 || !doubt[0].Equal(began) {
			t.Errorf("in doubt since %s, want %s", doubt, began)
		}
	})
}

func TestOursByTheProvidersName(t *testing.T) {
	room(t, func(t *testing.T, h *house) {
		h.door(mail)
		box, stop := h.start(outbox.Options{})
		defer stop()
		h.answer(h.openCase(mail, channels.Email, "a@b", true), "hello")
		time.Sleep(time.Minute)
		n := h.only()
		if id, err := box.Ours(t.Context(), mail, n.ProviderID); err != nil || id != n.Message {
			t.Errorf("%q, %v", id, err)
		}
		for channel, name := range map[string]string{mail: "another", text: n.ProviderID} {
			if _, err := box.Ours(t.Context(), channel, name); !errors.Is(err, channels.ErrNotFound) {
				t.Errorf("%s on %s: %v", name, channel, err)
			}
		}
	})
}
