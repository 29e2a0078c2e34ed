package strict

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
)

// Error is one fault of a file: where, what, and what to write instead. Line and
// Column count from 1, in characters; they are 0 when the place is not known.
type Error struct {
	File         string
	Line, Column int
	Path         string // of the value, "channels[1].origins[0]"; empty for syntax
	Msg, Mend    string
}

// Error writes "file:line:column: path: what; how to mend".
func (e Error) Error() string {
	var b strings.Builder
	switch {
	case e.File != "" && e.Line > 0:
		fmt.Fprintf(&b, "%s:%d:%d: ", e.File, e.Line, e.Column)
	case e.File != "":
		b.WriteString(e.File + ": ")
	}
	if e.Path != "" {
		b.WriteString(e.Path + ": ")
	}
	b.WriteString(e.Msg)
	if e.Mend != "" {
		b.WriteString("; " + e.Mend)
	}
	return b.String()
}

// Errors are all faults of a file in the order of their places.
type Errors []Error

// Error writes one fault a line.
func (es Errors) Error() string {
	lines := make([]string, len(es))
	for i, e := range es {
		lines[i] = e.Error()
	}
	return strings.Join(lines, "\n")
}

// Unwrap lets errors.As find a single Error.
func (es Errors) Unwrap() []error {
	out := make([]error, len(es))
	for i, e := range es {
		out[i] = e
	}
	return out
}

func (es Errors) sort() {
	slices.SortStableFunc(es, func(a, b Error) int {
		return cmp.Or(cmp.Compare(a.Line, b.Line), cmp.Compare(a.Column, b.Column))
	})
}
