package tag

import (
	"strings"
	"testing"
)

const (
	uuid   = "01938f3e-7c4b-7d2a-9c11-0123456789ab"
	base   = "support@shop.example"
	number = "CW-000123"
)

func tags() *Tags { return New([]byte("a key of a test"), "Shop.Example") }

// rewrites are what happens to addresses, ids and subjects on their way.
var rewrites = map[string]func(string) string{
	"nothing":    func(s string) string { return s },
	"upper case": strings.ToUpper,
	"angles":     func(s string) string { return " <" + s + "> " },
	"folded":     func(s string) string { return s[:len(s)/2] + "\r\n " + s[len(s)/2:] },
	"quoted local": func(s string) string {
		l, d, ok := strings.Cut(s, "@")
		return map[bool]string{true: `"` + l + `"@` + d, false: s}[ok]
	},
}

func TestTokensComeBack(t *testing.T) {
	tg := tags()
	addr, ok := tg.CaseAddress(base, number)
	if !ok || !strings.HasPrefix(addr, "support+cw000123-") || !strings.HasSuffix(addr, "@shop.example") {
		t.Fatalf("case address %q, %t", addr, ok)
	}
	kinds := []struct {
		name, made, want string
		read             func(string) (string, bool)
	}{
		{"message id", tg.MessageID(uuid), uuid, tg.OutboundID},
		{"message id of another id", tg.MessageID("Out-Ünï 7"), "Out-Ünï 7", tg.OutboundID},
		{"case address", addr, number, tg.CaseOf},
		{"return path", tg.ReturnPath(base, uuid), uuid, tg.BouncedID},
		{"subject", tg.Subject("Broken screen", number), number, tg.CaseInSubject},
		{"subject of an answer", "AW: RE: " + tg.Subject("Broken screen", number) + " (urgent)", number, tg.CaseInSubject},
		{"marker", tg.Marker(number), number, tg.CaseInMarker},
		{"marker in a body", `<span hidden>` + tg.Marker(number) + `</span>`, number, tg.CaseInMarker},
	}
	for _, k := range kinds {
		for how, rewrite := range rewrites {
			if got, ok := k.read(rewrite(k.made)); !ok || got != k.want {
				t.Errorf("%s, %s: %q, %t, want %q", k.name, how, got, ok, k.want)
			}
		}
		for i := range k.made {
			for _, c := range "a27" {
				forged := k.made[:i] + string(c) + k.made[i+1:]
				if got, ok := k.read(forged); ok && got != k.want {
					t.Fatalf("%s: a forged token names %q", k.name, got)
				}
			}
		}
		if _, ok := map[string]func(string) (string, bool){
			"message id": other().OutboundID, "message id of another id": other().OutboundID, "case address": other().CaseOf,
			"return path": other().BouncedID, "subject": other().CaseInSubject, "subject of an answer": other().CaseInSubject,
			"marker": other().CaseInMarker, "marker in a body": other().CaseInMarker,
		}[k.name](k.made); ok {
			t.Errorf("%s: verifies with another key", k.name)
		}
	}
}

func other() *Tags { return New([]byte("another key"), "shop.example") }

// A repeat of a message must have the same Message-ID (O1), and another none.
func TestMessageIDIsOfItsMessage(t *testing.T) {
	if a, b := tags().MessageID(uuid), tags().MessageID(uuid); a != b {
		t.Errorf("%s and %s", a, b)
	}
	if a, b := tags().MessageID("1"), tags().MessageID("2"); a == b {
		t.Errorf("both %s", a)
	}
	if id := New(nil, "почта.test").MessageID(uuid); !strings.HasSuffix(id, "@xn--80a1acny.test") {
		t.Errorf("the id is not ASCII: %s", id)
	}
	if _, ok := New([]byte("a key of a test"), "new.example").OutboundID(tags().MessageID(uuid)); !ok {
		t.Error("an id is not known after the domain has changed")
	}
}

// The subject is seen by everybody it is forwarded to: from its token no address
// can be made.
func TestTokenOfOnePlaceIsNoneInAnother(t *testing.T) {
	tg := tags()
	subject := tg.Subject("", number)
	mac := subject[strings.IndexByte(subject, '/')+1 : len(subject)-1]
	if _, ok := tg.CaseOf("support+cw000123-" + mac + "@shop.example"); ok {
		t.Error("the token of a subject opens an address")
	}
	if _, ok := tg.CaseInMarker("casewire-cw000123-" + mac); ok {
		t.Error("the token of a subject is a marker")
	}
}

