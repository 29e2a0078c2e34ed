package submit

import (
	"html"
	"regexp"
	"strings"
)

var linkShape = regexp.MustCompile(`https?://[^\s<>"'\x60]+`)

// hidden keeps the marker out of sight in every mail program, and in what is quoted.
const hidden = "display:none;max-height:0;overflow:hidden;font-size:1px;line-height:1px;color:transparent;mso-hide:all"

// toHTML makes simple HTML of a text: paragraphs, line breaks and links. images are
// the content ids of pictures to show below it.
func toHTML(text, lang, marker string, images []string) string {
	var b strings.Builder
	b.WriteString("<!DOCTYPE html>\n<html")
	if lang != "" && isPlain(lang) {
		b.WriteString(` lang="` + html.EscapeString(lang) + `"`)
	}
	b.WriteString("><head><meta charset=\"utf-8\"></head>\n<body style=\"font-family:sans-serif;font-size:15px;line-height:1.45\">\n")
	for paragraph := range strings.SplitSeq(strings.Trim(text, "\n"), "\n\n") {
		if paragraph = strings.Trim(paragraph, "\n"); paragraph != "" {
			b.WriteString("<p>" + strings.ReplaceAll(linked(paragraph), "\n", "<br>\n") + "</p>\n")
		}
	}
	for _, cid := range images {
		b.WriteString(`<p><img src="cid:` + html.EscapeString(cid) + `" alt="" style="max-width:100%"></p>` + "\n")
	}
	if marker != "" {
		b.WriteString(`<div style="` + hidden + `" aria-hidden="true">` + html.EscapeString(marker) + "</div>\n")
	}
	b.WriteString("</body></html>\n")
	return b.String()
}

// linked escapes text and makes links of its addresses.
func linked(text string) string {
	var b strings.Builder
	last := 0
	for _, at := range linkShape.FindAllStringIndex(text, -1) {
		url := trimLink(text[at[0]:at[1]])
		b.WriteString(html.EscapeString(text[last:at[0]]))
		b.WriteString(`<a href="` + html.EscapeString(url) + `">` + html.EscapeString(url) + `</a>`)
		last = at[0] + len(url)
	}
	b.WriteString(html.EscapeString(text[last:]))
	return b.String()
}

// trimLink leaves to the sentence what is the sentence's: a full stop, or a bracket
// that was opened before the link.
func trimLink(url string) string {
	for {
		cut := strings.TrimRight(url, ".,;:!?")
		for _, pair := range []string{"()", "[]", "{}"} {
			if strings.HasSuffix(cut, pair[1:]) && strings.Count(cut, pair[1:]) > strings.Count(cut, pair[:1]) {
				cut = cut[:len(cut)-1]
			}
		}
		if cut == url {
			return url
		}
		url = cut
	}
}
