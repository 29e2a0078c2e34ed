package sqlite_test

import (
	"bufio"
	"context"
	"database/sql"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"casewire/casecore/store"
	"casewire/casecore/store/sqlite"
)

func TestOddPaths(t *testing.T) {
	for _, name := range []string{"a b", "50%", "a?b#c&d=e", "%41", "кириллица", "'quoted\""} {
		path := filepath.Join(t.TempDir(), name, name+".db")
		put(t, open(t, path, sqlite.Options{}), "x")
		if _, err := os.Stat(path); err != nil {
			t.Errorf("%q: the file is not where it was asked for: %v", name, err)
		}
	}
}

func TestFilesAreForTheirOwnerOnly(t *testing.T) {
	path := newPath(t)
	put(t, open(t, path, sqlite.Options{}), "x")
	for _, p := range []string{filepath.Dir(path), path, path + "-wal", path + "-shm", filepath.Join(filepath.Dir(path), "lock")} {
		info, err := os.Stat(p)
		if err != nil {
			t.Fatal(err)
		}
		if info.Mode().Perm()&0o077 != 0 {
			t.Errorf("%s has mode %v", filepath.Base(p), info.Mode())
		}
	}
}

func TestFolderAboveIsNotMade(t *testing.T) {
	path := filepath.Join(t.TempDir(), "no", "data", "store.db")
	mustRefuse(t, path, sqlite.ErrUnwritable)
	if _, err := os.Stat(filepath.Dir(path)); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("the folder was made: %v", err)
	}
}

func TestFolderIsAFile(t *testing.T) {
	folder := filepath.Join(t.TempDir(), "data")
	if err := os.WriteFile(folder, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	mustRefuse(t, filepath.Join(folder, "store.db"), sqlite.ErrUnwritable)
}

func TestForeignFilesAreRefusedAndNotTouched(t *testing.T) {
	for name, write := range map[string]func(t *testing.T, path string){
		"a text": func(t *testing.T, path string) {
			if err := os.WriteFile(path, []byte(strings.Repeat("not a database\n", 100)), 0o600); err != nil {
				t.Fatal(err)
			}
		},
		"a short text":                  func(t *testing.T, path string) { _ = os.WriteFile(path, []byte("x"), 0o600) },
		"another application's file":    func(t *testing.T, path string) { execSQL(t, path, "PRAGMA application_id = 7; CREATE TABLE t (x)") },
		"a nameless application's file": func(t *testing.T, path string) { execSQL(t, path, "CREATE TABLE notes (x)") },
	} {
		t.Run(name, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "store.db")
			write(t, path)
			before, _ := os.ReadFile(path)
			mustRefuse(t, path, sqlite.ErrForeign)
			if after, err := os.ReadFile(path); err != nil || string(after) != string(before) {
				t.Errorf("the file was changed (%v)", err)
			}
		})
	}
}

func execSQL(t *testing.T, path, query string) {
	t.Helper()
	db, err := sql.Open("sqlite", path)
	if err != nil {
		t.Fatal(err)
	}
	_, err = db.ExecContext(t.Context(), query)
	if err := errors.Join(err, db.Close()); err != nil {
		t.Fatal(err)
	}
}

func TestNewerFormatIsRefused(t *testing.T) {
	path := newPath(t)
	s := open(t, path, sqlite.Options{})
	put(t, s, "x")
	closeStore(t, s)
	execSQL(t, path, "PRAGMA user_version = 99")
	mustRefuse(t, path, sqlite.ErrNewer, "99")
	execSQL(t, path, "PRAGMA user_version = 1")
	mustHold(t, open(t, path, sqlite.Options{}), "x")
}

func TestDeclarationsThatCannotBe(t *testing.T) {
	rekey := notes.Coll().Rekey
	for name, colls := range map[string][]*store.Coll{
		"odd name":       {{Name: "No-tes"}},
		"injection":      {{Name: `x" (y); --`}},
		"no name":        {{}},
		"odd index":      {{Name: "a", Indexes: []store.Index{{Name: "k$"}}, Rekey: rekey}},
		"index twice":    {{Name: "a", Indexes: []store.Index{{Name: "k"}, {Name: "k"}}, Rekey: rekey}},
		"no rekey":       {{Name: "a", Indexes: []store.Index{{Name: "k"}}}},
		"declared twice": {{Name: "a"}, {Name: "a"}},
	} {
		if s, err := sqlite.Open(t.Context(), newPath(t), sqlite.Options{}, colls...); err == nil {
			t.Errorf("%s: opened", name)
			closeStore(t, s)
		}
	}
}

