package portal

import "testing"

// What opens is what we made, to the letter: a page has one address.
func FuzzToken(f *testing.F) {
	p := &Portal{o: Options{Key: []byte("0123456789abcdef0123456789abcdef")}}
	for _, n := range []int64{1, 127, 128, 999999, 1 << 40} {
		f.Add(p.sign(token{number: n}))
		f.Add(p.sign(token{number: n, generation: n}))
		f.Add(p.sign(token{n, n, n}))
	}
	f.Add("")
	f.Add("AAAAAAAAAAAAAAAA")
	f.Add("=/+\x00")
	f.Fuzz(func(t *testing.T, s string) {
		if said, ok := p.open(s); ok && p.sign(said) != s {
			t.Errorf("%q opens %+v, whose token is %q", s, said, p.sign(said))
		}
	})
}

func TestTokensAreShort(t *testing.T) {
	p := &Portal{o: Options{Key: []byte("0123456789abcdef0123456789abcdef")}}
	if got := p.sign(token{number: 999999}); len(got) > 22 {
		t.Errorf("%d characters: a link in an SMS is paid by its length", len(got))
	}
	most := token{1 << 62, 1 << 62, 1 << 62}
	if got, ok := p.open(p.sign(most)); !ok || got != most {
		t.Errorf("opened %+v %v", got, ok)
	}
}
