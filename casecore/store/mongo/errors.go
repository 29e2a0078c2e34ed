package mongo

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"go.mongodb.org/mongo-driver/v2/mongo"

	"casewire/casecore/store"
)

// Why a database cannot be opened, and what may befall it later. They arrive in
// an *OpenError or wrapped by a transaction; compare with errors.Is.
var (
	ErrURI          = errors.New("not a usable MongoDB address")
	ErrUnreachable  = errors.New("no answer")
	ErrNoReplicaSet = errors.New("not a replica set")
	ErrRights       = errors.New("missing rights")
	ErrOldServer    = errors.New("server too old")
	ErrNewer        = errors.New("written by a newer version")
	ErrForeign      = errors.New("not a Casewire store")
	// ErrUnavailable is the answer when the server could not be worked with for
	// Options.Patience. The transaction did not happen.
	ErrUnavailable = fmt.Errorf("database is %w", store.ErrUnavailable)
	// ErrUnknown is the answer when the server went away during a commit and did
	// not come back within Options.Patience: the transaction may or may not have
	// happened.
	ErrUnknown = errors.New("outcome of the commit is unknown")
)

// OpenError tells which database could not be opened, why, and what to do.
type OpenError struct {
	Database string // hosts and name, without user and password
	Kind     error  // one of the Err variables of this package
	Mend     string // what to do, as a sentence without a full stop
	Err      error  // the cause, if there is more to say
}

func (e *OpenError) Error() string {
	s := fmt.Sprintf("%s: %v", e.Database, e.Kind)
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

// Codes of the server that decide what is done.
const (
	codeUnauthorized       = 13
	codeAuthenticationFail = 18
	codeNamespaceNotFound  = 26
	codeIndexNotFound      = 27
	codeIndexConflict      = 85
	codeIndexKeyConflict   = 86
	codeSnapshotTooOld     = 239
	codeNoSuchTransaction  = 251
	codeWriteConflict      = 112
	codeInterrupted        = 11601
)

const (
	labelTransient = "TransientTransactionError"
	labelUnknown   = "UnknownTransactionCommitResult"
	labelNetwork   = "NetworkError"
	labelRetryable = "RetryableWriteError"
)

func hasLabel(err error, label string) bool {
	var l mongo.LabeledError
	return errors.As(err, &l) && l.HasErrorLabel(label)
}

func hasCode(err error, codes ...int) bool {
	var s interface{ ErrorCodes() []int } // a ServerError, or what BulkWrite of a client answers
	return errors.As(err, &s) && slices.ContainsFunc(s.ErrorCodes(), func(code int) bool { return slices.Contains(codes, code) })
}

// isTransient reports whether the same work may succeed a little later.
func isTransient(err error) bool {
	switch {
	case err == nil:
		return false
	case hasLabel(err, labelTransient), hasLabel(err, labelUnknown), hasLabel(err, labelNetwork), hasLabel(err, labelRetryable),
		isConflict(err), hasCode(err, codeNoSuchTransaction, codeSnapshotTooOld, codeInterrupted),
		mongo.IsNetworkError(err), errors.As(err, new(mongo.WriteException)) && mongo.IsTimeout(err):
		return true
	}
	return isAway(err)
}

// isAway reports whether the server could not be asked, or is not the one to ask.
func isAway(err error) bool {
	const (
		hostUnreachable, hostNotFound, networkTimeout, shutdownInProgress = 6, 7, 89, 91
		primarySteppedDown, exceededTimeLimit, socketException            = 189, 262, 9001
		notWritablePrimary, interruptedAtShutdown, interruptedDueToRepl   = 10107, 11600, 11602
		notPrimaryNoSecondaryOk, notPrimaryOrSecondary                    = 13435, 13436
	)
	return mongo.IsNetworkError(err) || mongo.IsTimeout(err) && !errors.Is(err, context.Canceled) ||
		errors.Is(err, mongo.ErrClientDisconnected) ||
		hasCode(err, hostUnreachable, hostNotFound, networkTimeout, shutdownInProgress, primarySteppedDown, exceededTimeLimit,
			socketException, notWritablePrimary, interruptedAtShutdown, interruptedDueToRepl, notPrimaryNoSecondaryOk, notPrimaryOrSecondary)
}

// isConflict reports whether another transaction was in the way.
func isConflict(err error) bool {
	var bulk mongo.ClientBulkWriteException
	if errors.As(err, &bulk) {
		if bulk.WriteError != nil && bulk.WriteError.Code == codeWriteConflict {
			return true
		}
		for _, e := range bulk.WriteErrors {
			if e.Code == codeWriteConflict {
				return true
			}
		}
	}
	return hasCode(err, codeWriteConflict)
}

// isDuplicate reports whether a key or an id was taken already.
func isDuplicate(err error) bool {
	var bulk mongo.ClientBulkWriteException
	if errors.As(err, &bulk) {
		for _, e := range bulk.WriteErrors {
			if e.Code == 11000 || e.Code == 11001 {
				return true
			}
		}
		if bulk.WriteError != nil && (bulk.WriteError.Code == 11000 || bulk.WriteError.Code == 11001) {
			return true
		}
	}
	return mongo.IsDuplicateKeyError(err)
}

func isRights(err error) bool { return hasCode(err, codeUnauthorized, codeAuthenticationFail) }
