package sms

import (
	"context"
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"

	"casewire/channels"
)

// rung is POST /hooks/voice/{channel}: a call comes in. It is answered once it is
// stored; a repeat is told the same.
func (d *Door) rung(ctx context.Context, w http.ResponseWriter, _ *http.Request, in channels.Sink, f form) error {
	sid, to := f.get("CallSid"), f.get("To")
	switch {
	case !callSID(sid):
		return &refused{http.StatusBadRequest, mangled}
	case len(d.own) > 0 && !slices.Contains(d.own, to):
		return &refused{http.StatusNotFound, unknown}
	}
	from, known := d.caller(f)
	lang := d.cfg.Voice.Language
	if known {
		lang = d.cfg.Voice.speaks(f.get("FromCountry"))
	} else {
		from.Name = withheldWords[lang]
		// First of all: nothing may be sent there, not even the receipt for the call.
		if err := in.Standing(ctx, channels.Standing{
			Channel: d.env.ID, ExternalID: sid + "/withheld", Address: from, Reason: channels.BadAddress, Code: "withheld", At: d.env.Now(),
		}); err != nil {
			return fmt.Errorf("mark a withheld number: %w", err)
		}
	}
	msg := channels.Inbound{
		Channel: d.env.ID, ExternalID: sid, From: from, To: []channels.Address{{Kind: channels.SMS, Handle: to}},
		Refs: []string{sid}, Body: channels.Body{Text: callWords[lang]}, Facts: callFacts(f, known),
		SentAt: d.env.Now(), Received: d.env.Now(),
	}
	if err := in.Message(ctx, msg); err != nil {
		return fmt.Errorf("hand over a call: %w", err)
	}
	d.check("sms.call_taken")
	d.count.callsIn.Add(1)
	w.Header().Set("Content-Type", "text/xml; charset=utf-8")
	_, _ = io.WriteString(w, d.cfg.Voice.answer(lang, d.VoiceURL()+"/status"))
	return nil
}

// caller is who calls, and whether they show their number. A number that texts go
// to is the same customer as theirs; a withheld one is somebody new each time, who
// cannot be written to.
func (d *Door) caller(f form) (who channels.Address, known bool) {
	from := strings.TrimSpace(f.get("From"))
	if n, ok := Canonical(from, d.cfg.DefaultRegion); ok && !withheld(from) {
		return channels.Address{Kind: channels.SMS, Handle: n}, true
	}
	return channels.Address{Kind: channels.Voice, Handle: f.get("CallSid")}, false
}

// withheld says that a caller does not show their number. Twilio then gives a word,
// or that word as it is typed on a phone's keys, as if it were a number.
func withheld(from string) bool {
	switch strings.TrimPrefix(strings.TrimPrefix(from, "+"), "1") {
	case "266696687", "7378742833", "2562533", "8656696", "86282452253": // ANONYMOUS, RESTRICTED, BLOCKED, UNKNOWN, UNAVAILABLE
		return true
	}
	return false // words are no numbers anyway
}

func callFacts(f form, known bool) map[string]string {
	facts := map[string]string{"call": "inbound", "number": f.get("To")}
	if !known {
		facts["withheld"] = "yes"
	} else if c := f.get("FromCountry"); c != "" {
		facts["country"] = c
	}
	return facts
}

// What operators read of a call, and of a caller without a number.
var (
	callWords     = Text{"en": "Incoming call", "ru": "Входящий звонок", "uk": "Вхідний дзвінок", "sr": "Dolazni poziv"}
	withheldWords = Text{"en": "Number withheld", "ru": "Номер скрыт", "uk": "Номер приховано", "sr": "Skriven broj"}
)

// spoken is the language of the channel's that a country speaks.
var spoken = map[string]string{
	"UA": "uk", "RU": "ru", "BY": "ru", "KZ": "ru", "RS": "sr", "ME": "sr", "BA": "sr",
	"US": "en", "GB": "en", "IE": "en", "CA": "en", "AU": "en", "NZ": "en",
}

// speaks is the language to speak with callers of a country.
func (v *Voice) speaks(country string) string {
	if lang := spoken[country]; lang != "" {
		return lang
	}
	return v.Language
}

// locales are the languages as Twilio's voices have them.
var locales = map[string]string{"en": "en-US", "ru": "ru-RU", "uk": "uk-UA", "sr": "sr-RS"}

