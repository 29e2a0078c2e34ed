package sqlite

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
)

const lockName = "lock"

// lockFolder makes this process the owner of the folder. The kernel frees the
// lock when the process ends, however it ends; the file itself stays, because
// removing it would let two processes lock two different files.
func lockFolder(folder string) (*os.File, error) {
	name := filepath.Join(folder, lockName)
	f, err := os.OpenFile(name, os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return nil, cannotWrite(folder, err)
	}
	err = syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB)
	if errors.Is(err, syscall.EWOULDBLOCK) {
		pid := readPID(f)
		return nil, errors.Join(&OpenError{Path: folder, Kind: ErrLocked, PID: pid,
			Mend: "stop that process first, or use another data folder"}, f.Close())
	}
	if err != nil {
		return nil, errors.Join(fmt.Errorf("lock %s: %w", name, err), f.Close())
	}
	if err := writePID(f); err != nil {
		return nil, errors.Join(cannotWrite(folder, err), f.Close())
	}
	return f, nil
}

func writePID(f *os.File) error {
	if err := f.Truncate(0); err != nil {
		return err
	}
	_, err := f.WriteAt([]byte(strconv.Itoa(os.Getpid())+"\n"), 0)
	return err
}

func readPID(f *os.File) int {
	text, err := io.ReadAll(io.NewSectionReader(f, 0, 32))
	if err != nil {
		return 0
	}
	pid, err := strconv.Atoi(strings.TrimSpace(string(text)))
	if err != nil {
		return 0
	}
	return pid
}

func cannotWrite(path string, err error) error {
	return &OpenError{Path: path, Kind: ErrUnwritable, Err: err,
		Mend: "give the user that runs Casewire write access to it, or use another data folder"}
}
