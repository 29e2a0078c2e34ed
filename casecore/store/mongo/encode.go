package mongo

import (
	"encoding/binary"
	"encoding/json"
	"errors"
	"math"
	"slices"
	"strconv"
	"strings"
	"time"

	"go.mongodb.org/mongo-driver/v2/bson"

	"casewire/casecore/store"
)

// maxDepth is how deep a body is BSON; what lies deeper is kept as its JSON text.
// MongoDB refuses documents of more than about 180 levels.
const maxDepth = 80

var errBody = errors.New("the body is not a JSON object")

// exactText is a value that BSON holds only nearly: where it is and what it was.
type exactText struct{ path, text string }

// encoder turns a JSON text that is known to be valid into BSON.
type encoder struct {
	src   []byte
	at    int
	path  []byte
	depth int
	exact []exactText
}

// document is the stored form of a document.
func document(id string, version uint64, keys keySet, body []byte) bson.Raw {
	dst := make([]byte, 4, len(body)+len(body)/4+256)
	dst = appendString(appendHead(dst, bson.TypeString, "_id"), id)
	dst = appendInt64(appendHead(dst, bson.TypeInt64, "v"), int64(version))
	if len(keys) > 0 {
		dst = keys.append(appendHead(dst, bson.TypeEmbeddedDocument, "k"))
	}
	e := &encoder{src: body}
	e.space()
	dst = e.object(appendHead(dst, bson.TypeEmbeddedDocument, "b"))
	if len(e.exact) > 0 {
		dst = appendExact(appendHead(dst, bson.TypeArray, "x"), e.exact)
	}
	return closeDoc(dst, 0)
}

func appendHead(dst []byte, t bson.Type, name string) []byte {
	return append(append(append(dst, byte(t)), name...), 0)
}

func appendInt64(dst []byte, n int64) []byte { return binary.LittleEndian.AppendUint64(dst, uint64(n)) }

func appendString(dst []byte, s string) []byte {
	dst = binary.LittleEndian.AppendUint32(dst, uint32(len(s)+1))
	return append(append(dst, s...), 0)
}

// openDoc makes room for the length of a document, which closeDoc fills in.
func openDoc(dst []byte) (grown []byte, start int) { return append(dst, 0, 0, 0, 0), len(dst) }

func closeDoc(dst []byte, start int) []byte {
	dst = append(dst, 0)
	binary.LittleEndian.PutUint32(dst[start:], uint32(len(dst)-start))
	return dst
}

func appendExact(dst []byte, list []exactText) []byte {
	dst, start := openDoc(dst)
	for i, x := range list {
		var one int
		dst, one = openDoc(appendHead(dst, bson.TypeEmbeddedDocument, strconv.Itoa(i)))
		dst = appendString(appendHead(dst, bson.TypeString, "p"), x.path)
		dst = appendString(appendHead(dst, bson.TypeString, "t"), x.text)
		dst = closeDoc(dst, one)
	}
	return closeDoc(dst, start)
}

// append writes keys as BSON: one key as a string, those of a Multi index as an
// array.
func (k keySet) append(dst []byte) []byte {
	dst, start := openDoc(dst)
	for _, name := range k.names() {
		list := k[name]
		if !list.multi {
			dst = appendString(appendHead(dst, bson.TypeString, name), list.keys[0])
			continue
		}
		var array int
		dst, array = openDoc(appendHead(dst, bson.TypeArray, name))
		for i, key := range list.keys {
			dst = appendString(appendHead(dst, bson.TypeString, strconv.Itoa(i)), key)
		}
		dst = closeDoc(dst, array)
	}
	return closeDoc(dst, start)
}

// keySet is the keys of a document without repeats and empty ones.
type keySet map[string]keyList

type keyList struct {
	keys  []string
	multi bool
}

func (k keySet) names() []string {
	names := make([]string, 0, len(k))
	for name := range k {
		names = append(names, name)
	}
	slices.Sort(names)
	return names
}

// keysOf takes the keys that coll declares out of keys.
func keysOf(coll *store.Coll, keys store.Keys) keySet {
	set := make(keySet, len(keys))
	for _, ix := range coll.Indexes {
		var list []string
		for _, key := range keys[ix.Name] {
			if key != "" && !slices.Contains(list, key) {
				list = append(list, key)
			}
		}
		if len(list) > 0 {
			set[ix.Name] = keyList{list, ix.Multi}
		}
	}
	return set
}

func (e *encoder) space() {
	for e.at < len(e.src) {
		switch e.src[e.at] {
		case ' ', '\t', '\n', '\r':
			e.at++
		default:
			return
		}
	}
}

// object writes the object that src stands on.
func (e *encoder) object(dst []byte) []byte {
	dst, start := openDoc(dst)
	e.at++ // {
	e.depth++
	for e.space(); e.src[e.at] != '}'; e.space() {
		if e.src[e.at] == ',' {
			e.at++
			e.space()
		}
		name := e.text()
		e.space()
		e.at++ // :
		dst = e.member(dst, fieldName(name), name)
	}
	e.at++
	e.depth--
	return closeDoc(dst, start)
}

func (e *encoder) array(dst []byte) []byte {
	dst, start := openDoc(dst)
	e.at++ // [
	e.depth++
	n := 0
	for e.space(); e.src[e.at] != ']'; e.space() {
		if e.src[e.at] == ',' {
			e.at++
		}
		name := strconv.Itoa(n)
		dst = e.member(dst, name, name)
		n++
	}
	e.at++
	e.depth--
	return closeDoc(dst, start)
}