// The tests that need another process run this binary again with this variable
// set to what it shall do there, and a data path in its first argument.
const childVariable = "CASEWIRE_TEST_CHILD"

func TestMain(m *testing.M) {
	role := os.Getenv(childVariable)
	if role == "" {
		os.Exit(m.Run())
	}
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	if err := children[role](ctx, os.Args[1]); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

var children = map[string]func(ctx context.Context, path string) error{
	"hold":   childHold,
	"open":   childOpen,
	"write":  childWrite,
	"fill":   childFill,
	"growth": childGrowth,
}

// child prepares this binary in a role.
func child(t *testing.T, role, path string, env ...string) *exec.Cmd {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), os.Args[0], path)
	cmd.Env = append(append(os.Environ(), childVariable+"="+role), env...)
	cmd.Stderr = os.Stderr
	return cmd
}

// childHold opens the store, says so and holds it until its input ends.
func childHold(ctx context.Context, path string) error {
	s, err := sqlite.Open(ctx, path, sqlite.Options{}, notes.Coll())
	if err != nil {
		return err
	}
	fmt.Println("open")
	if _, err := io.Copy(io.Discard, os.Stdin); err != nil {
		return err
	}
	return s.Close()
}

// childOpen opens the store and tells how that went.
func childOpen(ctx context.Context, path string) error {
	s, err := sqlite.Open(ctx, path, sqlite.Options{}, notes.Coll())
	if err != nil {
		fmt.Println(errors.Is(err, sqlite.ErrUnwritable), err)
		return nil
	}
	fmt.Println("opened")
	return s.Close()
}

func TestOneProcessOwnsTheFolder(t *testing.T) {
	path := newPath(t)
	s := open(t, path, sqlite.Options{})
	mustRefuse(t, path, sqlite.ErrLocked, fmt.Sprint("pid ", os.Getpid()))
	put(t, s, "x")
	closeStore(t, s)

	holder := child(t, "hold", path)
	in, err := holder.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	out, err := holder.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := holder.Start(); err != nil {
		t.Fatal(err)
	}
	if line, err := bufio.NewReader(out).ReadString('\n'); line != "open\n" {
		t.Fatalf("the other process says %q, %v", line, err)
	}
	mustRefuse(t, path, sqlite.ErrLocked, fmt.Sprint("pid ", holder.Process.Pid))
	// However it ends, it holds nothing afterwards.
	if err := holder.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	_ = holder.Wait() // it was killed
	_ = in.Close()
	mustHold(t, open(t, path, sqlite.Options{}), "x")
}

func TestReadOnlyFolder(t *testing.T) {
	// A child that is not root meets the same rights as a service does. The
	// folders above must let it through.
	top, err := os.MkdirTemp("", "casewire-readonly-")
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := os.RemoveAll(top); err != nil {
			t.Error(err)
		}
	}()
	path := filepath.Join(top, "data", "store.db")
	s := open(t, path, sqlite.Options{})
	put(t, s, "x")
	closeStore(t, s)
	binary := filepath.Join(top, "test")
	copyFile(t, binary, os.Args[0])
	for p, mode := range map[string]os.FileMode{top: 0o755, filepath.Dir(path): 0o555, path: 0o444, filepath.Join(filepath.Dir(path), "lock"): 0o444, binary: 0o755} {
		if err := os.Chmod(p, mode); err != nil {
			t.Fatal(err)
		}
	}
	defer func() { _ = os.Chmod(filepath.Dir(path), 0o755) }()
	cmd := child(t, "open", path)
	cmd.Path, cmd.Dir = binary, top
	if os.Getuid() == 0 {
		cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: 65534, Gid: 65534}}
	}
	out, err := cmd.Output()
	if err != nil || !strings.HasPrefix(string(out), "true ") || !strings.Contains(string(out), filepath.Dir(path)) || !strings.Contains(string(out), "write access") {
		t.Errorf("opening in a read-only folder: %q, %v", out, err)
	}
}

func copyFile(t *testing.T, to, from string) {
	t.Helper()
	data, err := os.ReadFile(from)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(to, data, 0o600); err != nil {
		t.Fatal(err)
	}
}
