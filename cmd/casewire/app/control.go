package app

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
)

// Control is how a command on the same machine reaches the running process: the
// file is readable by the process's owner only, and the secret dies with it.
type Control struct {
	URL    string `json:"url"`
	Secret string `json:"secret"`
	PID    int    `json:"pid"`
}

func controlPath(data string) string { return filepath.Join(data, "control.json") }

// ReadControl returns the control of the process that runs on this data folder.
// It is nil when there is none; one that was killed may have left it behind.
func ReadControl(data string) (*Control, error) {
	b, err := os.ReadFile(controlPath(data))
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("read control file: %w", err)
	}
	var c Control
	if err := json.Unmarshal(b, &c); err != nil {
		return nil, nil // half written by a process that was killed
	}
	return &c, nil
}

// openControl writes the control file and removes it when the process stops.
func (a *App) openControl(context.Context) error {
	path := controlPath(a.Static().Data)
	b, err := json.Marshal(Control{URL: a.local, Secret: a.secret, PID: os.Getpid()})
	if err != nil {
		return fmt.Errorf("encode control file: %w", err)
	}
	// A store elsewhere makes no folder here.
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		return fmt.Errorf("make the data folder: %w", err)
	}
	if err := WritePrivate(path, b); err != nil {
		return fmt.Errorf("write control file: %w", err)
	}
	a.life.started("control file", func(context.Context) error {
		if err := os.Remove(path); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return fmt.Errorf("remove control file: %w", err)
		}
		return nil
	})
	return nil
}

// WritePrivate replaces a file whole, for its owner's eyes only.
func WritePrivate(path string, data []byte) error {
	f, err := os.CreateTemp(filepath.Dir(path), ".new-*")
	if err != nil {
		return fmt.Errorf("write %s: %w", path, err)
	}
	_, err = f.Write(data)
	err = errors.Join(err, f.Close())
	if err == nil {
		err = os.Rename(f.Name(), path)
	}
	if err != nil {
		return errors.Join(fmt.Errorf("write %s: %w", path, err), os.Remove(f.Name()))
	}
	return nil
}

// newSecret makes the control's secret.
func newSecret() string { return "local_" + rand.Text() + rand.Text() }
