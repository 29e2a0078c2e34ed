package sms

import (
	"strings"
	"unicode"
)

// languages are those the channel's own texts exist in.
var languages = []string{"en", "ru", "uk", "sr"}

// order is what a message that is one word of command asks for (S5).
type order int

const (
	noOrder    order = iota
	orderStop        // write to me no more
	orderStart       // write to me again
	orderYes         // the same from who has stopped; from anybody else an answer
	orderHelp
)

// command is a word of command in one language. Known is true of what Twilio
// obeys and answers by itself.
type command struct {
	order order
	lang  string
	known bool
}

// commands maps words, folded, to what they ask for. Words that people also
// answer a question with (CANCEL in other languages, "no", "refuse") are left out
// on purpose; Twilio obeys the English ones itself.
var commands = table([]words{
	{command{orderStop, "en", true}, "stop stopall unsubscribe cancel end quit optout revoke"},
	{command{orderStart, "en", true}, "start unstop"},
	{command{orderYes, "en", true}, "yes"},
	{command{orderHelp, "en", true}, "help info"},
	{command{orderStop, "ru", false}, "стоп отписаться отписка отпишите отпишитеменя"},
	{command{orderStart, "ru", false}, "старт подписаться"},
	{command{orderYes, "ru", false}, "да"},
	{command{orderHelp, "ru", false}, "помощь справка инфо"},
	{command{orderStop, "uk", false}, "відписатися відписатись відписка відпишіть відпишітьмене"},
	{command{orderStart, "uk", false}, "підписатися підписатись"},
	{command{orderYes, "uk", false}, "так"},
	{command{orderHelp, "uk", false}, "допомога довідка"},
	{command{orderStop, "sr", false}, "одјава одјави одјавиме odjava odjavi odjavime"},
	{command{orderStart, "sr", false}, "пријавиме prijavime"},
	{command{orderYes, "sr", false}, "da"},
	{command{orderHelp, "sr", false}, "помоћ pomoć pomoc"},
})

// words are the spellings of one command, between spaces.
type words struct {
	command command
	list    string
}

func table(all []words) map[string]command {
	out := make(map[string]command)
	for _, w := range all {
		for word := range strings.FieldsSeq(w.list) {
			out[word] = w.command
		}
	}
	return out
}

// maxCommand is the longest body, in bytes, that may be a word of command.
const maxCommand = 64

// commandIn returns the command that a body consists of. The whole body counts:
// "stop, the screen is broken" is a message. Case, spaces and punctuation do not.
func commandIn(body string) command {
	if len(body) > maxCommand {
		return command{}
	}
	var b strings.Builder
	for _, r := range body {
		switch {
		case unicode.IsLetter(r) || unicode.IsDigit(r):
			b.WriteRune(unicode.ToLower(r))
		case unicode.IsSpace(r) || unicode.IsPunct(r) || unicode.Is(unicode.Cf, r):
		default:
			return command{} // a sign that says more than the word, an emoji
		}
	}
	return commands[b.String()]
}

// commandOf returns the command of a message. Where Twilio's Advanced Opt-Out has
// judged it already, its word counts.
func commandOf(optOut, body string) command {
	c := commandIn(body)
	switch strings.ToUpper(optOut) {
	case "STOP":
		return command{orderStop, c.lang, true}
	case "START":
		return command{orderStart, c.lang, true}
	case "HELP":
		return command{orderHelp, c.lang, true}
	}
	return c
}
