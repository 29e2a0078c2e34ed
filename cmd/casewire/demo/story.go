package demo

import (
	"time"

	"casewire/channels"
)

// story is one conversation of the demo's history: what a customer wrote, and
// what the centre did with it.
type story struct {
	ago     time.Duration // when the customer wrote
	via     channels.Kind // "": the web chat
	from    string        // where the customer is reached; not for the web chat
	who     string
	lang    string
	subject string // of a mail
	text    string
	facts   map[string]string
	then    []act
}

// act is one step of an operator, so long after the one before.
type act struct {
	after time.Duration
	by    string // login
	do    string // claim, answer, note, move, set, write (the customer again)
	text  string // of an answer, a note, a message; the status; or name=value
	told  bool   // what the customer is told of it goes out when the demo starts
}

// stories are what a centre's morning looks like: some cases waiting, some in
// work, some done. The words are such that the default rules show what they do.
var stories = []story{
	{ago: 52 * time.Hour, who: "Ірина Коваленко", lang: "uk", text: "Доброго дня! Впав телефон Samsung A52, екран чорний, але дзвінки чую. Скільки коштує заміна екрана?", then: []act{
		{after: 4 * time.Minute, by: "olena", do: "claim"},
		{after: 3 * time.Minute, by: "olena", do: "answer", text: "Доброго дня, Ірино! Заміна екрана на A52 коштує 2 400 грн з роботою, робимо за день. Чекаємо на вас до 19:00."},
		{after: 40 * time.Minute, by: "olena", do: "set", text: "brand=Samsung"},
		{after: time.Second, by: "olena", do: "set", text: "model=Galaxy A52"},
		{after: 3 * time.Hour, by: "olena", do: "move", text: "diagnosing"},
		{after: 2 * time.Hour, by: "olena", do: "note", text: "Шлейф цілий, міняємо тільки модуль. Клієнтка просила зберегти скло."},
		{after: time.Hour, by: "olena", do: "move", text: "in_repair"},
	}},
	{ago: 30 * time.Hour, who: "James Whitfield", lang: "en", text: "My ThinkPad shuts down after five minutes and the fan is very loud. It is still under warranty until May.", then: []act{
		{after: 9 * time.Minute, by: "olena", do: "claim"},
		{after: 5 * time.Minute, by: "olena", do: "answer", text: "Hello James, that sounds like a cooling problem. Please bring the laptop and the receipt, the first look is free."},
		{after: 2 * time.Hour, by: "", do: "write", text: "Great, I will come tomorrow at ten."},
	}},
	{ago: 26 * time.Hour, who: "Сергей Литвинов", lang: "ru", text: "Стиральная машина Bosch не сливает воду и выдаёт ошибку E18. Можно вызвать мастера на дом?", then: []act{
		{after: 15 * time.Minute, by: "marko", do: "claim"},
		{after: 6 * time.Minute, by: "marko", do: "answer", text: "Здравствуйте, Сергей! Это засор насоса. Мастер может быть у вас завтра с 10 до 12, выезд 400 грн."},
		{after: 50 * time.Minute, by: "marko", do: "set", text: "brand=Bosch"},
		{after: time.Hour, by: "marko", do: "move", text: "diagnosing"},
		{after: 2 * time.Hour, by: "marko", do: "move", text: "awaiting_parts"},
	}},
	{ago: 20 * time.Hour, who: "Milica Jovanović", lang: "sr", text: "Dobar dan, televizor LG se pali ali nema slike, samo zvuk. Da li se isplati popravka?", then: []act{
		{after: 30 * time.Minute, by: "marko", do: "claim"},
		{after: 4 * time.Minute, by: "marko", do: "answer", text: "Dobar dan! Najčešće je u pitanju pozadinsko osvetljenje, popravka je oko 9.000 din. Donesite televizor ili dolazimo mi."},
	}},
	{ago: 28 * time.Hour, via: channels.Email, from: "daniel@mail.test", who: "Daniel Brooks", lang: "en", subject: "Dishwasher stops halfway", text: "Hello,\n\nour Bosch dishwasher (SMS46) stops after ten minutes and shows E24. I have cleaned the filter already. Could somebody come and see?\n\nDaniel Brooks", then: []act{
		{after: 20 * time.Minute, by: "marko", do: "claim"},
		{after: 7 * time.Minute, by: "marko", do: "answer", text: "Hello Daniel,\n\nE24 is the drain: most often the pump or a bent hose. A technician can be with you tomorrow between 10 and 12, the visit is 15 EUR.\n\nMarko"},
		{after: 70 * time.Minute, by: "", do: "write", text: "Tomorrow at ten is fine, thank you. The bell does not work, please call."},
		{after: 10 * time.Minute, by: "marko", do: "set", text: "brand=Bosch"},
		{after: 26 * time.Hour, by: "marko", do: "move", text: "diagnosing", told: true},
	}},
	{ago: 23 * time.Hour, via: channels.Telegram, from: "70010001", who: "Andrii Kravchuk", lang: "uk", text: "Добрий день! iPhone 11 швидко розряджається, тримає пів дня. Міняєте акумулятор?", then: []act{
		{after: 6 * time.Minute, by: "olena", do: "claim"},
		{after: 3 * time.Minute, by: "olena", do: "answer", text: "Доброго дня! Так, акумулятор на iPhone 11 коштує 1 600 грн разом із заміною, робимо за годину."},
		{after: 15 * time.Minute, by: "", do: "write", text: "Чудово, занесу завтра зранку."},
	}},
	{ago: 6 * time.Hour, via: channels.SMS, from: "+381641234567", who: "Ana Simić", lang: "sr", text: "Dobar dan, da li popravljate tablete? Samsung, ne puni se.", then: []act{
		{after: 12 * time.Minute, by: "olena", do: "claim"},
		{after: 4 * time.Minute, by: "olena", do: "answer", text: "Dobar dan! Da, donesite tablet, pregled je besplatan. Radimo do 19 h."},
	}},
	{ago: 5 * time.Hour, who: "Оксана Бойко", lang: "uk", text: "Пральна машина тече знизу, вода на підлозі!"},
	{ago: 4*time.Hour + 20*time.Minute, who: "Дмитрий Орлов", lang: "ru", text: "Ноутбук залили чаем, не включается. Данные очень нужны."},
	{ago: 3 * time.Hour, who: "Amelia Stone", lang: "en", text: "The battery of my iPhone 12 is swelling and the screen is lifting. Is it dangerous to keep it at home?"},
	{ago: 2*time.Hour + 10*time.Minute, who: "Nikola Petrović", lang: "sr", text: "Zvučnik na telefonu krči, ništa se ne čuje u razgovoru."},
	{ago: 95 * time.Minute, who: "Тетяна Мельник", lang: "uk", text: "Чи ремонтуєте ви кавоварки DeLonghi? Не подає воду."},
	{ago: 85 * time.Minute, via: channels.Email, from: "natalia@mail.test", who: "Наталія Гриценко", lang: "uk", subject: "Ноутбук не вмикається", text: "Доброго дня!\n\nНоутбук Lenovo IdeaPad після оновлення не вмикається, лише блимає індикатор. На ньому дипломна робота доньки, дані дуже потрібні.\n\nЗ повагою,\nНаталія Гриценко"},
	{ago: 70 * time.Minute, who: "Андрей Соколов", lang: "ru", text: "Телевизор Samsung, полоса по экрану. Сколько стоит диагностика?"},
	{ago: 48 * time.Minute, who: "Peter Novak", lang: "en", text: "Do you repair vacuum robots? Mine drives in circles."},
	{ago: 40 * time.Minute, via: channels.Telegram, from: "70010002", who: "Ирина Белова", lang: "ru", text: "Здравствуйте, уронила телефон в воду, экран не реагирует. Что делать?"},
	{ago: 31 * time.Minute, who: "Ольга Кравець", lang: "uk", text: "Телефон не заряджається, міняла кабель, не допомогло."},
	{ago: 22 * time.Minute, who: "Владислав Гончар", lang: "uk", text: "Комп'ютер вимикається під час ігор, відеокарта гріється до 95 градусів."},
	{ago: 14 * time.Minute, who: "Jelena Marković", lang: "sr", text: "Фрижидер не хлади, а мотор ради без престанка."},
	{ago: 9 * time.Minute, who: "Максим Руденко", lang: "uk", text: "Вітаю, о котрій ви сьогодні зачиняєтесь?"},
	{ago: 4 * time.Minute, who: "Sofia Hughes", lang: "en", text: "Cracked tablet screen, Galaxy Tab S6. Can you do it before Friday?"},
}

func (s story) address() channels.Address {
	if s.via == "" {
		return channels.Address{Kind: channels.WebChat, Handle: visitor(s.who), Name: s.who}
	}
	return channels.Address{Kind: s.via, Handle: s.from, Name: s.who}
}

// channel is the one that a story came in on.
func (s story) channel() string {
	switch s.via {
	case channels.Email:
		return EmailChannel
	case channels.Telegram:
		return TelegramChannel
	case channels.SMS:
		return SMSChannel
	}
	return "webchat:site"
}
