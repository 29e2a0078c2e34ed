package mime

import (
	"regexp"
	"strings"
)

// fold parts a text into the sender's own words and the history below them (E17).
// Nothing is lost: own and quoted together are the text, save for white space
// where they meet. Answers between quotes stay in own, and when all would be
// history, all is own. keepForwarded leaves the header of a forwarded mail alone,
// because that mail is what the text is about.
func fold(text string, keepForwarded bool) (own, quoted string) {
	text = strings.TrimRight(strings.TrimLeft(text, "\n"), " \t\n")
	lines := strings.Split(text, "\n")
	at := historyStart(lines, keepForwarded)
	own = strings.TrimRight(strings.Join(lines[:at], "\n"), " \t\n")
	if strings.TrimSpace(own) == "" {
		return text, ""
	}
	return own, strings.Trim(strings.Join(lines[at:], "\n"), "\n")
}

// historyStart returns the line at which the history begins, len(lines) when
// there is none.
func historyStart(lines []string, keepForwarded bool) int {
	const most = 5000 // lines in which a beginning is looked for
	tail := trailingQuote(lines)
	for i, line := range lines[:min(tail, most)] {
		if strings.HasPrefix(line, ">") || strings.TrimSpace(line) == "" {
			continue
		}
		start, after := i, i+1
		switch {
		case !keepForwarded && strings.Contains(line, "--") && originalMessage.MatchString(line):
		case !keepForwarded && isHeaderBlock(lines[i:]):
			start = withRule(lines, i)
		case strings.HasSuffix(strings.TrimSpace(line), ":"):
			n := attribution(lines, i, quoteFollows(lines, after))
			if n == 0 {
				continue
			}
			start = i + 1 - n
		case hasDigit(line) && wroteInLine.MatchString(line) && moment.MatchString(line) && mailAddress.MatchString(line):
		default:
			continue
		}
		// Quotes with something below them that is none are being answered.
		if quoteFollows(lines, after) && tail > nextText(lines, after) {
			continue
		}
		return start
	}
	return tail
}

// trailingQuote returns where the lines behind ">" begin that end the text.
func trailingQuote(lines []string) int {
	start := len(lines)
	for i := len(lines) - 1; i >= 0; i-- {
		switch {
		case strings.HasPrefix(lines[i], ">"):
			start = i
		case strings.TrimSpace(lines[i]) != "":
			return start
		}
	}
	return start
}

// nextText returns the first line from i that says something.
func nextText(lines []string, i int) int {
	for i < len(lines) && strings.TrimSpace(lines[i]) == "" {
		i++
	}
	return i
}

func quoteFollows(lines []string, i int) bool {
	i = nextText(lines, i)
	return i < len(lines) && strings.HasPrefix(lines[i], ">")
}

// attribution says how many lines up to end, which ends in a colon, make an "On …
// wrote:", 0 for none. Unless quotes follow it must name time and address, so that
// it cannot be a sentence of the sender's own.
func attribution(lines []string, end int, followed bool) int {
	const most, longest = 4, 500
	joined := ""
	for i := end; i >= 0 && end-i < most; i-- {
		line := strings.TrimSpace(lines[i])
		if line == "" || strings.HasPrefix(line, ">") || len(joined)+len(line) > longest {
			break
		}
		joined = line + " " + joined
		if !hasDigit(joined) || !moment.MatchString(mailAddress.ReplaceAllString(joined, " ")) {
			continue
		}
		addressed := mailAddress.MatchString(joined)
		if followed && addressed || (followed || addressed) && wroteVerb.MatchString(joined) || addressed && strings.HasSuffix(strings.TrimSpace(lines[end]), ">:") {
			return end + 1 - i
		}
	}
	if followed && len(lines[end]) < longest && wroteVerb.MatchString(lines[end]) {
		return 1
	}
	return 0
}

func hasDigit(s string) bool { return strings.ContainsAny(s, "0123456789") }

