package main

import (
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// The README names the test that proves each promise: each of them must be there.
func TestReadmeNamesTestsThatExist(t *testing.T) {
	readme, err := os.ReadFile("../../README.md")
	if err != nil {
		t.Fatal(err)
	}
	var all strings.Builder
	err = filepath.WalkDir("../..", func(name string, _ fs.DirEntry, err error) error {
		if err != nil || !strings.HasSuffix(name, "_test.go") {
			return err
		}
		src, err := os.ReadFile(name)
		all.Write(src)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	names := regexp.MustCompile(`\x60((?:Test|Benchmark)[A-Za-z0-9]+)`).FindAllSubmatch(readme, -1)
	if len(names) < 10 {
		t.Errorf("the README names %d tests; promises need their proof", len(names))
	}
	for _, m := range names {
		if !strings.Contains(all.String(), "func "+string(m[1])+"(") {
			t.Errorf("the README names %s, which does not exist", m[1])
		}
	}
}

// Pictures and files that the README points at are part of the checkout.
func TestReadmeLinksResolve(t *testing.T) {
	readme, err := os.ReadFile("../../README.md")
	if err != nil {
		t.Fatal(err)
	}
	for _, m := range regexp.MustCompile(`\]\(([^)#:]+)\)`).FindAllSubmatch(readme, -1) {
		if _, err := os.Stat(filepath.Join("../..", string(m[1]))); err != nil {
			t.Errorf("the README links to %s: %v", m[1], err)
		}
	}
}
