package sms

import (
	"casewire/channels"
)

// Meaning says in a language ("en", "ru", "uk", "sr"; English for others) what a
// code of Twilio or of this channel means and what follows from it (S6). An
// unknown code says so.
func Meaning(code, lang string) string {
	r, known := rulings[code]
	if !known {
		r = ruling{reason: channels.BadContent, cause: ""}
	}
	i := 0
	for n, l := range languages {
		if l == lang {
			i = n
		}
	}
	return causes[r.cause][i] + " " + consequences[r.reason][i]
}

// causes are in the order of languages.
var causes = map[cause][4]string{
	"": {
		"The provider refused the message for a reason that is not known here.",
		"Оператор связи отклонил сообщение по причине, которой нет в справочнике.",
		"Оператор зв’язку відхилив повідомлення з причини, якої немає в довіднику.",
		"Provajder je odbio poruku iz razloga koji ovde nije poznat.",
	},
	causeNumber: {
		"This is not a valid phone number.",
		"Такого телефонного номера не бывает.",
		"Такого телефонного номера не буває.",
		"Ovo nije ispravan broj telefona.",
	},
	causeRoute: {
		"This number cannot be reached by SMS from our sender.",
		"На этот номер нельзя отправить SMS от нашего отправителя.",
		"На цей номер не можна надіслати SMS від нашого відправника.",
		"Ovaj broj ne može da primi SMS od našeg pošiljaoca.",
	},
	causeMobile: {
		"This is not a mobile number.",
		"Это не мобильный номер.",
		"Це не мобільний номер.",
		"Ovo nije mobilni broj.",
	},
	causeGone: {
		"Nobody has this number, or it is not in service.",
		"Номер не существует или не обслуживается.",
		"Номер не існує або не обслуговується.",
		"Broj ne postoji ili nije u upotrebi.",
	},
	causeLandline: {
		"This is a landline, or a network that takes no SMS.",
		"Это городской номер или сеть, которая не принимает SMS.",
		"Це міський номер або мережа, що не приймає SMS.",
		"Ovo je fiksni broj ili mreža koja ne prima SMS.",
	},
	causeStopped: {
		"The customer has replied STOP and does not want SMS from us.",
		"Клиент ответил СТОП и не хочет получать от нас SMS.",
		"Клієнт відповів СТОП і не хоче отримувати від нас SMS.",
		"Klijent je odgovorio STOP i ne želi SMS od nas.",
	},
	causeCarrier: {
		"The customer's network or phone blocks our messages.",
		"Сеть или телефон клиента блокирует наши сообщения.",
		"Мережа або телефон клієнта блокує наші повідомлення.",
		"Mreža ili telefon klijenta blokira naše poruke.",
	},
	causeRegion: {
		"Our Twilio account may not send to this country.",
		"Нашей учётной записи Twilio не разрешено отправлять в эту страну.",
		"Нашому обліковому запису Twilio не дозволено надсилати в цю країну.",
		"Naš Twilio nalog nema dozvolu za slanje u ovu zemlju.",
	},
	causeSender: {
		"The sender configured for this channel is not a number or service of our account.",
		"Отправитель в настройках канала не принадлежит нашей учётной записи.",
		"Відправник у налаштуваннях каналу не належить нашому обліковому запису.",
		"Pošiljalac podešen za ovaj kanal ne pripada našem nalogu.",
	},
	causeLogin: {
		"Twilio does not accept our account or token.",
		"Twilio не принимает наш логин или токен.",
		"Twilio не приймає наш логін або токен.",
		"Twilio ne prihvata naš nalog ili token.",
	},
	causeSuspended: {
		"Our Twilio account is suspended.",
		"Наша учётная запись Twilio приостановлена.",
		"Наш обліковий запис Twilio призупинено.",
		"Naš Twilio nalog je suspendovan.",
	},
	causeUnlisted: {
		"Our sender is not registered for business messages in this country.",
		"Наш отправитель не зарегистрирован для рассылки в этой стране.",
		"Наш відправник не зареєстрований для розсилки в цій країні.",
		"Naš pošiljalac nije registrovan za poslovne poruke u ovoj zemlji.",
	},
	causeSetting: {
		"Something in the settings of this channel does not exist at Twilio.",
		"В настройках канала указано то, чего нет в Twilio.",
		"У налаштуваннях каналу вказано те, чого немає в Twilio.",
		"Nešto u podešavanjima kanala ne postoji kod Twilija.",
	},
	causeMoney: {
		"The balance of our Twilio account is used up.",
		"На счёте Twilio закончились деньги.",
		"На рахунку Twilio закінчилися кошти.",
		"Na našem Twilio nalogu nema više sredstava.",
	},
	causeQueue: {
		"Too many messages are waiting at the provider.",
		"У оператора скопилось слишком много сообщений.",
		"В оператора накопичилося забагато повідомлень.",
		"Kod provajdera čeka previše poruka.",
	},
	causeRate: {
		"We are sending faster than the provider allows.",
		"Мы отправляем быстрее, чем разрешает оператор.",
		"Ми надсилаємо швидше, ніж дозволяє оператор.",
		"Šaljemo brže nego što provajder dozvoljava.",
	},
	causeCap: {
		"The number of messages allowed for today is used up.",
		"Разрешённое на сегодня число сообщений исчерпано.",
		"Дозволену на сьогодні кількість повідомлень вичерпано.",
		"Iskorišćen je dozvoljeni broj poruka za danas.",
	},
	causeOff: {
		"The customer's phone is switched off or out of reach.",
		"Телефон клиента выключен или вне зоны действия сети.",
		"Телефон клієнта вимкнений або поза зоною дії мережі.",
		"Telefon klijenta je isključen ili van dometa.",
	},
	causeUnknown: {
		"The network could not deliver and did not say why.",
		"Сеть не смогла доставить сообщение и не сообщила причину.",
		"Мережа не змогла доставити повідомлення і не назвала причину.",
		"Mreža nije mogla da isporuči poruku i nije rekla zašto.",
	},
	causeEmpty: {
		"The message is empty.",
		"Сообщение пустое.",
		"Повідомлення порожнє.",
		"Poruka je prazna.",
	},
	causeLong: {
		"The message is longer than SMS allows.",
		"Сообщение длиннее, чем допускает SMS.",
		"Повідомлення довше, ніж дозволяє SMS.",
		"Poruka je duža nego što SMS dozvoljava.",
	},
	causeFiltered: {
		"The network took the message for unwanted and filtered it out.",
		"Сеть приняла сообщение за нежелательное и отфильтровала его.",
		"Мережа вважала повідомлення небажаним і відфільтрувала його.",
		"Mreža je poruku smatrala neželjenom i odbacila je.",
	},
	causeMMS: {
		"The customer's network does not take this picture or file.",
		"Сеть клиента не принимает такое изображение или файл.",
		"Мережа клієнта не приймає таке зображення чи файл.",
		"Mreža klijenta ne prima ovu sliku ili datoteku.",
	},
	causeBroken: {
		"Twilio or a network behind it is out of order.",
		"В Twilio или в сети за ним неполадки.",
		"У Twilio або в мережі за ним несправності.",
		"Twilio ili mreža iza njega ima smetnje.",
	},
	causeFiles: {
		"Files cannot be sent by SMS.",
		"Файлы нельзя отправить по SMS.",
		"Файли не можна надіслати через SMS.",
		"Datoteke ne mogu da se šalju SMS-om.",
	},
}

