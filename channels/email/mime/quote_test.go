package mime

import (
	"math/rand/v2"
	"strings"
	"testing"
)

// The history that programs put below an answer is folded, in the languages and
// manners of each (E17).
func TestFold(t *testing.T) {
	for name, history := range map[string]string{
		"gmail en":            "On Fri, Nov 20, 2026 at 9:00 AM Shop <support@shop.example> wrote:\n\n> Ready.\n> Come.",
		"gmail en, wrapped":   "On Fri, Nov 20, 2026 at 9:00 AM Shop of a long name <\nsupport@shop.example> wrote:\n\n> Ready.",
		"gmail ru":            "пт, 20 нояб. 2026 г. в 12:02, Shop <support@shop.example>:\n\n> Готово.",
		"gmail ru, wrapped":   "пт, 20 нояб. 2026 г. в 12:02, Мастерская <\nsupport@shop.example>:\n\n> Готово.",
		"gmail uk":            "пт, 20 лист. 2026 р. о 12:02 Shop <support@shop.example> пише:\n\n> Готово.",
		"gmail sr":            "пет, 20. нов 2026. у 12:02 Shop <support@shop.example> је написао/ла:\n\n> Готово.",
		"gmail sr-Latn":       "pet, 20. nov 2026. u 12:02 Shop <support@shop.example> je napisao/la:\n\n> Gotovo.",
		"gmail de":            "Am Fr., 20. Nov. 2026 um 12:02 Uhr schrieb Shop <support@shop.example>:\n\n> Fertig.",
		"apple en":            "> On 20 Nov 2026, at 09:00, Shop <support@shop.example> wrote:\n>\n> Ready.",
		"apple ru":            "> 20 нояб. 2026 г., в 09:00, Shop <support@shop.example> написал(а):\n>\n> Готово.",
		"apple uk":            "> 20 лист. 2026 р. о 09:00 Shop <support@shop.example> написав(ла):\n>\n> Готово.",
		"thunderbird en":      "On 11/20/26 12:02, Shop wrote:\n> Ready.",
		"thunderbird ru":      "20.11.2026 12:02, Мастерская пишет:\n> Готово.",
		"thunderbird ru past": "20.11.2026 12:02, Мастерская написал:\n> Готово.",
		"thunderbird uk":      "20.11.26 12:02, Майстерня пише:\n> Готово.",
		"thunderbird de":      "Am 20.11.26 um 12:02 schrieb Werkstatt:\n> Fertig.",
		"thunderbird sr":      "Дана 20.11.2026. 12:02, Радионица је написао:\n> Готово.",
		"the bat ru":          "Вы писали 20 ноября 2026 г., 12:02:\n\n> Готово.",
		"without a date":      "Мастерская пишет:\n> Готово.",
		"mail.ru":             "Пятница, 20 ноября 2026, 12:02 +03:00 от Мастерская <support@shop.example>:\n\nГотово.\nПриходите.",
		"mail.ru, wrapped":    "Пятница, 20 ноября 2026, 12:02 +03:00 от Мастерская <\nsupport@shop.example>:\n\nГотово.",
		"yandex":              "20.11.2026, 12:02, \"Мастерская\" <support@shop.example>:\n\nГотово.",
		"yahoo":               "On Friday, November 20, 2026 at 12:02:11 PM GMT+1, Shop <support@shop.example> wrote:\n\nReady.",
		"yahoo phone":         "  On Fri, Nov 20, 2026 at 9:00, Shop<support@shop.example> wrote:   Ready.\nCome.",
		"only quotes":         "> Готово.\n>\n> Мастерская",
		"outlook en":          "From: Shop <support@shop.example>\nSent: Friday, November 20, 2026 9:00 AM\nTo: Anna\nSubject: Screen\n\nReady.",
		"outlook en ruled":    "________________________________\nFrom: Shop <support@shop.example>\nSent: Friday, November 20, 2026 9:00 AM\nTo: Anna\nSubject: Screen\n\nReady.",
		"outlook ru":          "От: Мастерская <support@shop.example>\nОтправлено: 20 ноября 2026 г. 9:00\nКому: Анна\nТема: Экран\n\nГотово.",
		"outlook uk":          "Від: Майстерня <support@shop.example>\nНадіслано: 20 листопада 2026 р. 9:00\nКому: Анна\nТема: Екран\n\nГотово.",
		"outlook sr-Latn":     "Od: Radionica <support@shop.example>\nPoslato: 20. novembar 2026. 9:00\nZa: Ana\nPredmet: Ekran\n\nGotovo.",
		"outlook sr":          "Од: Радионица <support@shop.example>\nПослато: 20. новембар 2026. 9:00\nЗа: Ана\nНаслов: Екран\n\nГотово.",
		"outlook de":          "Von: Werkstatt <support@shop.example>\nGesendet: Freitag, 20. November 2026 09:00\nAn: Anna\nBetreff: Bildschirm\n\nFertig.",
		"outlook stars":       "*From:* Shop <support@shop.example>\n*Sent:* Friday, November 20, 2026\n*To:* Anna\n*Subject:* Screen\n\nReady.",
		"original en":         "-----Original Message-----\nFrom: Shop\nReady.",
		"original ru":         "-----Исходное сообщение-----\nГотово.",
		"original ru phone":   "-------- Исходное сообщение --------\nГотово.",
		"original uk":         "-----Оригінальне повідомлення-----\nГотово.",
		"original sr":         "-----Оригинална порука-----\nГотово.",
		"original sr-Latn":    "-----Originalna poruka-----\nGotovo.",
		"original de":         "-----Ursprüngliche Nachricht-----\nFertig.",
	} {
		t.Run(name, func(t *testing.T) {
			const words = "Спасибо, приду.\n\nAnna: до встречи"
			own, quoted := fold(words+"\n\n"+history+"\n", false)
			if own != words || quoted != history {
				t.Errorf("own words %q, history %q", own, quoted)
			}
			// Without a word of one's own there is nothing to fold it under.
			if own, quoted = fold(history, false); own != history || quoted != "" {
				t.Errorf("alone it became %q and %q", own, quoted)
			}
		})
	}
}

