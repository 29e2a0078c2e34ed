package sms

import (
	"context"
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"strings"

	"casewire/channels"

	"github.com/twilio/twilio-go/client"
	openapi "github.com/twilio/twilio-go/rest/api/v2010"
)

// CallRequest is a call to be made: the operator's phone rings first, and when it
// is answered, the customer's. We handle no sound.
type CallRequest struct {
	ID       string // comes back with what became of the call
	Operator string // a number in E.164, or one of the default region
	Customer string
}

// ringing is how long each phone rings, in seconds.
const ringing = 30

// Call has Twilio call the operator and then bridge the customer. What becomes of
// it comes as a Receipt with the request's ID: Delivered once both have spoken,
// Undelivered with a code such as "operator_no_answer" or "customer_busy"
// otherwise. The call shows our number; a door without one cannot call. Errors
// are *SendError; a call is never tried again by itself.
func (d *Door) Call(ctx context.Context, c CallRequest) (channels.Receipt, error) {
	refuse := func(r channels.Reason, code, why string) (channels.Receipt, error) {
		return channels.Receipt{}, &channels.SendError{Reason: r, Code: code, Err: errors.New(why)}
	}
	operator, ok := Canonical(c.Operator, d.cfg.DefaultRegion)
	if !ok {
		return refuse(channels.Misset, codeNumber, "the operator's is not a phone number")
	}
	customer, ok := Canonical(c.Customer, d.cfg.DefaultRegion)
	if !ok {
		return refuse(channels.BadAddress, codeNumber, "the customer's is not a phone number")
	}
	ours := d.callerID()
	if ours == "" {
		return refuse(channels.Misset, "21606", "the channel has no number to call from")
	}
	back := d.env.PublicURL + d.path + "/call?id=" + url.QueryEscape(c.ID)
	var got *openapi.ApiV2010Call
	err := d.api.call(ctx, func(_ *client.RequestHandler, s *openapi.ApiService) (err error) {
		p := (&openapi.CreateCallParams{}).SetTo(operator).SetFrom(ours).SetTimeout(ringing).
			SetTwiml(bridge(ours, customer, back)).SetStatusCallback(back)
		got, err = s.CreateCall(p)
		return err
	})
	d.state.heard(calling, err)
	if err != nil {
		e := verdict(err)
		e.Retry = false // a phone that rings twice is worse than one that does not
		return channels.Receipt{}, e
	}
	return channels.Receipt{
		Channel: d.env.ID, OutboundID: c.ID, ProviderID: text(got.Sid), State: channels.Sent, Detail: "Twilio: " + text(got.Status), At: d.env.Now(),
	}, nil
}

// callerID is the number that calls come from.
func (d *Door) callerID() string {
	if e164(d.cfg.From) {
		return d.cfg.From
	}
	if len(d.own) > 0 {
		return d.own[0]
	}
	return ""
}

// bridge is what Twilio does once the operator has answered.
func bridge(ours, customer, back string) string {
	type dial struct {
		CallerID string `xml:"callerId,attr"`
		Timeout  int    `xml:"timeout,attr"`
		Bridge   bool   `xml:"answerOnBridge,attr"`
		Action   string `xml:"action,attr"`
		Number   string `xml:"Number"`
	}
	b, err := xml.Marshal(struct {
		XMLName xml.Name `xml:"Response"`
		Dial    dial     `xml:"Dial"`
	}{Dial: dial{CallerID: ours, Timeout: ringing, Bridge: true, Action: back, Number: customer}})
	if err != nil {
		return "<Response/>" // strings always marshal
	}
	return string(b)
}

// called is POST /hooks/sms/{channel}/call: what became of the customer's phone,
// or that the operator's was never answered.
func (d *Door) called(ctx context.Context, w http.ResponseWriter, r *http.Request, in channels.Sink, f form) error {
	sid, status, who := f.get("CallSid"), f.get("DialCallStatus"), "customer"
	if status == "" {
		status, who = f.get("CallStatus"), "operator"
	}
	if !strings.HasPrefix(sid, "CA") || len(sid) != 34 || status == "" {
		return &refused{http.StatusBadRequest, mangled}
	}
	receipt := channels.Receipt{
		Channel: d.env.ID, OutboundID: r.URL.Query().Get("id"), ProviderID: sid, State: channels.Sent,
		Detail: who + ": " + status, At: d.env.Now(),
	}
	switch status {
	case "completed", "answered":
		if who == "customer" {
			receipt.State = channels.Delivered
			if n, err := strconv.Atoi(f.get("DialCallDuration")); err == nil {
				receipt.Detail += fmt.Sprintf(", %d s", n)
			}
		}
	case "busy", "no-answer", "failed", "canceled":
		receipt.State, receipt.Reason = channels.Undelivered, channels.Unreachable
		receipt.Code = who + "_" + strings.ReplaceAll(status, "-", "_")
	}
	if err := in.Receipt(ctx, receipt); err != nil {
		return fmt.Errorf("report a call: %w", err)
	}
	d.count.calls.Add(1)
	w.Header().Set("Content-Type", "text/xml; charset=utf-8")
	_, _ = io.WriteString(w, twiml(""))
	return nil
}
