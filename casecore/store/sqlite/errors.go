package sqlite

import (
	"errors"
	"fmt"
)

// Why a data folder cannot be opened, and what may befall it later. They arrive
// in an *OpenError or wrapped by a transaction; compare with errors.Is.
var (
	ErrLocked     = errors.New("in use already")
	ErrForeign    = errors.New("not a Casewire store")
	ErrNewer      = errors.New("written by a newer version")
	ErrDamaged    = errors.New("damaged")
	ErrUnwritable = errors.New("not writable")
	// ErrFailed is the answer of every Update after a commit whose outcome on
	// the disk is unknown. Only opening the store again helps.
	ErrFailed = errors.New("store has failed")
	// ErrFull means that the disk is full. The transaction did not happen and
	// may be tried again when there is space.
	ErrFull = errors.New("disk is full")
)

// OpenError tells which file or folder could not be opened, why, and what to do
// about it.
type OpenError struct {
	Path string // the file or folder concerned
	Kind error  // one of the Err variables of this package
	PID  int    // of the process that holds the folder, with ErrLocked; 0 if unknown
	Mend string // what to do, as a sentence without a full stop
	Err  error  // the cause, if there is more to say
}

func (e *OpenError) Error() string {
	s := fmt.Sprintf("%s: %v", e.Path, e.Kind)
	if e.PID != 0 {
		s += fmt.Sprintf(" (pid %d)", e.PID)
	}
	if e.Err != nil {
		s += fmt.Sprintf(" (%v)", e.Err)
	}
	return s + "; " + e.Mend
}

// Unwrap returns the kind and the cause.
func (e *OpenError) Unwrap() []error {
	if e.Err == nil {
		return []error{e.Kind}
	}
	return []error{e.Kind, e.Err}
}
