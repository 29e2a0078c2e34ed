package sms

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"time"

	"casewire/channels"

	"github.com/twilio/twilio-go/client"
	openapi "github.com/twilio/twilio-go/rest/api/v2010"
)

// ringing is how long each phone rings, in seconds.
const ringing = 30

// Call has Twilio call the operator and then bridge the customer (channels.Caller).
// Numbers may also be written as people of the default region do.
func (d *Door) Call(ctx context.Context, c channels.CallRequest) (channels.Receipt, error) {
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
	ours := d.CallerID()
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
		if e.Reason == channels.BadAddress || e.Reason == channels.Blocked {
			e.Reason = channels.Misset // Twilio has been asked for the operator's number only
		}
		return channels.Receipt{}, e
	}
	return channels.Receipt{
		Channel: d.env.ID, OutboundID: c.ID, ProviderID: text(got.Sid), State: channels.Sent, Detail: "Twilio: " + text(got.Status), At: d.env.Now(),
	}, nil
}

// CallerID is the number that calls come from: one that messages go out under a
// name does not have.
func (d *Door) CallerID() string {
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
	return answerVerbs{Dial: &dialVerb{
		CallerID: ours, Timeout: ringing, Bridge: true, Action: back, Numbers: []numberVerb{{Number: customer}},
	}}.String()
}

// called is POST /hooks/sms/{channel}/call: what became of the customer's phone,
// or that the operator's was never answered.
func (d *Door) called(ctx context.Context, w http.ResponseWriter, r *http.Request, in channels.Sink, f form) error {
	sid, status, who := f.get("CallSid"), f.get("DialCallStatus"), "customer"
	if status == "" {
		status, who = f.get("CallStatus"), "operator"
	}
	if !callSID(sid) || status == "" {
		return &refused{http.StatusBadRequest, mangled}
	}
	receipt := channels.Receipt{
		Channel: d.env.ID, OutboundID: r.URL.Query().Get("id"), ProviderID: sid, State: channels.Sent,
		Detail: who + ": " + status, Talk: &channels.Talk{}, At: d.env.Now(),
	}
	switch status {
	case "completed", "answered":
		if who == "customer" {
			receipt.State = channels.Delivered
			receipt.Talk.Length = talked(f)
		}
	default:
		if ends[status] == "" {
			break // on its way
		}
		receipt.State, receipt.Reason = channels.Undelivered, channels.Unreachable
		receipt.Code = who + "_" + ends[status]
	}
	if err := in.Receipt(ctx, receipt); err != nil {
		return fmt.Errorf("report a call: %w", err)
	}
	d.count.calls.Add(1)
	w.Header().Set("Content-Type", "text/xml; charset=utf-8")
	_, _ = io.WriteString(w, twiml(""))
	return nil
}

// ends maps Twilio's words for calls that nobody answered.
var ends = map[string]string{
	"busy": channels.CallBusy, "no-answer": channels.CallNoAnswer, "failed": channels.CallFailed, "canceled": channels.CallCanceled,
}

// talked is how long the second phone was in the call.
func talked(f form) time.Duration {
	n, err := strconv.ParseUint(f.get("DialCallDuration"), 10, 20)
	if err != nil {
		return 0
	}
	return time.Duration(n) * time.Second
}

// callSID says that s can be the id of a call.
func callSID(s string) bool { return len(s) == 34 && s[:2] == "CA" && hexadecimal(s[2:]) }
