package main

import (
	"casewire/channels"
	"casewire/channels/webchat"
)

// kinds lists the doors there are. A new one is a package and a line here.
func kinds() channels.Kinds {
	return channels.Kinds{
		channels.WebChat: func() channels.Config { return webchat.NewConfig() },
	}
}
