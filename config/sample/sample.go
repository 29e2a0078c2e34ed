// Package sample writes the process file with every key, its default and its
// meaning, out of the structs and their comments, so that the sample cannot say
// anything else than the program does. It reads source files and is for tests; it
// knows no key by name.
package sample

import (
	"encoding"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"maps"
	"path"
	"reflect"
	"slices"
	"strconv"
	"strings"

	"casewire/channels"
	"casewire/config"
	"casewire/notify/webhook"
)

// File returns the sample. root is the module's folder, where the comments of the
// structs are read; kinds are the channels to show, each once.
func File(root fs.FS, kinds channels.Kinds) ([]byte, error) {
	w := &writer{root: root, docs: map[string]map[string]string{}}
	file := config.Defaults()
	w.comment("", "The process file of casewire with every key and its default. Leave out what you do not\n"+
		"change; \"casewire check --config FILE\" tells everything that is wrong with it. What\n"+
		"supervisors change (queues, rules, statuses, templates) is the policy and not kept here.")
	w.fields("", reflect.ValueOf(file))
	w.comment("\n", "Channels are the accounts that customers write to. Everywhere else a channel is called\n"+
		"kind:id. A secret is never written here but named: {env: NAME} or {file: PATH}.")
	w.out.WriteString("channels:\n")
	for _, k := range slices.Sorted(maps.Keys(kinds)) {
		c := reflect.ValueOf(kinds[k]())
		fmt.Fprintf(&w.out, "  - id: site\n    kind: %s\n", k)
		w.fields("    ", c.Elem())
	}
	w.comment("\n", "Webhooks tell programs outside what happens to cases, signed and in order for each\n"+
		"case, as the Standard Webhooks specification has it. A reload changes them.")
	w.remark("webhooks:\n  - ", func(w *writer) { w.fields("    ", reflect.ValueOf(webhook.Subscription{})) })
	return []byte(w.out.String()), w.err
}

// remark writes what has no default, as remarks behind head.
func (w *writer) remark(head string, write func(w *writer)) {
	part := &writer{root: w.root, docs: w.docs}
	write(part)
	if w.err == nil {
		w.err = part.err
	}
	for line := range strings.Lines(head + strings.TrimLeft(part.out.String(), " \n")) {
		w.out.WriteString(strings.TrimRight("# "+line, " \n") + "\n")
	}
}

type writer struct {
	root fs.FS
	docs map[string]map[string]string // package folder → "Type.Field" → comment
	out  strings.Builder
	err  error
}

func (w *writer) comment(indent, text string) {
	for line := range strings.Lines(strings.TrimSpace(text)) {
		w.out.WriteString(indent + "# " + strings.TrimRight(line, "\n") + "\n")
		indent = strings.TrimLeft(indent, "\n")
	}
}

// fields writes the keys of a struct. What has no default and must be given, and
// secrets that must be, have the tag sample with what to write.
func (w *writer) fields(indent string, v reflect.Value) {
	for i := range v.NumField() {
		f := v.Type().Field(i)
		key, opts, _ := strings.Cut(f.Tag.Get("yaml"), ",")
		if opts == "inline" {
			w.fields(indent, v.Field(i))
			continue
		}
		if key == "" || key == "-" {
			continue
		}
		w.comment("\n"+indent, w.doc(v.Type(), f.Name, key))
		if text := f.Tag.Get("sample"); text != "" {
			fmt.Fprintf(&w.out, "%s%s: %s\n", indent, key, text)
			continue
		}
		w.value(indent, key, v.Field(i))
	}
}

func (w *writer) value(indent, key string, v reflect.Value) {
	_, text := v.Interface().(encoding.TextMarshaler)
	switch {
	case v.Type() == reflect.TypeFor[channels.Secret]():
		fmt.Fprintf(&w.out, "%s# %s: {env: CASEWIRE_%s}\n", indent, key, strings.ToUpper(key))
	case v.Kind() == reflect.Struct && !text:
		fmt.Fprintf(&w.out, "%s%s:\n", indent, key)
		w.fields(indent+"  ", v)
	default:
		fmt.Fprintf(&w.out, "%s%s: %s\n", indent, key, w.inline(v))
	}
}

