package dir_test

import (
	"bytes"
	"errors"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"casewire/casecore/blob"
	"casewire/casecore/blob/blobtest"
	"casewire/casecore/blob/dir"
)

func open(t *testing.T, folder string, o dir.Options) *dir.Store {
	t.Helper()
	s, err := dir.Open(folder, o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
	return s
}

func TestConformance(t *testing.T) {
	blobtest.Run(t, func(t *testing.T) func() blob.Store {
		folder := t.TempDir()
		return func() blob.Store { return open(t, folder, dir.Options{}) }
	})
}

func fileOf(folder, hash string) string { return filepath.Join(folder, hash[:1], hash[1:2], hash) }

func TestFileHasTheContentUnderItsHash(t *testing.T) {
	folder := t.TempDir()
	ref, err := open(t, folder, dir.Options{}).Put(t.Context(), strings.NewReader("plain"), 100)
	if err != nil {
		t.Fatal(err)
	}
	if got, err := os.ReadFile(fileOf(folder, ref.Hash)); err != nil || string(got) != "plain" {
		t.Errorf("the file holds %q, %v", got, err)
	}
}

func TestDamageIsNeverServedWhole(t *testing.T) {
	content := bytes.Repeat([]byte("0123456789abcdef"), 8<<10)
	for name, damage := range map[string]func(b []byte) []byte{
		"flipped bit at the start": func(b []byte) []byte { b[0] ^= 1; return b },
		"flipped bit at the end":   func(b []byte) []byte { b[len(b)-1] ^= 1; return b },
		"truncated":                func(b []byte) []byte { return b[:len(b)/2] },
		"emptied":                  func([]byte) []byte { return nil },
		"longer":                   func(b []byte) []byte { return append(b, 'x') },
	} {
		t.Run(name, func(t *testing.T) {
			folder := t.TempDir()
			s := open(t, folder, dir.Options{})
			ref, err := s.Put(t.Context(), bytes.NewReader(content), 1<<20)
			if err != nil {
				t.Fatal(err)
			}
			if err := os.WriteFile(fileOf(folder, ref.Hash), damage(bytes.Clone(content)), 0o600); err != nil {
				t.Fatal(err)
			}
			got := read(t, s, ref.Hash, blob.ErrDamaged)
			if len(got) >= len(content) {
				t.Errorf("%d bytes of %d were served", len(got), len(content))
			}
			if _, err := s.Put(t.Context(), bytes.NewReader(content), 1<<20); err != nil {
				t.Fatal(err)
			}
			if got := read(t, s, ref.Hash, nil); !bytes.Equal(got, content) {
				t.Error("putting the content again did not mend it")
			}
		})
	}
}

func read(t *testing.T, s *dir.Store, hash string, want error) []byte {
	t.Helper()
	r, err := s.Open(t.Context(), hash)
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	got, err := io.ReadAll(r)
	if !errors.Is(err, want) {
		t.Errorf("reading ends with %v, want %v", err, want)
	}
	return got
}

func TestUnfinishedPutIsSweptAtOpen(t *testing.T) {
	folder := t.TempDir()
	open(t, folder, dir.Options{})
	left := filepath.Join(folder, "tmp", "LEFT")
	if err := os.WriteFile(left, []byte("half"), 0o600); err != nil {
		t.Fatal(err)
	}
	s := open(t, folder, dir.Options{})
	if _, err := os.Stat(left); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("the unfinished file is still there: %v", err)
	}
	if _, err := s.Put(t.Context(), strings.NewReader("x"), 1); err != nil {
		t.Error(err)
	}
}

func TestCrashPoints(t *testing.T) {
	stop := errors.New("stop")
	for point, there := range map[string]bool{"blob.before-rename": false, "blob.after-rename": true} {
		t.Run(point, func(t *testing.T) {
			folder, armed := t.TempDir(), true
			s := open(t, folder, dir.Options{Check: func(p string) error {
				if armed && p == point {
					return stop
				}
				return nil
			}})
			if _, err := s.Put(t.Context(), strings.NewReader("x"), 1); !errors.Is(err, stop) {
				t.Fatalf("put: %v", err)
			}
			armed = false
			ref, err := s.Put(t.Context(), strings.NewReader("y"), 1)
			if err != nil {
				t.Fatal(err)
			}
			const x = "2d711642b726b04401627ca9fbac32f5c8530fb1903cc4db02258717921a4881"
			if _, err := os.Stat(fileOf(folder, x)); (err == nil) != there {
				t.Errorf("content has its name: %v, want %v", err == nil, there)
			}
			read(t, s, ref.Hash, nil)
			if left, _ := os.ReadDir(filepath.Join(folder, "tmp")); len(left) != 0 {
				t.Errorf("%d temporary files are left", len(left))
			}
		})
	}
}

func TestFolderAboveIsNotMade(t *testing.T) {
	if _, err := dir.Open(filepath.Join(t.TempDir(), "no", "blobs"), dir.Options{}); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("open below a missing folder: %v", err)
	}
}
