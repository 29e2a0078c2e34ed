package sandbox

import (
	"cmp"
	"net/http"
	"net/url"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"
)

var (
	e164      = regexp.MustCompile(`^\+[1-9]\d{6,14}$`)
	alphaName = regexp.MustCompile(`^[A-Za-z0-9 ]{1,11}$`)
)

// verdict is what a number makes of a message.
type verdict struct {
	status, code int    // the answer to the request; 0 is taken
	text         string // of a refusal
	fault        Fault  // instead of an answer
	broken       bool
}

// magic maps numbers to what becomes of messages to them.
var magic = map[string]verdict{
	"+15005550001": {status: 400, code: 21211, text: "The 'To' number is not a valid phone number."},
	"+15005550002": {status: 400, code: 21612, text: "The 'To' number cannot be reached from the 'From' number."},
	"+15005550003": {status: 400, code: 21408, text: "Permission to send an SMS has not been enabled for the region of the 'To' number."},
	"+15005550004": {status: 400, code: 21610, text: "Attempt to send to unsubscribed recipient"},
	"+15005550009": {status: 400, code: 21614, text: "'To' number is not a valid mobile number"},
	"+15005550429": {broken: true, fault: Fault{Status: 429, Code: 20429, RetryAfter: 1}},
	"+15005550500": {broken: true, fault: Fault{Status: 500, Code: 20500}},
	"+15005550503": {broken: true, fault: Fault{Status: 503, Code: 20503, Taken: true}},
	"+15005550408": {broken: true, fault: Fault{Taken: true, Hang: true}},
	"+15005550499": {broken: true, fault: Fault{Cut: true}},
	"+15005550498": {broken: true, fault: Fault{Taken: true, Cut: true}},
}

// create is POST Messages.
func (s *Server) create(w http.ResponseWriter, r *http.Request) {
	if err := r.ParseForm(); err != nil {
		refuse(w, http.StatusBadRequest, 20001, "The form cannot be read")
		return
	}
	if v := s.judge(r.PostForm); v.status != 0 {
		refuse(w, v.status, v.code, v.text)
		return
	}
	v := magic[r.PostForm.Get("To")]
	if v.broken {
		if v.fault.Taken {
			s.take(r)
		}
		s.fail(w, r, v.fault)
		return
	}
	answer(w, http.StatusCreated, s.take(r))
}

// judge checks the parameters of a new message.
func (s *Server) judge(f url.Values) verdict {
	bad := func(code int, text string) verdict {
		return verdict{status: http.StatusBadRequest, code: code, text: text}
	}
	to, from, service, text := f.Get("To"), f.Get("From"), f.Get("MessagingServiceSid"), f.Get("Body")
	callback, err := url.Parse(f.Get("StatusCallback"))
	s.mu.Lock()
	defer s.mu.Unlock()
	switch {
	case to == "":
		return bad(21604, "A 'To' phone number is required.")
	case from == "" && service == "":
		return bad(21603, "A 'From' phone number is required.")
	case service != "" && service != s.o.Service:
		return bad(21705, "The Messaging Service Sid is invalid.")
	case from != "" && !s.owns(from) && (e164.MatchString(from) || !alphaName.MatchString(from)):
		return bad(21606, "The 'From' phone number is not a valid, SMS-capable number of your account.")
	case text == "" && len(f["MediaUrl"]) == 0:
		return bad(21602, "Message body is required.")
	case utf8.RuneCountInString(text) > 1600:
		return bad(21617, "The concatenated message body exceeds the 1600 character limit.")
	case !e164.MatchString(to):
		return bad(21211, "The 'To' number is not a valid phone number.")
	case err != nil || f.Get("StatusCallback") != "" && (callback.Host == "" || callback.Scheme != "http" && callback.Scheme != "https"):
		return bad(21609, "The 'StatusCallback' URL is not a valid URL.")
	case s.book.Stopped[pair(s.sender(from), to)]:
		return bad(21610, "Attempt to send to unsubscribed recipient")
	}
	if v := magic[to]; v.status != 0 {
		return v
	}
	return verdict{}
}

// sender is the number a message goes out from.
func (s *Server) sender(from string) string { return cmp.Or(from, s.o.Numbers[0]) }

