package mongo

import (
	"bytes"
	"encoding/base64"
	"encoding/binary"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"strconv"
	"unicode/utf8"

	"go.mongodb.org/mongo-driver/v2/bson"
)

// ErrDamaged means that a document is not one that this package wrote, nor one
// that it can read.
var ErrDamaged = errors.New("damaged")

var errShort = errors.New("BSON ends too early")

// stored is a document as it was read.
type stored struct {
	id      string
	version uint64
	body    []byte
	keys    keySet
}

// element is one field of a BSON document.
type element struct {
	kind bson.Type
	name string
	data []byte
}

// parse reads a stored document.
func parse(raw bson.Raw) (*stored, error) {
	d := &stored{keys: keySet{}}
	var body element
	var exact map[string]string
	err := elements(raw, func(e element) (err error) {
		switch e.name {
		case "_id":
			d.id = stringOf(e)
		case "v":
			n, ok := integer(e)
			if !ok || n < 1 {
				return errors.New("its version v is no number above 0")
			}
			d.version = uint64(n)
		case "b":
			body = e
		case "k":
			d.keys, err = parseKeys(e.data)
		case "x":
			exact, err = parseExact(e.data)
		}
		return err
	})
	if err == nil && (body.kind != bson.TypeEmbeddedDocument || d.version == 0) {
		err = errors.New("it has no body b or no version v")
	}
	if err == nil {
		w := &jsonWriter{dst: make([]byte, 0, len(raw)+len(raw)/4), exact: exact}
		err = w.object(body.data)
		d.body = w.dst
	}
	if err != nil {
		return nil, fmt.Errorf("document %s: %w: %w", d.id, ErrDamaged, err)
	}
	return d, nil
}

func parseKeys(data []byte) (keySet, error) {
	keys := keySet{}
	err := elements(data, func(e element) error {
		switch e.kind {
		case bson.TypeString:
			keys[e.name] = keyList{keys: []string{stringOf(e)}}
		case bson.TypeArray:
			list := keyList{multi: true}
			if err := elements(e.data, func(e element) error { list.keys = append(list.keys, stringOf(e)); return nil }); err != nil {
				return err
			}
			keys[e.name] = list
		}
		return nil
	})
	return keys, err
}

func parseExact(data []byte) (map[string]string, error) {
	exact := make(map[string]string)
	err := elements(data, func(e element) error {
		var x exactText
		err := elements(e.data, func(e element) error {
			switch e.name {
			case "p":
				x.path = stringOf(e)
			case "t":
				x.text = stringOf(e)
			}
			return nil
		})
		exact[x.path] = x.text
		return err
	})
	return exact, err
}

// elements calls fn for each field of a document.
func elements(doc []byte, fn func(element) error) error {
	if len(doc) < 5 || int(binary.LittleEndian.Uint32(doc)) != len(doc) {
		return errShort
	}
	for rest := doc[4 : len(doc)-1]; len(rest) > 0; {
		end := bytes.IndexByte(rest, 0)
		if end < 1 {
			return errShort
		}
		e := element{kind: bson.Type(rest[0]), name: string(rest[1:end])}
		rest = rest[end+1:]
		n, err := size(e.kind, rest)
		if err != nil {
			return err
		}
		e.data, rest = rest[:n], rest[n:]
		if err := fn(e); err != nil {
			return err
		}
	}
	return nil
}

// size is how many bytes a value of this kind has, checked against what is left.
func size(kind bson.Type, rest []byte) (n int, err error) {
	length := func(more int) int {
		if len(rest) < 4 {
			return math.MaxInt32
		}
		return int(int32(binary.LittleEndian.Uint32(rest))) + more
	}
	least := 0
	switch kind {
	case bson.TypeNull, bson.TypeUndefined, bson.TypeMinKey, bson.TypeMaxKey:
	case bson.TypeBoolean:
		n = 1
	case bson.TypeInt32:
		n = 4
	case bson.TypeDouble, bson.TypeDateTime, bson.TypeInt64, bson.TypeTimestamp:
		n = 8
	case bson.TypeObjectID:
		n = 12
	case bson.TypeDecimal128:
		n = 16
	case bson.TypeString, bson.TypeSymbol, bson.TypeJavaScript:
		n, least = length(4), 5
	case bson.TypeEmbeddedDocument, bson.TypeArray:
		n, least = length(0), 5
	case bson.TypeBinary:
		n, least = length(5), 5
	default:
		return 0, fmt.Errorf("a value of type %s", kind)
	}
	if n < least || n > len(rest) {
		return 0, errShort
	}
	return n, nil
}

func stringOf(e element) string {
	if e.kind != bson.TypeString {
		return ""
	}
	return string(e.data[4 : len(e.data)-1])
}

