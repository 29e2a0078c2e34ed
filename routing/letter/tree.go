package letter

import (
	"bytes"
	"encoding/base64"
	"fmt"
	"net/url"
	"strconv"
	"strings"

	"golang.org/x/net/html"
	"golang.org/x/net/html/atom"

	"casewire/channels"
)

// tree reads a letter as a browser without scripts does, so that what is judged
// afterwards is what would have been shown: a sanitiser that only sees tags can be
// led to take an element's end for text.
type tree struct {
	let      bool // pictures from elsewhere may stay
	remote   int
	pictures []source
}

// dropped are elements that go with all that is in them.
var dropped = map[atom.Atom]bool{
	atom.Script: true, atom.Style: true, atom.Title: true, atom.Head: true, atom.Link: true, atom.Meta: true, atom.Base: true,
	atom.Iframe: true, atom.Frame: true, atom.Frameset: true, atom.Noframes: true, atom.Object: true, atom.Embed: true, atom.Applet: true, atom.Noembed: true, atom.Param: true,
	atom.Template: true, atom.Svg: true, atom.Math: true, atom.Canvas: true, atom.Audio: true, atom.Video: true, atom.Source: true, atom.Track: true,
	atom.Input: true, atom.Select: true, atom.Option: true, atom.Datalist: true, atom.Map: true, atom.Area: true,
}

// renamed are elements whose text would be written out unescaped.
var renamed = map[atom.Atom]atom.Atom{atom.Xmp: atom.Pre, atom.Listing: atom.Pre, atom.Plaintext: atom.Pre, atom.Noscript: atom.Div}

func parse(raw string, remote bool) (*tree, *html.Node, error) {
	t := &tree{let: remote}
	if len(raw) > MaxBytes {
		return t, nil, ErrUnshowable
	}
	doc, err := html.ParseWithOptions(strings.NewReader(raw), html.ParseOptionEnableScripting(false))
	if err != nil {
		return t, nil, fmt.Errorf("%w: %w", ErrUnshowable, err)
	}
	body := find(doc, atom.Body)
	if body == nil {
		return t, nil, nil
	}
	asPart(body)
	plainStyle(body)
	t.prune(body)
	return t, body, nil
}

func find(n *html.Node, a atom.Atom) *html.Node {
	if n.DataAtom == a {
		return n
	}
	for c := range n.ChildNodes() {
		if got := find(c, a); got != nil {
			return got
		}
	}
	return nil
}

// asPart makes a part of a page of a whole one, and keeps its colours.
func asPart(body *html.Node) {
	style := ""
	if c := attr(body, "bgcolor"); c != "" {
		style += "background-color: " + c + "; "
	}
	if c := attr(body, "text"); c != "" {
		style += "color: " + c + "; "
	}
	style += attr(body, "style")
	dir := attr(body, "dir")
	body.Data, body.DataAtom, body.Attr = "div", atom.Div, nil
	if dir != "" {
		body.Attr = append(body.Attr, html.Attribute{Key: "dir", Val: dir})
	}
	if style != "" {
		body.Attr = append(body.Attr, html.Attribute{Key: "style", Val: style})
	}
}

func (t *tree) prune(n *html.Node) {
	for c := n.FirstChild; c != nil; {
		next := c.NextSibling
		if t.keep(c) {
			t.prune(c)
		} else {
			n.RemoveChild(c)
		}
		c = next
	}
}

func (t *tree) keep(n *html.Node) bool {
	switch n.Type {
	case html.TextNode:
		return true
	case html.ElementNode:
		if n.Namespace != "" || dropped[n.DataAtom] {
			return false
		}
		if to, ok := renamed[n.DataAtom]; ok {
			n.DataAtom, n.Data = to, to.String()
		}
		plainStyle(n)
		return n.DataAtom != atom.Img || t.picture(n)
	}
	return false
}

// plainStyle takes away a style with escapes in it: the sanitiser judges them
// decoded, and writes what it got.
func plainStyle(n *html.Node) {
	if strings.Contains(attr(n, "style"), `\`) {
		unset(n, "style")
	}
}

// picture replaces the source of a picture by a number of ours, or takes it away.
// It says whether anything is left to show.
func (t *tree) picture(n *html.Node) bool {
	src := address(attr(n, "src"))
	unset(n, "src")
	scheme, rest, _ := strings.Cut(src, ":")
	switch strings.ToLower(scheme) {
	case "cid":
		if name, err := url.PathUnescape(rest); err == nil {
			rest = name
		}
		t.place(n, source{cid: plainCID(rest)})
		return true
	case "data":
		if s, ok := embedded(rest); ok {
			t.place(n, s)
		}
		return true
	case "http", "https":
		src = "https:" + rest
	default:
		if !strings.HasPrefix(src, "//") {
			return true
		}
		src = "https:" + src
	}
	t.remote++
	if t.let {
		n.Attr = append(n.Attr, html.Attribute{Key: "src", Val: src})
		return true
	}
	return !pixel(n)
}

func (t *tree) place(n *html.Node, s source) {
	n.Attr = append(n.Attr, html.Attribute{Key: "src", Val: "cid:" + strconv.Itoa(len(t.pictures))})
	t.pictures = append(t.pictures, s)
}

// address is a URL without what browsers pass over.
func address(s string) string {
	s = strings.TrimFunc(s, func(r rune) bool { return r <= ' ' })
	return strings.NewReplacer("\t", "", "\n", "", "\r", "").Replace(s)
}

// embedded is the picture of a data: URL.
func embedded(rest string) (source, bool) {
	head, data, ok := strings.Cut(rest, ",")
	if !ok || !strings.HasSuffix(strings.ToLower(strings.TrimSpace(head)), ";base64") {
		return source{}, false
	}
	if plain, err := url.PathUnescape(data); err == nil {
		data = plain
	}
	got, err := base64.RawStdEncoding.DecodeString(strings.TrimRight(strings.ReplaceAll(data, " ", ""), "="))
	if err != nil {
		return source{}, false
	}
	kind, ok := channels.Showable(bytes.NewReader(got))
	return source{kind: kind, data: got}, ok
}

// pixel says that a picture is too small to be looked at: it is there to tell that
// the letter was opened.
func pixel(n *html.Node) bool {
	for _, side := range []string{"width", "height"} {
		if v, err := strconv.Atoi(strings.TrimSuffix(strings.TrimSpace(attr(n, side)), "px")); err == nil && v <= 2 {
			return true
		}
	}
	return false
}

func attr(n *html.Node, key string) string {
	for _, a := range n.Attr {
		if a.Namespace == "" && a.Key == key {
			return a.Val
		}
	}
	return ""
}

func unset(n *html.Node, key string) {
	left := n.Attr[:0]
	for _, a := range n.Attr {
		if a.Key != key {
			left = append(left, a)
		}
	}
	n.Attr = left
}
