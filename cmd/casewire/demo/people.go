package demo

import (
	"slices"
	"strconv"

	telegram "casewire/channels/telegram/sandbox"
)

// person is a customer of the sandbox, at one of its devices.
type person struct {
	ID   string // the address, the chat's number, the phone number
	Name string
	Lang string // of their programs
	Note string // key of the words that say what is special about their device
}

// mailPeople have a mailbox each.
var mailPeople = []person{
	{ID: "daniel@mail.test", Name: "Daniel Brooks", Lang: "en"},
	{ID: "natalia@mail.test", Name: "Наталія Гриценко", Lang: "uk"},
	{ID: "jovana@mail.test", Name: "Jovana Nikolić", Lang: "sr"},
}

// telegramPeople have a chat with the bot each.
var telegramPeople = []telegram.Person{
	{ID: 70010001, First: "Andrii", Last: "Kravchuk", Username: "andrii_kravchuk", Lang: "uk"},
	{ID: 70010002, First: "Ирина", Last: "Белова", Lang: "ru"},
	{ID: 70010003, First: "Luka", Last: "Pavlović", Username: "luka_p", Lang: "sr"},
	{ID: 70010004, First: "Emily", Last: "Carter", Lang: "en"},
}

// smsPeople have a phone each. The sandbox's numbers that begin with +1500555
// are phones that a message cannot reach.
var smsPeople = []person{
	{ID: "+447700900123", Name: "Grace Miller", Lang: "en"},
	{ID: "+380501234567", Name: "Богдан Ткаченко", Lang: "uk"},
	{ID: "+381641234567", Name: "Ana Simić", Lang: "sr"},
	{ID: "+15005553003", Name: "+1 500 555 3003", Note: "sms_off"},
	{ID: "+15005553006", Name: "+1 500 555 3006", Note: "sms_landline"},
}

// chatters are telegramPeople as persons.
func chatters() []person {
	out := make([]person, len(telegramPeople))
	for i, p := range telegramPeople {
		out[i] = person{ID: strconv.FormatInt(p.ID, 10), Name: p.First + " " + p.Last, Lang: p.Lang}
	}
	return out
}

// among returns the person with that id, else the first.
func among(people []person, id string) person {
	if i := slices.IndexFunc(people, func(p person) bool { return p.ID == id }); i >= 0 {
		return people[i]
	}
	return people[0]
}
