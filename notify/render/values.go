package render

import (
	"strings"
	"sync"
	"time"

	"casewire/casecore/lang"
)

// Values are what the variables of a template stand for, in the language of the
// text. They come from outside, in part: Render makes each one line of at most
// 200 characters. Times are written in the zone that they carry.
type Values struct {
	Case     string // number as people see it
	Status   string // as the customer reads it
	Customer string
	Centre   string
	Queue    string
	Operator string
	Subject  string
	Device   string
	Link     string            // not shortened
	Attr     map[string]string // by key; what is missing is empty
	Opened   time.Time         // when the case was opened
	Since    time.Time         // when it came into its status
	Days     int               // whole days that it has been in its status; 0 is empty
	Currency string            // ISO 4217, of attributes that are sums
}

// Variable describes one variable to who writes templates.
type Variable struct {
	Name     string    // as it stands between the braces; "attr.*" means any attribute
	Meaning  lang.Text // what it stands for
	Example  string
	Optional bool // may be empty, so a template must say what happens then
	// Shapes are the ways to write it, behind a colon; the first is the usual one,
	// which needs none. Empty: there is but one.
	Shapes []string
}

// Variables lists all variables, in the order to show them.
func Variables() []Variable {
	return []Variable{
		{Name: "case", Example: "CW-000123", Meaning: lang.Text{
			"en": "number of the case", "ru": "номер обращения", "uk": "номер звернення", "sr": "број предмета"}},
		{Name: "status", Example: "Repaired, ready for pickup", Meaning: lang.Text{
			"en": "status, as the customer reads it", "ru": "статус, как его видит клиент",
			"uk": "статус, як його бачить клієнт", "sr": "статус, како га види купац"}},
		{Name: "centre", Example: "Casewire Service", Meaning: lang.Text{
			"en": "name of the service centre", "ru": "название сервисного центра",
			"uk": "назва сервісного центру", "sr": "назив сервисног центра"}},
		{Name: "queue", Example: "Phones", Meaning: lang.Text{
			"en": "name of the queue", "ru": "название очереди", "uk": "назва черги", "sr": "назив реда"}},
		{Name: "customer", Example: "Anna Kovalenko", Optional: true, Meaning: lang.Text{
			"en": "name of the customer", "ru": "имя клиента", "uk": "ім’я клієнта", "sr": "име купца"}},
		{Name: "operator", Example: "Olena", Optional: true, Meaning: lang.Text{
			"en": "name of who holds the case", "ru": "имя сотрудника, который ведёт обращение",
			"uk": "ім’я працівника, який веде звернення", "sr": "име оператера који води предмет"}},
		{Name: "subject", Example: "The screen is cracked", Optional: true, Meaning: lang.Text{
			"en": "subject of the case", "ru": "тема обращения", "uk": "тема звернення", "sr": "тема предмета"}},
		{Name: "device", Example: "Samsung Galaxy S24", Optional: true, Meaning: lang.Text{
			"en": "brand and model, else the product", "ru": "марка и модель, иначе вид изделия",
			"uk": "марка і модель, інакше вид виробу", "sr": "марка и модел, иначе врста производа"}},
		{Name: "link", Example: "https://service.example/c/7f3a", Optional: true, Meaning: lang.Text{
			"en": "address of the case's page", "ru": "адрес страницы обращения",
			"uk": "адреса сторінки звернення", "sr": "адреса странице предмета"}},
		{Name: "opened", Example: "9 March 2026", Shapes: shapes[moment], Meaning: lang.Text{
			"en": "when the case was opened", "ru": "когда открыто обращение",
			"uk": "коли відкрито звернення", "sr": "када је предмет отворен"}},
		{Name: "since", Example: "12 March 2026", Shapes: shapes[moment], Meaning: lang.Text{
			"en": "since when it has its status", "ru": "с какого времени у него этот статус",
			"uk": "з якого часу в нього цей статус", "sr": "од када има овај статус"}},
		{Name: "days", Example: "5 days", Optional: true, Shapes: append([]string{""}, shapes[count]...), Meaning: lang.Text{
			"en": "how many days it has had its status; or days:# day/# days", "ru": "сколько дней у него этот статус; или days:# день/# дня/# дней",
			"uk": "скільки днів у нього цей статус; або days:# день/# дні/# днів", "sr": "колико дана има овај статус; или days:# дан/# дана/# дана"}},
		{Name: attrPrefix + "*", Shapes: append([]string{""}, shapes[free]...), Example: "Galaxy S24", Optional: true, Meaning: lang.Text{
			"en": "an attribute of the case, such as attr.model", "ru": "атрибут обращения, например attr.model",
			"uk": "атрибут звернення, наприклад attr.model", "sr": "атрибут предмета, на пример attr.model"}},
	}
}