var (
	mailAddress = regexp.MustCompile(`[<(\[]?(?:mailto:)?[^\s<>()\[\]"]+@[^\s<>()\[\]",;:]+[>)\]]?`)
	// A time, a year, or a day with dots or slashes.
	moment = regexp.MustCompile(`\b\d{1,2}[:.h]\d{2}\b|\b(19|20)\d{2}\b|\b\d{1,2}[./-]\d{1,2}[./-]\d{2,4}`)

	// Some phones put the first words of the history on the same line.
	wroteInLine = regexp.MustCompile(`(?i)^\s*(on|am|le|el) .{10,300} (wrote|schrieb|a écrit|escribió):\s`)

	wroteVerb = regexp.MustCompile(`(?i)(^|[\s,>"»)])(` +
		`wrote|writes|schrieb|hat geschrieben|` +
		`пишет|пишут|писал|писала|писали|писал\(а\)|написал|написала|написал\(а\)|` +
		`пише|писав|написав|написав\(ла\)|написав/ла|написала|пише|` +
		`(je\s+)?(na)?pisao|(je\s+)?(na)?pisala|(je\s+)?(na)?pisao/la|(je\s+)?(na)?pisao\(la\)|piše|` +
		`(је\s+)?(на)?писао|(је\s+)?(на)?писала|(је\s+)?(на)?писао/ла|(је\s+)?(на)?писао\(ла\)|` +
		`a écrit|escribió|ha scritto|napisał|napisała|napisał\(a\)|escreveu|skrev|schreef|napsal|napsal\(a\)` +
		`)($|[\s:,<])`)
)

// originalMessage finds "-----Original Message-----" and its translations. A
// forwarded message is none: it is what the mail is about.
var originalMessage = regexp.MustCompile(`(?i)^\s*[-_]{2,}\s*(` +
	`original message|original appointment|ursprüngliche nachricht|originalnachricht|` +
	`исходное сообщение|оригинальное сообщение|исходное письмо|` +
	`оригінальне повідомлення|початкове повідомлення|вихідне повідомлення|` +
	`originalna poruka|izvorna poruka|prvobitna poruka|оригинална порука|изворна порука|првобитна порука|` +
	`message d'origine|mensaje original|messaggio originale|wiadomość oryginalna` +
	`)\s*[-_]{2,}\s*$`)

// The words that Outlook puts above the mail it answers, by what they tell.
const (
	fromLabel = iota + 1
	dateLabel
	otherLabel
)

var labels = labelKinds(map[int]string{
	fromLabel: "from|von|от|от кого|отправитель|від|від кого|од|od|pošiljalac|пошиљалац|šalje|шаље|de|da",
	dateLabel: "sent|date|gesendet|datum|отправлено|дата|надіслано|відправлено|poslato|poslano|послато|датум|envoyé|enviado",
	otherLabel: "to|an|кому|за|za|prima|прима|получатель|subject|betreff|тема|predmet|предмет|naslov|наслов|" +
		"cc|kopie|копия|копія|à|objet|asunto",
})

func labelKinds(words map[int]string) map[string]int {
	kinds := map[string]int{}
	for kind, list := range words {
		for w := range strings.SplitSeq(list, "|") {
			kinds[w] = kind
		}
	}
	return kinds
}

// labelOf says what a line's label tells, 0 when it has none. Some programs put
// stars around what was bold.
func labelOf(line string) int {
	const longest = 40 // bytes
	colon := strings.IndexByte(line[:min(len(line), longest)], ':')
	if colon < 0 {
		return 0
	}
	return labels[strings.ToLower(strings.Trim(line[:colon], " \t*\u00A0"))]
}

// isHeaderBlock finds the "From: Sent: To: Subject:" that Outlook puts above the
// mail it answers.
func isHeaderBlock(lines []string) bool {
	const window = 9
	if labelOf(lines[0]) != fromLabel {
		return false
	}
	dates, others := 0, 0
	for _, line := range lines[1:min(len(lines), window)] {
		switch labelOf(line) {
		case dateLabel:
			dates++
		case otherLabel:
			others++
		}
	}
	return dates > 0 && others > 0
}

var rule = regexp.MustCompile(`^\s*[-_=*]{5,}\s*$`)

// withRule includes the line drawn above a header block.
func withRule(lines []string, at int) int {
	i := at - 1
	for i > 0 && strings.TrimSpace(lines[i]) == "" {
		i--
	}
	if i >= 0 && rule.MatchString(lines[i]) {
		return i
	}
	return at
}
