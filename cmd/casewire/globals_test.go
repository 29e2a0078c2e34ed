package main

import (
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"path/filepath"
	"strings"
	"testing"
)

// Package variables are tables and sentinels: values that are set where they are
// declared and never again. What changes has an owner.
func TestNoPackageVariableChanges(t *testing.T) {
	err := filepath.WalkDir("../..", func(dir string, d fs.DirEntry, err error) error {
		if err != nil || !d.IsDir() {
			return err
		}
		if name := d.Name(); name == "testdata" || strings.HasPrefix(name, ".") && name != ".." {
			return filepath.SkipDir
		}
		for _, fault := range changedVariables(t, dir) {
			t.Error(fault)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}

func TestChangedPackageVariablesAreFound(t *testing.T) {
	const src = `package p
var table = map[string]int{}
var count, other int
func f(count int) { table["x"] = 1; count = 2; other++; local := 3; local = 4 }
func g() { count = 1 }`
	fset := token.NewFileSet()
	f, err := parser.ParseFile(fset, "p.go", src, 0)
	if err != nil {
		t.Fatal(err)
	}
	if got := changes(fset, []*ast.File{f}); len(got) != 3 {
		t.Errorf("found %q, want table, other and count of g", got)
	}
}

func changedVariables(t *testing.T, dir string) []string {
	t.Helper()
	names, err := filepath.Glob(filepath.Join(dir, "*.go"))
	if err != nil {
		t.Fatal(err)
	}
	fset := token.NewFileSet()
	var files []*ast.File
	for _, name := range names {
		if strings.HasSuffix(name, "_test.go") {
			continue
		}
		f, err := parser.ParseFile(fset, name, nil, 0)
		if err != nil {
			t.Fatal(err)
		}
		files = append(files, f)
	}
	return changes(fset, files)
}

// changes finds assignments in function bodies to variables declared at the top of
// the package. The parser resolves names within a file; a name that it could not
// resolve and that another file of the package declares is that one.
func changes(fset *token.FileSet, files []*ast.File) []string {
	vars := map[string]bool{}
	specs := map[any]bool{}
	for _, f := range files {
		for _, decl := range f.Decls {
			gen, ok := decl.(*ast.GenDecl)
			if !ok || gen.Tok != token.VAR {
				continue
			}
			for _, spec := range gen.Specs {
				specs[spec] = true
				for _, n := range spec.(*ast.ValueSpec).Names {
					vars[n.Name] = true
				}
			}
		}
	}
	var out []string
	report := func(e ast.Expr) {
		id := root(e)
		if id == nil || id.Name == "_" || !vars[id.Name] || id.Obj != nil && !specs[id.Obj.Decl] {
			return
		}
		out = append(out, fset.Position(id.Pos()).String()+": package variable "+id.Name+" is changed")
	}
	for _, f := range files {
		for _, decl := range f.Decls {
			fn, ok := decl.(*ast.FuncDecl)
			if !ok {
				continue
			}
			ast.Inspect(fn, func(n ast.Node) bool {
				switch n := n.(type) {
				case *ast.AssignStmt:
					if n.Tok != token.DEFINE {
						for _, e := range n.Lhs {
							report(e)
						}
					}
				case *ast.IncDecStmt:
					report(n.X)
				}
				return true
			})
		}
	}
	return out
}

// root is the variable that an assigned expression belongs to.
func root(e ast.Expr) *ast.Ident {
	for {
		switch x := e.(type) {
		case *ast.Ident:
			return x
		case *ast.IndexExpr:
			e = x.X
		case *ast.SelectorExpr:
			e = x.X
		case *ast.StarExpr:
			e = x.X
		case *ast.ParenExpr:
			e = x.X
		default:
			return nil
		}
	}
}
