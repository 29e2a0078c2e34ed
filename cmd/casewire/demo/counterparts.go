package demo

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"sync/atomic"
	"time"

	"casewire/cmd/casewire/app"

	mail "casewire/channels/email/sandbox"
	sms "casewire/channels/sms/sandbox"
	telegram "casewire/channels/telegram/sandbox"
)

// SupportAddress is the centre's mailbox, which its email channel reads.
const SupportAddress = "support@shop.test"

// CentreName signs the centre's mail, and its bot.
const CentreName = "Mill Street Repairs"

// Counterparts are the providers that the demo's channels talk to: servers of the
// real protocols in this process, with the customers' mailboxes and phones behind
// them. They are safe for concurrent use.
type Counterparts struct {
	Mail     *mail.Server
	Telegram *telegram.Server
	SMS      *sms.Server

	file *File
	ca   string       // file with the certificate of the mail servers
	ago  atomic.Int64 // how far behind the providers' clocks are, while history is made
}

// OpenCounterparts starts the providers on free ports of 127.0.0.1, as an earlier
// run left them in the data folder, and writes into f where they are. Nobody else
// may use the folder. They run until Close; webhooks go to the public URL.
func OpenCounterparts(ctx context.Context, f *File, publicURL string) (*Counterparts, error) {
	ctx = context.WithoutCancel(ctx)
	c := &Counterparts{file: f}
	if err := c.open(ctx, publicURL); err != nil {
		return nil, errors.Join(fmt.Errorf("start the sandbox: %w", err), c.Close())
	}
	f.Sandbox = map[string]string{
		"imap": c.Mail.IMAP(), "smtp": c.Mail.Submission(), "mx": c.Mail.MX(),
		"telegram": c.Telegram.URL(), "twilio": c.SMS.URL(),
	}
	return c, nil
}

func (c *Counterparts) open(ctx context.Context, publicURL string) (err error) {
	folder := filepath.Join(c.file.Data, "sandbox")
	for _, name := range []string{"mail", "telegram", "sms"} {
		if err := os.MkdirAll(filepath.Join(folder, name), 0o700); err != nil {
			return err
		}
	}
	c.Mail, err = mail.Open(ctx, mail.Options{Dir: filepath.Join(folder, "mail"), Accounts: c.file.accounts(), Now: c.now})
	if err != nil {
		return err
	}
	c.ca = filepath.Join(folder, "mail-ca.pem")
	if err := app.WritePrivate(c.ca, c.Mail.CA()); err != nil {
		return err
	}
	c.Telegram, err = telegram.Open(ctx, telegram.Options{
		Dir: filepath.Join(folder, "telegram"), Token: c.file.Keys.TelegramToken, BotName: "mill_street_repairs_bot", Now: c.now,
	})
	if err != nil {
		return err
	}
	for _, p := range telegramPeople {
		c.Telegram.Join(p)
	}
	c.SMS, err = sms.Open(ctx, sms.Options{
		Dir: filepath.Join(folder, "sms"), AccountSID: c.file.Keys.TwilioAccount, AuthToken: c.file.Keys.TwilioToken, Step: 400 * time.Millisecond,
		WebhookURL: publicURL + "/hooks/sms/main", Now: c.now,
	})
	return err
}

// now is the providers' clock.
func (c *Counterparts) now() time.Time { return time.Now().Add(-time.Duration(c.ago.Load())) }

// at sets the providers' clocks back by so much.
func (c *Counterparts) at(ago time.Duration) { c.ago.Store(int64(ago)) }

// Close stops the providers and waits for them.
func (c *Counterparts) Close() error {
	var errs []error
	if c.SMS != nil {
		errs = append(errs, c.SMS.Close())
	}
	if c.Telegram != nil {
		errs = append(errs, c.Telegram.Close())
	}
	if c.Mail != nil {
		errs = append(errs, c.Mail.Close())
	}
	if err := errors.Join(errs...); err != nil {
		return fmt.Errorf("stop the sandbox: %w", err)
	}
	return nil
}

// accounts are the mailboxes of the mail provider.
func (f *File) accounts() []mail.Account {
	out := make([]mail.Account, len(f.Mailboxes))
	for i, m := range f.Mailboxes {
		out[i] = mail.Account{Address: m.Address, User: m.User, Password: m.Password}
	}
	return out
}
