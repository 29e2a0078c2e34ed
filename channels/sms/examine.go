package sms

import (
	"context"
	"fmt"
	"net/url"
	"strings"

	"casewire/channels"
)

// Resources of the API, as far as they are looked at.
type (
	accountResource struct {
		Status string `json:"status"`
		Type   string `json:"type"`
	}
	numberResource struct {
		Number      string `json:"phone_number"`
		SmsURL      string `json:"sms_url"`
		SmsMethod   string `json:"sms_method"`
		VoiceURL    string `json:"voice_url"`
		VoiceMethod string `json:"voice_method"`
	}
	serviceResource struct {
		Inbound     string `json:"inbound_request_url"`
		NumbersHook bool   `json:"use_inbound_webhook_on_number"`
	}
)

func (d *Door) account(ctx context.Context) (a accountResource, err error) {
	err = d.api.inquire(ctx, apiHost+"/2010-04-01/Accounts/"+d.cfg.AccountSID+".json", &a)
	d.state.heard(asking, err)
	return a, err
}

// Examine tries the login, the sender and where Twilio posts messages to. It sends
// nothing.
func (d *Door) Examine(ctx context.Context, found func(channels.Finding)) {
	d.examineURL(found)
	a, err := d.account(ctx)
	switch {
	case err != nil:
		found(channels.Finding{Step: "login", Text: err.Error(), Mend: "compare account_sid and auth_token with Twilio's console"})
		return
	case a.Status != "active":
		found(channels.Finding{Step: "login", Text: "the account is " + a.Status, Mend: "see Twilio's console"})
		return
	case a.Type == "Trial":
		found(channels.Finding{Step: "login", OK: true, Warn: true, Text: "a trial account", Mend: "upgrade it: trial accounts send to verified numbers only"})
	default:
		found(channels.Finding{Step: "login", OK: true, Text: "the account is active"})
	}
	if d.cfg.named() {
		found(channels.Finding{Step: "sender", OK: true, Warn: true, Text: "messages go out under a name, which nobody can answer",
			Mend: "send from a number where customers are to answer"})
	}
	if d.cfg.MessagingService != "" && !d.examineService(ctx, found) {
		return
	}
	for _, n := range d.own {
		d.examineNumber(ctx, n, found)
	}
}

func (d *Door) examineURL(found func(channels.Finding)) {
	u, err := url.Parse(d.env.PublicURL)
	switch {
	case d.guard.standIn != nil:
		found(channels.Finding{Step: "webhook", OK: true, Warn: true, Text: "a stand-in takes Twilio's place", Mend: "leave server out to text for real"})
	case err != nil || u.Scheme != "https" || strings.Contains(u.Hostname(), "_") || !strings.Contains(u.Hostname(), "."):
		found(channels.Finding{Step: "webhook", Text: "Twilio cannot post to " + d.WebhookURL(), Mend: "set the public URL to https and a name that the Internet knows"})
	default:
		found(channels.Finding{Step: "webhook", OK: true, Text: d.WebhookURL()})
	}
}

// examineService looks at the messaging service, and says whether its numbers'
// own webhooks count.
func (d *Door) examineService(ctx context.Context, found func(channels.Finding)) (numbers bool) {
	var s serviceResource
	if err := d.api.inquire(ctx, "https://messaging.twilio.com/v1/Services/"+d.cfg.MessagingService, &s); err != nil {
		found(channels.Finding{Step: "messaging service", Text: err.Error(), Mend: "compare messaging_service with Twilio's console"})
		return true
	}
	if s.NumbersHook {
		found(channels.Finding{Step: "messaging service", OK: true, Text: "it exists; its numbers have webhooks of their own"})
		return true
	}
	found(pointed("messaging service", "messages", d.WebhookURL(), s.Inbound, "POST"))
	return false
}

func (d *Door) examineNumber(ctx context.Context, number string, found func(channels.Finding)) {
	step := "number " + number
	var list struct {
		Numbers []numberResource `json:"incoming_phone_numbers"`
	}
	address := apiHost + "/2010-04-01/Accounts/" + d.cfg.AccountSID + "/IncomingPhoneNumbers.json?PhoneNumber=" + url.QueryEscape(number)
	if err := d.api.inquire(ctx, address, &list); err != nil {
		found(channels.Finding{Step: step, Text: err.Error(), Mend: "try again later"})
		return
	}
	for _, n := range list.Numbers {
		if n.Number == number {
			found(pointed(step, "messages", d.WebhookURL(), n.SmsURL, n.SmsMethod))
			if len(d.cfg.Voice.Dial) > 0 || len(d.cfg.Voice.Say) > 0 {
				found(pointed("calls to "+number, "calls", d.VoiceURL(), n.VoiceURL, n.VoiceMethod))
			}
			return
		}
	}
	found(channels.Finding{Step: step, Text: "it is not a number of this account", Mend: "write a number of the account, or another account_sid"})
}

// pointed compares where Twilio posts messages or calls with where we take them.
// What follows "#" is for Twilio alone.
func pointed(step, what, ours, address, method string) channels.Finding {
	base, _, _ := strings.Cut(address, "#")
	if strings.TrimSuffix(base, "/") == ours && strings.EqualFold(method, "POST") {
		return channels.Finding{Step: step, OK: true, Text: "it exists, and " + what + " to it come here"}
	}
	text := fmt.Sprintf("%s to it go to %s by %s", what, base, method)
	if base == "" {
		text = what + " to it go nowhere"
	}
	return channels.Finding{Step: step, Text: text, Mend: "enter " + ours + " as its webhook, by POST"}
}