// take makes a message of a request and starts it on its way.
func (s *Server) take(r *http.Request) map[string]any {
	if r.ParseForm() != nil {
		return nil
	}
	f, now := r.PostForm, s.o.Now()
	m := &message{
		SID: newSID("SM"), Direction: outbound, From: s.sender(f.Get("From")), To: f.Get("To"), Body: f.Get("Body"),
		Service: f.Get("MessagingServiceSid"), Status: "queued", Created: now, Updated: now, Callback: f.Get("StatusCallback"),
	}
	var out map[string]any
	s.change(func() {
		s.book.add(m)
		out = s.resource(m)
	})
	s.start(func() { s.travel(m.SID) })
	return out
}

// resource is a message as the API shows it. The caller holds mu.
func (s *Server) resource(m *message) map[string]any {
	uri := root + s.o.AccountSID + "/Messages/" + m.SID
	var code, service any
	if m.Code != 0 {
		code = m.Code
	}
	if m.Service != "" {
		service = m.Service
	}
	return map[string]any{
		"sid": m.SID, "account_sid": s.o.AccountSID, "api_version": "2010-04-01", "direction": m.Direction,
		"from": m.From, "to": m.To, "body": m.Body, "status": m.Status, "error_code": code, "error_message": nil,
		"messaging_service_sid": service, "num_media": strconv.Itoa(len(m.Media)), "num_segments": strconv.Itoa(segments(m.Body)),
		"date_created": stamp(m.Created), "date_sent": stamp(m.Sent), "date_updated": stamp(m.Updated),
		"price": nil, "price_unit": "USD", "uri": uri + ".json", "subresource_uris": map[string]string{"media": uri + "/Media.json"},
	}
}

func (s *Server) fetch(w http.ResponseWriter, r *http.Request) {
	s.mu.Lock()
	defer s.mu.Unlock()
	m := s.book.find(strings.TrimSuffix(r.PathValue("message"), ".json"))
	if m == nil {
		refuse(w, http.StatusNotFound, 20404, "The requested resource was not found")
		return
	}
	answer(w, http.StatusOK, s.resource(m))
}

// list is GET Messages: newest first, in pages.
func (s *Server) list(w http.ResponseWriter, r *http.Request) {
	q := r.URL.Query()
	size, page := number(q.Get("PageSize"), 50), number(q.Get("Page"), 0)
	after, okA := date(q.Get("DateSent>"))
	before, okB := date(q.Get("DateSent<"))
	if size < 1 || size > 1000 || page < 0 || !okA || !okB {
		refuse(w, http.StatusBadRequest, 20001, "A parameter is not valid")
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	var all []*message
	for _, m := range slices.Backward(s.book.Messages) {
		at := cmp.Or(m.Sent, m.Created)
		if m.Own || q.Get("To") != "" && q.Get("To") != m.To || q.Get("From") != "" && q.Get("From") != m.From ||
			!after.IsZero() && at.Before(after) || !before.IsZero() && at.After(before) {
			continue
		}
		all = append(all, m)
	}
	items := []map[string]any{}
	for _, m := range all[min(page*size, len(all)):min((page+1)*size, len(all))] {
		items = append(items, s.resource(m))
	}
	var next any
	if len(all) > (page+1)*size {
		q.Set("Page", strconv.Itoa(page+1))
		q.Set("PageToken", "PASM"+items[len(items)-1]["sid"].(string))
		next = r.URL.Path + "?" + q.Encode()
	}
	answer(w, http.StatusOK, map[string]any{"messages": items, "page": page, "page_size": size, "next_page_uri": next})
}

func number(s string, otherwise int) int {
	if s == "" {
		return otherwise
	}
	n, err := strconv.Atoi(s)
	if err != nil {
		return -1
	}
	return n
}

// date reads a day or a moment; "" is none.
func date(s string) (time.Time, bool) {
	for _, layout := range []string{time.RFC3339, time.DateOnly} {
		if t, err := time.Parse(layout, s); err == nil {
			return t, true
		}
	}
	return time.Time{}, s == ""
}

func pair(ours, customer string) string { return ours + " " + customer }

// Sent is a message that was created over REST.
type Sent struct {
	SID, From, To, Body, Status, Callback string
	Code                                  int
}

// Count returns how many messages were created over REST.
func (s *Server) Count() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.book.created
}

// Sent returns the messages created over REST, oldest first.
func (s *Server) Sent() []Sent {
	s.mu.Lock()
	defer s.mu.Unlock()
	var out []Sent
	for _, m := range s.book.Messages {
		if m.Direction == outbound {
			out = append(out, Sent{SID: m.SID, From: m.From, To: m.To, Body: m.Body, Status: m.Status, Callback: m.Callback, Code: m.Code})
		}
	}
	return out
}
