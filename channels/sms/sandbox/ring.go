package sandbox

import (
	"context"
	"encoding/xml"
	"errors"
	"fmt"
	"net/url"
	"slices"
	"strconv"

	"github.com/google/uuid"
)

// rung is a call from a customer's phone.
type rung struct {
	Rung
	from, to string
	over     bool
}

// Rung is what became of a call from a customer's phone.
type Rung struct {
	SID      string
	Taken    bool     // the webhook was answered with 2xx
	Heard    []string // what the caller was told, each with its language: "sr-RS: Dobar dan"
	Rejected bool     // not answered at all
	Rang     []string // phones that rang at the other end
	By       string   // the one that answered
}

// voiceHook is where calls to a number are announced, and what became of them.
type voiceHook struct{ voice, status string }

// PointVoice announces calls to one of our numbers at url, and how they ended at
// status, as somebody would enter them in the provider's console; "" is nowhere.
func (s *Server) PointVoice(number, url, status string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.voices[number] = voiceHook{url, status}
}

// Call has a customer's phone call one of our numbers, and returns the call's id at
// once. from may also be what the provider says instead of a withheld number:
// "+266696687", "anonymous". Our phones answer unless their number is magic;
// +15005554481 hangs up while they ring.
func (s *Server) Call(from, to string) (sid string, err error) {
	if !s.owns(to) {
		return "", fmt.Errorf("nobody can call %q here", to)
	}
	c := &rung{Rung: Rung{SID: newSID("CA")}, from: from, to: to}
	var h voiceHook
	s.change(func() {
		s.rung = append(s.rung, c)
		h = s.voices[to]
	})
	s.start(func() {
		s.ringIn(c, h)
		s.change(func() { c.over = true })
	})
	return c.SID, nil
}

// AwaitCall returns what became of a call from a customer's phone, once it is over
// and everything about it was told.
func (s *Server) AwaitCall(ctx context.Context, sid string) (Rung, error) {
	var out Rung
	err := s.wait(ctx, func() bool {
		i := slices.IndexFunc(s.rung, func(c *rung) bool { return c.SID == sid })
		if i < 0 || !s.rung[i].over {
			return false
		}
		out = s.rung[i].Rung
		return true
	})
	return out, err
}

// CallAgain posts the webhook of a call once more, and returns the status of the
// answer.
func (s *Server) CallAgain(ctx context.Context, sid string) (status int, err error) {
	s.mu.Lock()
	i := slices.IndexFunc(s.rung, func(c *rung) bool { return c.SID == sid })
	if i < 0 {
		s.mu.Unlock()
		return 0, errors.New("no such call")
	}
	c := s.rung[i]
	address := s.voices[c.to].voice
	s.mu.Unlock()
	status, _, err = s.post(ctx, address, uuid.NewString(), s.rungForm(c, "ringing"))
	return status, err
}

// instructions is the answer to a call.
type instructions struct {
	Say []struct {
		Language string `xml:"language,attr"`
		Text     string `xml:",chardata"`
	} `xml:"Say"`
	Dial *struct {
		Action  string `xml:"action,attr"`
		Numbers []struct {
			Events string `xml:"statusCallbackEvent,attr"`
			Status string `xml:"statusCallback,attr"`
			Number string `xml:",chardata"`
		} `xml:"Number"`
	} `xml:"Dial"`
	Reject *struct{} `xml:"Reject"`
}

// ringIn takes a call through what the answer to its webhook says.
func (s *Server) ringIn(c *rung, h voiceHook) {
	if h.voice == "" {
		return
	}
	body, ok := s.persist(h.voice, s.rungForm(c, "ringing"))
	var do instructions
	if !ok || xml.Unmarshal(body, &do) != nil {
		return
	}
	s.change(func() {
		c.Taken, c.Rejected = true, do.Reject != nil
		for _, say := range do.Say {
			c.Heard = append(c.Heard, say.Language+": "+say.Text)
		}
	})
	end := "completed"
	if do.Reject != nil {
		end = "no-answer"
	}
	if do.Dial != nil && s.pause(s.o.Step) {
		s.ringUs(c, &do)
	}
	if h.status != "" {
		f := s.rungForm(c, end)
		f.Set("CallDuration", "9")
		s.persist(h.status, f)
	}
}

// ringUs rings our phones, and posts who answered and how it ended.
func (s *Server) ringUs(c *rung, do *instructions) {
	how := "no-answer"
	for _, n := range do.Dial.Numbers {
		s.change(func() { c.Rang = append(c.Rang, n.Number) })
		if c.from == "+15005554481" {
			how = "canceled"
			continue
		}
		if how = outcome(n.Number); how != "completed" {
			continue
		}
		s.change(func() { c.By = n.Number })
		if n.Status != "" {
			f := s.rungForm(c, "in-progress")
			f.Set("ParentCallSid", c.SID)
			f.Set("CallSid", newSID("CA"))
			f.Set("To", n.Number)
			f.Set("Direction", "outbound-dial")
			s.persist(n.Status, f)
		}
		break
	}
	f := s.rungForm(c, "in-progress")
	f.Set("DialCallStatus", how)
	if how == "completed" {
		f.Set("DialCallSid", newSID("CA"))
		f.Set("DialCallDuration", strconv.Itoa(7))
	}
	s.persist(do.Dial.Action, f)
}

func (s *Server) rungForm(c *rung, status string) url.Values {
	return url.Values{
		"CallSid": {c.SID}, "AccountSid": {s.o.AccountSID}, "From": {c.from}, "Caller": {c.from}, "To": {c.to}, "Called": {c.to},
		"CallStatus": {status}, "Direction": {"inbound"}, "ApiVersion": {"2010-04-01"},
		"FromCountry": {country(c.from)}, "ToCountry": {country(c.to)},
	}
}
