package mime

import (
	"regexp"
	"strings"

	"golang.org/x/net/idna"

	"casewire/channels"
)

const maxAddresses = 1000

// addresses reads every address of the fields: groups are flattened, comments
// serve as names, and what is no address but says something is kept as a name.
func addresses(values []string, hint string) []Address {
	var list []Address
	for _, v := range values {
		v = unfold(v)
		if strings.HasPrefix(strings.TrimSpace(v), "=?") && !strings.Contains(v, "@") {
			// Some programs encode the whole field.
			if d := decodeWords(v, hint); strings.Contains(d, "@") {
				v = d
			}
		}
		for _, one := range joinNames(splitAddresses(v)) {
			if a, ok := parseAddress(one, hint); ok && len(list) < maxAddresses {
				list = append(list, a)
			}
		}
	}
	return list
}

// withAddr leaves out what is only a name.
func withAddr(list []Address) []Address {
	var out []Address
	for _, a := range list {
		if a.Addr != "" {
			out = append(out, a)
		}
	}
	return out
}

// splitAddresses cuts a list at commas and semicolons, and drops group names.
func splitAddresses(s string) []string {
	var parts []string
	begin, depth := 0, 0
	quoted, angle, at := false, false, false
	if strings.Count(s, `"`)%2 == 1 {
		s = strings.ReplaceAll(s, `"`, " ")
	}
	for i := 0; i < len(s); i++ {
		c := s[i]
		if _, n := parseWord(s[i:]); n > 0 {
			i += n - 1 // its commas are its own
			continue
		}
		switch {
		case c == '\\':
			i++
		case c == '"' && depth == 0:
			quoted = !quoted
		case quoted:
		case c == '(':
			depth++
		case c == ')' && depth > 0:
			depth--
		case depth > 0:
		case c == '<':
			angle = true
		case c == '>':
			angle = false
		case c == '@':
			at = true
		case c == ':' && !angle && !at && !strings.HasPrefix(strings.TrimSpace(s[begin:i]), "=?"):
			begin = i + 1
		case (c == ',' || c == ';') && !angle:
			parts = append(parts, s[begin:i])
			begin, at = i+1, false
		}
	}
	return append(parts, s[begin:])
}

// joinNames undoes the cut of a name that lacks its quotes: Doe, John <j@x>.
func joinNames(parts []string) []string {
	var out []string
	for _, part := range parts {
		if last := len(out) - 1; last >= 0 && strings.Contains(part, "<") && strings.TrimSpace(out[last]) != "" && !strings.ContainsAny(out[last], "@<") {
			out[last] += "," + part
			continue
		}
		out = append(out, part)
	}
	return out
}

var bareAddress = regexp.MustCompile(`[^\s<>()"',;:]+@[^\s<>()"',;:]+`)

// parseAddress reads "Name <local@domain>", "local@domain (Name)" and worse.
func parseAddress(s, hint string) (Address, bool) {
	s = strings.TrimSpace(s)
	var a Address
	plain := stripComments(s)
	open := strings.LastIndexByte(plain, '<')
	switch {
	case open >= 0:
		inside, _, _ := strings.Cut(plain[open+1:], ">")
		a.Name = name(plain[:open], hint)
		a.Addr = canonicalAddr(inside)
		if a.Addr == "" {
			// "a@b <>" or "<a@b": take what looks like an address.
			a.Addr = canonicalAddr(bareAddress.FindString(plain))
		}
	case quotedLocal(plain):
		a.Addr = canonicalAddr(plain)
	default:
		found := bareAddress.FindString(plain)
		a.Addr = canonicalAddr(found)
		a.Name = name(strings.Replace(plain, found, " ", 1), hint)
		if found == "" && strings.TrimSpace(plain) != "" && !strings.ContainsAny(plain, " \t\"=") {
			a.Name, a.Addr = "", canonicalAddr(plain) // MAILER-DAEMON
		}
	}
	if a.Name == "" {
		a.Name = name(comment(s), hint)
	}
	return a, a != Address{}
}

func quotedLocal(s string) bool {
	at := strings.LastIndex(s, `"@`)
	return strings.HasPrefix(s, `"`) && at > 0 && !strings.ContainsAny(s[at:], " \t")
}

// comment returns the text of the last (comment).
func comment(s string) string {
	end := strings.LastIndexByte(s, ')')
	if end < 0 {
		return ""
	}
	depth := 1
	for i := end - 1; i >= 0; i-- {
		switch s[i] {
		case ')':
			depth++
		case '(':
			if depth--; depth == 0 {
				return s[i+1 : end]
			}
		}
	}
	return ""
}

