package api

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/url"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"
)

// manyLines says whether people write several lines in this field.
func manyLines(field string) bool { return field == "text" || field == "document" }

// maxFaults bounds what one answer complains about.
const maxFaults = 50

// checkUTF8 names the first byte that is not UTF-8.
func checkUTF8(raw []byte) *Problem {
	for i := 0; i < len(raw); {
		r, n := utf8.DecodeRune(raw[i:])
		if r == utf8.RuneError && n == 1 {
			return problem("malformed", "the body is not valid UTF-8 at "+place(raw, i)+"; send it as UTF-8")
		}
		i += n
	}
	return nil
}

// checkJSON refuses what is not one JSON object in valid UTF-8, keys that are
// there twice, and texts with control characters. Each fault is named by its
// place: line and column while the body cannot be read, a pointer afterwards.
func checkJSON(raw []byte) *Problem {
	if p := checkUTF8(raw); p != nil {
		return p
	}
	w := walker{dec: json.NewDecoder(bytes.NewReader(raw)), raw: raw}
	w.dec.UseNumber()
	t, err := w.token()
	switch {
	case err != nil:
		return w.syntax(err)
	case t != json.Delim('{'):
		return problem("malformed", "the body is not a JSON object; begin it with {")
	}
	if err := w.object(nil); err != nil {
		return w.syntax(err)
	}
	if _, err := w.dec.Token(); !errors.Is(err, io.EOF) {
		return problem("malformed", "something follows the JSON object at "+place(raw, int(w.dec.InputOffset()))+"; send one object only")
	}
	if len(w.faults) > 0 {
		return invalid(w.faults...)
	}
	return nil
}

// walker goes through a JSON text once.
type walker struct {
	dec    *json.Decoder
	tokens int
	raw    []byte
	faults []Fault
}

var (
	errDeep = fmt.Errorf("it is nested more than %d levels deep", maxNesting)
	errMany = fmt.Errorf("it has more than %d values, names and brackets; send less at once", maxTokens)
)

// token reads the next token, of which there may not be too many.
func (w *walker) token() (json.Token, error) {
	if w.tokens++; w.tokens > maxTokens {
		return nil, errMany
	}
	return w.dec.Token()
}

// fold makes names the same that are read as the same: those that differ in case
// only, as strings.EqualFold sees it.
func fold(name string) string {
	return strings.Map(func(r rune) rune {
		least := r
		for f := unicode.SimpleFold(r); f != r; f = unicode.SimpleFold(f) {
			least = min(least, f)
		}
		return least
	}, name)
}

func (w *walker) fault(path []string, detail string) {
	if len(w.faults) < maxFaults {
		w.faults = append(w.faults, Fault{Pointer: "#/" + strings.Join(path, "/"), Detail: detail})
	}
}

// object goes through an object whose brace has been read.
func (w *walker) object(path []string) error {
	seen := map[string]bool{}
	for w.dec.More() {
		t, err := w.token()
		if err != nil {
			return err
		}
		key, _ := t.(string)
		below := append(slices.Clip(path), escapePointer(key))
		if why := badText(key, ""); why != "" {
			below[len(below)-1] = "?"
			w.fault(below, "the name of this field "+why)
		}
		// Names are read without regard to case, so such twins count, too.
		folded := fold(key)
		if seen[folded] {
			w.fault(below, "is there twice; keep one")
		}
		seen[folded] = true
		if len(seen) > 1000 {
			return errors.New("an object has more than 1000 fields")
		}
		if err := w.value(below, manyLines(key) || len(path) > 0 && path[len(path)-1] == "text"); err != nil {
			return err
		}
	}
	_, err := w.token()
	return err
}

func (w *walker) array(path []string) error {
	for i := 0; w.dec.More(); i++ {
		if err := w.value(append(slices.Clip(path), fmt.Sprint(i)), false); err != nil {
			return err
		}
	}
	_, err := w.token()
	return err
}

func (w *walker) value(path []string, lines bool) error {
	t, err := w.token()
	if err != nil {
		return err
	}
	switch v := t.(type) {
	case json.Delim:
		if len(path) >= maxNesting {
			return errDeep
		}
		if v == '{' {
			return w.object(path)
		}
		return w.array(path)
	case string:
		allowed := ""
		if lines {
			allowed = multiLine
		}
		if why := badText(v, allowed); why != "" {
			w.fault(path, why)
		}
	}
	return nil
}

// syntax says where the text stops being JSON. The offsets of a token decoder are
// not those of the fault, so the text is read once more.
func (w *walker) syntax(err error) *Problem {
	var whole json.RawMessage
	s, ok := errors.AsType[*json.SyntaxError](json.Unmarshal(w.raw, &whole))
	switch {
	case !ok:
		return problem("malformed", "the body cannot be read at "+place(w.raw, int(w.dec.InputOffset()))+": "+err.Error())
	case int(s.Offset) >= len(w.raw) && strings.Contains(s.Error(), "end of JSON"):
		return problem("malformed", "the body is not valid JSON at "+place(w.raw, len(w.raw))+": it ends too early")
	}
	return problem("malformed", fmt.Sprintf("the body is not valid JSON at %s: %s", place(w.raw, int(s.Offset)-1), s))
}

// place names an offset as people count.
func place(raw []byte, offset int) string {
	offset = min(max(offset, 0), len(raw))
	before := raw[:offset]
	line := bytes.Count(before, []byte("\n")) + 1
	column := utf8.RuneCount(before[bytes.LastIndexByte(before, '\n')+1:]) + 1
	return fmt.Sprintf("line %d, column %d", line, column)
}

func urlQuery(raw string) (map[string][]string, error) {
	v, err := url.ParseQuery(raw)
	if err != nil {
		return nil, errors.New("it is not percent-encoded as it should be")
	}
	return v, nil
}