// What is no history stays where it is.
func TestFoldLeaves(t *testing.T) {
	for name, text := range map[string]string{
		"plain":               "Hello,\n\nmy order:\n1. case\n2. charger",
		"a label":             "From: the beginning\nthe screen was dark.",
		"a sentence":          "The technician wrote:\nit cannot be repaired.\n\nIs that so?",
		"a dated sentence":    "Мастер 20.11.2026 в 10:15 писал:\nремонт невозможен.\n\nЭто так?",
		"an address":          "Пишите с 20.11.2026 на support@shop.example:\nмы ответим.",
		"answers below":       "On Fri, Nov 20, 2026 at 9:00 AM Shop <support@shop.example> wrote:\n> Which model?\n\nT14\n\n> Which serial number?\n\nPF3",
		"bottom posting":      "> Which model?\n\nT14",
		"a forwarded message": "See below.\n\n---------- Forwarded message ---------\nFrom: Anna <a@x.example>\nHello",
		"uk":                  "Вартість: 500 грн.\nТермін: до 20.11.2026:",
	} {
		if own, quoted := fold(text, false); own != text || quoted != "" {
			t.Errorf("%s: own words %q, history %q", name, own, quoted)
		}
	}
	forward := "Please see this.\n\nFrom: Anna <a@x.example>\nSent: Friday, November 20, 2026\nTo: Bob\nSubject: Screen\n\nIt is dark."
	if own, _ := fold(forward, true); own != forward {
		t.Errorf("a forwarded mail lost what it is about: %q", own)
	}
	own, quoted := fold("> Which model?\n\nT14\n\n> Regards\n> Shop", false)
	if own != "> Which model?\n\nT14" || quoted != "> Regards\n> Shop" {
		t.Errorf("below the last answer: %q and %q", own, quoted)
	}
}

