package figure

import (
	"maps"
	"math"
	"slices"
	"time"
)

// Times is how long something took, many times over. Durations are kept in
// classes that grow by a fifth each, so that days add up and a quantile is right
// within a tenth. The zero value is ready for use.
type Times struct {
	Count   int         `json:"count"`
	Classes map[int]int `json:"classes,omitempty"` // how many by class
}

// perDoubling is how many classes there are from one duration to twice it.
const perDoubling = 4

// Add counts one duration; what is shorter than a millisecond counts as one.
func (t *Times) Add(d time.Duration) { t.add(class(d), 1) }

func (t *Times) add(class, n int) {
	if t.Classes == nil {
		t.Classes = map[int]int{}
	}
	t.Count += n
	t.Classes[class] += n
}

// Join counts all of u.
func (t *Times) Join(u Times) {
	for class, n := range u.Classes {
		t.add(class, n)
	}
}

// Quantile is the duration that a share q of all, from 0 to 1, did not exceed; 0
// when there were none.
func (t *Times) Quantile(q float64) time.Duration {
	rank, seen := int(math.Ceil(q*float64(t.Count))), 0
	for _, class := range slices.Sorted(maps.Keys(t.Classes)) {
		if seen += t.Classes[class]; seen >= max(rank, 1) {
			return middle(class)
		}
	}
	return 0
}

func class(d time.Duration) int {
	ms := float64(d) / float64(time.Millisecond)
	if ms <= 1 {
		return 0
	}
	return int(math.Round(math.Log2(ms) * perDoubling))
}

// middle is the duration in the middle of a class.
func middle(class int) time.Duration {
	return time.Duration(math.Exp2(float64(class)/perDoubling) * float64(time.Millisecond)).Round(time.Millisecond)
}
