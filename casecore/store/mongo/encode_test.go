package mongo

import (
	"bytes"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	"go.mongodb.org/mongo-driver/v2/bson"

	"casewire/casecore/store"
)

// through makes a stored document of a body and reads it back.
func through(tb testing.TB, body string) string {
	tb.Helper()
	raw := document("x", 1, keySet{}, []byte(body))
	if err := raw.Validate(); err != nil {
		tb.Fatalf("%s becomes invalid BSON: %v", body, err)
	}
	d, err := parse(raw)
	if err != nil {
		tb.Fatalf("%s cannot be read back: %v", body, err)
	}
	return string(d.body)
}

// same compares two JSON texts without losing digits.
func sameJSON(tb testing.TB, a, b string) bool {
	tb.Helper()
	var x, y any
	for v, text := range map[*any]string{&x: a, &y: b} {
		dec := json.NewDecoder(strings.NewReader(text))
		dec.UseNumber()
		if err := dec.Decode(v); err != nil {
			tb.Fatalf("%s: %v", text, err)
		}
	}
	return fmt.Sprint(x) == fmt.Sprint(y)
}

var bodies = []string{
	`{}`, `{"a":[]}`, `{"":{"":""}}`, ` { "a" : [ 1 , 2 , { "b" : null } ] , "c" : true } `,
	`{"n":[0,-0,1,-1,1.0,1e3,0.1,1e-300,1E5,9223372036854775807,-9223372036854775808,18446744073709551615,1e999,-1e999,123456789012345678901234567890.5]}`,
	`{"at":"2026-11-22T10:53:25Z","ms":"2026-11-22T10:53:25.123Z","ns":"2026-11-22T10:53:25.123456789Z","zone":"2026-11-22T10:53:25+02:00","zero":"0001-01-01T00:00:00Z","not":"2026-13-22T10:53:25Z","tail":"2026-11-22T10:53:25.100Z"}`,
	`{"attributes":{"a.b":1,"$set":2,"%2E":3,"a%":4,".":5,"$":6,"a\u0000b":7,"x/y~z":"2026-11-22T10:53:25.123456789Z"}}`,
	`{"text":"nul \u0000, quote \", backslash \\, line\n, tab\t, \u001f, \u2028, 🙂, \ud83d\ude42"}`,
	`{"deep":` + strings.Repeat(`[`, 500) + `"]}{[\""` + strings.Repeat(`]`, 500) + `}`,
	`{"deep":` + strings.Repeat(`{"a":`, 100) + `1` + strings.Repeat(`}`, 100) + `}`,
}

func TestBodiesComeBackAsTheyWere(t *testing.T) {
	for _, body := range bodies {
		if got := through(t, body); !sameJSON(t, body, got) {
			t.Errorf("%s\ncomes back as\n%s", body, got)
		}
	}
}

func TestRandomBodiesComeBackAsTheyWere(t *testing.T) {
	seed := rand.Uint64()
	t.Logf("seed %d", seed)
	rnd := rand.New(rand.NewPCG(seed, 0))
	for range 2000 {
		body, err := json.Marshal(map[string]any{"x": randomValue(rnd, 4), "y": randomValue(rnd, 4)})
		if err != nil {
			t.Fatal(err)
		}
		if got := through(t, string(body)); !sameJSON(t, string(body), got) {
			t.Fatalf("%s\ncomes back as\n%s", body, got)
		}
	}
}

func randomValue(rnd *rand.Rand, depth int) any {
	n := rnd.IntN(11)
	if depth == 0 {
		n = rnd.IntN(9)
	}
	switch n {
	case 0:
		return nil
	case 1:
		return rnd.IntN(2) == 0
	case 2:
		return rnd.Int64() - rnd.Int64()
	case 3:
		return rnd.Uint64()
	case 4:
		return rnd.NormFloat64() * float64(rnd.Int64())
	case 5:
		return time.Unix(rnd.Int64N(1<<33), rnd.Int64N(1e9)).UTC()
	case 6:
		return time.Unix(rnd.Int64N(1<<33), 0).In(time.FixedZone("", rnd.IntN(10)*3600))
	case 7, 8:
		return randomText(rnd)
	case 9:
		list := make([]any, rnd.IntN(4))
		for i := range list {
			list[i] = randomValue(rnd, depth-1)
		}
		return list
	}
	m := map[string]any{}
	for range rnd.IntN(4) {
		m[randomText(rnd)] = randomValue(rnd, depth-1)
	}
	return m
}

