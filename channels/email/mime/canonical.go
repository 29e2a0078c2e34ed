package mime

import (
	"regexp"
	"strings"

	"golang.org/x/text/cases"
	"golang.org/x/text/unicode/norm"

	"casewire/channels"
)

// What programs put before a subject: Re:, RE[2]:, Re(3):, Re^2:, Fwd:, AW:, WG:,
// Отв:, На:, Odg:, with or without spaces, and full-width colons (E6).
var subjectPrefix = regexp.MustCompile(`(?i)^(` +
	`re|fw|fwd|aw|wg|antw|antwort|odg|odgovor|proslj?eđeno|pros|sv|vs|vb|vl|rv|tr|rif|ref|res|enc|odp|pd|ynt|ilt|atb|bls|` +
	`ha|на|отв|ответ|re-ответ|пересл|перенаправлено|прсл|fyi|відп|відповідь|пер|одг|одговор|прос|прослеђено|回复|答复|转发|返信|転送` +
	`)\s*([\[(^]\s*\d{1,4}\s*[\])]?)?\s*[:：]\s*`)

var (
	subjectTag      = regexp.MustCompile(`(?i)\[[a-z]{1,8}-[0-9]{1,18}/[a-z2-7]{16}\]`)
	subjectFolder   = regexp.MustCompile(`(?i)^\[(ext|extern|external|spam|\*+spam\*+)\]\s*`)
	subjectTrailing = regexp.MustCompile(`(?i)\s*\((fwd|fw)\)\s*$`)
)

// Canonical returns a subject without what answers and forwards put before it and
// without our tags, in folded case: two subjects of one conversation become equal.
func Canonical(subject string) string {
	s := channels.CleanLine(norm.NFKC.String(channels.Cut(subject, maxSubject)))
	s = strings.Join(strings.Fields(subjectTag.ReplaceAllString(s, " ")), " ")
	for {
		before := len(s)
		s = subjectPrefix.ReplaceAllString(s, "")
		s = subjectFolder.ReplaceAllString(s, "")
		s = subjectTrailing.ReplaceAllString(s, "")
		if len(s) == before {
			break
		}
	}
	return cases.Fold().String(s)
}

var forwardPrefix = regexp.MustCompile(`(?i)^\s*(re\s*:\s*)*(fw|fwd|wg|tr|vb|пересл|перенаправлено|прсл|прос|прослеђено|proslj?eđeno|pros)\s*:`)

// forwarded says whether a subject is that of a forwarded mail, whose history is
// what it is about.
func forwarded(subject string) bool { return forwardPrefix.MatchString(subject) }
