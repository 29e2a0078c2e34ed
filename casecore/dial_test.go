package casecore_test

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"casewire/casecore"
	"casewire/casecore/store"
	"casewire/channels"
)

const twilio = "sms:shop"

var mobile = channels.Address{Kind: channels.SMS, Handle: "+381601234567"}

// reachable is a held case whose customer has a phone number besides the chat.
func (b *book) reachable() (*casecore.Case, string) {
	b.t.Helper()
	c := b.arrive("phones", "m1")
	id := casecore.IdentityID(mobile)
	b.do(func(tx store.Tx) error {
		if err := casecore.Identities.Put(tx, &casecore.Identity{Meta: store.Meta{ID: id}, Address: mobile, Customer: "cu-1"}); err != nil {
			return err
		}
		_, err := b.ledger.Claim(tx, anna, c.ID)
		return err
	})
	return c, id
}

func (b *book) dial(by casecore.Actor, c *casecore.Case, identity string) (d *casecore.Dialled, err error) {
	b.t.Helper()
	err = b.store.Update(b.t.Context(), func(tx store.Tx) (err error) {
		_, d, err = b.ledger.Dial(tx, by, c.ID, identity, twilio)
		return err
	})
	return d, err
}

// hears puts a receipt into the book as the house does.
func (b *book) hears(id string, r channels.Receipt) (news bool) {
	b.t.Helper()
	end, ok := casecore.EndOfCall(r)
	if !ok {
		return false
	}
	b.do(func(tx store.Tx) (err error) {
		news, err = b.ledger.CallEnded(tx, id, twilio, end)
		return err
	})
	return news
}

// story is what the timeline says of calls.
func (b *book) story(c *casecore.Case) string {
	b.t.Helper()
	var out []string
	for _, e := range b.events(c.ID) {
		switch e.Kind {
		case casecore.Calling, casecore.CallMade, casecore.CallTaken:
			s := fmt.Sprintf("%s %s %s", e.Kind, e.To, e.ActorName)
			if e.Seconds > 0 {
				s += fmt.Sprintf(" %d", e.Seconds)
			}
			out = append(out, s)
		}
	}
	return strings.Join(out, "; ")
}

func sent() channels.Receipt { return channels.Receipt{State: channels.Sent, Talk: &channels.Talk{}} }

func spoke(d time.Duration) channels.Receipt {
	return channels.Receipt{State: channels.Delivered, Talk: &channels.Talk{Length: d}}
}

func missed(code string) channels.Receipt {
	return channels.Receipt{State: channels.Undelivered, Code: code, Talk: &channels.Talk{}}
}

// Whatever order the provider's words come in, and however often, a call has one
// beginning and one end, and the task to call is done when the customer was reached.
func TestACallEndsOnce(t *testing.T) {
	for name, v := range map[string]struct {
		receipts []channels.Receipt
		outcome  string
		tries    int // -1: the task is done
	}{
		"both spoke":           {[]channels.Receipt{sent(), spoke(42 * time.Second), sent()}, "reached Anna 42", -1},
		"customer absent":      {[]channels.Receipt{sent(), missed("customer_no_answer"), sent()}, "no_answer Anna", 1},
		"customer busy":        {[]channels.Receipt{missed("customer_busy"), sent(), missed("customer_busy")}, "busy Anna", 1},
		"no such number":       {[]channels.Receipt{missed("customer_failed"), sent()}, "failed Anna", 0},
		"operator absent":      {[]channels.Receipt{sent(), missed("operator_no_answer")}, "operator_no_answer Anna", 0},
		"operator hung up":     {[]channels.Receipt{missed("operator_canceled"), sent()}, "operator_canceled Anna", 0},
		"a word nobody knows":  {[]channels.Receipt{missed("customer_flew_away")}, "failed Anna", 0},
		"as a failure of ours": {[]channels.Receipt{{State: channels.Failed}}, "failed Anna", 0},
	} {
		for _, order := range permutations(v.receipts) {
			b := open(t)
			c, _ := b.reachable()
			b.do(func(tx store.Tx) error {
				return b.ledger.WantCall(tx, casecore.System("post"), c.ID, "30005", "")
			})
			d, err := b.dial(anna, c, "")
			if err != nil || d.Number != mobile.Handle || !casecore.IsCall(d.ID) {
				t.Fatalf("%s: %+v, %v", name, d, err)
			}
			news := 0
			for _, r := range append(slices.Clone(order), order...) {
				if b.hears(d.ID, r) {
					news++
				}
			}
			want := "calling " + mobile.Handle + " Anna; called " + v.outcome
			if got := b.story(c); got != want || news != 1 {
				t.Errorf("%s: %q, want %q; %d news", name, got, want, news)
			}
			switch task := b.get(c.ID).Call; {
			case v.tries < 0 && task != nil, v.tries >= 0 && (task == nil || task.Tries != v.tries):
				t.Errorf("%s: the task is %+v, want %d tries", name, task, v.tries)
			}
		}
	}
}

