package letter

import (
	"regexp"
	"sync"

	"github.com/microcosm-cc/bluemonday"
)

// policy is what may be in a letter: an allow-list, built when the first one is
// shown, for it takes some megabytes.
var policy = sync.OnceValue(build)

func build() *bluemonday.Policy {
	link := regexp.MustCompile(`(?i)^(?:https?:|mailto:|tel:)`)
	shown := regexp.MustCompile(`^(?:cid:\d+|https://[^\s"'<>]+)$`)
	measure := regexp.MustCompile(`^\d{1,5}(?:\.\d+)?(?:px|%)?$`)
	count := regexp.MustCompile(`^\d{1,4}$`)
	word := regexp.MustCompile(`^[\pL\pN -]{1,40}$`)
	colour := regexp.MustCompile(`^(?:#[0-9a-fA-F]{3,8}|[a-zA-Z]{3,30})$`)
	size := regexp.MustCompile(`^[+-]?\d{1,2}$`)
	fonts := regexp.MustCompile(`^[\pL\pN ,'"-]{1,200}$`)
	said := regexp.MustCompile(`^[^<>]{0,500}$`)
	// style is a value without functions but those of colours: no url(), no
	// expression(), no escapes.
	style := regexp.MustCompile(`^(?:(?:rgb|hsl)a?\([\d\s.,%]+\)|[#\w\s.,%'"!+-])+$`)

	p := bluemonday.NewPolicy()
	p.AllowElements(
		"abbr", "address", "article", "aside", "b", "big", "blockquote", "br", "caption", "center", "cite", "code", "col", "colgroup",
		"dd", "del", "dfn", "div", "dl", "dt", "em", "figcaption", "figure", "footer", "h1", "h2", "h3", "h4", "h5", "h6", "header", "hr",
		"i", "ins", "kbd", "li", "main", "mark", "nav", "ol", "p", "pre", "q", "s", "samp", "section", "small", "strike", "strong", "sub",
		"sup", "table", "tbody", "td", "tfoot", "th", "thead", "time", "tr", "tt", "u", "ul", "var", "wbr",
	)
	p.AllowNoAttrs().OnElements("a", "font", "span", "img")
	p.AllowAttrs("dir").Matching(regexp.MustCompile(`(?i)^(?:ltr|rtl|auto)$`)).Globally()
	p.AllowAttrs("lang", "align", "valign").Matching(word).Globally()
	p.AllowAttrs("title").Matching(said).Globally()
	p.AllowAttrs("bgcolor").Matching(colour).OnElements("table", "thead", "tbody", "tfoot", "tr", "td", "th")
	p.AllowAttrs("width", "height").Matching(measure).OnElements("table", "tr", "td", "th", "col", "colgroup", "img", "hr")
	p.AllowAttrs("border", "cellpadding", "cellspacing", "hspace", "vspace").Matching(measure).OnElements("table", "img")
	p.AllowAttrs("colspan", "rowspan", "span").Matching(count).OnElements("td", "th", "col", "colgroup")
	p.AllowAttrs("start", "value").Matching(count).OnElements("ol", "li")
	p.AllowAttrs("type").Matching(word).OnElements("ol", "ul", "li")
	p.AllowAttrs("color").Matching(colour).OnElements("font", "hr")
	p.AllowAttrs("face").Matching(fonts).OnElements("font")
	p.AllowAttrs("size").Matching(size).OnElements("font", "hr")
	p.AllowAttrs("alt").Matching(said).OnElements("img")
	p.AllowAttrs("src").Matching(shown).OnElements("img")
	p.AllowAttrs("href").Matching(link).OnElements("a")

	p.RequireParseableURLs(true)
	p.AllowRelativeURLs(false)
	p.AllowURLSchemes("http", "https", "mailto", "tel", "cid")
	p.AddTargetBlankToFullyQualifiedLinks(true)
	p.RequireNoReferrerOnLinks(true)
	p.RequireNoFollowOnLinks(true)

	p.AllowStyles("display").MatchingEnum("none", "block", "inline", "inline-block", "table", "table-row", "table-cell", "list-item").Globally()
	p.AllowStyles(
		"color", "background", "background-color", "font", "font-family", "font-size", "font-style", "font-weight", "font-variant",
		"line-height", "letter-spacing", "word-spacing", "white-space", "word-break", "word-wrap", "overflow-wrap",
		"text-align", "text-decoration", "text-indent", "text-transform", "vertical-align", "direction",
		"width", "height", "min-width", "max-width", "min-height", "max-height", "float", "clear", "table-layout", "list-style-type",
		"margin", "margin-top", "margin-right", "margin-bottom", "margin-left",
		"padding", "padding-top", "padding-right", "padding-bottom", "padding-left",
		"border", "border-top", "border-right", "border-bottom", "border-left", "border-color", "border-style", "border-width",
		"border-collapse", "border-spacing", "border-radius",
	).Matching(style).Globally()
	return p
}
