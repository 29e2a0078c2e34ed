// Package dossiertest checks a dossier as somebody would who has nothing but it: by
// what the comment of package dossier says, with encoding/json and SHA-256. It
// deliberately shares no code with what makes and judges seals.
package dossiertest

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"
)

type object = map[string]any

// Check returns what is wrong with a dossier by the rules of its package comment; it
// does not look at what the dossier says of itself.
func Check(dossier []byte) []string {
	d := json.NewDecoder(bytes.NewReader(dossier))
	d.UseNumber()
	var all object
	if err := d.Decode(&all); err != nil {
		return []string{err.Error()}
	}
	c := check{words: map[string]string{}, first: map[string]string{}, place: map[string]string{}, fared: map[string][]string{}}
	c.events(all)
	steps := c.messages(all)
	for _, n := range list(all, "notices") {
		if last, ok := steps[fmt.Sprint(n["message"])]; ok && text(n, "proof") != last {
			c.wrong("notice %v: proof is not the last step", n["id"])
		}
	}
	return c.faults
}

type check struct {
	faults              []string
	words, first, place map[string]string   // of messages, by id
	fared               map[string][]string // steps that events name, by message
}

func (c *check) wrong(format string, args ...any) {
	c.faults = append(c.faults, fmt.Sprintf(format, args...))
}

func (c *check) events(all object) {
	proof := all["proof"].(object)
	prev, next, head := "", 1, ""
	from := number(proof["from"])
	for _, e := range list(all, "events") {
		r := e["record"].(object)
		if number(r["seq"]) != next {
			c.wrong("event %v where %d should be", r["seq"], next)
		}
		if next >= from && from > 0 {
			if seal(r) != text(e, "hash") || text(r, "prev") != prev {
				c.wrong("event %d: seal or prev", next)
			}
			prev = text(e, "hash")
		}
		if step := text(r, "fared"); step != "" {
			c.fared[text(r, "message")] = append(c.fared[text(r, "message")], step)
		}
		if id := text(r, "message"); id != "" && text(r, "words") != "" {
			c.words[id], c.place[id] = text(r, "words"), fmt.Sprint(r["place"])
			if c.first[id] == "" {
				c.first[id] = c.words[id]
			}
			if r["kind"] == "refiled" && text(r, "to") != "" {
				c.words[id] = "gone"
			}
		}
		head = text(e, "hash")
		next++
	}
	if head != text(proof, "head") {
		c.wrong("the head is not the last event's")
	}
}

// messages returns the hash of each one's last step, by its seq.
func (c *check) messages(all object) map[string]string {
	last := map[string]string{}
	here := map[string]bool{}
	for _, m := range list(all, "messages") {
		r := m["record"].(object)
		id := text(r, "id")
		here[id] = true
		if c.words[id] == "" && number(m["sealed_by"]) == 0 && number(all["proof"].(object)["from"]) != 1 {
			c.words[id], c.first[id], c.place[id] = text(m, "hash"), text(m, "hash"), fmt.Sprint(m["seq"]) // older than the chain
		}
		if seal(r) != text(m, "hash") || c.words[id] != text(m, "hash") || c.place[id] != fmt.Sprint(m["seq"]) {
			c.wrong("message %v: seal, words or place", m["seq"])
		}
		delivery, ok := m["delivery"].(object)
		if !ok {
			continue
		}
		prev, no, state, hashes := c.first[id], 0, "", []string{}
		for _, s := range list(delivery, "steps") {
			r := s["record"].(object)
			if no++; number(r["no"]) != no || text(r, "prev") != prev || seal(r) != text(s, "hash") {
				c.wrong("message %v, step %d: number, prev or seal", m["seq"], no)
			}
			prev, state = text(s, "hash"), text(r, "state")
			hashes = append(hashes, prev)
			last[fmt.Sprint(m["seq"])] = prev
		}
		for _, step := range c.fared[id] {
			if !slices.Contains(hashes, step) {
				c.wrong("message %v: an event names a step that it does not have", m["seq"])
			}
		}
		if no > 0 && state != text(delivery, "state") {
			c.wrong("message %v is %s, its last step says %s", m["seq"], text(delivery, "state"), state)
		}
	}
	for id, words := range c.words {
		if !here[id] && words != "gone" {
			c.wrong("message %s is missing", id)
		}
	}
	return last
}

func list(o object, name string) []object {
	var out []object
	for _, v := range o[name].([]any) {
		out = append(out, v.(object))
	}
	return out
}

func text(o object, name string) string {
	s, _ := o[name].(string)
	return s
}

func number(v any) int {
	n, _ := v.(json.Number)
	i, _ := n.Int64()
	return int(i)
}

// seal is the SHA-256 of the canonical form of v.
func seal(v any) string {
	sum := sha256.Sum256([]byte(canonical(v)))
	return hex.EncodeToString(sum[:])
}

func canonical(v any) string {
	switch v := v.(type) {
	case string:
		var b bytes.Buffer
		e := json.NewEncoder(&b)
		e.SetEscapeHTML(false)
		_ = e.Encode(v) // a string into memory
		s := strings.TrimSuffix(b.String(), "\n")
		return strings.NewReplacer(`\\`, `\\`, `\u2028`, "\u2028", `\u2029`, "\u2029").Replace(s)
	case []any:
		var out []string
		for _, x := range v {
			out = append(out, canonical(x))
		}
		return "[" + strings.Join(out, ",") + "]"
	case object:
		var out []string
		for _, k := range slices.Sorted(maps.Keys(v)) {
			out = append(out, canonical(k)+":"+canonical(v[k]))
		}
		return "{" + strings.Join(out, ",") + "}"
	}
	return fmt.Sprint(v) // a number or a boolean
}
