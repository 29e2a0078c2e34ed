package email

import (
	"context"
	"crypto/rand"
	"fmt"
	"strings"
	"time"

	"casewire/channels"
	"casewire/channels/email/submit"
)

// A mail with such an id is the doctor's own: it is no message to us.
const roundTripPrefix = "round-trip-"

// roundTripTime is how long the doctor's mail may take.
const roundTripTime = time.Minute

// isRoundTrip says whether a mail is one that an examination of ours sent.
func (d *Door) isRoundTrip(messageID string) bool {
	id, ok := d.tags.OutboundID(messageID)
	return ok && strings.HasPrefix(id, roundTripPrefix)
}

// roundTrip sends a mail to our own address, waits until it is in the first folder
// and removes it: the only mail that it touches is that one.
func (d *Door) roundTrip(ctx context.Context, found func(channels.Finding)) {
	fail := func(text, mend string) {
		found(channels.Finding{Step: "round trip", Text: text, Mend: mend})
	}
	if err := d.ready(ctx); err != nil {
		fail("the key for tokens cannot be read from the store", "see what is wrong with the store, or set token_key")
		return
	}
	ctx, cancel := context.WithTimeout(ctx, roundTripTime)
	defer cancel()
	id := d.tags.MessageID(roundTripPrefix + rand.Text())
	begun := time.Now()
	_, err := d.sender.Send(ctx, &submit.Mail{
		ID: id, From: submit.Address{Name: d.cfg.Name, Addr: d.cfg.Address}, To: submit.Address{Addr: d.cfg.Address},
		Subject: "Casewire tries this mailbox", Date: d.env.Now(), Auto: submit.Generated, Loop: d.tags.Loop(),
		Text: "This mail was sent by \"casewire doctor\" and is removed by it.",
	})
	if err != nil {
		fail("a mail to our own address was not taken: "+string(channels.AsSendError(err).Reason), "see the steps of smtp")
		return
	}
	if err := d.inbox.Remove(ctx, id); err != nil {
		fail("a mail to our own address was sent and did not arrive in the mailbox", "check that address is the address of the imap account, and look into its spam folder")
		return
	}
	found(channels.Finding{Step: "round trip", OK: true, Text: fmt.Sprintf("a mail to ourselves arrived after %s", time.Since(begun).Round(100*time.Millisecond))})
}