// Sample returns example values for a preview.
func Sample() Values {
	return Values{
		Case: "CW-000123", Status: "Repaired, ready for pickup", Centre: "Casewire Service", Queue: "Phones",
		Customer: "Anna Kovalenko", Operator: "Olena", Subject: "The screen is cracked",
		Device: "Samsung Galaxy S24", Link: "https://service.example/c/7f3a",
		Attr:   map[string]string{"product": "phone", "brand": "Samsung", "model": "Galaxy S24", "price": "4500"},
		Opened: time.Date(2026, time.March, 9, 10, 40, 0, 0, time.UTC),
		Since:  time.Date(2026, time.March, 12, 14, 5, 0, 0, time.UTC), Days: 5, Currency: "EUR",
	}
}

// SampleIn is Sample as a customer who reads tag might get it.
func SampleIn(tag string) Values {
	v := Sample()
	switch lang.Base(tag) {
	case "ru":
		v.Status, v.Queue, v.Customer, v.Operator, v.Subject = "Отремонтировано, можно забирать", "Телефоны", "Анна Коваленко", "Елена", "Треснул экран"
	case "uk":
		v.Status, v.Queue, v.Customer, v.Operator, v.Subject = "Відремонтовано, можна забирати", "Телефони", "Анна Коваленко", "Олена", "Тріснув екран"
	case "sr":
		v.Status, v.Queue, v.Customer, v.Operator, v.Subject = "Popravljeno, spremno za preuzimanje", "Telefoni", "Ana Petrović", "Jelena", "Napukao ekran"
	}
	return v
}

const attrPrefix = "attr."

// variable is one that a template may use: how to read it and whether it may be
// empty.
type variable struct {
	name     string
	optional bool
	kind     kind
	of       func(*Values, *locale) string // as it is usually written
	at       func(*Values) time.Time       // of a moment
	n        func(*Values) int             // of a count
}

// known are the variables with a fixed name.
var known = sync.OnceValue(func() map[string]variable {
	fields := map[string]func(*Values) string{
		"case": func(v *Values) string { return v.Case }, "status": func(v *Values) string { return v.Status },
		"centre": func(v *Values) string { return v.Centre }, "queue": func(v *Values) string { return v.Queue },
		"customer": func(v *Values) string { return v.Customer }, "operator": func(v *Values) string { return v.Operator },
		"subject": func(v *Values) string { return v.Subject }, "device": func(v *Values) string { return v.Device },
	}
	times := map[string]func(*Values) time.Time{
		"opened": func(v *Values) time.Time { return v.Opened }, "since": func(v *Values) time.Time { return v.Since },
	}
	out := map[string]variable{}
	for _, d := range Variables() {
		x := variable{name: d.Name, optional: d.Optional}
		if of := fields[d.Name]; of != nil {
			x.of = func(v *Values, _ *locale) string { return clean(of(v)) }
		}
		if at := times[d.Name]; at != nil {
			x.kind, x.at = moment, at
			x.of = func(v *Values, l *locale) string { return l.moment(at(v), "date") }
		}
		switch d.Name {
		case "link": // never shortened
			x.of = func(v *Values, _ *locale) string { return strings.Join(strings.Fields(v.Link), " ") }
		case "days":
			x.kind, x.n = count, func(v *Values) int { return v.Days }
			x.of = func(v *Values, l *locale) string { return l.counted(v.Days) }
		}
		if x.of != nil {
			out[d.Name] = x
		}
	}
	return out
})

// attribute reads one attribute of the case.
func attribute(name string) variable {
	key := strings.TrimPrefix(name, attrPrefix)
	return variable{name: name, optional: true, kind: free,
		of: func(v *Values, _ *locale) string { return clean(v.Attr[key]) }}
}

// clean makes one line of what came from outside, and not too long a one.
func clean(s string) string {
	s = strings.Join(strings.Fields(s), " ")
	const most = 200
	n := 0
	for i := range s {
		if n++; n > most {
			return s[:i] + "…"
		}
	}
	return s
}
