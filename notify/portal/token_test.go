package portal

import "testing"

// What opens is what we made, to the letter: a page has one address.
func FuzzToken(f *testing.F) {
	p := &Portal{o: Options{Key: []byte("0123456789abcdef0123456789abcdef")}}
	for _, n := range []int64{1, 127, 128, 999999, 1 << 40} {
		f.Add(p.token(n, 0))
		f.Add(p.token(n, n))
	}
	f.Add("")
	f.Add("AAAAAAAAAAAAAAAA")
	f.Add("=/+\x00")
	f.Fuzz(func(t *testing.T, s string) {
		if n, g, ok := p.open(s); ok && p.token(n, g) != s {
			t.Errorf("%q opens page %d-%d, whose token is %q", s, n, g, p.token(n, g))
		}
	})
}

func TestTokensAreShort(t *testing.T) {
	p := &Portal{o: Options{Key: []byte("0123456789abcdef0123456789abcdef")}}
	if got := p.token(999999, 0); len(got) > 22 {
		t.Errorf("%d characters: a link in an SMS is paid by its length", len(got))
	}
	if n, g, ok := p.open(p.token(1<<62, 1<<62)); !ok || n != 1<<62 || g != 1<<62 {
		t.Errorf("opened %d %d %v", n, g, ok)
	}
}
