package strict

import (
	"encoding"
	"errors"
	"fmt"
	"math"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/goccy/go-yaml/ast"

	"casewire/casecore/search"
)

// Node is one value of a file, not decoded yet. A struct field of this type keeps
// its value for later.
type Node struct {
	src  *Source
	path string
	node ast.Node
}

// Path is where the value stands.
func (n Node) Path() string { return n.path }

// Fault notes what is wrong at a path below the node; "" is the node itself. A
// node that was not given has no place and takes no faults.
func (n Node) Fault(path, msg, mend string) {
	switch {
	case n.src == nil:
		return
	case path == "":
		path = n.path
	case strings.HasPrefix(path, "["):
		path = n.path + path
	default:
		path = below(n.path, path)
	}
	n.src.Fault(path, msg, mend)
}

// Scalar returns the text of a plain value below a mapping.
func (n Node) Scalar(key string) (string, bool) {
	m, ok := n.node.(ast.MapNode)
	if !ok {
		return "", false
	}
	for it := m.MapRange(); it.Next(); {
		if keyText(it.Key()) == key {
			return scalar(it.Value())
		}
	}
	return "", false
}

// Mapping says whether the node is one.
func (n Node) Mapping() bool {
	_, ok := n.node.(ast.MapNode)
	return ok
}

// Refuse notes that the node's value cannot be used, at a path below it; what
// others find wrong with the value is then left out.
func (n Node) Refuse(path, msg, mend string) {
	n.Fault(path, msg, mend)
	if n.src != nil {
		n.src.marred[n.path] = true
	}
}

// Hook decodes values of one type that cannot do so themselves.
type Hook struct {
	Type   reflect.Type
	Decode func(n Node, v reflect.Value)
}

// Decode fills the structs that dst point to from the file's mapping. Several may
// share it: a key belongs to the first that has it. Keys that none has are faults.
func (s *Source) Decode(dst ...any) { Node{src: s, node: s.root}.Decode(dst...) }

// Decode fills the structs that dst point to from the node's mapping; see
// Source.Decode. Fields are named by their yaml tag; fields without one are left
// alone, as are fields whose key is missing or has no value.
func (n Node) Decode(dst ...any) {
	if empty(n.node) {
		return
	}
	fields := map[string]reflect.Value{}
	var names []string
	for _, d := range dst {
		names = collect(reflect.ValueOf(d).Elem(), fields, names)
	}
	m, ok := n.node.(ast.MapNode)
	if !ok {
		n.src.spoil(start(n.node), n.path, "must be a mapping, not "+describe(n.node), "write key: value with one of "+strings.Join(names, ", "))
		return
	}
	n.each(m, func(key string, at place, value Node) {
		f, ok := fields[key]
		if !ok {
			n.unknown(key, at, names)
			return
		}
		value.into(f)
	})
}

// unknown notes an unknown key. The key that was probably meant counts as spoiled:
// that it is missing would be the same mistake told twice.
func (n Node) unknown(key string, at place, names []string) {
	mend := "remove it, or use one of " + strings.Join(names, ", ")
	if near := search.Nearest(key, names); near != "" {
		mend = fmt.Sprintf("did you mean %q?", near)
		n.src.marred[below(n.path, near)] = true
	}
	n.src.spoil(at, below(n.path, key), "unknown key", mend)
}

// each walks a mapping and notes keys that are no plain text or stand twice.
func (n Node) each(m ast.MapNode, yield func(key string, at place, value Node)) {
	seen := map[string]place{}
	for it := m.MapRange(); it.Next(); {
		key, at := keyText(it.Key()), start(it.Key())
		path := below(n.path, key)
		if _, merge := it.Key().(*ast.MergeKeyNode); merge || key == "" {
			n.src.spoil(at, path, "not a plain key", "write every key out")
			continue
		}
		if first, twice := seen[key]; twice {
			n.src.add(at, path, fmt.Sprintf("given twice; the first is on line %d", first.line), "keep one of them")
			continue
		}
		seen[key] = at
		yield(key, at, Node{n.src, path, it.Value()})
	}
}