// The verbs of an answer to a call, in the order in which they are carried out.
type (
	answerVerbs struct {
		XMLName xml.Name  `xml:"Response"`
		Say     *sayVerb  `xml:"Say"`
		Dial    *dialVerb `xml:"Dial"`
		Hangup  *struct{} `xml:"Hangup"`
		Reject  *struct{} `xml:"Reject"`
	}
	sayVerb struct {
		Language string `xml:"language,attr"`
		Text     string `xml:",chardata"`
	}
	dialVerb struct {
		CallerID string       `xml:"callerId,attr,omitempty"` // ours; empty: the caller's own
		Timeout  int          `xml:"timeout,attr"`            // seconds
		Bridge   bool         `xml:"answerOnBridge,attr"`     // the caller hears it ring
		Action   string       `xml:"action,attr"`
		Numbers  []numberVerb `xml:"Number"`
	}
	numberVerb struct {
		Events string `xml:"statusCallbackEvent,attr,omitempty"`
		Status string `xml:"statusCallback,attr,omitempty"`
		Number string `xml:",chardata"`
	}
)

func (v answerVerbs) String() string {
	b, err := xml.Marshal(v)
	if err != nil {
		return twiml("") // strings always marshal
	}
	return xml.Header + string(b)
}

// answer is what Twilio does with a call: ring at our phones, or say a text and hang
// up. status is where it tells what became of it.
func (v *Voice) answer(lang, status string) string {
	var out answerVerbs
	if l, text := v.Say.pick(lang); text != "" {
		out.Say = &sayVerb{Language: locales[l], Text: text}
	}
	switch {
	case len(v.Dial) > 0:
		out.Dial = &dialVerb{Timeout: int(v.Ring.Seconds()), Bridge: true, Action: status}
		for _, n := range v.Dial {
			out.Dial.Numbers = append(out.Dial.Numbers, numberVerb{Events: "answered", Status: status, Number: n})
		}
	case out.Say != nil:
		out.Hangup = &struct{}{}
	default:
		out.Reject = &struct{}{}
	}
	return out.String()
}

// hungUp is POST /hooks/voice/{channel}/status: who of us has answered, that the
// ringing or the talk is over, or how the call as a whole ended.
func (d *Door) hungUp(ctx context.Context, w http.ResponseWriter, _ *http.Request, in channels.Sink, f form) error {
	sid, status := f.get("CallSid"), f.get("CallStatus")
	if !callSID(sid) || status == "" {
		return &refused{http.StatusBadRequest, mangled}
	}
	if parent := f.get("ParentCallSid"); parent != "" {
		if err := d.noteAnswer(ctx, parent, f); err != nil {
			return err
		}
	} else if err := d.callOver(ctx, in, sid, f); err != nil {
		return err
	}
	w.Header().Set("Content-Type", "text/xml; charset=utf-8")
	_, _ = io.WriteString(w, twiml(""))
	return nil
}

// noteAnswer remembers which of our phones has a call, until the call is over.
func (d *Door) noteAnswer(ctx context.Context, parent string, f form) error {
	number := f.get("To")
	if f.get("CallStatus") != "in-progress" || !callSID(parent) || !slices.Contains(d.cfg.Voice.Dial, number) {
		return nil
	}
	if err := d.env.State.Save(ctx, "call/"+parent, []byte(number), remember); err != nil {
		return fmt.Errorf("note who answers a call: %w", err)
	}
	return nil
}

// callOver reports what became of a call, if that is what the form says. That the
// call as a whole was completed says nothing while our phones could ring.
func (d *Door) callOver(ctx context.Context, in channels.Sink, sid string, f form) error {
	r := channels.Receipt{
		Channel: d.env.ID, ProviderID: sid, State: channels.Undelivered, Reason: channels.Unreachable,
		Talk: &channels.Talk{Incoming: true}, At: d.env.Now(),
	}
	dialled, whole := f.get("DialCallStatus"), f.get("CallStatus")
	switch {
	case dialled == "completed" || dialled == "answered":
		by, err := d.whoAnswered(ctx, sid)
		if err != nil {
			return err
		}
		r.State, r.Reason, r.Detail = channels.Delivered, "", "answered"
		r.Talk.By, r.Talk.Length = by, talked(f)
	case dialled != "":
		r.Code, r.Detail = ends[dialled], "our phones: "+dialled
	case ends[whole] != "":
		r.Code, r.Detail = ends[whole], "call: "+whole
	case whole == "completed" && len(d.cfg.Voice.Dial) == 0:
		r.Code, r.Detail = channels.CallNoAnswer, "call: "+whole
	}
	if r.State == channels.Undelivered && r.Code == "" {
		return nil
	}
	if err := in.Receipt(ctx, r); err != nil {
		return fmt.Errorf("report a call: %w", err)
	}
	return nil
}

// whoAnswered is our phone that a call went to, "" when that was not told.
func (d *Door) whoAnswered(ctx context.Context, sid string) (string, error) {
	number, err := d.env.State.Load(ctx, "call/"+sid)
	switch {
	case err == nil:
		return string(number), nil
	case !errors.Is(err, channels.ErrNotFound):
		return "", fmt.Errorf("look up who answered a call: %w", err)
	case len(d.cfg.Voice.Dial) == 1:
		return d.cfg.Voice.Dial[0], nil
	}
	return "", nil
}
