package main

import (
	"cmp"
	"context"
	"fmt"
	"regexp"
	"slices"
	"strings"
	"sync"

	"casewire/casecore"
	"casewire/channels"
)

// customer is somebody who writes to the centre through one door, is written to
// there, and outlives the program.
type customer interface {
	called() string
	address() channels.Address
	// enter is told that the program was started again.
	enter(ctx context.Context, l life) error
	leave()
	// say writes m, once or until it is taken, and returns when it is acknowledged
	// as far as customers or providers can see that.
	say(ctx context.Context, m *written) error
	// promised says whether m was acknowledged, and with what words.
	promised(m *written) (ack, bool)
	// sees waits for n messages from "operator" or "auto" with all of these words.
	sees(ctx context.Context, n int, from string, words ...string) error
	// caseNumber is the case that the customer was told of first, "" before that.
	caseNumber() string
	// again repeats what was acknowledged last, as clients and providers do.
	again(ctx context.Context, all []*written) error
	// has returns the copies of a text that the customer has, by name.
	has(text string) []string
	complaints() []string
}

// life is one run of the program, as its customers meet it.
type life struct {
	url  string
	over <-chan struct{}
}

// written is a message of a customer.
type written struct {
	by       customer
	id, text string
	files    [][]byte
	sent     int

	upload string   // web chat: the file's id, once it was taken
	raw    []byte   // mail
	fresh  bool     // mail: it is to open a case of its own
	album  bool     // Telegram: the files are photos of one album
	edit   string   // Telegram: what the customer made of the text afterwards
	names  []string // by which the provider knows its parts: their ExternalIDs
	nums   []int    // Telegram: the numbers of its parts
	call   bool     // SMS: it is a call, and its words are the door's
	rung   bool     // SMS: the call's webhook was answered
}

// final is what the message says in the end.
func (m *written) final() string {
	if m.edit != "" {
		return m.edit
	}
	return m.text
}

// is says whether a stored message is this one, or a part of it.
func (m *written) is(in *casecore.Message) bool {
	if in.Direction != casecore.In {
		return false
	}
	return strings.HasSuffix(in.ExternalID, "|"+m.id) || slices.Contains(m.names, in.ExternalID) ||
		!m.call && (in.Body.Text == m.text || in.Body.Text == m.final())
}

// plain makes texts comparable that were wrapped and quoted on their way.
func plain(text string) string { return strings.Join(strings.Fields(text), " ") }

// fromOperator is in each answer of an operator, and in no text of a machine.
const fromOperator = "We look at it ["

// arrival is one message from the centre, as the customer has it.
type arrival struct {
	id, text string // the text plain
	bot      bool   // an answer to a command, which belongs to no case
}

// correspondent is a customer whose side of the conversation a provider keeps.
type correspondent struct {
	name string
	at   channels.Address
	tick func()
	// shows is what the customer has from the centre, oldest first.
	shows func() []arrival
	// watch returns when ok holds, or with the context's error.
	watch func(ctx context.Context, ok func() bool) error
	// excused lists texts that may be missing, see world.excuse, and says whether
	// whatever came after them may be late.
	excused func(handle string) (texts []string, late bool)

	mu     sync.Mutex
	over   <-chan struct{}
	number string // of their first case, once it is known
}

func (c *correspondent) called() string            { return c.name }
func (c *correspondent) address() channels.Address { return c.at }
func (c *correspondent) leave()                    {}
func (c *correspondent) complaints() []string      { return nil }

func (c *correspondent) enter(_ context.Context, l life) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.over = l.over
	return nil
}

// during waits for what a provider tells, as long as the program lives.
func (c *correspondent) during(ctx context.Context, what string, wait func(context.Context) error) error {
	c.mu.Lock()
	over := c.over
	c.mu.Unlock()
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	go func() {
		select {
		case <-over:
			cancel(errCut)
		case <-ctx.Done():
		}
	}()
	c.tick()
	err := wait(ctx)
	c.tick()
	switch {
	case err == nil:
		return nil
	case context.Cause(ctx) == errCut: //nolint:errorlint // it is set above, as it is
		return errCut
	}
	return fmt.Errorf("%s waits for %s: %w", c.name, what, err)
}

// sees does not wait for what may be late: messages of a case go out in order.
func (c *correspondent) sees(ctx context.Context, n int, from string, words ...string) error {
	if _, late := c.excused(c.at.Handle); late {
		return nil
	}
	return c.gets(ctx, n, from, words...)
}

// gets is sees for messages of a case in which nothing is late.
func (c *correspondent) gets(ctx context.Context, n int, from string, words ...string) error {
	return c.during(ctx, fmt.Sprintf("%d messages from %s with %q", n, from, words), func(ctx context.Context) error {
		return c.watch(ctx, func() bool { return len(c.texts(from, words...)) >= n })
	})
}

// texts are the different texts that have come, and those that may be missing.
func (c *correspondent) texts(from string, words ...string) []string {
	var out []string
	add := func(text string) {
		missing := func(w string) bool { return !strings.Contains(text, w) }
		if strings.Contains(text, fromOperator) == (from == "operator") && !slices.ContainsFunc(words, missing) && !slices.Contains(out, text) {
			out = append(out, text)
		}
	}
	for _, a := range c.shows() {
		c.tick()
		if !a.bot {
			add(a.text)
		}
	}
	missing, _ := c.excused(c.at.Handle)
	for _, text := range missing {
		add(text)
	}
	return out
}

var caseShape = regexp.MustCompile(`CW-\d+`)

// caseNumber is that of the first receipt. It stays: the receipt of a later case may
// come before a first one that may be missing and is late.
func (c *correspondent) caseNumber() string {
	found := ""
	for _, text := range c.texts("auto") {
		if found = caseShape.FindString(text); found != "" {
			break
		}
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.number = cmp.Or(c.number, found)
	return c.number
}

func (c *correspondent) has(text string) []string {
	var out []string
	for _, a := range c.shows() {
		if a.text == plain(text) {
			out = append(out, a.id)
		}
	}
	return out
}