// collect gathers the fields of a struct and of its inlined structs.
func collect(v reflect.Value, fields map[string]reflect.Value, names []string) []string {
	for i := range v.NumField() {
		tag, tagged := v.Type().Field(i).Tag.Lookup("yaml")
		name, opts, _ := strings.Cut(tag, ",")
		switch {
		case opts == "inline":
			names = collect(v.Field(i), fields, names)
		case tagged && name != "" && name != "-":
			if _, taken := fields[name]; !taken {
				fields[name], names = v.Field(i), append(names, name)
			}
		}
	}
	return names
}

func (n Node) into(v reflect.Value) {
	if empty(n.node) {
		return
	}
	if !n.plain() {
		return
	}
	if v.Type() == reflect.TypeFor[Node]() {
		v.Set(reflect.ValueOf(n))
		return
	}
	if v.Kind() == reflect.Pointer {
		if v.IsNil() {
			v.Set(reflect.New(v.Type().Elem()))
		}
		v = v.Elem()
	}
	for _, h := range n.src.hooks {
		if h.Type == v.Type() {
			h.Decode(n, v)
			return
		}
	}
	if u, ok := v.Addr().Interface().(encoding.TextUnmarshaler); ok {
		n.text(u)
		return
	}
	if v.Type() == reflect.TypeFor[time.Duration]() {
		n.text((*span)(v.Addr().Interface().(*time.Duration)))
		return
	}
	switch v.Kind() {
	case reflect.Struct:
		n.Decode(v.Addr().Interface())
	case reflect.Map:
		n.mapping(v)
	case reflect.Slice:
		n.list(v)
	default:
		n.scalarInto(v)
	}
}

// plain refuses what makes a file say something elsewhere than where it stands.
func (n Node) plain() bool {
	switch n.node.(type) {
	case *ast.AnchorNode, *ast.AliasNode:
		n.src.spoil(start(n.node), n.path, "anchors and aliases are not supported", "write the value out; put a text that begins with & or * in quotes")
		return false
	case *ast.TagNode:
		n.src.spoil(start(n.node), n.path, "tags are not supported", "remove it; put a text that begins with ! in quotes")
		return false
	}
	return true
}

func (n Node) mapping(v reflect.Value) {
	m, ok := n.node.(ast.MapNode)
	if !ok {
		n.src.spoil(start(n.node), n.path, "must be a mapping, not "+describe(n.node), "write {key: value}")
		return
	}
	out := reflect.MakeMap(v.Type())
	n.each(m, func(key string, _ place, value Node) {
		e := reflect.New(v.Type().Elem()).Elem()
		value.into(e)
		out.SetMapIndex(reflect.ValueOf(key).Convert(v.Type().Key()), e)
	})
	v.Set(out)
}

func (n Node) list(v reflect.Value) {
	seq, ok := n.node.(*ast.SequenceNode)
	if !ok {
		n.src.spoil(start(n.node), n.path, "must be a list, not "+describe(n.node), "write [a, b], or one item a line with a dash")
		return
	}
	out := reflect.MakeSlice(v.Type(), len(seq.Values), len(seq.Values))
	for i, item := range seq.Values {
		e := Node{n.src, fmt.Sprintf("%s[%d]", n.path, i), item}
		if empty(item) {
			n.src.spoil(start(item), e.path, "empty item", "remove the dash or write a value")
			continue
		}
		e.into(out.Index(i))
	}
	v.Set(out)
}

// text lets a type read itself. Its error may carry the mend behind "; ".
func (n Node) text(u encoding.TextUnmarshaler) {
	text, ok := scalar(n.node)
	if !ok {
		n.src.spoil(start(n.node), n.path, "must be one value, not "+describe(n.node), "")
		return
	}
	if err := u.UnmarshalText([]byte(text)); err != nil {
		msg, mend, _ := strings.Cut(err.Error(), "; ")
		n.src.spoil(start(n.node), n.path, msg, mend)
	}
}

