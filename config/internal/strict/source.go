// Package strict reads a YAML file into structs and reports every fault of it at
// once, each with its place and its mend: syntax, unknown and repeated keys, wrong
// types, and whatever its callers find wrong by path. It knows nothing of what the
// keys mean. Anchors, aliases, tags and merge keys are refused: a file says what
// it says where it says it.
package strict

import (
	"bytes"
	"errors"
	"fmt"
	"regexp"
	"strings"
	"unicode/utf8"

	"github.com/goccy/go-yaml"
	"github.com/goccy/go-yaml/ast"
	"github.com/goccy/go-yaml/parser"
	"github.com/goccy/go-yaml/token"
)

// Limits of a file, so that a hostile one costs little.
const (
	MaxBytes = 1 << 20
	maxDepth = 100
)

type place struct{ line, column int }

// inText is where the first line of a text begins; rest is where its other lines
// do, or 0 when they cannot be told.
type inText struct {
	place
	rest int
}

// Source is a file that has been read, and the faults found in it so far. It is
// for one goroutine.
type Source struct {
	file   string
	hooks  []Hook
	root   ast.Node
	places map[string]place
	texts  map[string]inText
	faults Errors
	marred map[string]bool // paths with a fault that would cause others
	broken bool            // some section could not be read at all
}

// Read parses a file. A syntax fault is noted and hides only the top-level
// section it is in, so that the others are still checked.
func Read(file string, data []byte, hooks ...Hook) *Source {
	s := &Source{file: file, hooks: hooks, places: map[string]place{}, texts: map[string]inText{}, marred: map[string]bool{}}
	data = bytes.TrimPrefix(data, []byte("\ufeff"))
	data = bytes.ReplaceAll(data, []byte("\r\n"), []byte("\n"))
	data = bytes.ReplaceAll(data, []byte("\r"), []byte("\n"))
	if !s.readable(data) {
		s.broken = true
		return s
	}
	root, err := parse(data)
	if err != nil {
		s.broken = true
		if root, err = parse(s.blank(data, err)); err != nil {
			return s
		}
	}
	s.root = root
	s.index(root, "")
	return s
}

// blank notes the syntax fault of each top-level section and empties it, keeping
// the number of lines. Sections are judged one by one, since a bracket that is not
// closed spoils all that follows it. When each is right by itself, whole is what
// is wrong.
func (s *Source) blank(data []byte, whole error) []byte {
	lines := bytes.Split(data, []byte("\n"))
	var heads []int
	for i, l := range lines {
		if len(l) > 0 && !bytes.ContainsAny(l[:1], " \t#-]})") {
			heads = append(heads, i)
		}
	}
	found := false
	for i, from := range heads {
		to := len(lines)
		if i+1 < len(heads) {
			to = heads[i+1]
		}
		alone := make([][]byte, to)
		copy(alone[from:], lines[from:to])
		if _, err := parse(bytes.Join(alone, []byte("\n"))); err != nil {
			found = true
			s.syntax(err)
			clear(lines[from:to])
		}
	}
	if !found {
		s.syntax(whole)
		return nil
	}
	return bytes.Join(lines, []byte("\n"))
}

func (s *Source) readable(data []byte) bool {
	if len(data) > MaxBytes {
		s.add(place{}, "", fmt.Sprintf("%d bytes are more than the %d that are read", len(data), MaxBytes), "")
		return false
	}
	line, column, depth := 1, 0, 0
	for i := 0; i < len(data); {
		r, n := utf8.DecodeRune(data[i:])
		column++
		switch {
		case r == utf8.RuneError && n == 1:
			s.add(place{line, column}, "", "not valid UTF-8", "save the file as UTF-8")
			return false
		case r == 0 || r < ' ' && r != '\n' && r != '\t':
			s.add(place{line, column}, "", fmt.Sprintf("control character %U", r), "remove it")
			return false
		case r == '\n':
			line, column = line+1, 0
		// The parser recurses: more open brackets, or dashes and spaces at the
		// start of one line, than any real file has are refused beforehand.
		case r == '[' || r == '{':
			depth++
		case r == ']' || r == '}':
			depth = max(0, depth-1)
		}
		if depth > maxDepth || column > 1<<14 {
			s.add(place{line, column}, "", "nested too deeply or a line too long", "break it up")
			return false
		}
		i += n
	}
	return true
}

// parse turns a panic of the parser into an error: the file came from outside.
func parse(data []byte) (root ast.Node, err error) {
	defer func() {
		if r := recover(); r != nil {
			root, err = nil, fmt.Errorf("not readable as YAML: %v", r)
		}
	}()
	f, err := parser.ParseBytes(data, 0, parser.AllowDuplicateMapKey())
	if err != nil {
		return nil, err
	}
	for _, d := range f.Docs {
		if d.Body == nil {
			continue
		}
		if root != nil {
			return nil, &yaml.SyntaxError{Message: "a second document in the file", Token: d.Body.GetToken()}
		}
		root = d.Body
	}
	return root, nil
}

func (s *Source) syntax(err error) {
	var ye yaml.Error
	if !errors.As(err, &ye) || ye.GetToken() == nil || ye.GetToken().Position == nil {
		s.add(place{}, "", err.Error(), "")
		return
	}
	p := ye.GetToken().Position
	s.add(place{p.Line, max(1, p.Column)}, "", "syntax: "+ye.GetMessage(), mendSyntax(ye.GetMessage(), ye.GetToken()))
}

