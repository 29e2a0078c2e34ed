package mime

import (
	"strings"
	"testing"

	"golang.org/x/text/encoding/charmap"
)

// Words that are not in the corpus by which the letters were weighed.
const strangers = "привет ремонт заказ телефон экран батарея стекло цена сколько стоит когда готов спасибо вопрос ноутбук " +
	"зарядка гарантия чек возврат доставка адрес Москва Иванов Сергей Ольга Наталья Дмитрий Юлия Щербаков Жуков ПОМОГИТЕ СРОЧНО " +
	"Заявка Ответ Договор счёт оплата акт клиент магазин сломался динамик камера звук микрофон кнопка включается греется шумит " +
	"вода упал разбит матрица клавиатура мышь принтер сканер телевизор дякую замовлення готовий питання зламався скільки коштує " +
	"Київ Львів Харків Олександр Юрій Ганна їжак хвала поправка рачунар наруџбина Београд Немања Јелена Љубица када готово"

// Of single words without a charset at least 95 in 100 are read right, of pairs all.
func TestGuessOfFewLetters(t *testing.T) {
	words := strings.Fields(strangers)
	for _, enc := range []*charmap.Charmap{charmap.Windows1251, charmap.KOI8U, charmap.ISO8859_5, charmap.CodePage866} {
		wrong, n := 0, 0
		for i, w := range words {
			if raw, ok := encode(enc, w); ok {
				n++
				if guess(raw) != w {
					wrong++
				}
			}
			pair := w + " " + words[(i+1)%len(words)]
			if raw, ok := encode(enc, pair); ok && guess(raw) != pair {
				t.Errorf("%v: %q became %q", enc, pair, guess(raw))
			}
		}
		if n < 70 || wrong*20 > n {
			t.Errorf("%v: %d of %d words are wrong", enc, wrong, n)
		}
	}
}

// Latin text without a charset does not become Cyrillic.
func TestGuessLeavesLatin(t *testing.T) {
	for _, s := range []string{
		"Größe", "naïve café", "Müller & Söhne – “quoted”", "élève déçu à Noël", "señor, ¿dónde está?", "Åse Ødegård", "price: 5 €\u00A0\u00A0net",
	} {
		raw, ok := encode(charmap.Windows1252, s)
		if got := guess(raw); !ok || got != s {
			t.Errorf("%q became %q", s, got)
		}
	}
}
