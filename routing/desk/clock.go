package desk

import (
	"container/heap"
	"time"
)

// clock knows which entries' SLA changes when, the next one first. An entry whose
// time was changed or that has left keeps its old alarm here until it rings or
// the clock is swept; entry.alarm tells which one counts.
type clock struct {
	alarms alarms
	last   uint64
}

type alarm struct {
	at time.Time
	no uint64
	e  *entry
}

// set judges e at now and winds its next alarm.
func (c *clock) set(e *entry, now time.Time) {
	var at time.Time
	e.sla, at = slaAt(e.received, e.due, now)
	c.last++
	e.alarm = c.last
	if !at.IsZero() {
		heap.Push(&c.alarms, alarm{at, e.alarm, e})
	}
}

// unset makes e's alarm void.
func (c *clock) unset(e *entry) { e.alarm = 0 }

// ring returns an entry whose SLA changes by now, or nil. The caller sets it
// again.
func (c *clock) ring(now time.Time) *entry {
	for len(c.alarms) > 0 && !c.alarms[0].at.After(now) {
		if a := heap.Pop(&c.alarms).(alarm); a.no == a.e.alarm {
			return a.e
		}
	}
	return nil
}

// next is when to ring again; zero is never.
func (c *clock) next() time.Time {
	if len(c.alarms) == 0 {
		return time.Time{}
	}
	return c.alarms[0].at
}

// sweep drops void alarms when they are the greater part.
func (c *clock) sweep(entries int) {
	if len(c.alarms) < 2*entries+1024 {
		return
	}
	kept := c.alarms[:0]
	for _, a := range c.alarms {
		if a.no == a.e.alarm {
			kept = append(kept, a)
		}
	}
	clear(c.alarms[len(kept):])
	c.alarms = kept
	heap.Init(&c.alarms)
}

// alarms is a heap.
type alarms []alarm

func (a alarms) Len() int           { return len(a) }
func (a alarms) Less(i, j int) bool { return a[i].at.Before(a[j].at) }
func (a alarms) Swap(i, j int)      { a[i], a[j] = a[j], a[i] }
func (a *alarms) Push(x any)        { *a = append(*a, x.(alarm)) }
func (a *alarms) Pop() any {
	old := *a
	n := len(old)
	x := old[n-1]
	old[n-1] = alarm{}
	*a = old[:n-1]
	return x
}
