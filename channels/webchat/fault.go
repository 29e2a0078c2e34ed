package webchat

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"unicode/utf8"

	"casewire/channels"
)

// knownTypes are the verbs of a client.
const knownTypes = "hello, send, read, choose, history, ping"

// fault is an error frame. The detail names the place, what is wrong with it and
// what to write instead; of what was sent it repeats names and no text.
func fault(code, id, format string, args ...any) errorFrame {
	return errorFrame{T: "error", Code: code, ID: short(id), Detail: fmt.Sprintf(format, args...)}
}

// short makes what a client sent fit to be repeated to it.
func short(s string) string { return channels.Cut(cleanText(s), 64) }

// decode reads a frame; detail says why it cannot be read. Unknown fields are
// ignored, so that newer clients can talk to older servers.
func decode(b []byte) (r request, detail string) {
	for i := 0; i < len(b); {
		c, size := utf8.DecodeRune(b[i:])
		if c == utf8.RuneError && size == 1 {
			return r, fmt.Sprintf("byte %d: not UTF-8", i+1)
		}
		i += size
	}
	if err := json.Unmarshal(b, &r); err != nil {
		return r, explain(err)
	}
	if r.T == "" {
		return r, "t: missing; known: " + knownTypes
	}
	return r, ""
}

// explain says where JSON went wrong without repeating what was sent.
func explain(err error) string {
	if e, ok := errors.AsType[*json.SyntaxError](err); ok {
		return fmt.Sprintf(`byte %d: not JSON; write one object, {"t":"ping"}`, e.Offset)
	}
	if e, ok := errors.AsType[*json.UnmarshalTypeError](err); ok && e.Field != "" {
		got, _, _ := strings.Cut(e.Value, " ")
		want := map[string]string{"string": "a string", "int64": "a whole number", "[]string": "a list of strings"}[e.Type.String()]
		return fmt.Sprintf("%s: of type %s; write %s", e.Field, got, want)
	}
	return `not a JSON object; write {"t":"ping"}`
}

// idIn looks for the id of a frame that cannot be read in full, so that its sender
// learns which message was refused; "" if it does not come before the fault.
func idIn(b []byte) string {
	d := json.NewDecoder(bytes.NewReader(b))
	if t, err := d.Token(); err != nil || t != json.Delim('{') {
		return ""
	}
	for d.More() {
		key, err := d.Token()
		if err != nil {
			return ""
		}
		if key == "id" {
			var id string
			if d.Decode(&id) != nil {
				return ""
			}
			return id
		}
		var skipped json.RawMessage
		if d.Decode(&skipped) != nil {
			return ""
		}
	}
	return ""
}
