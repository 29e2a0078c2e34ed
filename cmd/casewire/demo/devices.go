package demo

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	netmail "net/mail"
	"net/url"
	"strconv"
	"strings"
	"time"

	"casewire/channels"
	sms "casewire/channels/sms/sandbox"
)

// This file plays the stories at the customers' devices. A message that a device
// has already is not written again.

// write has the customer of a story write, and returns the name by which the
// channel's door would hand the message over. The door gets it from the provider
// as well, and the book has it then.
func (c *Counterparts) write(s story, id, text string) (string, error) {
	switch s.via {
	case channels.Email:
		return c.mailed(s, id, text)
	case channels.Telegram:
		chat, err := strconv.ParseInt(s.from, 10, 64)
		if err != nil {
			return "", fmt.Errorf("chat of %s: %w", s.who, err)
		}
		message := 0
		for _, b := range c.Telegram.Chat(chat) {
			if b.Mine && b.Text == text {
				message = b.ID
			}
		}
		if message == 0 {
			message = c.Telegram.Say(chat, text)
		}
		bot, _, _ := strings.Cut(c.Telegram.Token(), ":")
		return fmt.Sprintf("%s|%d|%d", bot, chat, message), nil
	case channels.SMS:
		for _, b := range c.SMS.Phone(s.from) {
			if b.Mine && b.Text == text {
				return b.SID, nil
			}
		}
		return c.SMS.Text(s.from, sms.DefaultNumber, text)
	}
	return id, nil
}

// tell shows the customer an answer of the centre.
func (c *Counterparts) tell(ctx context.Context, s story, id, text string) error {
	switch s.via {
	case channels.Email:
		return c.answered(s, id, text)
	case channels.Telegram:
		return c.post(ctx, c.Telegram.URL()+"/bot"+c.Telegram.Token()+"/sendMessage", url.Values{"chat_id": {s.from}, "text": {text}})
	case channels.SMS:
		err := c.post(ctx, c.SMS.URL()+"/2010-04-01/Accounts/"+c.SMS.AccountSID()+"/Messages.json",
			url.Values{"From": {sms.DefaultNumber}, "To": {s.from}, "Body": {text}})
		if err != nil {
			return err
		}
		// The clock stays in the past until it has arrived.
		ctx, cancel := context.WithTimeout(ctx, 10*time.Second)
		defer cancel()
		return c.SMS.Received(ctx, s.from, text, 1)
	}
	return nil
}

// post calls a provider's API as our door would.
func (c *Counterparts) post(ctx context.Context, to string, form url.Values) error {
	ctx, cancel := context.WithTimeout(ctx, 10*time.Second)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, to, strings.NewReader(form.Encode()))
	if err != nil {
		return fmt.Errorf("call the sandbox: %w", err)
	}
	req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	if strings.HasPrefix(to, c.SMS.URL()) {
		req.SetBasicAuth(c.SMS.AccountSID(), c.SMS.AuthToken())
	}
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		return fmt.Errorf("call the sandbox: %w", err)
	}
	defer res.Body.Close()
	if res.StatusCode/100 != 2 {
		var why struct{ Description, Message string }
		_ = json.NewDecoder(res.Body).Decode(&why) // the status says it as well
		return fmt.Errorf("call the sandbox: %s: %s%s", res.Status, why.Description, why.Message)
	}
	return nil
}

// customersDomain is that of the customers' addresses.
const customersDomain = "mail.test"

// storyMail is the Message-ID of a story's mail.
func storyMail(id, domain string) string { return strings.ReplaceAll(id, "|", "-") + "@" + domain }

// mailed puts a customer's mail among those they sent.
func (c *Counterparts) mailed(s story, id, text string) (string, error) {
	name := storyMail(id, customersDomain)
	l := letter{
		ID: name, From: netmail.Address{Name: s.who, Address: s.from}, To: netmail.Address{Address: SupportAddress},
		Subject: s.subject, Text: text, Date: c.now(),
	}
	if first := storyMail(opening(id), customersDomain); first != name {
		l.Subject, l.Answers, l.References = "Re: "+s.subject, first, []string{first}
	}
	return name, c.keep(s.from, sentFolder, l)
}

// answered puts an answer into a customer's inbox.
func (c *Counterparts) answered(s story, id, text string) error {
	first := storyMail(opening(id), customersDomain)
	return c.keep(s.from, inboxFolder, letter{
		ID: storyMail(id, "shop.test"), From: netmail.Address{Name: CentreName, Address: SupportAddress},
		To: netmail.Address{Name: s.who, Address: s.from}, Subject: "Re: " + s.subject, Text: text, Date: c.now(),
		Answers: first, References: []string{first},
	})
}

// opening is the id of a story's first message.
func opening(id string) string {
	parts := strings.Split(id, "|")
	return strings.Join(parts[:2], "|")
}

// keep puts a mail into a folder that has none of that name.
func (c *Counterparts) keep(mailbox, folder string, l letter) error {
	for _, m := range c.Mail.Messages(mailbox) {
		if m.Header("Message-ID") == "<"+l.ID+">" {
			return nil
		}
	}
	raw, err := l.raw()
	if err != nil {
		return err
	}
	return c.Mail.Put(mailbox, folder, raw)
}
