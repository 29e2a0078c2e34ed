package outside

import (
	"encoding/json"
	"fmt"
	"maps"
	"regexp"
	"strings"
	"time"

	"casewire/casecore"
	"casewire/casecore/store"
	"casewire/channels"
)

// HookEvent is the body of one webhook.
type HookEvent struct {
	ID        string    `json:"id" doc:"The same in every repeat and for every subscriber; also the header webhook-id."`
	Type      string    `json:"type" doc:"What happened." example:"notice.delivered"`
	Timestamp time.Time `json:"timestamp" doc:"When it happened."`
	Data      HookData  `json:"data"`
}

// HookData is what is told of an event. Which of from and to there are depends on
// the type.
type HookData struct {
	Case    HookCase     `json:"case"`
	Seq     int64        `json:"seq,omitempty" doc:"Place in the timeline of the case, from 1; absent for what is not in it."`
	Actor   string       `json:"actor,omitempty" doc:"Id of who did it: an operator, a token, the customer or a part of the house." example:"token:0190b0c2"`
	From    string       `json:"from,omitempty" example:"in_repair"`
	To      string       `json:"to,omitempty" example:"ready"`
	Message *HookMessage `json:"message,omitempty" doc:"Which message it is about."`
	Code    string       `json:"code,omitempty" doc:"The provider's, behind a reason or an outcome."`
	Seconds int64        `json:"seconds,omitempty" doc:"That a call lasted."`
	Content *HookContent `json:"content,omitempty" doc:"Only for subscriptions with content: true, as it is when it is sent."`
}

// HookCase is a case as the event left it.
type HookCase struct {
	Number   string `json:"number" example:"CW-000123"`
	Status   string `json:"status" example:"ready"`
	Stage    string `json:"stage" enum:"new,open,waiting,done,closed"`
	Queue    string `json:"queue" example:"phones"`
	Priority string `json:"priority" enum:"urgent,high,normal,low"`
	Category string `json:"category,omitempty" example:"phone"`
	Channel  string `json:"channel" doc:"Id of the channel on which the customer is answered." example:"telegram:bot"`
}

// HookMessage is a message without its words and addresses.
type HookMessage struct {
	ID        string `json:"id,omitempty" doc:"As in the timeline of the case; absent when nothing could be written."`
	Direction string `json:"direction,omitempty" enum:"in,out"`
	Channel   string `json:"channel,omitempty" example:"sms:main"`
	Auto      bool   `json:"auto,omitempty" doc:"Written by the house, not by a person."`
	Template  string `json:"template,omitempty" example:"ready"`
	State     string `json:"state,omitempty" doc:"Of the delivery."`
	Tries     int    `json:"tries,omitempty" doc:"How often it was handed to a provider."`
}

// HookContent is what people wrote and entered.
type HookContent struct {
	Subject    string            `json:"subject,omitempty"`
	Attributes map[string]string `json:"attributes,omitempty"`
	Text       string            `json:"text,omitempty" doc:"Of the message; not of notes. A link to the customer's own page is not in it: … stands there."`
	Lang       string            `json:"lang,omitempty" doc:"Language of the message, else of the case."`
}

// Of returns what is told of a happening, without content. False: nothing. In h a
// Case must be given.
func Of(h casecore.Happening, at time.Time) (HookEvent, bool) {
	name, ok := typeOf(h)
	if !ok || h.Case == nil {
		return HookEvent{}, false
	}
	e := HookEvent{Type: name, Timestamp: at.UTC(), Data: HookData{Case: caseOf(h.Case)}}
	if h.Event == nil {
		e.ID = store.NewID()
		e.Data.Message = messageOf(h.Message)
		return e, true
	}
	e.ID, e.Timestamp = h.Event.ID, h.Event.At.UTC()
	d := &e.Data
	d.Seq, d.Actor, d.From, d.To, d.Code, d.Seconds = h.Event.Seq, h.Event.Actor, h.Event.From, h.Event.To, h.Event.Code, h.Event.Seconds
	if h.Event.Kind == casecore.Calling {
		d.To = "" // somebody's number
	}
	if h.Event.Message != "" {
		d.Message = &HookMessage{ID: h.Event.Message}
	}
	if h.Event.Kind == casecore.Undelivered {
		d.Message = &HookMessage{ID: h.Event.Message, Template: h.Event.Template}
	}
	return e, true
}

// Named says what a happening is called, false: it is not told of.
func Named(h casecore.Happening) (string, bool) { return typeOf(h) }

func caseOf(c *casecore.Case) HookCase {
	return HookCase{
		Number: c.CaseNumber(), Status: c.Status, Stage: string(c.Stage), Queue: c.Queue,
		Priority: c.Priority.String(), Category: c.Category, Channel: c.Channel,
	}
}

func messageOf(m *casecore.Message) *HookMessage {
	out := &HookMessage{ID: m.ID, Direction: string(m.Direction), Channel: m.Channel, Auto: m.Auto, Template: m.Template}
	if m.Delivery != nil {
		out.State, out.Tries = string(m.Delivery.State), len(m.Delivery.Attempts)
	}
	return out
}

// Content returns what people wrote about an event, with "…" for each link to a
// customer's own page: that is a key, and for the customer alone. m is the message
// that the event is about, nil for none.
func Content(c *casecore.Case, m *casecore.Message) *HookContent {
	out := &HookContent{Subject: keyless(c.Subject), Attributes: maps.Clone(c.Attributes), Lang: c.Lang}
	for k, v := range out.Attributes {
		out.Attributes[k] = keyless(v)
	}
	if m != nil && m.Direction != casecore.Note {
		out.Text = keyless(m.Body.Text)
		if m.Body.Lang != "" {
			out.Lang = m.Body.Lang
		}
	}
	return out
}

var pageLinks = regexp.MustCompile(casecore.PageLink)

func keyless(text string) string {
	if !strings.Contains(text, casecore.PagePath) {
		return text
	}
	return pageLinks.ReplaceAllString(text, "…")
}

// Rank orders what happened to one message behind an entry of the timeline: the
// entry, sent, delivered, read.
func Rank(h casecore.Happening) int64 {
	if h.Event != nil || h.Message.Delivery == nil {
		return 0
	}
	switch h.Message.Delivery.State {
	case channels.Delivered:
		return 2
	case channels.Read, channels.Cancelled:
		return 3
	}
	return 1
}

// Body writes an event as it is sent.
func (e HookEvent) Body() ([]byte, error) {
	b, err := json.Marshal(e)
	if err != nil {
		return nil, fmt.Errorf("write webhook %s: %w", e.Type, err)
	}
	return b, nil
}

// PingBody writes a trial as it is sent: an event about no case.
func (e HookEvent) PingBody() ([]byte, error) {
	b, err := json.Marshal(struct {
		ID        string    `json:"id"`
		Type      string    `json:"type"`
		Timestamp time.Time `json:"timestamp"`
		Data      struct{}  `json:"data"`
	}{ID: e.ID, Type: e.Type, Timestamp: e.Timestamp})
	if err != nil {
		return nil, fmt.Errorf("write webhook %s: %w", e.Type, err)
	}
	return b, nil
}
