package demo

import (
	"context"
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"strings"

	"casewire/channels/sms/segment"

	sms "casewire/channels/sms/sandbox"
)

// sms shows a customer's text messages with the centre.
func (s *Sandbox) sms(w http.ResponseWriter, r *http.Request) {
	v := s.view(r, smsPeople)
	data := struct {
		view
		Number  string
		Bubbles []bubbleView
	}{view: v, Number: s.world.SMS.Numbers()[0]}
	for _, b := range s.world.SMS.Phone(v.Me.ID) {
		data.Bubbles = append(data.Bubbles, v.textBubble(b))
	}
	v.days(data.Bubbles)
	data.Bubbles = append(data.Bubbles, s.underway(v)...)
	s.show(w, "sms", true, data)
}

func (v view) textBubble(b sms.Bubble) bubbleView {
	out := bubbleView{ID: b.SID, Mine: b.Mine, Text: b.Text, At: b.At}
	for i, m := range b.Media {
		out.Files = append(out.Files, fileView{
			Name: m.Type, Size: size(int64(len(m.Data))), Picture: isPicture(m.Data), Voice: isVoice(m.Data),
			URL: v.To("/sandbox/phone/sms/file", "id", b.SID, "n", strconv.Itoa(i)),
		})
	}
	if !b.Mine {
		out.Parts = v.parts(b.Text)
	}
	return out
}

// parts says what a message costs.
func (v view) parts(text string) string {
	i := segment.Count(text)
	return fmt.Sprintf("%s: %d · %s", v.W["sms_parts"], i.Segments, i.Encoding)
}

// underway are the centre's messages that are not on the phone: on their way, or
// never to come. A real phone knows nothing of them.
func (s *Sandbox) underway(v view) []bubbleView {
	var out []bubbleView
	for _, m := range s.world.SMS.Sent() {
		if m.To != v.Me.ID || m.Status == "delivered" || m.Status == "read" {
			continue
		}
		b := bubbleView{ID: m.SID, Text: m.Body, State: v.W["sms_"+m.Status], Parts: v.parts(m.Body)}
		if m.Code != 0 {
			b.Failed, b.State = true, fmt.Sprintf("%s (%d)", b.State, m.Code)
		}
		out = append(out, b)
	}
	return out
}

// useSMS does what the customer does on the phone.
func (s *Sandbox) useSMS(w http.ResponseWriter, r *http.Request) {
	if !form(w, r) {
		return
	}
	v := s.view(r, smsPeople)
	v.back(w, r, s.onSMS(r, v.Me.ID))
}

func (s *Sandbox) onSMS(r *http.Request, number string) (fault string) {
	const most = 10 // of a message
	text := strings.TrimSpace(r.FormValue("text"))
	files, err := uploads(r, "file", most)
	if err == nil && r.FormValue("do") == "sample" {
		var f attachment
		f, err = sampleFile("crack.jpg")
		files = append(files, f)
	}
	if err != nil {
		return "file"
	}
	if word := r.FormValue("do"); slices.Contains([]string{"STOP", "START", "HELP"}, word) {
		text = word
	}
	var media []sms.Media
	for _, f := range files {
		media = append(media, sms.Media{Type: f.Type, Data: f.Data})
	}
	if text == "" && len(media) == 0 {
		return "empty"
	}
	if _, err := s.world.SMS.Text(number, s.world.SMS.Numbers()[0], text, media...); err != nil {
		return "send"
	}
	return ""
}

// smsFile serves a picture of a message.
func (s *Sandbox) smsFile(w http.ResponseWriter, r *http.Request) {
	n, _ := strconv.Atoi(r.FormValue("n"))
	for _, b := range s.world.SMS.Phone(among(smsPeople, r.FormValue("me")).ID) {
		if b.SID == r.FormValue("id") && n >= 0 && n < len(b.Media) {
			serveFile(w, r, attachment{"picture", b.Media[n].Type, b.Media[n].Data})
			return
		}
	}
	http.NotFound(w, r)
}

// smsLive tells of changes on a phone.
func (s *Sandbox) smsLive(w http.ResponseWriter, r *http.Request) {
	hints, err := s.world.SMS.Watch(r.Context(), among(smsPeople, r.FormValue("me")).ID)
	if err != nil {
		http.NotFound(w, r)
		return
	}
	s.stream(w, r, func(ctx context.Context) error { return hinted(ctx, hints, nil) })
}
