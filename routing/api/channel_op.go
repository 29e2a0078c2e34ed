package api

import (
	"context"
	"fmt"
	"net/http"
	"time"

	"casewire/casecore/store"
	"casewire/channels"
)

// Health tells how the channels fare. The house wires it.
type Health interface {
	Channels(ctx context.Context) ([]Channel, error)
	// Examine tries all about a channel's counterpart that can be tried; false
	// says that there is no channel of that id.
	Examine(ctx context.Context, id string) ([]channels.Finding, bool)
}

// Channel is one configured account and how it fares.
type Channel struct {
	ID      string     `json:"id" example:"webchat:site"`
	Kind    string     `json:"kind" example:"webchat"`
	State   string     `json:"state" enum:"ok,degraded,down,off"`
	Words   string     `json:"words" doc:"The state in words, for people." example:"last message 2 min ago, 0 waiting to be sent"`
	LastIn  *time.Time `json:"last_in_at,omitempty" doc:"When it last received something."`
	LastOut *time.Time `json:"last_out_at,omitempty" doc:"When it last sent something."`
	Waiting int        `json:"waiting" doc:"Messages waiting to be sent."`
}

func (a *API) channelOperations(r *registrar) {
	register(r, operation{id: "list-channels", method: http.MethodGet, path: "/channels", tag: "Channels", summary: "List channels and how they fare"}, a.listChannels)
	register(r, operation{
		id: "examine-channel", method: http.MethodPost, path: "/channels/{id}/examine", tag: "Channels", summary: "Try a channel's counterpart",
		about:   "Tries what can be tried of the provider behind the channel (name, encryption, login, rights, a round trip) and tells what it found. Nothing is sent to customers.",
		refuses: []int{http.StatusNotFound},
	}, a.examineChannel)
}

// Finding is one thing that an examination tried.
type Finding struct {
	Step string `json:"step" example:"login"`
	OK   bool   `json:"ok"`
	Warn bool   `json:"warn,omitempty" doc:"Works, and should be seen to all the same."`
	Text string `json:"text" doc:"What was found, for people."`
	Mend string `json:"mend,omitempty" doc:"What to do about it."`
}

// examineWithin bounds an examination, which may wait for a mail to come round.
const examineWithin = 50 * time.Second

func (a *API) examineChannel(ctx context.Context, _ *call, in *struct {
	ID string `path:"id" example:"email:support"`
}) (*plain[List[Finding]], error) {
	ctx, cancel := context.WithTimeout(ctx, examineWithin)
	defer cancel()
	found, ok := a.Channels.Examine(ctx, in.ID)
	if !ok {
		return nil, fmt.Errorf("channel: %w", store.ErrNotFound)
	}
	out := make([]Finding, 0, len(found))
	for _, f := range found {
		out = append(out, Finding{f.Step, f.OK, f.Warn, f.Text, f.Mend})
	}
	return &plain[List[Finding]]{Body: List[Finding]{Items: out}}, nil
}

func (a *API) listChannels(ctx context.Context, _ *call, _ *struct{}) (*plain[List[Channel]], error) {
	all, err := a.Channels.Channels(ctx)
	if err != nil {
		return nil, err
	}
	return &plain[List[Channel]]{Body: List[Channel]{Items: some(all)}}, nil
}