func TestCaseAddressIsAnAddress(t *testing.T) {
	long := strings.Repeat("a", 38)
	for _, c := range []struct {
		base, number string
		ok           bool
	}{
		{long + "@shop.example", number, true},
		{long + "a@shop.example", number, false},
		{"поддержка@shop.example", number, false},
		{`"odd name"@shop.example`, number, false},
		{"support", number, false},
		{"@shop.example", number, false},
		{"support@", number, false},
		{base, "", false},
		{base, "cw-000123", false},
		{base, "CW-000123\r\nBcc: x@y", false},
	} {
		addr, ok := tags().CaseAddress(c.base, c.number)
		if ok != c.ok {
			t.Errorf("%q of %q: %q, %t", c.base, c.number, addr, ok)
		}
		if local, _, _ := strings.Cut(addr, "@"); len(local) > 64 || ok == (addr == "") {
			t.Errorf("%q of %q: %q", c.base, c.number, addr)
		}
	}
	if got := tags().ReturnPath(long+"@shop.example", uuid); got != long+"@shop.example" {
		t.Errorf("return path that does not fit: %q", got)
	}
}

func TestSubjectCarriesOneToken(t *testing.T) {
	tg := tags()
	once := tg.Subject("Broken screen", number)
	if twice := tg.Subject(once, number); twice != once {
		t.Errorf("%q, then %q", once, twice)
	}
	if moved := tg.Subject(once, "CW-000200"); strings.Contains(moved, number) || !strings.HasPrefix(moved, "Broken screen [CW-000200/") {
		t.Errorf("moved to another case: %q", moved)
	}
	if got := tg.Subject("Broken screen", ""); got != "Broken screen" {
		t.Errorf("without a case: %q", got)
	}
}

func TestLoop(t *testing.T) {
	if !tags().IsLoop(" " + strings.ToUpper(tags().Loop())) {
		t.Error("our own loop header is not known")
	}
	for _, v := range []string{"", "casewire-", "yes", other().Loop()} {
		if tags().IsLoop(v) {
			t.Errorf("%q counts as ours", v)
		}
	}
}

// Whatever verifies is, but for what the way does to it, what we made.
func FuzzOnlyWhatWeMadeVerifies(f *testing.F) {
	tg := tags()
	addr, _ := tg.CaseAddress(base, number)
	for _, s := range []string{
		addr, strings.ToUpper(addr), tg.MessageID(uuid), tg.MessageID("x"), tg.ReturnPath(base, uuid),
		tg.Subject("Re: screen", number), tg.Marker(number), tg.Loop(), "support+cw1-@x", "[CW-1/aaaaaaaaaaaaaaaa]",
		"cw.ub.aaaaaaaaaaaaaaaa@x", "a+b-x-aaaaaaaaaaaaaaaa@x",
	} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		p := plain(s)
		if id, ok := tg.OutboundID(s); ok && !strings.HasPrefix(p, strings.TrimSuffix(plain(tg.MessageID(id)), "shop.example")) {
			t.Errorf("%q is taken for the message id of %q", s, id)
		}
		if n, ok := tg.CaseOf(s); ok {
			made, _ := tg.CaseAddress("x@y", n)
			if !strings.Contains(p, strings.TrimSuffix(made[1:], "y")) {
				t.Errorf("%q is taken for an address of %q", s, n)
			}
		}
		if id, ok := tg.BouncedID(s); ok && !strings.Contains(p, strings.TrimSuffix(tg.ReturnPath("x@y", id)[1:], "y")) && len(id) < 20 {
			t.Errorf("%q is taken for the return path of %q", s, id)
		}
		if n, ok := tg.CaseInSubject(s); ok && !strings.Contains(p, plain(tg.Subject("", n))) {
			t.Errorf("%q is taken for a subject of %q", s, n)
		}
		if n, ok := tg.CaseInMarker(s); ok && !strings.Contains(p, tg.Marker(n)) {
			t.Errorf("%q is taken for a marker of %q", s, n)
		}
		if tg.IsLoop(s) && p != tg.Loop() {
			t.Errorf("%q is taken for our loop header", s)
		}
	})
}