func mendSyntax(msg string, tk *token.Token) string {
	switch {
	case strings.Contains(msg, "\t"), strings.Contains(msg, "tab"):
		return "indent with spaces"
	case strings.Contains(msg, "second document"):
		return "keep one, without a line of dashes"
	case strings.Contains(msg, "quote"):
		return "close the quote"
	case strings.Contains(msg, "reserved character") || tk.Type == token.InvalidType:
		return "put the value in quotes"
	}
	return "look for a missing colon, quote, bracket or space at the start of the line"
}

// index notes where every value stands: a plain one where it begins, any other at
// its key, which is where a reader looks for it.
func (s *Source) index(n ast.Node, path string) {
	switch n := n.(type) {
	case *ast.SequenceNode:
		for i, item := range n.Values {
			p := fmt.Sprintf("%s[%d]", path, i)
			s.places[p] = start(item)
			s.index(item, p)
		}
	case ast.MapNode:
		for it := n.MapRange(); it.Next(); {
			p := below(path, keyText(it.Key()))
			if _, twice := s.places[p]; twice {
				continue
			}
			s.places[p] = start(it.Key())
			if _, plain := scalar(it.Value()); plain {
				s.places[p] = start(it.Value())
			}
			s.index(it.Value(), p)
		}
	default:
		s.indexText(n, path)
	}
}

func (s *Source) indexText(n ast.Node, path string) {
	at := start(n)
	switch n := n.(type) {
	case *ast.LiteralNode:
		origin := strings.TrimLeft(n.Value.GetToken().Origin, "\n")
		indent := len(origin) - len(strings.TrimLeft(origin, " "))
		if n.Start.Type == token.LiteralType {
			s.texts[path] = inText{place{at.line + 1, indent + 1}, indent + 1}
		}
	case *ast.StringNode:
		if n.Token.Type == token.SingleQuoteType || n.Token.Type == token.DoubleQuoteType {
			at.column++
		}
		s.texts[path] = inText{place: at}
	}
}

// Broken says that a section could not be read, so that what seems to be missing
// may well be there: checks across sections would mislead.
func (s *Source) Broken() bool { return s.broken }

// Spoiled says whether a value could not be read at a path that the shape matches,
// so that references to what stands there cannot be judged.
func (s *Source) Spoiled(shape *regexp.Regexp) bool {
	for p := range s.marred {
		if shape.MatchString(p) {
			return true
		}
	}
	return false
}

// Fault notes what a caller found wrong at a path. A path that is not in the file
// is placed at the nearest one above it. A fault below a value that could not be
// read is not news and is left out.
func (s *Source) Fault(path, msg, mend string) {
	for p := path; ; p = parent(p) {
		if s.marred[p] {
			return
		}
		if p == "" {
			break
		}
	}
	s.add(s.at(path), path, msg, mend)
}

// FaultIn notes what is wrong within a text, at a line and column of it.
func (s *Source) FaultIn(path string, line, column int, msg, mend string) {
	t, ok := s.texts[path]
	switch {
	case !ok || line < 1 || line > 1 && t.rest == 0:
		s.Fault(path, msg, mend)
	case line == 1:
		s.add(place{t.line, t.column + column - 1}, path, msg, mend)
	default:
		s.add(place{t.line + line - 1, t.rest + column - 1}, path, msg, mend)
	}
}

// Locate makes a fault at a path without noting it.
func (s *Source) Locate(path, msg, mend string) Error {
	at := s.at(path)
	return Error{File: s.file, Line: at.line, Column: at.column, Path: path, Msg: msg, Mend: mend}
}

// LocateIn is Locate for a line and column within the text at a path, from 1.
func (s *Source) LocateIn(path string, line, column int, msg, mend string) Error {
	e := s.Locate(path, msg, mend)
	switch t, ok := s.texts[path]; {
	case !ok || line < 1 || line > 1 && t.rest == 0:
	case line == 1:
		e.Line, e.Column = t.line, t.column+column-1
	default:
		e.Line, e.Column = t.line+line-1, t.rest+column-1
	}
	return e
}

// Err returns all faults as Errors, or nil.
func (s *Source) Err() error {
	if len(s.faults) == 0 {
		return nil
	}
	out := append(Errors(nil), s.faults...)
	out.sort()
	return out
}

func (s *Source) at(path string) place {
	for ; ; path = parent(path) {
		if p, ok := s.places[path]; ok {
			return p
		}
		if path == "" {
			return place{1, 1}
		}
	}
}

func (s *Source) add(at place, path, msg, mend string) {
	e := Error{File: s.file, Line: at.line, Column: at.column, Path: path, Msg: msg, Mend: mend}
	for _, f := range s.faults {
		if f == e {
			return
		}
	}
	s.faults = append(s.faults, e)
}

// spoil notes a fault that makes everything below the path unreliable.
func (s *Source) spoil(at place, path, msg, mend string) {
	s.add(at, path, msg, mend)
	s.marred[path] = true
}

// parent cuts the last step off a path: "a[1].b" → "a[1]" → "a" → "".
func parent(path string) string {
	if i := strings.LastIndexAny(path, ".["); i >= 0 {
		return path[:i]
	}
	return ""
}

func below(path, key string) string {
	if path == "" {
		return key
	}
	return path + "." + key
}
