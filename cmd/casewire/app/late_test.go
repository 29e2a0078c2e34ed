package app

import (
	"strings"
	"testing"
	"time"

	"casewire/casecore"
	"casewire/casecore/store"
	"casewire/channels"
	"casewire/config/policy"
)

// A customer who writes again behind an answer, and gets none for as long as the
// policy says, is told so: the house reads each word that one may wait behind.
func TestWaitingAgainIsTold(t *testing.T) {
	c := openCentre(t, "{}")
	text := strings.Replace(string(policy.Default()), "\nevents:\n", "\nevents:\n  - {event: waiting, after: 30m, template: still}\n", 1)
	text = strings.Replace(text, "\ntemplates:\n", "\ntemplates:\n  - id: still\n    text: {en: Still on it., ru: Помним., uk: Пам’ятаємо., sr: Radimo.}\n", 1)
	if _, err := c.policy.Publish(c.ctx, policy.Draft{Text: text, Expect: c.policy.Current().Revision}); err != nil {
		t.Fatal(err)
	}
	k := c.texted(olena)
	err := c.store.Update(c.ctx, func(tx store.Tx) error {
		_, _, err := c.ledger.Answer(tx, c.anna, k.ID, casecore.Guard{}, casecore.Message{Body: channels.Body{Text: "Bring it in."}})
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	if again := c.texted(olena); again.ID != k.ID {
		t.Fatalf("another case, %s", again.CaseNumber())
	}
	c.later.Store(int64(31 * time.Minute))
	c.texted("+381609999999") // wakes the post room
	if err := c.twilio.Received(c.ctx, olena, "Still on it.", 1); err != nil {
		t.Fatalf("%v; sent %+v", err, c.twilio.Sent())
	}
}