func permutations[T any](list []T) [][]T {
	if len(list) <= 1 {
		return [][]T{list}
	}
	var out [][]T
	for i := range list {
		rest := slices.Delete(slices.Clone(list), i, i+1)
		for _, p := range permutations(rest) {
			out = append(out, append([]T{list[i]}, p...))
		}
	}
	return out
}

func TestWhoMayCallWhom(t *testing.T) {
	b := open(t)
	c, id := b.reachable()
	stranger := casecore.IdentityID(channels.Address{Kind: channels.SMS, Handle: "+381609999999"})
	for name, v := range map[string]struct {
		by       casecore.Actor
		identity string
		want     func(error) bool
	}{
		"a colleague":         {boris, "", func(err error) bool { _, ok := errors.AsType[*casecore.Taken](err); return ok }},
		"another queue":       {casecore.Actor{ID: "x", Queues: []string{"tv"}}, "", func(err error) bool { return errors.Is(err, casecore.ErrForbidden) }},
		"a stranger's number": {anna, stranger, func(err error) bool { return errors.Is(err, store.ErrNotFound) }},
		"the chat":            {anna, casecore.IdentityID(visitor), func(err error) bool { _, ok := errors.AsType[*casecore.Invalid](err); return ok }},
	} {
		if _, err := b.dial(v.by, c, v.identity); !v.want(err) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if got := b.story(c); got != "" {
		t.Errorf("refused calls are on the timeline: %q", got)
	}
	if d, err := b.dial(anna, c, id); err != nil || d.Number != mobile.Handle {
		t.Errorf("the number by its id: %+v, %v", d, err)
	}
}

func TestACustomerWithoutANumberCannotBeCalled(t *testing.T) {
	b := open(t)
	c := b.arrive("phones", "m1")
	if _, err := b.dial(boss, c, ""); !errors.Is(err, casecore.ErrNoNumber) {
		t.Errorf("got %v", err)
	}
}

// Nobody needs a wish not to be written to, or a dead mailbox of texts, to be
// respected by the phone: calling is what is left.
func TestAShutAddressIsCalled(t *testing.T) {
	b := open(t)
	c, _ := b.reachable()
	b.do(func(tx store.Tx) error {
		return b.ledger.Stand(tx, house, channels.Standing{Channel: twilio, Address: mobile, Reason: channels.Blocked, Code: casecore.StopCode})
	})
	if _, err := b.dial(anna, c, ""); err != nil {
		t.Error(err)
	}
}

// Two clicks ring once; when the phones have stopped ringing one may try again.
func TestOneCallAtATime(t *testing.T) {
	b := open(t)
	c, _ := b.reachable()
	first, err := b.dial(anna, c, "")
	if err != nil {
		t.Fatal(err)
	}
	_, err = b.dial(boss, c, "")
	if on, ok := errors.AsType[*casecore.OnCall](err); !ok || on.ByName != "Anna" {
		t.Errorf("a second call at once: %v", err)
	}
	b.hears(first.ID, missed("customer_busy"))
	second, err := b.dial(anna, c, "")
	if err != nil || second.ID == first.ID {
		t.Errorf("after the first has ended: %+v, %v", second, err)
	}
	b.now = b.now.Add(2 * time.Minute)
	if _, err := b.dial(anna, c, ""); err != nil {
		t.Errorf("of the second nobody told, long ago: %v", err)
	}
}

func TestCallsOfOtherChannelsAreNotTouched(t *testing.T) {
	b := open(t)
	c, _ := b.reachable()
	d, err := b.dial(anna, c, "")
	if err != nil {
		t.Fatal(err)
	}
	for _, v := range [][2]string{{d.ID, "sms:other"}, {"call_none", twilio}, {"", twilio}} {
		err := b.store.Update(t.Context(), func(tx store.Tx) error {
			_, err := b.ledger.CallEnded(tx, v[0], v[1], casecore.CallEnd{Outcome: casecore.CallReached})
			return err
		})
		if err == nil {
			t.Errorf("%v was taken", v)
		}
	}
	if got := b.story(c); strings.Contains(got, "reached") {
		t.Errorf("%q", got)
	}
}

// A call of which nobody tells is given up: soon when the provider may not even have
// it, late when it has. The truth may still come after that, once.
func TestCallsThatNobodyTellsOf(t *testing.T) {
	for _, placed := range []bool{false, true} {
		b := open(t)
		c, _ := b.reachable()
		d, err := b.dial(anna, c, "")
		if err != nil {
			t.Fatal(err)
		}
		if placed {
			b.do(func(tx store.Tx) error { _, err := b.ledger.CallPlaced(tx, d.ID); return err })
		}
		lost := func() (out []casecore.OpenCall) {
			b.do(func(tx store.Tx) (err error) { out, err = casecore.LostCalls(tx, b.now, 10); return err })
			return out
		}
		b.now = b.now.Add(9 * time.Minute)
		if got := lost(); len(got) != 0 {
			t.Errorf("placed %t: given up after 9 minutes: %+v", placed, got)
		}
		b.now = b.now.Add(2 * time.Minute)
		if got := lost(); (len(got) == 0) != placed {
			t.Errorf("placed %t: after 11 minutes %+v", placed, got)
		}
		b.now = b.now.Add(5 * time.Hour)
		got := lost()
		if len(got) != 1 || got[0] != (casecore.OpenCall{ID: d.ID, By: anna.ID, Placed: placed}) {
			t.Fatalf("placed %t: after hours %+v", placed, got)
		}
		unknown := casecore.CallEnd{Outcome: casecore.CallUnknown, Reason: "nobody told"}
		for range 2 {
			b.do(func(tx store.Tx) error { _, err := b.ledger.CallEnded(tx, d.ID, "", unknown); return err })
		}
		if got := lost(); len(got) != 0 {
			t.Errorf("given up twice: %+v", got)
		}
		b.hears(d.ID, spoke(time.Minute))
		b.hears(d.ID, missed("customer_busy"))
		want := "calling " + mobile.Handle + " Anna; called unknown Anna; called reached Anna 60"
		if got := b.story(c); got != want {
			t.Errorf("placed %t: %q, want %q", placed, got, want)
		}
	}
}

// A customer's own call is over once, with the name of who answered.
func TestAnIncomingCallEndsOnce(t *testing.T) {
	for name, v := range map[string]struct {
		by   casecore.Actor
		end  channels.Receipt
		want string
	}{
		"answered": {anna, channels.Receipt{State: channels.Delivered, Talk: &channels.Talk{Incoming: true, Length: time.Minute}}, "call_in answered Anna 60"},
		"missed":   {house, channels.Receipt{State: channels.Undelivered, Code: channels.CallNoAnswer, Talk: &channels.Talk{Incoming: true}}, "call_in no_answer intake"},
	} {
		b := open(t)
		c := b.arrive("phones", "CA1")
		end, ok := casecore.EndOfCall(v.end)
		if !ok {
			t.Fatal(name)
		}
		for i := range 2 {
			var news bool
			b.do(func(tx store.Tx) (err error) {
				news, err = b.ledger.CallTaken(tx, v.by, "webchat:site", "CA1", end)
				return err
			})
			if news != (i == 0) {
				t.Errorf("%s: time %d is news: %t", name, i, news)
			}
		}
		if got := b.story(c); got != v.want {
			t.Errorf("%s: %q, want %q", name, got, v.want)
		}
		err := b.store.Update(t.Context(), func(tx store.Tx) error {
			_, err := b.ledger.CallTaken(tx, v.by, "webchat:site", "CA2", end)
			return err
		})
		if !errors.Is(err, store.ErrNotFound) {
			t.Errorf("%s: a call that never came: %v", name, err)
		}
	}
}

func TestWhatCanBeCalled(t *testing.T) {
	for handle, want := range map[string]bool{
		"+381601234567": true, "+15005550006": true, "": false, "+": false, "381601234567": false, "+0381601234567": false,
		"+38160123456x": false, "72345": false, "MillStreet": false, "+12345678901234567": false,
	} {
		if got := casecore.IsNumber(handle); got != want {
			t.Errorf("%q: %t", handle, got)
		}
	}
	if casecore.Callable(channels.Address{Kind: channels.Email, Handle: "+381601234567"}) {
		t.Error("a mail address is called")
	}
	if casecore.IsCall(store.NewID()) {
		t.Error("the id of a message is taken for a call's")
	}
}

// Nothing can be written to a caller who withheld their number.
func TestAVoiceIsNotWrittenTo(t *testing.T) {
	b := open(t)
	c, _ := b.reachable()
	b.do(func(tx store.Tx) error {
		k, err := casecore.Cases.Get(tx, c.ID)
		if err != nil {
			return err
		}
		k.To = channels.Address{Kind: channels.Voice, Handle: "CA1"}
		return casecore.Cases.Put(tx, k)
	})
	err := b.store.Update(t.Context(), func(tx store.Tx) error {
		_, _, err := b.ledger.Answer(tx, anna, c.ID, casecore.Guard{}, casecore.Message{Body: channels.Body{Text: "x"}})
		return err
	})
	if !errors.Is(err, casecore.ErrNoAddress) {
		t.Errorf("got %v", err)
	}
}
