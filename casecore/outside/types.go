// Package outside is the vocabulary in which programs outside are told what
// happened to cases: the names of events and the form of what is sent. It knows
// neither who is told nor how; the words of customers and operators are in none of
// its types but Content, which is left out unless somebody asked for it.
package outside

import (
	"slices"
	"strings"

	"casewire/casecore"
	"casewire/casecore/search"
	"casewire/channels"
)

// Names of events that are not of a case's timeline.
const (
	NoticeSent      = "notice.sent"
	NoticeDelivered = "notice.delivered"
	NoticeRead      = "notice.read"
	NoticeCancelled = "notice.cancelled"
	Ping            = "webhook.ping" // a trial, which nobody subscribes to
)

// Type is one kind of event.
type Type struct {
	Name  string
	About string // what has happened, and what from and to are
	kind  casecore.EventKind
	state channels.State
}

// types lists what can be told. A kind of event that is not here is nobody's
// business outside.
var types = []Type{
	{Name: "case.opened", About: "A case was opened; to: its queue.", kind: casecore.Opened},
	{Name: "case.status", About: "A case got another status; from and to: statuses.", kind: casecore.Moved},
	{Name: "case.reopened", About: "A closed case was opened again by its customer; from and to: statuses.", kind: casecore.Reopened},
	{Name: "case.claimed", About: "An operator took a case; to: the operator.", kind: casecore.Claimed},
	{Name: "case.released", About: "A case went back to its queue; from: the operator.", kind: casecore.Released},
	{Name: "case.assigned", About: "A case was given to an operator; from and to: operators.", kind: casecore.Assigned},
	{Name: "case.transferred", About: "A case went to another queue; from and to: queues.", kind: casecore.Transferred},
	{Name: "case.edited", About: "What is known about a case was changed; to: the names of what changed.", kind: casecore.Edited},
	{Name: "message.received", About: "The customer wrote; message: what.", kind: casecore.Received},
	{Name: "message.revised", About: "The customer edited a message.", kind: casecore.Revised},
	{Name: "message.refiled", About: "A message went to another case; from or to: its number.", kind: casecore.Refiled},
	{Name: "message.answered", About: "An operator wrote to the customer.", kind: casecore.Answered},
	{Name: "notice.written", About: "A notice to the customer was written; to: its template.", kind: casecore.Told},
	{Name: NoticeSent, About: "A provider took a message to the customer, a notice or an answer.", state: channels.Sent},
	{Name: NoticeDelivered, About: "A message to the customer has arrived.", state: channels.Delivered},
	{Name: NoticeRead, About: "The customer has read a message.", state: channels.Read},
	{Name: NoticeCancelled, About: "A message to the customer was taken back before it went out.", state: channels.Cancelled},
	{Name: "notice.undelivered", About: "A message did not arrive and is not tried any more, or the customer could not be told at all; to: the reason.", kind: casecore.Undelivered},
	{Name: "call.wanted", About: "No message reaches the customer, somebody must call; to: the reason.", kind: casecore.CallWanted},
	{Name: "call.started", About: "An operator calls the customer.", kind: casecore.Calling},
	{Name: "call.ended", About: "A call to the customer is over; to: the outcome.", kind: casecore.CallMade},
	{Name: "call.taken", About: "A call of the customer is over; to: the outcome.", kind: casecore.CallTaken},
	{Name: "customer.asked", About: "The customer was asked which case a message is about.", kind: casecore.Asked},
	{Name: "customer.address_added", About: "The customer added an address; to: its kind.", kind: casecore.Bound},
	{Name: "customer.preferred", About: "The customer chose where to be told things; from and to: kinds of address, empty for where they last wrote.", kind: "preferred"},
	{Name: "customer.language", About: "The customer chose a language; from and to: tags, empty for the one they write in.", kind: "language"},
	{Name: "customer.opted_out", About: "The customer does not want to be written to at an address; to: its kind.", kind: "opted_out"},
	{Name: "customer.opted_in", About: "The customer may be written to at an address again; to: its kind.", kind: "opted_in"},
	{Name: "customer.address_shut", About: "An address may not be written to any more; to: the reason.", kind: casecore.ShutOff},
	{Name: "customer.address_reopened", About: "An address may be written to again.", kind: casecore.ShutOver},
}

// Types lists what can be subscribed to, in the order in which people read it.
func Types() []Type { return slices.Clone(types) }

// typeOf returns what a happening is called; false: nothing.
func typeOf(h casecore.Happening) (string, bool) {
	for _, t := range types {
		if h.Event != nil && t.kind == h.Event.Kind && t.kind != "" ||
			toCustomer(h.Message) && t.state == h.Message.Delivery.State && t.state != "" {
			return t.Name, true
		}
	}
	return "", false
}

// toCustomer says that a message is one to the customer, and not to a colleague.
func toCustomer(m *casecore.Message) bool {
	return m != nil && m.Delivery != nil && m.Direction == casecore.Out
}

// Selector says which types somebody asks for: names, groups as "notice.*", and
// "*" for all.
type Selector []string

// Takes says whether a type is asked for.
func (s Selector) Takes(name string) bool {
	group, _, _ := strings.Cut(name, ".")
	return slices.ContainsFunc(s, func(w string) bool { return w == "*" || w == name || w == group+".*" })
}

// Fault says what is wrong with one entry of a Selector, and what to write instead;
// "" means nothing.
func Fault(entry string) (msg, mend string) {
	var names []string
	for _, t := range types {
		names = append(names, t.Name)
	}
	group, all := strings.CutSuffix(entry, ".*")
	if entry == "*" || slices.Contains(names, entry) ||
		all && slices.ContainsFunc(names, func(n string) bool { return strings.HasPrefix(n, group+".") }) {
		return "", ""
	}
	if near := search.Nearest(entry, names); near != "" {
		return "no such event", "did you mean \"" + near + "\"?"
	}
	return "no such event", "write \"*\" for all, or some of " + strings.Join(names, ", ")
}
