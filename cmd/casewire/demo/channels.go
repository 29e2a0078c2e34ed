package demo

import (
	"fmt"
	"net"
	"strconv"

	"casewire/channels"
	"casewire/channels/email"
	"casewire/channels/email/link"
	smsdoor "casewire/channels/sms"
	telegramdoor "casewire/channels/telegram"
	"casewire/config"
)

// The demo's channels besides the web chat.
const (
	EmailChannel    = "email:support"
	TelegramChannel = "telegram:bot"
	SMSChannel      = "sms:main"
)

// Channels are the demo's channels besides the web chat, each with its
// counterpart: what somebody else would write into casewire.yaml.
func (c *Counterparts) Channels() ([]config.Channel, error) {
	mail, err := c.emailConfig()
	if err != nil {
		return nil, err
	}
	telegram := telegramdoor.NewConfig()
	telegram.Token, telegram.Server = channels.NewSecret(c.Telegram.Token()), c.Telegram.URL()
	sms := smsdoor.NewConfig()
	sms.AccountSID, sms.AuthToken = c.SMS.AccountSID(), channels.NewSecret(c.SMS.AuthToken())
	sms.From, sms.Server = c.SMS.Numbers()[0], c.SMS.URL()
	out := []config.Channel{
		{ID: EmailChannel, Name: "support", Kind: channels.Email, Config: mail},
		{ID: TelegramChannel, Name: "bot", Kind: channels.Telegram, Config: telegram},
		{ID: SMSChannel, Name: "main", Kind: channels.SMS, Config: sms},
	}
	for _, ch := range out {
		if err := ch.Config.Validate(); err != nil {
			return nil, fmt.Errorf("channel %s: %w", ch.ID, err)
		}
	}
	return out, nil
}

func (c *Counterparts) emailConfig() (*email.Config, error) {
	imap, err := c.server(c.Mail.IMAPS())
	if err != nil {
		return nil, err
	}
	smtp, err := c.server(c.Mail.Submissions())
	if err != nil {
		return nil, err
	}
	cfg := email.NewConfig()
	cfg.Address, cfg.Name = SupportAddress, CentreName
	cfg.IMAP.Server = imap
	cfg.IMAP.Login.Password = channels.NewSecret(c.file.password(SupportAddress))
	cfg.SMTP.Server = smtp
	cfg.SMTP.PlusAddress, cfg.SMTP.ReturnToken = true, true
	cfg.Start = "all" // also what came in before the first look
	return cfg, nil
}

// server is how our side reaches a mail server of the sandbox.
func (c *Counterparts) server(addr string) (link.Config, error) {
	host, port, err := net.SplitHostPort(addr)
	if err != nil {
		return link.Config{}, fmt.Errorf("address of a mail server: %w", err)
	}
	n, err := strconv.Atoi(port)
	if err != nil {
		return link.Config{}, fmt.Errorf("port of a mail server: %w", err)
	}
	return link.Config{Host: host, Port: n, TLS: link.Implicit, CAFile: c.ca}, nil
}
