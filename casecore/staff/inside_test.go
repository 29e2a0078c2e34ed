package staff

import (
	"fmt"
	"testing"
	"time"
)

func TestLimiterIsBounded(t *testing.T) {
	l := newLimiter(3, time.Second, 100)
	now := time.Unix(0, 0)
	for range 3 {
		l.take("victim", now)
	}
	for i := range 10_000 {
		l.take(fmt.Sprint(i), now)
		if len(l.buckets) > 100 {
			t.Fatalf("%d buckets", len(l.buckets))
		}
	}
	if l.take("victim", now) == 0 {
		t.Error("strangers made it forget the one who was out of attempts")
	}
	if l.take("victim", now.Add(time.Second)) != 0 {
		t.Error("an attempt does not come back")
	}
}

func TestRemoteKey(t *testing.T) {
	for in, want := range map[string]string{
		"192.0.2.7":           "192.0.2.7",
		"::ffff:192.0.2.7":    "192.0.2.7",
		"2001:db8:1:2:3::4":   "2001:db8:1:2::/64",
		"2001:db8:1:2:ffff::": "2001:db8:1:2::/64",
		"fe80::1%eth0":        "fe80::/64",
		"somewhere":           "somewhere",
	} {
		if got := remoteKey(in); got != want {
			t.Errorf("remoteKey(%q) = %q, want %q", in, got, want)
		}
	}
}

func TestParsePHCRefuses(t *testing.T) {
	good := standardHashing().phc(make([]byte, 16), make([]byte, 32))
	if _, _, _, err := parsePHC(good); err != nil {
		t.Fatal(err)
	}
	for _, bad := range []string{
		"", "x", "$argon2i$v=19$m=19456,t=2,p=1$AAAAAAAAAAAAAAAAAAAAAA$AAAAAAAAAAAAAAAAAAAAAA",
		"$argon2id$v=16$m=19456,t=2,p=1$AAAAAAAAAAAAAAAAAAAAAA$AAAAAAAAAAAAAAAAAAAAAA",
		"$argon2id$v=19$m=4000000000,t=2,p=1$AAAAAAAAAAAAAAAAAAAAAA$AAAAAAAAAAAAAAAAAAAAAA",
		"$argon2id$v=19$m=19456,t=99,p=1$AAAAAAAAAAAAAAAAAAAAAA$AAAAAAAAAAAAAAAAAAAAAA",
		"$argon2id$v=19$m=19456,t=2,p=0$AAAAAAAAAAAAAAAAAAAAAA$AAAAAAAAAAAAAAAAAAAAAA",
		"$argon2id$v=19$m=19456,t=2,p=1$!!$AAAAAAAAAAAAAAAAAAAAAA",
		"$argon2id$v=19$m=19456,t=2,p=1$AAAAAAAAAAAAAAAAAAAAAA$AA",
	} {
		if _, _, _, err := parsePHC(bad); err == nil {
			t.Errorf("accepted %q", bad)
		}
	}
}

func TestPasswordsOfOlderCostAreVerified(t *testing.T) {
	old := newHasher(hashing{memory: 64, passes: 1, lanes: 1, saltLen: 16, keyLen: 32})
	phc, err := old.hash(t.Context(), "secret of old")
	if err != nil {
		t.Fatal(err)
	}
	now := newHasher(standardHashing())
	if ok, err := now.verify(t.Context(), "secret of old", phc); !ok || err != nil {
		t.Errorf("verify: %v, %v", ok, err)
	}
	if !now.outdated(phc) {
		t.Error("not seen as outdated")
	}
}
