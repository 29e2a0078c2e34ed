package policy

import (
	"testing"
	"time"

	"casewire/casecore"
	"casewire/routing"
)

// corpus is what customers write, and where the default policy must send it.
var corpus = []struct {
	queue    string
	priority casecore.Priority
	category string
	text     string
}{
	// phones
	{"phones", casecore.Normal, "phone", "Hi, I dropped my iPhone 13 and the screen is cracked. How much is a new one?"},
	{"phones", casecore.Normal, "phone", "my phone doesnt turn on anymore after the update"},
	{"phones", casecore.Normal, "phone", "Cracked tablet screen, Galaxy Tab S6. Can you do it before Friday?"},
	{"phones", casecore.Normal, "phone", "Charging port of my Pixel 7 is loose"},
	{"phones", casecore.Normal, "phone", "Здравствуйте, телефон упал в воду и не включается, что делать?"},
	{"phones", casecore.Normal, "phone", "разбился экран на самсунг галакси а52, сколько стоит?"},
	{"phones", casecore.Normal, "phone", "Айфон 11 быстро садится, хочу поменять аккумулятор"},
	{"phones", casecore.Normal, "phone", "Планшет не заряжается, гнездо зарядки шатается"},
	{"phones", casecore.Normal, "phone", "нужен ремонт телефона"},
	{"phones", casecore.Normal, "phone", "Доброго дня! Впав телефон Samsung A52, екран чорний, але дзвінки чую. Скільки коштує заміна екрана?"},
	{"phones", casecore.Normal, "phone", "Телефон не заряджається, міняла кабель, не допомогло."},
	{"phones", casecore.Normal, "phone", "Розбитий екран на айфоні, чи є скло в наявності?"},
	{"phones", casecore.Normal, "phone", "ремонтуєте телефони сяомі?"},
	{"phones", casecore.Normal, "phone", "Zvučnik na telefonu krči, ništa se ne čuje u razgovoru."},
	{"phones", casecore.Normal, "phone", "Pukao ekran na mobilnom, koliko košta zamena?"},
	{"phones", casecore.Normal, "phone", "Телефон не пуни, мењала сам кабл"},
	{"phones", casecore.Normal, "phone", "Tablet mi se ne pali"},

	// computers
	{"computers", casecore.Normal, "computer", "Laptop overheats and the fan is very loud"},
	{"computers", casecore.Normal, "computer", "My MacBook keyboard has three dead keys"},
	{"computers", casecore.Normal, "computer", "The printer prints blank pages, HP LaserJet 1020"},
	{"computers", casecore.Normal, "computer", "Ноутбук залили чаем, не включается. Данные очень нужны."},
	{"computers", casecore.Normal, "computer", "комп выдаёт синий экран при запуске игр"},
	{"computers", casecore.Normal, "computer", "Нужно поставить Windows 11 и почистить от пыли системный блок"},
	{"computers", casecore.Normal, "computer", "жесткого диска не видно в биосе"},
	{"computers", casecore.Normal, "computer", "Комп'ютер вимикається під час ігор, відеокарта гріється до 95 градусів."},
	{"computers", casecore.Normal, "computer", "Ноутбука не чути, динаміки хриплять"},
	{"computers", casecore.Normal, "computer", "Роутер не роздає інтернет на телефон"},
	{"computers", casecore.Normal, "computer", "Laptop se gasi posle deset minuta, ventilator bruji"},
	{"computers", casecore.Normal, "computer", "Рачунар се не пали, матична плоча?"},
	{"computers", casecore.Normal, "computer", "Štampač ne vuče papir"},

	// appliances
	{"appliances", casecore.Normal, "appliance", "Our fridge is not cooling any more, the freezer works"},
	{"appliances", casecore.Normal, "appliance", "Do you repair vacuum robots? Mine drives in circles."},
	{"appliances", casecore.Normal, "appliance", "Washing machine stops in the middle. My phone number is +44 20 7946 0000"},
	{"appliances", casecore.Normal, "appliance", "Стиральная машина Bosch не сливает воду и выдаёт ошибку E18. Можно вызвать мастера на дом?"},
	{"appliances", casecore.Normal, "appliance", "Холодильник «Атлант» гудит и не морозит, тел. 067 123-45-67"},
	{"appliances", casecore.Normal, "appliance", "посудомойка оставляет соль на тарелках, контактный телефон 0501234567"},
	{"appliances", casecore.Normal, "appliance", "Микроволновка крутит, но не греет"},
	{"appliances", casecore.Normal, "appliance", "Пральна машина тече знизу, вода на підлозі!"},
	{"appliances", casecore.Normal, "appliance", "Чи ремонтуєте ви кавоварки DeLonghi? Не подає воду."},
	{"appliances", casecore.Normal, "appliance", "холодильника два роки, перестав холодити"},
	{"appliances", casecore.Normal, "appliance", "Не працює конфорка на плиті"},
	{"appliances", casecore.Normal, "appliance", "Frižider ne hladi, a motor radi bez prestanka."},
	{"appliances", casecore.Normal, "appliance", "Фрижидер не хлади, а мотор ради без престанка."},
	{"appliances", casecore.Normal, "appliance", "Veš mašina ne centrifugira"},
	{"appliances", casecore.Normal, "appliance", "Шпорет Горење, не ради рерна"},

	// TV and audio
	{"tv", casecore.Normal, "tv", "TV has sound but no picture, LG 55 inch"},
	{"tv", casecore.Normal, "tv", "PS5 shuts down after ten minutes of playing"},
	{"tv", casecore.Normal, "audio", "One side of my headphones is silent"},
	{"tv", casecore.Normal, "tv", "Телевизор Samsung, полоса по экрану. Сколько стоит диагностика?"},
	{"tv", casecore.Normal, "tv", "тв сам выключается через минуту, что это может быть"},
	{"tv", casecore.Normal, "audio", "Не играет правая колонка, усилитель исправен"},
	{"tv", casecore.Normal, "tv", "Телевізор не вмикається, блимає червоний індикатор"},
	{"tv", casecore.Normal, "audio", "Навушники JBL не тримають заряд"},
	{"tv", casecore.Normal, "tv", "Dobar dan, televizor LG se pali ali nema slike, samo zvuk. Da li se isplati popravka?"},
	{"tv", casecore.Normal, "audio", "Zvučnici krče na većoj jačini"},

	// danger
	{"phones", casecore.Urgent, "danger", "The battery of my iPhone 12 is swelling and the screen is lifting. Is it dangerous to keep it at home?"},
	{"phones", casecore.Urgent, "danger", "Вздулся аккумулятор, телефон лежит на столе, что делать?"},
	{"phones", casecore.Urgent, "danger", "Здувся акумулятор у смартфоні!"},
	{"phones", casecore.Urgent, "danger", "Baterija na telefonu se nadula"},
	{"computers", casecore.Urgent, "danger", "Laptop battery is swollen, the touchpad is pushed up"},
	{"computers", casecore.Urgent, "danger", "В ноутбуке вздулась батарея"},
	{"general", casecore.Urgent, "danger", "Smoke came out of the washing machine!"},
	{"general", casecore.Urgent, "danger", "Телевизор задымился и пахнет гарью"},
	{"general", casecore.Urgent, "danger", "Пральна машина б'ється струмом"},
	{"general", casecore.Urgent, "danger", "Искрит розетка, когда включаю духовку"},
	{"general", casecore.Urgent, "danger", "Иде дим из усисивача"},
	{"general", casecore.Urgent, "danger", "Šporet je počeo da varniči, miriše na paljevinu"},

	// what only sounds like danger or a complaint
	{"phones", casecore.Normal, "phone", "Надо поменять батарею в телефоне"},
	{"phones", casecore.Normal, "phone", "My phone screen is very dim, the battery is new"},
	{"phones", casecore.Normal, "phone", "Меня ждут, а телефон не работает, батарея села"},
	{"tv", casecore.Normal, "tv", "Задаю вопрос второй раз: почему телевизор гаснет?"},
	{"appliances", casecore.Normal, "appliance", "На стиральной машине не загорается индикатор"},
	{"computers", casecore.Normal, "computer", "Роутер не раздаёт интернет на телефон"},
	{"tv", casecore.Normal, "tv", "Жаль, но дома телевизор опять без звука"},
	{"appliances", casecore.Normal, "appliance", "Нет искры на плите, газ не поджигается"},
	{"appliances", casecore.Normal, "appliance", "Не загорається лампочка в холодильнику"},
	{"phones", casecore.Normal, "phone", "Треба замінити акумулятор у телефоні, скільки це коштує"},
	{"appliances", casecore.Normal, "appliance", "Lampica na šporetu se ne pali, plin neće da se zapali"},
	{"tv", casecore.Normal, "tv", "Nadam se da možete da popravite televizor"},
	{"phones", casecore.Normal, "phone", "Treba da zamenim bateriju na telefonu"},

	// complaints
	{"general", casecore.High, "complaint", "I want a refund, the same fault again after two days"},
	{"general", casecore.High, "complaint", "Хочу оставить жалобу на мастера, телефон поцарапан"},
	{"general", casecore.High, "complaint", "После вашего ремонта ноутбук не включается вообще"},
	{"general", casecore.High, "complaint", "Поверніть гроші за ремонт!"},
	{"general", casecore.High, "complaint", "Пилосос знову зламався, це вже втретє"},
	{"general", casecore.High, "complaint", "Imam pritužbu, čekam već mesec dana"},
	{"general", casecore.High, "complaint", "Frižider opet ne radi"},

	// a running repair
	{"general", casecore.Normal, "status", "Is it ready? I brought my laptop on Monday"},
	{"general", casecore.Normal, "status", "Подскажите, когда будет готов мой телефон?"},
	{"general", casecore.Normal, "status", "что с моим ноутбуком, уже неделя прошла"},
	{"general", casecore.Normal, "status", "Чи готовий мій планшет?"},
	{"general", casecore.Normal, "status", "Dobar dan, da li je gotov moj telefon?"},
	{"general", casecore.Normal, "status", "Питання по CW-000123"},
	{"general", casecore.Normal, "status", "cw000042 any update please"},

	// warranty, questions, the rest
	{"general", casecore.Normal, "warranty", "My ThinkPad shuts down after five minutes and the fan is very loud. It is still under warranty until May."},
	{"general", casecore.Normal, "warranty", "Чайник на гарантии, чек есть"},
	{"general", casecore.Normal, "warranty", "Чи безкоштовно по гарантії?"},
	{"general", casecore.Normal, "warranty", "Da li važi garancija za punjač?"},
	{"general", casecore.Low, "question", "What time do you close today?"},
	{"general", casecore.Low, "question", "Вы работаете в субботу?"},
	{"general", casecore.Low, "question", "Вітаю, о котрій ви сьогодні зачиняєтесь?"},
	{"general", casecore.Low, "question", "Do kada radite subotom?"},
	{"general", casecore.Normal, "", "Hello"},
	{"general", casecore.Normal, "", "Перезвоните мне, номер телефона 067 123 45 67"},
	{"general", casecore.Normal, "", "Дякую!"},
	{"general", casecore.Normal, "", "Приїду додому ввечері, тоді напишу"},
	{"general", casecore.Normal, "", "👍"},
}

func defaultPolicy(t *testing.T) *Policy {
	t.Helper()
	p, err := Load("default.yaml", Default(), 1)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func TestDefaultPolicyRoutesWhatCustomersWrite(t *testing.T) {
	p := defaultPolicy(t)
	monday := time.Date(2026, 11, 23, 10, 0, 0, 0, p.Location)
	for _, c := range corpus {
		d := p.Router.Route(routing.Facts{Text: c.text, Kind: "webchat", Channel: "webchat:site", Language: "ru", At: monday})
		if d.Queue != c.queue || d.Priority != c.priority || d.Category != c.category {
			t.Errorf("%s\n\tgot  %s, %s, %q by %q %v\n\twant %s, %s, %q", c.text, d.Queue, d.Priority, d.Category, d.Trace.Rule, d.Trace.Reasons, c.queue, c.priority, c.category)
		}
	}
}
