package demo

import (
	"net/http"
	"slices"
	"strings"

	"casewire/routing"
)

// sample is something to write, and what the rules will make of it.
type sample struct{ Text, Why string }

// samples are in every language whatever the page's: the rules read all four.
var samples = []string{
	"My iPhone does not charge",
	"Телефон упал, экран разбит",
	"Пральна машина тече",
	"Televizor nema sliku",
	"The battery is swelling!",
}

type operatorView struct{ Login, Password, Name, Queues string }

// device is one that the overview can show.
type device struct {
	ID, Name, Icon string
	Page           string // shown in its frame
	Address        string // where its customers reach the centre
	Chosen         bool
}

// overview shows how it all goes, and one device beside it.
func (s *Sandbox) overview(w http.ResponseWriter, r *http.Request) {
	v := s.view(r, nil)
	all := s.devices(v)
	at := 0
	if id := r.PathValue("device"); id != "" {
		if at = slices.IndexFunc(all, func(d device) bool { return d.ID == id }); at < 0 {
			http.NotFound(w, r)
			return
		}
	}
	all[at].Chosen = true
	data := struct {
		view
		Devices   []device
		Device    device
		Operators []operatorView
		Samples   []sample
	}{view: v, Devices: all, Device: all[at]}
	router := s.router()
	for _, l := range s.logins {
		data.Operators = append(data.Operators, operatorView{l.Login, l.Password, l.Name, queueNames(router, l.Queues, v.Lang)})
	}
	for _, text := range samples {
		d := router.Route(routing.Facts{Text: text})
		data.Samples = append(data.Samples, sample{text, queueNames(router, []string{d.Queue}, v.Lang)})
	}
	s.show(w, "overview", false, data)
}

func (s *Sandbox) devices(v view) []device {
	return []device{
		{ID: "chat", Name: v.W["device_chat"], Icon: "webchat", Page: "/chat/frame?lang=" + v.Lang},
		{ID: "email", Name: v.W["device_email"], Icon: "email", Page: v.To("/sandbox/phone/email"), Address: SupportAddress},
		{ID: "telegram", Name: "Telegram", Icon: "telegram", Page: v.To("/sandbox/phone/telegram"), Address: "@" + s.world.Telegram.BotName()},
		{ID: "sms", Name: "SMS", Icon: "sms", Page: v.To("/sandbox/phone/sms"), Address: s.world.SMS.Numbers()[0]},
	}
}

func queueNames(r *routing.Router, ids []string, tag string) string {
	var names []string
	for _, id := range ids {
		if q, ok := r.Queue(id); ok {
			names = append(names, q.Name.In(tag))
		}
	}
	return strings.Join(names, ", ")
}
