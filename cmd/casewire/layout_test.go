package main

import (
	"fmt"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
)

// The import table: which folder may import which, and why not. Files are parsed
// here, in the test process: what runs the go command is answered from the test
// cache and stays green after a violation.
var mayImport = map[string][]string{
	"channels": {},
	"casecore": {"channels"},
	"routing":  {"channels", "casecore"},
	"notify":   {"channels", "casecore"},
	"config":   {"channels", "casecore", "routing", "notify"},
	"cmd":      {"channels", "casecore", "routing", "notify", "config"},
}

var why = map[string]string{
	"channels": "a door knows messages, not cases",
	"casecore": "the book knows neither who routes nor who tells",
	"routing":  "the hall meets the post room only in the book",
	"notify":   "the post room meets the hall only in the book",
	"config":   "the fuse box is wired by cmd",
}

// Rooms of the book that import nothing of ours but what stands behind them; the
// rest may import as their folder may.
var rooms = map[string][]string{
	"casecore/store":           {},
	"casecore/store/engine":    {"casecore/store"},
	"casecore/store/sqlite":    {"casecore/store", "casecore/store/engine", "casecore/store/sqlite/sqlite3"},
	"casecore/store/storetest": {"casecore/store"},
	"casecore/store/tempstore": {"casecore/store", "casecore/store/engine", "casecore/store/sqlite", "casecore/store/mongo", "casecore/store/mongo/mongotest"},

	"casecore/store/sqlite/sqlite3": {},

	"casecore/blob":          {},
	"casecore/blob/dir":      {"casecore/blob"},
	"casecore/blob/blobtest": {"casecore/blob"},
	"casecore/blob/gridfs":   {"casecore/blob"},
	"casecore/store/mongo":   {"casecore/store", "casecore/store/engine"},
	"casecore/lease":         {"casecore/store"},
	"casecore/archive":       {"casecore/store", "casecore/blob"},
	"casecore/lang":          {},
	"casecore/chain":         {},
	"casecore/flow":          {"casecore/lang"},
	"casecore/search":        {"casecore/store", "casecore/lang"},
}

// Outside modules that a folder keeps to itself.
var only = map[string][]string{
	"modernc.org/":                   {"casecore/store/sqlite"},
	"github.com/spf13/cobra":         {"cmd/casewire"},
	"github.com/prometheus":          {"cmd/casewire"},
	"github.com/danielgtaylor/huma/": {"routing/api"},
	"go.mongodb.org/":                {"casecore/"},
	"github.com/emersion/":           {"channels/email", "cmd/casewire/demo"},
	"github.com/go-telegram/":        {"channels/telegram"},
	"github.com/twilio/":             {"channels/sms"},
	"github.com/microcosm-cc/":       {"routing/letter"},
}

// importFault says what is wrong with importing target in a file of folder from,
// both relative to the module; "" means nothing.
func importFault(from, target string, test bool) string {
	a, b := top(from), top(target)
	engine := strings.HasPrefix(target, "casecore/store/") && target != "casecore/store/storetest"
	if allowed, listed := rooms[from]; listed && !test && !slices.Contains(allowed, target) {
		return fmt.Sprintf("%s imports %s: this room stands on %v only", from, target, allowed)
	}
	switch {
	case engine && a != "cmd" && !strings.HasPrefix(from, "casecore/store/") && !test:
		return fmt.Sprintf("%s imports %s: only cmd chooses an engine", from, target)
	case a == "channels" && b == "channels":
		if target != "channels" && door(from) != door(target) && !test {
			return fmt.Sprintf("%s imports %s: a door knows the contract and its own rooms only", from, target)
		}
	case a == b:
	case !slices.Contains(mayImport[a], b):
		return fmt.Sprintf("%s imports %s: %s", from, target, why[a])
	case b == "channels" && target != "channels" && a != "cmd":
		return fmt.Sprintf("%s imports %s: only cmd lists the doors", from, target)
	case b == "channels" && target != "channels" && from == "cmd/casewire/app" && !test:
		return fmt.Sprintf("%s imports %s: the app is handed the doors", from, target)
	}
	return ""
}