// inline writes a value on one line.
func (w *writer) inline(v reflect.Value) string {
	if m, ok := v.Interface().(encoding.TextMarshaler); ok {
		b, err := m.MarshalText()
		if err != nil {
			w.err = err
		}
		return plain(string(b))
	}
	if s, ok := v.Interface().(fmt.Stringer); ok {
		return plain(trim(s.String()))
	}
	switch v.Kind() {
	case reflect.String:
		return plain(v.String())
	case reflect.Slice:
		var items []string
		for i := range v.Len() {
			items = append(items, w.inline(v.Index(i)))
		}
		return "[" + strings.Join(items, ", ") + "]"
	case reflect.Map:
		var items []string
		for _, k := range slices.SortedFunc(slices.Values(v.MapKeys()), func(a, b reflect.Value) int {
			return strings.Compare(a.String(), b.String())
		}) {
			items = append(items, plain(k.String())+": "+w.inline(v.MapIndex(k)))
		}
		return "{" + strings.Join(items, ", ") + "}"
	}
	return fmt.Sprint(v.Interface())
}

// trim leaves out the zero parts of a time span: "30m0s" is "30m".
func trim(s string) string {
	for _, zero := range []string{"m0s", "h0m"} {
		if strings.HasSuffix(s, zero) {
			s = s[:len(s)-2]
		}
	}
	return s
}

// plain quotes a text that YAML would read as something else.
func plain(s string) string {
	if s == "" || strings.ContainsAny(s, ":{}[],&*#?|-<>=!%@\\\"'`\n") && !safe(s) || strings.TrimSpace(s) != s {
		return strconv.Quote(s)
	}
	if _, err := strconv.ParseFloat(s, 64); err == nil {
		return strconv.Quote(s)
	}
	return s
}

// safe says that the signs in a text mean nothing to YAML where they stand.
func safe(s string) bool {
	return !strings.ContainsAny(s, "{}[],&*#?|<>=!%@\\\"'`\n") && !strings.Contains(s, ": ") && !strings.HasSuffix(s, ":") && s[0] != '-' && s[0] != ':'
}

// doc returns the comment of a field, beginning with its key.
func (w *writer) doc(t reflect.Type, field, key string) string {
	dir := strings.TrimPrefix(t.PkgPath(), "casewire/")
	if w.docs[dir] == nil {
		w.docs[dir] = w.read(dir)
	}
	text := w.docs[dir][t.Name()+"."+field]
	if text == "" && w.err == nil {
		w.err = fmt.Errorf("%s.%s.%s has no comment to explain the key %s", dir, t.Name(), field, key)
	}
	if rest, ok := strings.CutPrefix(text, field+" "); ok {
		text = key + " " + rest
	}
	return text
}

// read gathers the comments of all struct fields of a package.
func (w *writer) read(dir string) map[string]string {
	out := map[string]string{}
	names, err := fs.Glob(w.root, path.Join(dir, "*.go"))
	if err != nil {
		w.err = err
	}
	for _, name := range names {
		src, err := fs.ReadFile(w.root, name)
		if err != nil {
			w.err = err
			return out
		}
		f, err := parser.ParseFile(token.NewFileSet(), name, src, parser.ParseComments|parser.SkipObjectResolution)
		if err != nil {
			w.err = err
			return out
		}
		ast.Inspect(f, func(n ast.Node) bool {
			spec, ok := n.(*ast.TypeSpec)
			if !ok {
				return true
			}
			if s, ok := spec.Type.(*ast.StructType); ok {
				for _, field := range s.Fields.List {
					for _, id := range field.Names {
						out[spec.Name.Name+"."+id.Name] = strings.TrimSpace(field.Doc.Text() + field.Comment.Text())
					}
				}
			}
			return false
		})
	}
	return out
}
