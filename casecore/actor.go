package casecore

import (
	"errors"
	"fmt"
	"slices"
)

// Roles of actors.
const (
	RoleOperator   = "operator"
	RoleMaster     = "master"
	RoleQC         = "qc"
	RoleSupervisor = "supervisor"
	RoleAdmin      = "admin"
	RoleIntegrator = "integrator" // a program with an API token
)

// Roles lists what an operator can be given.
var Roles = []string{RoleOperator, RoleMaster, RoleQC, RoleSupervisor, RoleAdmin}

// Actor is who does something: an operator, a program, the customer or a rule.
type Actor struct {
	ID       string
	Name     string
	Roles    []string
	Queues   []string
	Capacity int // active cases it may hold; 0: no limit
	system   bool
}

// System acts for the house itself: rules, notices, intake.
func System(name string) Actor { return Actor{ID: "system:" + name, Name: name, system: true} }

// Is says whether the actor has one of these roles.
func (a Actor) Is(roles ...string) bool {
	return slices.ContainsFunc(a.Roles, func(r string) bool { return slices.Contains(roles, r) })
}

// Wide says that the actor is not bound to its own queues and cases.
func (a Actor) Wide() bool {
	return a.system || a.Is(RoleSupervisor, RoleAdmin, RoleIntegrator)
}

// Serves says whether the actor works in this queue.
func (a Actor) Serves(queue string) bool { return slices.Contains(a.Queues, queue) }

// Verb is something an actor does to a case.
type Verb string

// Verbs, as Authorize judges them.
const (
	VerbCard     Verb = "card"     // see that it waits, without its content
	VerbRead     Verb = "read"     // see its content
	VerbClaim    Verb = "claim"    // take it from its queue
	VerbWork     Verb = "work"     // answer, move, edit, release, transfer
	VerbNote     Verb = "note"     // leave a note for colleagues
	VerbAssign   Verb = "assign"   // give it to somebody
	VerbTransfer Verb = "transfer" // send it to another queue
)

// ErrForbidden is wrapped by every refusal for want of a right.
var ErrForbidden = errors.New("not permitted")

// Taken is the refusal of a claim or a write because somebody else holds the
// case. Owner is empty when nobody does and it must be claimed first.
type Taken struct{ Case, Owner, OwnerName string }

func (t *Taken) Error() string {
	if t.Owner == "" {
		return t.Case + " is not claimed; claim it first"
	}
	return t.Case + " is held by " + t.OwnerName
}

// Full is the refusal of a claim because the operator holds enough already.
type Full struct{ Held, Capacity int }

func (f *Full) Error() string {
	return fmt.Sprintf("%d of %d cases in hand; finish or release one first", f.Held, f.Capacity)
}

// Authorize says whether the actor may do this to the case as it is now. It is
// called inside the transaction that does it. Content stays hidden until somebody
// claims the case; then the holder works on it and colleagues of its queue may
// read along. What it does not know is refused.
func Authorize(a Actor, v Verb, c *Case) error {
	if a.Wide() {
		return nil
	}
	holds, serves := a.ID != "" && c.Owner == a.ID, a.Serves(c.Queue)
	switch v {
	case VerbCard:
		if serves || holds {
			return nil
		}
	case VerbClaim:
		if holds || serves && a.Is(RoleOperator, RoleMaster, RoleQC) {
			return nil
		}
	case VerbRead, VerbNote:
		if holds || serves && !c.OnBoard() {
			return nil
		}
	case VerbWork, VerbTransfer, VerbAssign:
		if holds {
			return nil
		}
		if serves {
			return &Taken{Case: c.CaseNumber(), Owner: c.Owner, OwnerName: c.OwnerName}
		}
	}
	return fmt.Errorf("%s %s: %w", v, c.CaseNumber(), ErrForbidden)
}