func integer(e element) (int64, bool) {
	switch e.kind {
	case bson.TypeInt64:
		return int64(binary.LittleEndian.Uint64(e.data)), true
	case bson.TypeInt32:
		return int64(int32(binary.LittleEndian.Uint32(e.data))), true
	}
	return 0, false
}

// jsonWriter writes BSON as JSON.
type jsonWriter struct {
	dst   []byte
	path  []byte
	exact map[string]string
}

func (w *jsonWriter) object(doc []byte) error {
	w.dst = append(w.dst, '{')
	first := true
	err := elements(doc, func(e element) error {
		if !first {
			w.dst = append(w.dst, ',')
		}
		first = false
		name := nameOfField(e.name)
		w.dst = append(appendText(w.dst, name), ':')
		return w.member(e, name)
	})
	w.dst = append(w.dst, '}')
	return err
}

func (w *jsonWriter) array(doc []byte) error {
	w.dst = append(w.dst, '[')
	n := 0
	err := elements(doc, func(e element) error {
		if n > 0 {
			w.dst = append(w.dst, ',')
		}
		n++
		return w.member(e, strconv.Itoa(n-1))
	})
	w.dst = append(w.dst, ']')
	return err
}

func (w *jsonWriter) member(e element, step string) error {
	if len(w.exact) == 0 {
		return w.value(e)
	}
	before := len(w.path)
	w.path = append(append(w.path, '/'), pointerStep.Replace(step)...)
	defer func() { w.path = w.path[:before] }()
	if text, ok := w.exact[string(w.path)]; ok && same(e, text) {
		w.dst = append(w.dst, text...)
		return nil
	}
	return w.value(e)
}

// same reports whether text is still what e was made of: whoever mends a value by
// hand need not know of x.
func same(e element, text string) bool {
	if !json.Valid([]byte(text)) {
		return false
	}
	enc := &encoder{src: []byte(text)}
	if c := text[0]; c == '{' || c == '[' {
		return e.kind == bson.TypeString && stringOf(e) == text
	}
	again := enc.value(nil, "")
	return bson.Type(again[0]) == e.kind && bytes.Equal(again[2:], e.data)
}

func (w *jsonWriter) value(e element) error {
	switch e.kind {
	case bson.TypeEmbeddedDocument:
		return w.object(e.data)
	case bson.TypeArray:
		return w.array(e.data)
	case bson.TypeString:
		w.dst = appendText(w.dst, stringOf(e))
	case bson.TypeBoolean:
		w.dst = strconv.AppendBool(w.dst, e.data[0] != 0)
	case bson.TypeInt64, bson.TypeInt32:
		n, _ := integer(e)
		w.dst = strconv.AppendInt(w.dst, n, 10)
	case bson.TypeDouble:
		w.dst = append(w.dst, floatText(math.Float64frombits(binary.LittleEndian.Uint64(e.data)))...)
	case bson.TypeDateTime:
		w.dst = appendText(w.dst, dateText(int64(binary.LittleEndian.Uint64(e.data))))
	case bson.TypeNull, bson.TypeUndefined:
		w.dst = append(w.dst, "null"...)
	default:
		return w.foreign(e)
	}
	return nil
}

// foreign writes what this package never stores but people and tools do.
func (w *jsonWriter) foreign(e element) error {
	switch e.kind {
	case bson.TypeObjectID:
		w.dst = appendText(w.dst, hex.EncodeToString(e.data))
	case bson.TypeBinary:
		w.dst = appendText(w.dst, base64.StdEncoding.EncodeToString(e.data[5:]))
	case bson.TypeDecimal128:
		h, l := binary.LittleEndian.Uint64(e.data[8:]), binary.LittleEndian.Uint64(e.data)
		text := bson.NewDecimal128(h, l).String()
		if !json.Valid([]byte(text)) {
			text = "null" // NaN and Infinity
		}
		w.dst = append(w.dst, text...)
	default:
		return fmt.Errorf("a value of type %s", e.kind)
	}
	return nil
}

// appendText writes s as a JSON string for people to read: only what must be is
// escaped.
func appendText(dst []byte, s string) []byte {
	const digits = "0123456789abcdef"
	dst = append(dst, '"')
	for i := range len(s) {
		switch c := s[i]; {
		case c == '"' || c == '\\':
			dst = append(dst, '\\', c)
		case c == '\n':
			dst = append(dst, '\\', 'n')
		case c < ' ':
			dst = append(dst, '\\', 'u', '0', '0', digits[c>>4], digits[c&15])
		default:
			dst = append(dst, c)
		}
	}
	dst = append(dst, '"')
	if !utf8.ValidString(s) {
		return bytes.ToValidUTF8(dst, []byte("\uFFFD"))
	}
	return dst
}
