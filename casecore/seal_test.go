package casecore_test

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"maps"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"casewire/casecore"
	"casewire/channels"
)

// full sets every field below v to something that is not empty, each to another
// value.
func full(v reflect.Value, n *int) {
	*n++
	switch v.Kind() {
	case reflect.String:
		v.SetString(fmt.Sprintf("text %d <&> \"й\" \\ \u2028 \x01", *n))
	case reflect.Int, reflect.Int64:
		v.SetInt(int64(*n))
	case reflect.Uint64:
		v.SetUint(uint64(*n))
	case reflect.Bool:
		v.SetBool(true)
	case reflect.Pointer:
		v.Set(reflect.New(v.Type().Elem()))
		full(v.Elem(), n)
	case reflect.Slice:
		v.Set(reflect.MakeSlice(v.Type(), 2, 2))
		for i := range 2 {
			full(v.Index(i), n)
		}
	case reflect.Struct:
		if v.Type() == reflect.TypeFor[time.Time]() {
			v.Set(reflect.ValueOf(time.Date(2026, 3, 2, 9, *n%60, 0, *n, time.FixedZone("", 7200))))
			return
		}
		for i := range v.NumField() {
			full(v.Field(i), n)
		}
	case reflect.Uint8:
		v.SetUint(uint64(*n % 256))
	default:
		panic(v.Kind())
	}
}

// leaves calls fn for everything below v that is no struct, list or pointer.
func leaves(v reflect.Value, path string, fn func(path string, v reflect.Value)) {
	switch v.Kind() {
	case reflect.Pointer:
		if !v.IsNil() {
			leaves(v.Elem(), path, fn)
		}
	case reflect.Slice:
		for i := range v.Len() {
			leaves(v.Index(i), fmt.Sprintf("%s[%d]", path, i), fn)
		}
	case reflect.Struct:
		if v.Type() == reflect.TypeFor[time.Time]() {
			fn(path, v)
			return
		}
		for i := range v.NumField() {
			leaves(v.Field(i), path+"."+v.Type().Field(i).Name, fn)
		}
	default:
		fn(path, v)
	}
}

// spoil changes one value.
func spoil(v reflect.Value) {
	switch x := v.Interface().(type) {
	case time.Time:
		v.Set(reflect.ValueOf(x.Add(time.Nanosecond)))
	default:
		switch v.Kind() {
		case reflect.String:
			v.SetString(v.String() + "!")
		case reflect.Bool:
			v.SetBool(!v.Bool())
		case reflect.Uint8, reflect.Uint64:
			v.SetUint(v.Uint() ^ 1)
		default:
			v.SetInt(v.Int() + 1)
		}
	}
}

// canonical is the form of package chain, made of the record's JSON by the words of
// its package comment alone.
func canonical(t *testing.T, record []byte) string {
	t.Helper()
	d := json.NewDecoder(bytes.NewReader(record))
	d.UseNumber()
	var v any
	if err := d.Decode(&v); err != nil {
		t.Fatal(err)
	}
	var write func(v any) string
	write = func(v any) string {
		switch v := v.(type) {
		case string:
			var b bytes.Buffer
			e := json.NewEncoder(&b)
			e.SetEscapeHTML(false)
			if err := e.Encode(v); err != nil {
				t.Fatal(err)
			}
			s := strings.TrimSuffix(b.String(), "\n")
			return strings.NewReplacer(`\\`, `\\`, `\u2028`, "\u2028", `\u2029`, "\u2029").Replace(s)
		case json.Number:
			return v.String()
		case bool:
			return fmt.Sprint(v)
		case []any:
			var out []string
			for _, x := range v {
				out = append(out, write(x))
			}
			return "[" + strings.Join(out, ",") + "]"
		case map[string]any:
			var out []string
			for _, k := range slices.Sorted(maps.Keys(v)) {
				out = append(out, write(k)+":"+write(v[k]))
			}
			return "{" + strings.Join(out, ",") + "}"
		}
		t.Fatalf("%T in a record", v)
		return ""
	}
	return write(v)
}

func sum(s string) string {
	h := sha256.Sum256([]byte(s))
	return hex.EncodeToString(h[:])
}

