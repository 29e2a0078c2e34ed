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

	"casewire/channels"
)

// crashPoints are the places at which the program can be made to kill itself.
// TestCrashPointsAreAllInTheMatrix compares them with the sources.
var crashPoints = slices.Concat(commonPoints, doorPoints[channels.WebChat], doorPoints[channels.Email], doorPoints[channels.Telegram], doorPoints[channels.SMS])

// commonPoints are passed whatever the door.
var commonPoints = []string{
	"store.begin", "store.before-commit", "store.after-commit",
	"blob.before-rename", "blob.after-rename",
	"intake.before-commit", "intake.after-commit",
	"planner.before-commit", "outbox.leased", "outbox.sent",
	"webhook.leased", "webhook.posted",
}

// doorPoints are those of one door, and passed in worlds that have it.
var doorPoints = map[channels.Kind][]string{
	channels.WebChat:  {"webchat.after-sink", "webchat.before-ack"},
	channels.Email:    {"inbox.in-hand", "email.before-store", "email.after-store"},
	channels.Telegram: {"telegram.taken", "telegram.stored", "telegram.sealed", "telegram.sent", "telegram.answered"},
	channels.SMS:      {runningOnce, "sms.taken", "sms.media_noted", "sms.posting", "sms.posted", "sms.call_taken", "call.opened", "call.asked"},
}

// runningOnce is passed once in each life, at its beginning.
const runningOnce = "sms.running"

// plot is what is to happen in one world.
type plot struct {
	doors  []channels.Kind
	orders []order
	moves  bool // the mail door moves what it has stored
}

func (p plot) String() string {
	words := []string{"by", string(p.doors[0]), "at"}
	for _, o := range p.orders {
		words = append(words, o.String())
	}
	return strings.Join(words, " ")
}

// mostOrders is how often the program dies in one world. More in fewer worlds is
// quicker, less finds a cause sooner.
const mostOrders = 6

// plots has each point once at each of these passes. Each world has a
// door of which people use what only that has, and the web chat besides, where that
// is reached without a proxy.
func plots(passes ...int) []plot {
	at := func(points []string) (out []order) {
		for _, n := range passes {
			for _, p := range points {
				if p != runningOnce || n == 1 {
					out = append(out, order{point: p, n: n})
				}
			}
		}
		return out
	}
	common, own, left := at(commonPoints), map[channels.Kind][]order{}, len(crashPoints)*len(passes)-(len(passes)-1)
	for door, points := range doorPoints {
		own[door] = at(points)
	}
	doors := []channels.Kind{channels.WebChat, channels.Email, channels.Telegram, channels.SMS}
	var out []plot
	for i := 0; left > 0; i++ {
		door := doors[i%len(doors)]
		p := plot{doors: people(door), moves: i/len(doors)%2 == 0}
		for len(p.orders) < mostOrders && len(own[door])+len(common) > 0 {
			// One of the door's own, one of all doors.
			if mine := own[door]; len(mine) > 0 && (len(p.orders)%2 == 0 || len(common) == 0) {
				p.orders, own[door] = append(p.orders, mine[0]), mine[1:]
			} else {
				p.orders, common = append(p.orders, common[0]), common[1:]
			}
		}
		left -= len(p.orders)
		for k := range p.orders {
			if o := &p.orders[k]; k%2 == 1 && o.point != runningOnce {
				o.step = 2 + (5*i+3*k)%11
			}
		}
		if len(p.orders) > 0 {
			out = append(out, p)
		}
	}
	return out
}

const (
	killsVariable = "CASEWIRE_KILLS" // random kills of a run; from manyKills also every point at later passes and at every step
	seedVariable  = "CASEWIRE_SEED"  // of the random kills, to repeat them
	manyKills     = 30
)

// TestNothingAcknowledgedIsLostToAKill promises: whenever the program is killed,
// started again on the same folder and spoken to as before, everything that it
// had acknowledged is there, nothing is doubled, what it owed is told, and a program
// outside hears of everything by webhooks, in order (F1: I1 to I6, W1 to W3). Every
// world checks the folder after each death and at the end.
//
// What acknowledges is the door's: an ack in the web chat, a confirmed update of
// Telegram, a webhook of Twilio answered 200, a mail that was moved. Where mail is
// not moved nobody can see the cursor, and then every mail of the mailbox must be
// there in the end.
func TestNothingAcknowledgedIsLostToAKill(t *testing.T) {
	kills, seed := number(t, killsVariable, 6), uint64(number(t, seedVariable, int(rand.Uint32())))
	m := newOpening(t)
	slots := make(chan struct{}, 2) // worlds at once: each is several processes
	run := func(t *testing.T, p plot, change func(*world)) {
		t.Parallel()
		slots <- struct{}{}
		defer func() { <-slots }()
		w := newWorld(t, m.fresh(t), p.doors, p.moves)
		w.orders = p.orders
		change(w)
		w.launch(t.Context())
		newStory(w).tell()
		w.calm()
		w.end()
		if w.t.Logf("died %d times: %q", len(w.deaths), w.deaths); len(w.deaths) == 0 {
			t.Error("nobody was killed")
		}
	}
	passes := []int{1}
	if kills >= manyKills {
		passes = []int{1, 2, 5}
	}
	for _, p := range plots(passes...) {
		t.Run(p.String(), func(t *testing.T) { run(t, p, func(*world) {}) })
	}
	mixed := [][]channels.Kind{{channels.Telegram, channels.Email, channels.SMS}, {channels.WebChat, channels.Telegram, channels.Email}}
	for i := range (kills + 2) / 3 {
		seed := seed + uint64(i)
		t.Run(fmt.Sprintf("at random %d", i+1), func(t *testing.T) {
			t.Cleanup(func() {
				if t.Failed() {
					t.Logf("repeat with %s=%d", seedVariable, seed)
				}
			})
			run(t, plot{doors: mixed[i%len(mixed)], moves: i%4 < 2}, func(w *world) { w.luck, w.left = rand.New(rand.NewPCG(seed, 0)), 3 })
		})
	}
	if kills < manyKills {
		return
	}
	for _, point := range crashPoints {
		if point == runningOnce {
			continue // no step passes it
		}
		t.Run("in every step at "+point, func(t *testing.T) {
			// Letters are waited for: who dies five times over one counts it as poison.
			run(t, plot{doors: people(doorOf(point)), moves: true}, func(w *world) { w.sweep = point })
		})
	}
}

// doorOf is the door that passes a point, the web chat for what every door passes.
func doorOf(point string) channels.Kind {
	for door, points := range doorPoints {
		if slices.Contains(points, point) {
			return door
		}
	}
	return channels.WebChat
}

// people are the doors of three customers, two of them at this one. The web chat is
// not for worlds behind a proxy.
func people(door channels.Kind) []channels.Kind {
	if door == channels.SMS {
		return []channels.Kind{door, door, channels.Email}
	}
	return []channels.Kind{door, door, channels.WebChat}
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

var pointShape = regexp.MustCompile(`^[a-z]+\.[a-z_-]+$`)

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
