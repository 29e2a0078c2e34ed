package sandbox

import (
	"encoding/xml"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"
)

// call is a Call resource and, when it is bridged, what became of the second leg.
type call struct {
	sid, from, to, twiml, callback string
	events                         []string
	status                         string
	duration                       int
	created                        time.Time
}

// dial is the bridging part of TwiML.
type dial struct {
	Dial struct {
		CallerID string `xml:"callerId,attr"`
		Action   string `xml:"action,attr"`
		Number   string `xml:"Number"`
	} `xml:"Dial"`
}

// Called is a call that was asked for.
type Called struct {
	SID, From, To, Dials, Status string
}

// Calls returns the calls that were asked for, oldest first.
func (s *Server) Calls() []Called {
	s.mu.Lock()
	defer s.mu.Unlock()
	var out []Called
	for _, c := range s.calls {
		var d dial
		_ = xml.Unmarshal([]byte(c.twiml), &d)
		out = append(out, Called{SID: c.sid, From: c.from, To: c.to, Dials: d.Dial.Number, Status: c.status})
	}
	return out
}

// createCall is POST Calls. Only calls with their TwiML in the request are made.
func (s *Server) createCall(w http.ResponseWriter, r *http.Request) {
	if err := r.ParseForm(); err != nil {
		refuse(w, http.StatusBadRequest, 20001, "The form cannot be read")
		return
	}
	f := r.PostForm
	switch {
	case f.Get("To") == "" || f.Get("From") == "":
		refuse(w, http.StatusBadRequest, 21201, "No 'To' or 'From' number is specified")
	case !e164.MatchString(f.Get("To")):
		refuse(w, http.StatusBadRequest, 21211, "Invalid 'To' Phone Number")
	case !s.owns(f.Get("From")):
		refuse(w, http.StatusBadRequest, 21210, "'From' phone number not verified")
	case f.Get("Twiml") == "" && f.Get("Url") == "":
		refuse(w, http.StatusBadRequest, 21205, "Url parameter is required.")
	case f.Get("Twiml") != "" && xml.Unmarshal([]byte(f.Get("Twiml")), new(dial)) != nil:
		refuse(w, http.StatusBadRequest, 12100, "The TwiML cannot be read")
	default:
		c := &call{
			sid: newSID("CA"), from: f.Get("From"), to: f.Get("To"), twiml: f.Get("Twiml"),
			callback: f.Get("StatusCallback"), events: f["StatusCallbackEvent"], status: "queued", created: s.o.Now(),
		}
		var out map[string]any
		s.change(func() {
			s.calls = append(s.calls, c)
			out = s.callResource(c)
		})
		s.start(func() { s.ringUp(c) })
		answer(w, http.StatusCreated, out)
	}
}

func (s *Server) fetchCall(w http.ResponseWriter, r *http.Request) {
	sid := strings.TrimSuffix(r.PathValue("call"), ".json")
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, c := range s.calls {
		if c.sid == sid {
			answer(w, http.StatusOK, s.callResource(c))
			return
		}
	}
	refuse(w, http.StatusNotFound, 20404, "The requested resource was not found")
}

// callResource is a call as the API shows it. The caller holds mu.
func (s *Server) callResource(c *call) map[string]any {
	return map[string]any{
		"sid": c.sid, "account_sid": s.o.AccountSID, "from": c.from, "to": c.to, "status": c.status,
		"direction": "outbound-api", "api_version": "2010-04-01", "duration": strconv.Itoa(c.duration),
		"date_created": stamp(c.created), "uri": root + s.o.AccountSID + "/Calls/" + c.sid + ".json",
	}
}

// outcome is what becomes of ringing a number.
func outcome(number string) string {
	switch number {
	case "+15005554486":
		return "busy"
	case "+15005554480":
		return "no-answer"
	case "+15005554404":
		return "failed"
	}
	return "completed"
}

// ringUp takes a call through its states: it rings the first number, and when
// that answers, the number that the TwiML dials.
func (s *Server) ringUp(c *call) {
	end := outcome(c.to)
	steps := []string{"initiated", "ringing"}
	if end == "completed" {
		steps = append(steps, "in-progress")
	}
	for _, status := range steps {
		if !s.move(c, status) {
			return
		}
	}
	if end == "completed" {
		s.bridge(c)
	}
	s.move(c, end)
}

// bridge rings the second number and posts what came of it to the action of Dial.
func (s *Server) bridge(c *call) {
	var d dial
	if xml.Unmarshal([]byte(c.twiml), &d) != nil || d.Dial.Number == "" || !s.pause(s.o.Step) {
		return
	}
	status, duration := outcome(strings.TrimSpace(d.Dial.Number)), 0
	if status == "completed" {
		duration = 7
	}
	s.change(func() { c.duration = duration })
	if d.Dial.Action != "" {
		f := s.callForm(c, "in-progress")
		f.Set("DialCallSid", newSID("CA"))
		f.Set("DialCallStatus", status)
		f.Set("DialCallDuration", strconv.Itoa(duration))
		s.persist(d.Dial.Action, f)
	}
}

// move puts a call into a state and tells it when the request asked for that.
func (s *Server) move(c *call, status string) bool {
	if !s.pause(s.o.Step) {
		return false
	}
	s.change(func() { c.status = status })
	event := map[string]string{"initiated": "initiated", "ringing": "ringing", "in-progress": "answered"}[status]
	if event == "" {
		event = "completed"
	}
	wanted := event == "completed" && len(c.events) == 0
	for _, e := range c.events {
		wanted = wanted || e == event
	}
	if wanted && c.callback != "" {
		f := s.callForm(c, status)
		if event == "completed" {
			f.Set("CallDuration", strconv.Itoa(c.duration))
		}
		s.persist(c.callback, f)
	}
	return true
}

func (s *Server) callForm(c *call, status string) url.Values {
	return url.Values{
		"CallSid": {c.sid}, "AccountSid": {s.o.AccountSID}, "From": {c.from}, "To": {c.to}, "CallStatus": {status},
		"Direction": {"outbound-api"}, "ApiVersion": {"2010-04-01"},
	}
}