var consequences = map[channels.Reason][4]string{
	channels.BadAddress: {
		"The number is marked, and the next channel is tried.",
		"Номер помечен, пробуем следующий канал.",
		"Номер позначено, пробуємо наступний канал.",
		"Broj je označen i pokušava se sledeći kanal.",
	},
	channels.Blocked: {
		"Nothing more is sent to this number; the next channel is tried.",
		"На этот номер больше не отправляем, пробуем следующий канал.",
		"На цей номер більше не надсилаємо, пробуємо наступний канал.",
		"Na ovaj broj se više ne šalje; pokušava se sledeći kanal.",
	},
	channels.Misset: {
		"An administrator has to mend this; the message waits.",
		"Это должен исправить администратор, сообщение ждёт.",
		"Це має виправити адміністратор, повідомлення чекає.",
		"Administrator mora to da ispravi; poruka čeka.",
	},
	channels.Throttled: {
		"It is tried again more slowly.",
		"Попробуем ещё раз, медленнее.",
		"Спробуємо ще раз, повільніше.",
		"Pokušaće se ponovo, sporije.",
	},
	channels.Unreachable: {
		"It is tried again later.",
		"Попробуем ещё раз позже.",
		"Спробуємо ще раз пізніше.",
		"Pokušaće se ponovo kasnije.",
	},
	channels.BadContent: {
		"Somebody has to look at the message.",
		"Сообщение должен посмотреть человек.",
		"Повідомлення має переглянути людина.",
		"Neko mora da pogleda poruku.",
	},
}