// member writes one element, under the name field; step is its place in the path.
func (e *encoder) member(dst []byte, field, step string) []byte {
	before := len(e.path)
	e.path = append(append(e.path, '/'), pointerStep.Replace(step)...)
	dst = e.value(dst, field)
	e.path = e.path[:before]
	return dst
}

func (e *encoder) value(dst []byte, field string) []byte {
	e.space()
	switch c := e.src[e.at]; {
	case (c == '{' || c == '[') && e.depth >= maxDepth:
		raw := e.raw()
		e.keep(raw)
		return appendString(appendHead(dst, bson.TypeString, field), raw)
	case c == '{':
		return e.object(appendHead(dst, bson.TypeEmbeddedDocument, field))
	case c == '[':
		return e.array(appendHead(dst, bson.TypeArray, field))
	case c == '"':
		return e.str(dst, field)
	case c == 't':
		e.at += len("true")
		return append(appendHead(dst, bson.TypeBoolean, field), 1)
	case c == 'f':
		e.at += len("false")
		return append(appendHead(dst, bson.TypeBoolean, field), 0)
	case c == 'n':
		e.at += len("null")
		return appendHead(dst, bson.TypeNull, field)
	}
	return e.number(dst, field)
}

// keep notes the exact JSON text of the value at the current path.
func (e *encoder) keep(text string) { e.exact = append(e.exact, exactText{string(e.path), text}) }

// raw skips the value that src stands on and returns its text.
func (e *encoder) raw() string {
	start, depth := e.at, 0
	for {
		switch e.src[e.at] {
		case '{', '[':
			depth++
		case '}', ']':
			depth--
		case '"':
			e.skipText()
			continue
		}
		e.at++
		if depth == 0 {
			return string(e.src[start:e.at])
		}
	}
}

func (e *encoder) skipText() (escaped bool) {
	for e.at++; e.src[e.at] != '"'; e.at++ {
		if e.src[e.at] == '\\' {
			escaped = true
			e.at++
		}
	}
	e.at++
	return escaped
}

// text reads a JSON string.
func (e *encoder) text() string {
	start := e.at
	if escaped := e.skipText(); !escaped {
		return string(e.src[start+1 : e.at-1])
	}
	var s string
	if err := json.Unmarshal(e.src[start:e.at], &s); err != nil {
		return string(e.src[start+1 : e.at-1]) // cannot be: the text was found valid
	}
	return s
}

// str writes a string, as a date when it is one.
func (e *encoder) str(dst []byte, field string) []byte {
	s := e.text()
	at, ok := date(s)
	if !ok {
		return appendString(appendHead(dst, bson.TypeString, field), s)
	}
	if dateText(at.UnixMilli()) != s {
		e.keep(quoteJSON(s))
	}
	return appendInt64(appendHead(dst, bson.TypeDateTime, field), at.UnixMilli())
}

// date reads a time as encoding/json writes it.
func date(s string) (time.Time, bool) {
	if len(s) < len("2006-01-02T15:04:05Z") || len(s) > len("2006-01-02T15:04:05.000000000+00:00") || s[4] != '-' || s[10] != 'T' {
		return time.Time{}, false
	}
	at, err := time.Parse(time.RFC3339Nano, s)
	return at, err == nil
}

func dateText(ms int64) string { return time.UnixMilli(ms).UTC().Format(time.RFC3339Nano) }

func (e *encoder) number(dst []byte, field string) []byte {
	start := e.at
	for e.at < len(e.src) && strings.IndexByte("+-.0123456789eE", e.src[e.at]) >= 0 {
		e.at++
	}
	text := string(e.src[start:e.at])
	if n, err := strconv.ParseInt(text, 10, 64); err == nil && strconv.FormatInt(n, 10) == text {
		return appendInt64(appendHead(dst, bson.TypeInt64, field), n)
	}
	f, err := strconv.ParseFloat(text, 64)
	if err != nil || math.IsInf(f, 0) {
		e.keep(text)
		return appendString(appendHead(dst, bson.TypeString, field), text)
	}
	if floatText(f) != text {
		e.keep(text)
	}
	return binary.LittleEndian.AppendUint64(appendHead(dst, bson.TypeDouble, field), math.Float64bits(f))
}

// floatText is f as encoding/json writes it.
func floatText(f float64) string {
	b, err := json.Marshal(f)
	if err != nil {
		return "null" // NaN and infinities, which no JSON has
	}
	return string(b)
}

func quoteJSON(s string) string { return string(appendText(nil, s)) }

// Names of fields: MongoDB reads dots and leading dollars as operators and ends a
// name at a zero byte. % marks what is written otherwise.
var (
	escapeField   = strings.NewReplacer("%", "%25", ".", "%2E", "$", "%24", "\x00", "%00")
	unescapeField = strings.NewReplacer("%25", "%", "%2E", ".", "%24", "$", "%00", "\x00")
	pointerStep   = strings.NewReplacer("~", "~0", "/", "~1")
)

func fieldName(name string) string {
	if !strings.ContainsAny(name, "%.$\x00") {
		return name
	}
	return escapeField.Replace(name)
}

func nameOfField(field string) string {
	if !strings.Contains(field, "%") {
		return field
	}
	return unescapeField.Replace(field)
}
