package mime

import (
	"regexp"
	"slices"
	"strings"
)

// automatic says what kind of machine wrote a mail, "" when a person did, as far
// as headers tell (E9).
func automatic(m *Mail, h header) string {
	local, _, _ := strings.Cut(fromAddr(m), "@")
	precedence := h.token("Precedence")
	submitted := h.token("Auto-Submitted")
	switch {
	case m.Report != nil && (m.Report.Action == "failed" || m.Report.Action == "delayed"):
		return "bounce"
	case m.Report != nil:
		return "auto"
	case isReport(h, "disposition-notification"), isReport(h, "feedback-report"):
		return "auto"
	case daemon(local), h.has("X-Failed-Recipients"), isReport(h, "delivery-status"):
		return "bounce"
	case submitted == "auto-replied", precedence == "auto_reply", h.has("X-Autoreply"), h.has("X-Autorespond"), h.has("X-Autoresponder"):
		return "vacation"
	case h.has("List-Id"), h.has("List-Post"), precedence == "list":
		return "list"
	case precedence == "bulk", precedence == "junk", h.has("List-Unsubscribe"):
		return "bulk"
	case submitted != "" && submitted != "no", suppresses(h), m.NullPath, noReply(local), h.contentType().value == "multipart/report":
		return "auto"
	}
	return ""
}

func fromAddr(m *Mail) string {
	if len(m.From) > 0 {
		return m.From[0].Addr
	}
	if len(m.Sender) > 0 {
		return m.Sender[0].Addr
	}
	return m.ReturnPath
}

func isReport(h header, kind string) bool {
	ct := h.contentType()
	return ct.value == "multipart/report" && strings.EqualFold(ct.param("report-type"), kind)
}

// suppresses reads X-Auto-Response-Suppress: a program that asks for no automatic
// answers is one. What only asks for no receipts may come from a person.
func suppresses(h header) bool {
	for _, v := range h.all("X-Auto-Response-Suppress") {
		for word := range strings.FieldsFuncSeq(strings.ToLower(v), func(r rune) bool { return r == ',' || r == ';' || r <= ' ' }) {
			if slices.Contains([]string{"all", "oof", "autoreply"}, word) {
				return true
			}
		}
	}
	return false
}

func daemon(local string) bool {
	local = strings.ToLower(local)
	return local == "mailer-daemon" || local == "postmaster" || local == "mailerdaemon" || strings.HasPrefix(local, "mailer-daemon+")
}

// noReply finds no-reply@, noreply-orders@, do_not_reply+1@.
func noReply(local string) bool {
	plain := strings.NewReplacer("-", "", "_", "", ".", "").Replace(strings.ToLower(local))
	return strings.HasPrefix(plain, "noreply") || strings.HasPrefix(plain, "donotreply")
}

var markerShape = regexp.MustCompile(`casewire-[a-z]{1,8}[0-9]{1,18}-[a-z2-7]{16}`)

const maxMarkers = 8

// markers returns what looks like our markers, each once, in the order of places.
// Whether one is ours is for who has the key to say (E5).
func markers(places ...string) string {
	var found []string
	for _, s := range places {
		for _, m := range markerShape.FindAllString(s, 10*maxMarkers) {
			if !slices.Contains(found, m) && len(found) < maxMarkers {
				found = append(found, m)
			}
		}
	}
	return strings.Join(found, " ")
}