// However lines are mixed, nothing is lost and the order stays.
func TestFoldLosesNothing(t *testing.T) {
	stock := []string{
		"", "", "words", "> quote", ">> deeper", "On Fri, Nov 20, 2026 at 9:00 AM Shop <s@x.example> wrote:", "Max schrieb:",
		"От: Мастерская", "Отправлено: 20 ноября 2026", "Кому: Анна", "-----Original Message-----", "________________", "  ", "-- ", "x:",
	}
	rng := rand.New(rand.NewPCG(1, 2))
	squeeze := func(s string) string { return strings.Join(strings.Fields(s), " ") }
	for range 3000 {
		var lines []string
		for range rng.IntN(14) {
			lines = append(lines, stock[rng.IntN(len(stock))])
		}
		text := strings.Join(lines, "\n")
		own, quoted := fold(text, rng.IntN(2) == 0)
		if squeeze(own+"\n"+quoted) != squeeze(text) {
			t.Fatalf("%q became %q and %q", text, own, quoted)
		}
		if strings.TrimSpace(text) != "" && strings.TrimSpace(own) == "" {
			t.Fatalf("%q is all history", text)
		}
	}
}

func TestUnflow(t *testing.T) {
	for _, test := range []struct {
		in    string
		delsp bool
		want  string
	}{
		{"one \ntwo\nthree", false, "one two\nthree"},
		{"дли \nнный", true, "длинный"},
		{"> one \n> two\nthree", false, "> one two\nthree"},
		{">> one \n> two", false, ">> one \n> two"},
		{" >stuffed\n From here", false, ">stuffed\nFrom here"},
		{"bye\n-- \nAnna", false, "bye\n-- \nAnna"},
		{"bye \n-- \nAnna", false, "bye \n-- \nAnna"},
	} {
		if got := unflow(test.in, test.delsp); got != test.want {
			t.Errorf("%q became %q, want %q", test.in, got, test.want)
		}
	}
}

func TestHTMLText(t *testing.T) {
	for in, want := range map[string]string{
		"<p>a</p><p>b</p>":                                                       "a\n\nb",
		"a<br>b<br/><br>c":                                                       "a\nb\n\nc",
		"<div>a</div><div><br></div><div>b</div>":                                "a\n\nb",
		"a <b> b</b>\n c":                                                        "a b c",
		"<style>x</style>a<script>y</script><title>t</title>":                    "a",
		"<ol><li>a<li>b</ol>c":                                                   "1. a\n2. b\n\nc",
		"<a href='https://x.example/a'>here</a>.":                                "here <https://x.example/a>.",
		"<a href='https://x.example/'>x.example</a>":                             "x.example",
		"<a href='javascript:alert(1)'>here</a>":                                 "here",
		"<a href='mailto:a@x.example'>a@x.example</a>":                           "a@x.example",
		"<table><tr><td>a</td><td>b</td></tr><tr><td>c</td></tr></table>":        "a b\nc",
		"<pre>a\n  b</pre>":                                                      "a\n  b",
		"a<blockquote>b<blockquote>c</blockquote></blockquote>d":                 "a\n\n> b\n>\n> > c\n\nd",
		"&lt;b&gt; &amp; &nbsp;&#1055;":                                          "<b> & \u00A0П",
		"<img alt='logo' src=x>text":                                             "[logo]text",
		"<body>no end <i>here":                                                   "no end here",
		"<div hidden>marker<div>x</div></div>text":                               "text",
		"<p>text<div style='display: none'>no end":                               "text\nno end",
		"<div style=\"display:none\">all</div>":                                  "all",
		"<select><option>a</select>text<svg/>more":                               "textmore",
		"<script>never closed":                                                   "",
		"soft\u00ADhyphen":                                                       "softhyphen",
		"<div style='display:none'>preheader</div><p>text</p>":                   "text",
		"<ul><li>a<ul><li>b</li></ul></li><li>c</li></ul>":                       "- a\n  - b\n- c",
		"<h1>Head</h1>text":                                                      "Head\n\ntext",
		"<p class=MsoNormal>a<o:p></o:p></p><p class=MsoNormal>b<o:p></o:p></p>": "a\n\nb",
	} {
		if got := htmlText(in); got != want {
			t.Errorf("%q became %q, want %q", in, got, want)
		}
	}
}
