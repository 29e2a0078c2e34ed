package sandbox

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"time"

	"github.com/emersion/go-imap/v2"
)

// journal keeps an account on disk: what happened, a line of JSON each, and beside
// it the mails. Nothing is synced: it is for a restart, not for a power cut. A nil
// journal keeps nothing.
type journal struct {
	dir  string
	file *os.File
}

const (
	opCreate  = "create"
	opDelete  = "delete"
	opRename  = "rename"
	opAdd     = "add"
	opFlags   = "flags"
	opExpunge = "expunge"
	opNext    = "next"
	opLast    = "last" // the last UIDVALIDITY
)

type entry struct {
	Op       string      `json:"op"`
	Folder   string      `json:"folder"`
	To       string      `json:"to,omitempty"`
	Validity uint32      `json:"validity,omitempty"`
	UID      imap.UID    `json:"uid,omitempty"`
	Flags    []imap.Flag `json:"flags,omitempty"`
	At       time.Time   `json:"at,omitzero"`
	From     string      `json:"from,omitempty"`
	Rcpt     string      `json:"rcpt,omitempty"`
}

// openAccount returns an account as it was left, with an INBOX at least.
func openAccount(a Account, dir string) (*account, error) {
	acc := &account{Account: a, folders: map[string]*folder{}}
	if dir != "" {
		if err := acc.restore(filepath.Join(dir, url.PathEscape(a.Address))); err != nil {
			return nil, errors.Join(err, acc.close())
		}
	}
	if acc.folder(inbox) == nil {
		if _, err := acc.create(inbox); err != nil {
			return nil, errors.Join(err, acc.close())
		}
	}
	return acc, nil
}

// restore plays the journal and starts a shorter one.
func (a *account) restore(dir string) error {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return err
	}
	name := filepath.Join(dir, "journal")
	old, err := os.Open(name)
	switch {
	case err == nil:
		err = a.replay(dir, old)
		old.Close()
	case errors.Is(err, os.ErrNotExist):
		err = nil
	}
	if err != nil {
		return fmt.Errorf("read %s: %w", name, err)
	}
	if a.journal, err = a.compact(dir); err != nil {
		return err
	}
	return os.Rename(name+".new", name)
}

func (a *account) replay(dir string, r io.Reader) error {
	lines := bufio.NewReader(r)
	for {
		line, err := lines.ReadBytes('\n')
		if errors.Is(err, io.EOF) {
			return nil // a last line without an end was cut: it did not happen
		}
		if err != nil {
			return err
		}
		var e entry
		if err := json.Unmarshal(line, &e); err != nil {
			return err
		}
		if err := a.play(dir, e); err != nil {
			return err
		}
	}
}

func (a *account) play(dir string, e entry) error {
	a.validity = max(a.validity, e.Validity)
	switch e.Op {
	case opLast:
		return nil
	case opCreate:
		a.folders[e.Folder] = newFolder(e.Folder, e.Validity)
		return nil
	}
	f := a.folders[e.Folder]
	if f == nil {
		return fmt.Errorf("%s in an unknown folder", e.Op)
	}
	at, there := f.find(e.UID)
	switch {
	case e.Op == opDelete:
		delete(a.folders, e.Folder)
	case e.Op == opRename:
		delete(a.folders, e.Folder)
		f.name = e.To
		a.folders[e.To] = f
	case e.Op == opNext:
		f.next = e.UID
	case e.Op == opAdd:
		raw, err := os.ReadFile(mailName(dir, f, e.UID))
		if errors.Is(err, os.ErrNotExist) {
			f.next = max(f.next, e.UID+1) // expunged further down
			return nil
		}
		if err != nil {
			return err
		}
		f.append(&message{uid: e.UID, raw: raw, flags: e.Flags, at: e.At, from: e.From, to: e.Rcpt})
		f.tracker.QueueNumMessages(uint32(len(f.list)))
	case e.Op == opFlags && there:
		f.list[at].flags = e.Flags
	case e.Op == opExpunge && there:
		f.list = slices.Delete(f.list, at, at+1)
		f.tracker.QueueExpunge(uint32(at + 1))
	}
	return nil
}

// compact writes a new journal that says how things are.
func (a *account) compact(dir string) (*journal, error) {
	file, err := os.OpenFile(filepath.Join(dir, "journal.new"), os.O_CREATE|os.O_TRUNC|os.O_WRONLY|os.O_APPEND, 0o600)
	if err != nil {
		return nil, err
	}
	j := &journal{dir, file}
	errs := []error{j.write(entry{Op: opLast, Validity: a.validity})}
	for _, f := range a.folders {
		errs = append(errs, j.write(entry{Op: opCreate, Folder: f.name, Validity: f.validity}))
		for _, m := range f.list {
			errs = append(errs, j.write(added(f, m)))
		}
		errs = append(errs, j.write(entry{Op: opNext, Folder: f.name, UID: f.next}))
	}
	return j, errors.Join(errs...)
}

func added(f *folder, m *message) entry {
	return entry{Op: opAdd, Folder: f.name, UID: m.uid, Flags: m.flags, At: m.at, From: m.from, Rcpt: m.to}
}

func (j *journal) write(e entry) error {
	if j == nil {
		return nil
	}
	line, err := json.Marshal(e)
	if err != nil {
		return err
	}
	_, err = j.file.Write(append(line, '\n'))
	return err
}

// keep writes a new mail and then that it is there.
func (j *journal) keep(f *folder, m *message) error {
	if j == nil {
		return nil
	}
	if err := os.WriteFile(mailName(j.dir, f, m.uid), m.raw, 0o600); err != nil {
		return err
	}
	return j.write(added(f, m))
}

func (j *journal) forget(f *folder, list []*message) error {
	if j == nil {
		return nil
	}
	var errs []error
	for _, m := range list {
		if err := os.Remove(mailName(j.dir, f, m.uid)); err != nil && !errors.Is(err, os.ErrNotExist) {
			errs = append(errs, err)
		}
	}
	return errors.Join(errs...)
}

// mailName is the file of a mail. UIDVALIDITY names its folder, whatever it is called.
func mailName(dir string, f *folder, uid imap.UID) string {
	return filepath.Join(dir, fmt.Sprintf("%d-%d.eml", f.validity, uid))
}

func (a *account) close() error {
	if a.journal == nil {
		return nil
	}
	return a.journal.file.Close()
}
