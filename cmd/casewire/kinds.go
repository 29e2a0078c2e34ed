package main

import (
	"casewire/channels"
	"casewire/channels/email"
	"casewire/channels/sms"
	"casewire/channels/telegram"
	"casewire/channels/webchat"
)

// kinds lists the doors there are. A new one is a package and a line here.
func kinds() channels.Kinds {
	return channels.Kinds{
		channels.Email:    func() channels.Config { return email.NewConfig() },
		channels.SMS:      func() channels.Config { return sms.NewConfig() },
		channels.Telegram: func() channels.Config { return telegram.NewConfig() },
		channels.WebChat:  func() channels.Config { return webchat.NewConfig() },
	}
}
