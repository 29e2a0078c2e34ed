package main

import (
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"maps"
	"math/rand/v2"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
)

// crashPoints are the places at which the program can be made to kill itself.
// TestCrashPointsAreAllInTheMatrix compares them with the sources.
var crashPoints = []string{
	"store.begin", "store.before-commit", "store.after-commit",
	"blob.before-rename", "blob.after-rename",
	"intake.before-commit", "intake.after-commit",
	"webchat.after-sink", "webchat.before-ack",
	"planner.before-commit", "outbox.leased", "outbox.sent",
}

const (
	killsVariable = "CASEWIRE_KILLS" // random kills of a run; from manyKills also every point at every step
	seedVariable  = "CASEWIRE_SEED"  // of the random kills, to repeat them
	manyKills     = 30
)

// TestNothingAcknowledgedIsLostToAKill promises: whenever the program is killed,
// started again on the same folder and spoken to as before, everything that it
// had acknowledged is there, nothing is doubled, and what it owed is told (F1:
// I1 to I5). Every world checks the folder after each death and at the end.
func TestNothingAcknowledgedIsLostToAKill(t *testing.T) {
	kills, seed := number(t, killsVariable, 6), uint64(number(t, seedVariable, int(rand.Uint32())))
	m := newOpening(t)
	slots := make(chan struct{}, 2) // worlds at once: each is several processes
	run := func(t *testing.T, change func(*world)) {
		t.Parallel()
		slots <- struct{}{}
		defer func() { <-slots }()
		w := newWorld(t, m)
		change(w)
		w.launch(t.Context())
		newStory(w).tell()
		w.calm()
		w.end()
		if w.t.Logf("died %d times: %q", len(w.deaths), w.deaths); len(w.deaths) == 0 {
			t.Error("nobody was killed")
		}
	}
	for i := range crashPoints {
		// Each point once at its first, second and fifth pass, three different
		// ones in each world.
		at := func(k int) string { return crashPoints[(i+k*len(crashPoints)/3)%len(crashPoints)] }
		orders := []order{{at(0), 1, 0}, {at(1), 2, 2 + (5*i)%11}, {at(2), 5, 0}}
		t.Run(fmt.Sprintf("at %v %v %v", orders[0], orders[1], orders[2]), func(t *testing.T) {
			run(t, func(w *world) { w.orders = orders })
		})
	}
	for i := range (kills + 2) / 3 {
		seed := seed + uint64(i)
		t.Run(fmt.Sprintf("at random %d", i+1), func(t *testing.T) {
			t.Cleanup(func() {
				if t.Failed() {
					t.Logf("repeat with %s=%d", seedVariable, seed)
				}
			})
			run(t, func(w *world) { w.luck, w.left = rand.New(rand.NewPCG(seed, 0)), 3 })
		})
	}
	if kills < manyKills {
		return
	}
	for _, point := range crashPoints {
		t.Run("in every step at "+point, func(t *testing.T) {
			run(t, func(w *world) { w.sweep = point })
		})
	}
}

func number(t *testing.T, variable string, otherwise int) int {
	t.Helper()
	text := os.Getenv(variable)
	if text == "" {
		return otherwise
	}
	n, err := strconv.Atoi(text)
	if err != nil || n < 0 {
		t.Fatalf("%s=%q is no number", variable, text)
	}
	return n
}

var pointShape = regexp.MustCompile(`^[a-z]+\.[a-z-]+$`)

// TestCrashPointsAreAllInTheMatrix finds every call of a Check function with a
// point's name in the sources: a point that is added must be tested.
func TestCrashPointsAreAllInTheMatrix(t *testing.T) {
	found := map[string]string{}
	err := filepath.WalkDir("../..", func(name string, d fs.DirEntry, err error) error {
		if err != nil || !strings.HasSuffix(name, ".go") || strings.HasSuffix(name, "_test.go") {
			return err
		}
		f, err := parser.ParseFile(token.NewFileSet(), name, nil, 0)
		if err != nil {
			return err
		}
		ast.Inspect(f, func(n ast.Node) bool {
			if point := pointOf(n); point != "" {
				found[point] = name
			}
			return true
		})
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	for point, name := range found {
		if !slices.Contains(crashPoints, point) {
			t.Errorf("%s has the crash point %q, which no world dies at; add it to crashPoints", name, point)
		}
	}
	for _, point := range crashPoints {
		if found[point] == "" {
			t.Errorf("no source has the crash point %q; found %q", point, slices.Sorted(maps.Keys(found)))
		}
	}
}

// pointOf returns the crash point that a node calls, if it does.
func pointOf(n ast.Node) string {
	call, ok := n.(*ast.CallExpr)
	if !ok || len(call.Args) != 1 {
		return ""
	}
	fun, ok := call.Fun.(*ast.SelectorExpr)
	if !ok || !strings.EqualFold(fun.Sel.Name, "check") {
		return ""
	}
	lit, ok := call.Args[0].(*ast.BasicLit)
	if !ok || lit.Kind != token.STRING {
		return ""
	}
	point, err := strconv.Unquote(lit.Value)
	if err != nil || !pointShape.MatchString(point) {
		return ""
	}
	return point
}