// door is the adapter that a folder belongs to: "channels/email" of
// "channels/email/inbox".
func door(folder string) string {
	parts := strings.SplitN(folder, "/", 3)
	return strings.Join(parts[:min(len(parts), 2)], "/")
}

func outsideFault(from, imp string) string {
	for mod, folders := range only {
		at := func(folder string) bool { return strings.HasPrefix(from, folder) }
		if strings.HasPrefix(imp+"/", strings.TrimSuffix(mod, "/")+"/") && !slices.ContainsFunc(folders, at) {
			return fmt.Sprintf("%s imports %s, which belongs to %s", from, imp, strings.Join(folders, " and "))
		}
	}
	return ""
}

func top(p string) string {
	first, _, _ := strings.Cut(p, "/")
	return first
}

// faults parses every Go file below root.
func faults(root string) ([]string, error) {
	var out []string
	err := filepath.WalkDir(root, func(name string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if d.IsDir() && (strings.HasPrefix(d.Name(), ".") && name != root || d.Name() == "testdata") {
			return filepath.SkipDir
		}
		if !strings.HasSuffix(name, ".go") {
			return nil
		}
		f, err := parser.ParseFile(token.NewFileSet(), name, nil, parser.ImportsOnly)
		if err != nil {
			return err
		}
		rel, err := filepath.Rel(root, name)
		if err != nil {
			return err
		}
		from := path.Dir(filepath.ToSlash(rel))
		for _, spec := range f.Imports {
			imp, err := strconv.Unquote(spec.Path.Value)
			if err != nil {
				return err
			}
			fault := outsideFault(from, imp)
			if target, ours := strings.CutPrefix(imp, "casewire/"); ours {
				fault = importFault(from, target, strings.HasSuffix(name, "_test.go"))
			}
			if fault != "" {
				out = append(out, rel+": "+fault)
			}
		}
		return nil
	})
	return out, err
}

func TestImportsFollowTheTable(t *testing.T) {
	out, err := faults("../..")
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range out {
		t.Error(f)
	}
}

func TestImportTableCatchesPlantedViolations(t *testing.T) {
	planted := []struct{ file, imp string }{
		{"channels/sms/sms.go", "casewire/casecore"},
		{"channels/sms/sms.go", "casewire/channels/email"},
		{"channels/sms/segment/gsm.go", "casewire/channels/email/mime"},
		{"casecore/case.go", "casewire/routing"},
		{"casecore/store/store.go", "casewire/casecore/flow"},
		{"casecore/sla/sla.go", "casewire/casecore/store/sqlite"},
		{"routing/desk/work.go", "casewire/notify"},
		{"notify/planner.go", "casewire/routing/desk"},
		{"routing/router.go", "casewire/channels/webchat"},
		{"config/load.go", "casewire/channels/webchat"},
		{"cmd/casewire/app/app.go", "casewire/channels/webchat"},
		{"routing/console/page.go", "modernc.org/sqlite"},
	}
	for _, p := range planted {
		root := t.TempDir()
		file := filepath.Join(root, filepath.FromSlash(p.file))
		if err := os.MkdirAll(filepath.Dir(file), 0o750); err != nil {
			t.Fatal(err)
		}
		src := fmt.Sprintf("package p\n\nimport _ %q\n", p.imp)
		if err := os.WriteFile(file, []byte(src), 0o600); err != nil {
			t.Fatal(err)
		}
		if out, err := faults(root); err != nil || len(out) != 1 {
			t.Errorf("%s importing %s: %d faults (%v), want 1", p.file, p.imp, len(out), err)
		}
	}
}

func TestTopLevelIsAsFixed(t *testing.T) {
	allowed := []string{
		"cmd", "channels", "routing", "casecore", "notify", "config", "go.mod", "go.sum", "README.md",
		"LICENSE", "CHANGELOG.md", "CONTRIBUTING.md", ".ci", ".gitignore", ".golangci.yml", ".git",
	}
	entries, err := os.ReadDir("../..")
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range entries {
		if !slices.Contains(allowed, e.Name()) && e.Name() != "casewire" && e.Name() != "casewire-data" {
			t.Errorf("%s has no place at the top level", e.Name())
		}
	}
}
