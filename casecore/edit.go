package casecore

import (
	"maps"
	"slices"
	"strings"
)

// apply makes the changes and names what changed, separated by commas.
func (c *Case) apply(e Edit) string {
	var changed []string
	set := func(name string, differs bool, do func()) {
		if differs {
			do()
			changed = append(changed, name)
		}
	}
	if e.Subject != nil {
		set("subject", *e.Subject != c.Subject, func() { c.Subject = *e.Subject })
	}
	if e.Priority != nil {
		set("priority", *e.Priority != c.Priority, func() { c.Priority = *e.Priority })
	}
	if e.Category != nil {
		set("category", *e.Category != c.Category, func() { c.Category = *e.Category })
	}
	if e.Tags != nil {
		set("tags", !slices.Equal(e.Tags, c.Tags), func() { c.Tags = e.Tags })
	}
	for _, k := range slices.Sorted(maps.Keys(e.Attributes)) {
		v := e.Attributes[k]
		set(k, c.Attributes[k] != v, func() { c.setAttribute(k, v) })
	}
	return strings.Join(changed, ", ")
}

func (c *Case) setAttribute(k, v string) {
	if v == "" {
		delete(c.Attributes, k)
		return
	}
	if c.Attributes == nil {
		c.Attributes = map[string]string{}
	}
	c.Attributes[k] = v
}
