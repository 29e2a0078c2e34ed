package telegram

import "strings"

// What the bot says by itself, by language.
var (
	privateOnly = map[string]string{
		"en": "Hello! I answer in private chats only. Please write to me directly.",
		"ru": "Здравствуйте! Я отвечаю только в личных чатах. Напишите мне, пожалуйста, напрямую.",
		"uk": "Вітаю! Я відповідаю лише в особистих чатах. Напишіть мені, будь ласка, напряму.",
		"sr": "Здраво! Одговарам само у приватним разговорима. Молимо вас да ми пишете директно.",
	}
	buttonGone = map[string]string{
		"en": "This button no longer works. Please write to us.",
		"ru": "Эта кнопка больше не работает. Напишите нам, пожалуйста.",
		"uk": "Ця кнопка вже не працює. Напишіть нам, будь ласка.",
		"sr": "Ово дугме више не ради. Молимо вас да нам пишете.",
	}
)

// say returns a text in the language of a Telegram client, else in English.
func say(text map[string]string, code string) string {
	lang, _, _ := strings.Cut(strings.ToLower(code), "-")
	if s, ok := text[lang]; ok {
		return s
	}
	return text["en"]
}