func randomText(rnd *rand.Rand) string {
	var b strings.Builder
	for range rnd.IntN(6) {
		b.WriteString([]string{"a", ".", "$", "%", "\x00", "/", "~", "é", "🙂", "\"", "\\", "\n", "2026-01-02T03:04:05Z"}[rnd.IntN(13)])
	}
	return b.String()
}

func FuzzBody(f *testing.F) {
	for _, body := range bodies {
		f.Add([]byte(body))
	}
	f.Fuzz(func(t *testing.T, body []byte) {
		c := &store.Coll{Name: "c"}
		if c.CheckDoc(store.Doc{ID: "x", Body: body}) != nil || !json.Valid(body) {
			return
		}
		if got := through(t, string(body)); !json.Valid([]byte(got)) || !sameJSON(t, string(body), got) {
			t.Errorf("%q\ncomes back as\n%q", body, got)
		}
	})
}

// FuzzParse feeds foreign bytes to the reader of stored documents.
func FuzzParse(f *testing.F) {
	for _, body := range bodies {
		f.Add([]byte(document("x", 7, keySet{"k": {keys: []string{"1"}}, "m": {keys: []string{"1", "2"}, multi: true}}, []byte(body))))
	}
	f.Fuzz(func(t *testing.T, raw []byte) {
		if d, err := parse(bson.Raw(raw)); err == nil && !json.Valid(d.body) {
			t.Errorf("%q is read as %q", raw, d.body)
		}
	})
}

// People find in the database what they expect: dates as dates, numbers as numbers.
func TestStoredFormIsReadable(t *testing.T) {
	raw := document("x", 3, keySet{"k": {keys: []string{"1"}}, "m": {keys: []string{"a", "b"}, multi: true}},
		[]byte(`{"at":"2026-11-22T10:53:25.123456789Z","n":9223372036854775807,"f":0.5,"text":"t","a.b":{"list":[1,"2"]}}`))
	got, err := bson.MarshalExtJSON(raw, false, false)
	want := `{"_id":"x","v":3,"k":{"k":"1","m":["a","b"]},` +
		`"b":{"at":{"$date":"2026-11-22T10:53:25.123Z"},"n":9223372036854775807,"f":0.5,"text":"t","a%2Eb":{"list":[1,"2"]}},` +
		`"x":[{"p":"/at","t":"\"2026-11-22T10:53:25.123456789Z\""}]}`
	if err != nil || string(got) != want {
		t.Errorf("%s, %v\nwant\n%s", got, err, want)
	}
}

// Whoever mends a document by hand need not know of the exact texts.
func TestAMendedValueCounts(t *testing.T) {
	raw := document("x", 1, nil, []byte(`{"at":"2026-11-22T10:53:25.123456789Z","n":18446744073709551615}`))
	var d bson.D
	if err := bson.Unmarshal(raw, &d); err != nil {
		t.Fatal(err)
	}
	for i := range d {
		if d[i].Key == "b" {
			d[i].Value = bson.D{{Key: "at", Value: time.Date(2027, 1, 1, 0, 0, 0, 0, time.UTC)}, {Key: "n", Value: int32(5)}}
		}
	}
	mended, err := bson.Marshal(d)
	if err != nil {
		t.Fatal(err)
	}
	got, err := parse(mended)
	if err != nil || !bytes.Equal(got.body, []byte(`{"at":"2027-01-01T00:00:00Z","n":5}`)) {
		t.Errorf("%s, %v", got.body, err)
	}
}

func TestPrefixEndsAreValidText(t *testing.T) {
	for p, want := range map[string]string{"a": "b", "": "", "a\x1f": "a ", "z\x7f": "z\u0080", "\uD7FF": "\uE000", "a\U0010FFFF": "b", "\U0010FFFF": ""} {
		if got := afterPrefix(p); got != want {
			t.Errorf("after %q comes %q, want %q", p, got, want)
		}
	}
}
