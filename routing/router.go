package routing

import (
	"maps"
	"slices"
	"sync"
	"time"

	"casewire/casecore"
)

// Options are what the rules need besides themselves.
type Options struct {
	Location  *time.Location // of hours and weekdays; nil: UTC
	Revision  int64          // of the policy, for traces
	Templates []string       // ids that Then.Reply may name; nil: any
}

// Router is a compiled Spec, immutable and safe for concurrent use.
type Router struct {
	queues   []Queue
	rules    []rule // without those that are off
	index    index
	location *time.Location
	revision int64
	asks     bool      // a rule has a condition on the customer
	notes    sync.Pool // of *notes
}

// Compile checks the spec and returns every fault, joined, each a *Fault.
func Compile(spec Spec, o Options) (*Router, error) {
	if err := check(spec, o); err != nil {
		return nil, err
	}
	r := &Router{queues: slices.Clone(spec.Queues), location: o.Location, revision: o.Revision}
	if r.location == nil {
		r.location = time.UTC
	}
	for _, src := range spec.Rules {
		if !src.Off {
			r.rules = append(r.rules, r.index.compile(src))
			r.asks = r.asks || len(src.When.Customer) > 0
		}
	}
	for i := range r.rules {
		r.index.file(int32(i), &r.rules[i])
	}
	r.notes.New = func() any { return &notes{seen: make([]uint32, len(r.index.patterns))} }
	return r, nil
}

// Route returns what the first rule that holds says. It is pure: equal facts get
// equal decisions.
func (r *Router) Route(f Facts) Decision {
	n := r.notes.Get().(*notes)
	defer r.putAway(n)
	n.read(&r.index, f.Text)
	i := r.first(&f, n)
	t := &r.rules[i].src.Then
	d := Decision{
		Queue: t.Queue, Priority: r.rules[i].priority, Category: t.Category, Reply: t.Reply,
		Attributes: maps.Clone(t.Attributes), Tags: slices.Clone(t.Tags),
		Trace: casecore.Trace{Rule: r.rules[i].src.Name, Revision: r.revision, Skipped: i, Reasons: r.reasons(&r.rules[i], &f, n)},
	}
	if q, ok := r.Queue(t.Queue); ok {
		d.React = time.Duration(q.React)
	}
	return d
}

// AsksCustomer says whether any rule looks at Facts.Customer, which may be left out
// otherwise.
func (r *Router) AsksCustomer() bool { return r.asks }

// putAway keeps the notes for the next message, without this one's text.
func (r *Router) putAway(n *notes) {
	const most = 64 << 10
	n.scan.Reset("")
	clear(n.folded)
	if cap(n.folded) > most {
		n.folded = nil
	}
	r.notes.Put(n)
}

// first returns the number of the first rule that holds.
func (r *Router) first(f *Facts, n *notes) int {
	e := evaluation{Facts: f, notes: n, local: f.At.In(r.location)}
	best := int32(len(r.rules) - 1)
	try := func(file []int32) {
		for _, i := range file {
			if i >= best {
				return
			}
			if e.holds(&r.rules[i]) {
				best = i
				return
			}
		}
	}
	for _, p := range n.hits {
		try(r.index.byPattern[p])
	}
	for k, v := range f.Attributes {
		try(r.index.byFact[string(n.fact(attribute, k, v))])
	}
	for k, v := range f.Customer {
		try(r.index.byFact[string(n.fact(customer, k, v))])
	}
	try(r.index.byFact[string(n.fact(channel, string(f.Kind), ""))])
	try(r.index.byFact[string(n.fact(channel, f.Channel, ""))])
	try(r.index.byFact[string(n.fact(language, e.language(), ""))])
	try(r.index.loose)
	return int(best)
}

// Queue returns the queue of that id.
func (r *Router) Queue(id string) (Queue, bool) {
	for _, q := range r.queues {
		if q.ID == id {
			return q, true
		}
	}
	return Queue{}, false
}

// Queues returns all queues in the policy's order.
func (r *Router) Queues() []Queue { return slices.Clone(r.queues) }

// Default returns the queue of the last rule, which takes what no other did.
func (r *Router) Default() Queue {
	q, _ := r.Queue(r.rules[len(r.rules)-1].src.Then.Queue)
	return q
}
