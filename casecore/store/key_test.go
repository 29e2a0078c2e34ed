package store_test

import (
	"cmp"
	"math"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/quick"
	"time"
	"unicode"

	"casewire/casecore/store"
)

// parts makes any strings into parts of a key: without control characters.
func parts(list []string) []string {
	out := make([]string, len(list))
	for i, s := range list {
		out[i] = strings.Map(func(r rune) rune {
			if unicode.IsControl(r) {
				return -1
			}
			return r
		}, strings.ToValidUTF8(s, ""))
	}
	return out
}

func TestJoinSortsByPartAfterPart(t *testing.T) {
	sorts := func(a, b []string, common string) bool {
		a, b = parts(append([]string{common}, a...)), parts(append([]string{common}, b...))
		return strings.Compare(store.Join(a...), store.Join(b...)) == slices.Compare(a, b)
	}
	if err := quick.Check(sorts, nil); err != nil {
		t.Error(err)
	}
	for _, pair := range [][2][]string{{{"a"}, {"a", ""}}, {{"a", "z"}, {"ab", "a"}}, {{"a", "z"}, {"a b", "a"}}, {{"", "b"}, {"a"}}, {{"q1", "9"}, {"q10", "1"}}} {
		if store.Join(pair[0]...) >= store.Join(pair[1]...) {
			t.Errorf("%q does not sort before %q", pair[0], pair[1])
		}
	}
}

func TestUnderIsThePrefixOfThosePartsOnly(t *testing.T) {
	under := func(lead, rest []string, other string) bool {
		lead, rest = parts(lead), parts(append(rest, other))
		key := store.Join(append(slices.Clone(lead), rest...)...)
		longer := slices.Clone(lead)
		if len(lead) > 0 {
			longer[len(longer)-1] += "x"
		}
		return len(lead) == 0 || strings.HasPrefix(key, store.Under(lead...)) && !strings.HasPrefix(store.Join(append(longer, "y")...), store.Under(lead...))
	}
	if err := quick.Check(under, nil); err != nil {
		t.Error(err)
	}
}

func TestTimeKeySortsByTime(t *testing.T) {
	rnd := rand.New(rand.NewPCG(1, 1))
	zones := []*time.Location{time.UTC, time.FixedZone("east", 14*3600), time.FixedZone("west", -12*3600)}
	first, last := time.Date(1, 1, 2, 0, 0, 0, 0, time.UTC), time.Date(8999, 1, 1, 0, 0, 0, 0, time.UTC)
	times := []time.Time{first, last, time.Unix(0, 0), time.Unix(0, 1), time.Unix(0, 10), time.Unix(0, 100_000_000), time.Unix(1, 0)}
	for range 2000 {
		at := time.Unix(first.Unix()+rnd.Int64N(last.Unix()-first.Unix()), rnd.Int64N(1e9)).In(zones[rnd.IntN(3)])
		times = append(times, at, at.Add(time.Duration(rnd.Int64N(2000)-1000)).Truncate(10))
	}
	for i := 1; i < len(times); i++ {
		a, b := times[i-1], times[i]
		if got := strings.Compare(store.TimeKey(a), store.TimeKey(b)); got != a.Compare(b) {
			t.Fatalf("keys of %v and %v compare as %d", a, b, got)
		}
		if store.TimeKey(a) >= store.TimeKey(time.Time{}) {
			t.Fatalf("no time does not sort behind %v", a)
		}
	}
}

func TestNumberKeySortsBySize(t *testing.T) {
	sorts := func(a, b int64) bool {
		a, b = max(a, -(a+1)), max(b, -(b+1))
		return strings.Compare(store.NumberKey(a), store.NumberKey(b)) == cmp.Compare(a, b)
	}
	if err := quick.Check(sorts, nil); err != nil {
		t.Error(err)
	}
	for _, n := range []int64{0, 9, 10, 99, 1e18, math.MaxInt64} {
		if !sorts(n, n-1) || !sorts(n, n/10) {
			t.Errorf("%d does not sort", n)
		}
	}
}

func TestIDsMadeLaterSortLater(t *testing.T) {
	var wg sync.WaitGroup
	for range 4 {
		wg.Go(func() {
			last := ""
			for range 5000 {
				id := store.NewID()
				if id <= last || len(id) > store.MaxID {
					t.Errorf("%s was made after %s", id, last)
				}
				last = id
			}
		})
	}
	wg.Wait()
}

func TestHashID(t *testing.T) {
	seen := make(map[string][]string)
	for _, list := range [][]string{{}, {"a"}, {"a", ""}, {"", "a"}, {"a", "b"}, {"ab"}, {"b", "a"}, {"a", "b", "c"}, {"a", "bc"}} {
		id := store.HashID(list...)
		if id != store.HashID(list...) || len(id) != 32 {
			t.Errorf("%q: %q", list, id)
		}
		if other, there := seen[id]; there && strings.Join(other, "\x00") != strings.Join(list, "\x00") {
			t.Errorf("%q and %q have one id", list, other)
		}
		seen[id] = list
	}
	if got := store.HashID("event", "recipient"); got != "me96uoq4vdmpofi4j49f6amrnoq84jkp" {
		t.Errorf("ids have changed, stored ones are not found any more: %s", got)
	}
}