// A seal is of everything that the record's JSON says, in canonical form: no field
// can be forgotten, and anybody can make the seal of what is exported.
func TestSealsAreOfEverything(t *testing.T) {
	event := []string{"pending", "hash"}
	message := []string{"case", "seq", "line", "delivery", "raw", "html"}
	n := 0
	var e casecore.Event
	full(reflect.ValueOf(&e).Elem(), &n)
	check(t, &e, e.Digest, event)
	var m casecore.Message
	full(reflect.ValueOf(&m).Elem(), &n)
	check(t, &m, m.Digest, message)
	var v casecore.Evidence
	full(reflect.ValueOf(&v).Elem(), &n)
	check(t, &v, func() string { return v.Digest(v.Prev) }, []string{"hash"})

	var bare casecore.Event
	check(t, &bare, bare.Digest, event)
	var empty casecore.Message
	check(t, &empty, empty.Digest, message)
}

func check[T any](t *testing.T, r *T, digest func() string, unsealed []string) {
	t.Helper()
	seal := digest()
	record, err := json.Marshal(r)
	if err != nil {
		t.Fatal(err)
	}
	var members map[string]any
	d := json.NewDecoder(bytes.NewReader(record))
	d.UseNumber()
	if err := d.Decode(&members); err != nil {
		t.Fatal(err)
	}
	plain(members, unsealed)
	if raw, ok := any(r).(*casecore.Message); ok {
		if len(raw.Raw) > 0 {
			members["raw_sha256"] = sum(string(raw.Raw))
		}
		html(members, raw)
	}
	if record, err = json.Marshal(members); err != nil {
		t.Fatal(err)
	}
	if form := canonical(t, record); sum(form) != seal {
		t.Errorf("%T: the seal is not that of\n%s", r, form)
	}
	leaves(reflect.ValueOf(r).Elem(), "", func(path string, v reflect.Value) {
		was := reflect.New(v.Type()).Elem()
		was.Set(v)
		spoil(v)
		name := strings.ToLower(strings.Split(strings.TrimPrefix(path, "."), ".")[0])
		name, _, _ = strings.Cut(name, "[")
		free := slices.Contains(unsealed, name) && name != "raw" || strings.HasSuffix(path, ".Version") && strings.HasPrefix(path, ".Meta")
		if same := digest() == seal; same != free {
			t.Errorf("%T%s: sealed %v, want %v", r, path, !same, !free)
		}
		v.Set(was)
	})
}

// plain removes what is not sealed and writes times in UTC.
func plain(v map[string]any, unsealed []string) {
	for _, k := range unsealed {
		delete(v, k)
	}
	var walk func(v any) any
	walk = func(v any) any {
		switch v := v.(type) {
		case map[string]any:
			for k, x := range v {
				v[k] = walk(x)
			}
		case []any:
			for i, x := range v {
				v[i] = walk(x)
			}
		case string:
			if at, err := time.Parse(time.RFC3339Nano, v); err == nil {
				return at.UTC().Format(time.RFC3339Nano)
			}
		}
		return v
	}
	walk(v)
}

// html puts the hash of a mail's HTML in its place.
func html(members map[string]any, m *casecore.Message) {
	one := func(v any, b channels.Body) {
		body := v.(map[string]any)["body"].(map[string]any)
		delete(body, "html")
		if b.HTML != "" {
			body["html_sha256"] = sum(b.HTML)
		}
	}
	one(members, m.Body)
	for i, v := range m.Versions {
		one(members["versions"].([]any)[i], v.Body)
	}
}

func BenchmarkSeal(b *testing.B) {
	text := strings.Repeat("Розбився екран, зверху тріщина. ", 7) // 200 characters
	m := &casecore.Message{
		Direction: casecore.In, Channel: "sms:main", ExternalID: "SM0123456789abcdef0123456789abcdef", At: time.Now(), SentAt: time.Now(),
		From: channels.Address{Kind: channels.SMS, Handle: "+380501234567"}, Body: channels.Body{Text: text}, Raw: []byte(strings.Repeat("x", 500)),
	}
	m.ID = "01hq0000000000000000000000"
	e := &casecore.Event{
		Case: m.ID, Seq: 1, Kind: casecore.Opened, At: time.Now(), Actor: "system:intake", ActorName: "intake", To: "phones", Message: m.ID, Place: 1,
		Trace: &casecore.Trace{Rule: "screen", Revision: 3, Reasons: []casecore.Reason{{Condition: "text", Matched: []string{"екран"}}}},
	}
	b.Run("event", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			e.Hash = e.Digest()
		}
	})
	b.Run("message", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			e.Words = m.Digest()
		}
	})
	b.Run("json", func(b *testing.B) { // what storing both costs anyway, for comparison
		b.ReportAllocs()
		for b.Loop() {
			_, _ = json.Marshal(e)
			_, _ = json.Marshal(m)
		}
	})
}
