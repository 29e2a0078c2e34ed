package chain_test

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"casewire/casecore/chain"
)

// The example of the package comment, computed elsewhere.
func TestSum(t *testing.T) {
	f := chain.Begin(0)
	f.Text("a", "")
	f.Moment("at", time.Date(2026, 3, 2, 11, 0, 0, 120_000_000, time.FixedZone("", 7200)))
	f.Flag("b", false)
	f.Flag("c", true)
	f.List("list")
	f.Object("")
	f.Int("n", 0)
	f.EndObject()
	f.Object("")
	f.Count("n", 0)
	f.Texts("names", []string{"", "x"})
	f.EndObject()
	f.EndList()
	f.Time("never", time.Time{})
	f.String("s", "\"\\\n\r\t\b\f\x01\x7f</é\u2028😀\xff")
	const want = `{"at":"2026-03-02T09:00:00.12Z","c":true,"list":[{"n":0},{"names":["","x"]}],` +
		`"s":"\"\\\n\r\t\b\f\u0001` + "\x7f</é\u2028😀\uFFFD" + `"}`
	got := f.Sum()
	if string(f.Bytes()) != want {
		t.Errorf("form\n%s, want\n%s", f.Bytes(), want)
	}
	if sum := sha256.Sum256([]byte(want)); got != hex.EncodeToString(sum[:]) {
		t.Errorf("sum %s", got)
	}
	if chain.Hash(nil) != "" {
		t.Error("nothing has a hash")
	}
}

// What is stored as JSON and read again has the same form: whatever bytes a sender
// puts into a text, its seal stays good.
func FuzzStringsStayWhatTheyWere(f *testing.F) {
	f.Add("plain", "ключ")
	f.Add("\xff\xfe \xc3(", "\u2028\u2029")
	f.Add("\x00\x1f\x7f", "\\u2028\"</script>")
	f.Add("\xed\xa0\x80", "\U0010ffff\ufffd")
	f.Fuzz(func(t *testing.T, a, b string) {
		form := func(a, b string) string {
			f := chain.Begin(0)
			f.String("a", a)
			f.Texts("b", []string{b})
			f.Sum()
			return string(f.Bytes())
		}
		first := form(a, b)
		var read struct {
			A string
			B []string
		}
		if err := json.Unmarshal([]byte(first), &read); err != nil {
			t.Fatalf("%q is no JSON: %v", first, err)
		}
		stored := func(s string) string {
			enc, err := json.Marshal(s)
			if err != nil {
				t.Fatal(err)
			}
			var out string
			if err := json.Unmarshal(enc, &out); err != nil {
				t.Fatal(err)
			}
			return out
		}
		if !utf8.ValidString(first) || form(stored(a), stored(b)) != first || read.A != stored(a) || read.B[0] != stored(b) {
			t.Fatalf("%q and %q: %q", a, b, first)
		}
		if strings.ContainsAny(first, "\n\r\t") {
			t.Fatalf("white space in %q", first)
		}
	})
}