// name decodes a display name, quoted or not, and makes it safe to show.
func name(s, hint string) string {
	s = strings.TrimSpace(s)
	if strings.Contains(s, `"`) {
		s = strings.NewReplacer(`\"`, `"`, `\\`, `\`, `"`, "").Replace(s)
	}
	s = channels.CleanLine(decodeWords(s, hint))
	s = strings.TrimSpace(strings.Trim(s, `"`))
	if len(s) > 1 && s[0] == '\'' && s[len(s)-1] == '\'' {
		s = s[1 : len(s)-1]
	}
	return channels.Cut(s, 500)
}

// canonicalAddr lower-cases the domain and writes it in letters. It removes what
// cannot be in an address, and returns "" when nothing is left or it is too long.
func canonicalAddr(s string) string {
	s = strings.TrimSpace(s)
	if strings.HasPrefix(s, "@") { // a source route: @a,@b:local@domain
		_, s, _ = strings.Cut(s, ":")
	}
	if len(s) > 6 && strings.EqualFold(s[:7], "mailto:") {
		s = s[7:]
	}
	s = strings.Map(func(r rune) rune {
		if r <= ' ' || r == 0x7f || r == '<' || r == '>' || r == '\uFFFD' || channels.Invisible(r) {
			return -1
		}
		return r
	}, decodeText([]byte(s), "", "").text)
	s = strings.ReplaceAll(channels.CleanLine(s), " ", "")
	at := strings.LastIndexByte(s, '@')
	if len(s) > 320 || at == 0 || at == len(s)-1 {
		return ""
	}
	if at < 0 {
		return s
	}
	domain := strings.ToLower(strings.TrimSuffix(s[at+1:], "."))
	if strings.Contains(domain, "xn--") {
		if u, err := idna.Lookup.ToUnicode(domain); err == nil {
			domain = u
		}
	}
	if domain == "" {
		return ""
	}
	return s[:at] + "@" + domain
}

var angled = regexp.MustCompile(`<([^<>]*)>`)

const maxIDs = 100

// messageIDs returns the ids of In-Reply-To or References, each once, without
// folds, comments and the words that old programs put around them (E5). Of a
// long chain the first and the last are kept.
func messageIDs(values []string) []string {
	var ids []string
	seen := map[string]bool{}
	add := func(s string) {
		if id := canonicalID(s); id != "" && !seen[id] {
			seen[id] = true
			ids = append(ids, id)
		}
	}
	for _, v := range values {
		v = unfold(v)
		found := angled.FindAllStringSubmatch(v, -1)
		for _, m := range found {
			add(m[1])
		}
		if len(found) > 0 {
			continue
		}
		for _, w := range strings.FieldsFunc(stripComments(v), func(r rune) bool { return r <= ' ' || r == ',' || r == ';' }) {
			if strings.Contains(w, "@") {
				add(w)
			}
		}
	}
	if len(ids) > maxIDs {
		ids = append(ids[:1:1], ids[len(ids)-maxIDs+1:]...)
	}
	return ids
}

// firstID returns the id of a Message-ID field.
func firstID(v string) string {
	if ids := messageIDs([]string{v}); len(ids) > 0 {
		return ids[0]
	}
	id := stripComments(unfold(v))
	if strings.ContainsAny(strings.TrimSpace(id), " \t") {
		return ""
	}
	return canonicalID(id)
}

// canonicalID strips what folding and other programs put into an id.
func canonicalID(s string) string {
	s = strings.Map(func(r rune) rune {
		if r <= ' ' || r == 0x7f || r == '<' || r == '>' {
			return -1
		}
		return r
	}, strings.ToValidUTF8(s, "\uFFFD"))
	if len(s) > 998 {
		return ""
	}
	return strings.ReplaceAll(channels.CleanLine(s), " ", "")
}

// returnPath returns the envelope's sender as the last server wrote it down.
func returnPath(h header) (addr string, null bool) {
	v := strings.TrimSpace(stripComments(unfold(h.get("Return-Path"))))
	if v == "" {
		return "", false
	}
	if strings.ReplaceAll(v, " ", "") == "<>" {
		return "", true
	}
	if list := withAddr(addresses([]string{v}, "")); len(list) > 0 {
		return list[0].Addr, false
	}
	return "", false
}
