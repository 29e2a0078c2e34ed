package render

import (
	"strings"

	"casewire/casecore/lang"
)

// Values are what the variables of a template stand for, in the language of the
// text. They come from outside, in part: Render makes each one line of at most
// 200 characters.
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
}

// Variable describes one variable to who writes templates.
type Variable struct {
	Name     string    // as it stands between the braces; "attr.*" means any attribute
	Meaning  lang.Text // what it stands for
	Example  string
	Optional bool // may be empty, so a template must say what happens then
}

// Variables lists all variables, in the order to show them.
func Variables() []Variable {
	return []Variable{
		{Name: "case", Example: "CW-000123", Meaning: lang.Text{
			"en": "number of the case", "ru": "номер обращения", "uk": "номер звернення", "sr": "broj predmeta"}},
		{Name: "status", Example: "Repaired, ready for pickup", Meaning: lang.Text{
			"en": "status, as the customer reads it", "ru": "статус, как его видит клиент",
			"uk": "статус, як його бачить клієнт", "sr": "status, kako ga vidi kupac"}},
		{Name: "centre", Example: "Casewire Service", Meaning: lang.Text{
			"en": "name of the service centre", "ru": "название сервисного центра",
			"uk": "назва сервісного центру", "sr": "naziv servisnog centra"}},
		{Name: "queue", Example: "Phones", Meaning: lang.Text{
			"en": "name of the queue", "ru": "название очереди", "uk": "назва черги", "sr": "naziv reda"}},
		{Name: "customer", Example: "Anna Kovalenko", Optional: true, Meaning: lang.Text{
			"en": "name of the customer", "ru": "имя клиента", "uk": "ім’я клієнта", "sr": "ime kupca"}},
		{Name: "operator", Example: "Olena", Optional: true, Meaning: lang.Text{
			"en": "name of who holds the case", "ru": "имя сотрудника, который ведёт обращение",
			"uk": "ім’я працівника, який веде звернення", "sr": "ime operatera koji vodi predmet"}},
		{Name: "subject", Example: "The screen is cracked", Optional: true, Meaning: lang.Text{
			"en": "subject of the case", "ru": "тема обращения", "uk": "тема звернення", "sr": "tema predmeta"}},
		{Name: "device", Example: "Samsung Galaxy S24", Optional: true, Meaning: lang.Text{
			"en": "brand and model, else the product", "ru": "марка и модель, иначе вид изделия",
			"uk": "марка і модель, інакше вид виробу", "sr": "marka i model, inače vrsta proizvoda"}},
		{Name: "link", Example: "https://service.example/c/7f3a", Optional: true, Meaning: lang.Text{
			"en": "address of the case's page", "ru": "адрес страницы обращения",
			"uk": "адреса сторінки звернення", "sr": "adresa stranice predmeta"}},
		{Name: attrPrefix + "*", Example: "Galaxy S24", Optional: true, Meaning: lang.Text{
			"en": "an attribute of the case, such as attr.model", "ru": "атрибут обращения, например attr.model",
			"uk": "атрибут звернення, наприклад attr.model", "sr": "atribut predmeta, na primer attr.model"}},
	}
}

// Sample returns example values for a preview.
func Sample() Values {
	return Values{
		Case: "CW-000123", Status: "Repaired, ready for pickup", Centre: "Casewire Service", Queue: "Phones",
		Customer: "Anna Kovalenko", Operator: "Olena", Subject: "The screen is cracked",
		Device: "Samsung Galaxy S24", Link: "https://service.example/c/7f3a",
		Attr: map[string]string{"product": "phone", "brand": "Samsung", "model": "Galaxy S24"},
	}
}

const attrPrefix = "attr."

// variable is one that a template may use: how to read it and whether it may be
// empty.
type variable struct {
	name     string
	optional bool
	of       func(*Values) string
}

// known are the variables with a fixed name.
func known() map[string]variable {
	fields := map[string]func(*Values) string{
		"case": func(v *Values) string { return v.Case }, "status": func(v *Values) string { return v.Status },
		"centre": func(v *Values) string { return v.Centre }, "queue": func(v *Values) string { return v.Queue },
		"customer": func(v *Values) string { return v.Customer }, "operator": func(v *Values) string { return v.Operator },
		"subject": func(v *Values) string { return v.Subject }, "device": func(v *Values) string { return v.Device },
		"link": func(v *Values) string { return v.Link },
	}
	out := map[string]variable{}
	for _, d := range Variables() {
		if of := fields[d.Name]; of != nil {
			out[d.Name] = variable{name: d.Name, optional: d.Optional, of: of}
		}
	}
	return out
}

// attribute reads one attribute of the case.
func attribute(name string) variable {
	key := strings.TrimPrefix(name, attrPrefix)
	return variable{name: name, optional: true, of: func(v *Values) string { return v.Attr[key] }}
}

// value is what a variable puts into the text.
func (x *variable) value(v *Values) string {
	s := strings.Join(strings.Fields(x.of(v)), " ")
	if x.name == "link" {
		return s
	}
	const most = 200
	n := 0
	for i := range s {
		if n++; n > most {
			return s[:i] + "…"
		}
	}
	return s
}