func (n Node) scalarInto(v reflect.Value) {
	text, ok := scalar(n.node)
	wrong := func(want, mend string) {
		n.src.spoil(start(n.node), n.path, "must be "+want+", not "+describe(n.node), mend)
	}
	switch v.Kind() {
	case reflect.String:
		if !ok {
			wrong("text", "write one value; put it in quotes if it contains a colon, a bracket or a brace")
			return
		}
		v.SetString(text)
	case reflect.Bool:
		b, isBool := n.node.(*ast.BoolNode)
		if !isBool {
			wrong("true or false", "")
			return
		}
		v.SetBool(b.Value)
	case reflect.Int, reflect.Int64:
		i, err := strconv.ParseInt(text, 10, 64)
		if !ok || errors.Is(err, strconv.ErrSyntax) {
			wrong("a whole number", "")
			return
		}
		if err != nil || v.OverflowInt(i) {
			n.src.spoil(start(n.node), n.path, text+" is out of range", fmt.Sprintf("write at most %d", math.MaxInt64))
			return
		}
		v.SetInt(i)
	default:
		n.src.spoil(start(n.node), n.path, "cannot hold a value of type "+v.Type().String(), "")
	}
}

// span reads a time.Duration.
type span time.Duration

func (d *span) UnmarshalText(b []byte) error {
	v, err := time.ParseDuration(string(b))
	if err != nil {
		return fmt.Errorf("%q is not a time span; write it like 90s, 30m or 48h", b)
	}
	*d = span(v)
	return nil
}

func empty(n ast.Node) bool {
	if n == nil {
		return true
	}
	_, null := n.(*ast.NullNode)
	_, comment := n.(*ast.CommentGroupNode)
	return null || comment
}

func keyText(k ast.MapKeyNode) string {
	if _, ok := k.(*ast.MappingKeyNode); ok {
		return ""
	}
	if t := k.GetToken(); t != nil {
		return t.Value
	}
	return ""
}

// scalar returns the text of a value as it was written, so that a version number
// or a phone number may stand without quotes.
func scalar(n ast.Node) (string, bool) {
	switch n := n.(type) {
	case *ast.StringNode:
		return n.Value, true
	case *ast.LiteralNode:
		return n.Value.Value, true
	case *ast.IntegerNode, *ast.FloatNode, *ast.BoolNode, *ast.InfinityNode, *ast.NanNode:
		return n.GetToken().Value, true
	}
	return "", false
}

func describe(n ast.Node) string {
	switch n.(type) {
	case *ast.MappingNode, *ast.MappingValueNode:
		return "a mapping"
	case *ast.SequenceNode:
		return "a list"
	}
	if text, ok := scalar(n); ok {
		if r := []rune(text); len(r) > 40 {
			text = string(r[:40]) + "…"
		}
		return strconv.Quote(text)
	}
	return "this"
}

// start is where a value begins; a mapping begins at its first key.
func start(n ast.Node) place {
	switch m := n.(type) {
	case *ast.MappingNode:
		if !m.IsFlowStyle && len(m.Values) > 0 {
			return start(m.Values[0].Key)
		}
	case *ast.MappingValueNode:
		return start(m.Key)
	}
	if n == nil || n.GetToken() == nil || n.GetToken().Position == nil {
		return place{1, 1}
	}
	p := n.GetToken().Position
	return place{p.Line, max(1, p.Column)}
}

// Keys returns the names that Decode would accept for dst, in order.
func Keys(dst ...any) []string {
	fields := map[string]reflect.Value{}
	var names []string
	for _, d := range dst {
		names = collect(reflect.ValueOf(d).Elem(), fields, names)
	}
	return slices.Clip(names)
}
