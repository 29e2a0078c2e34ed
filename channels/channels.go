// Package channels is the vocabulary of messages and the contract of a door: what
// a channel takes in, what it sends, and what it must promise. It knows nothing
// of cases, queues or stores; adapters import it and nothing else of ours.
package channels

import (
	"context"
	"io"
	"log/slog"
	"net/http"
	"net/netip"
	"strings"
	"time"
)

// Kind names a sort of channel.
type Kind string

// The kinds that exist. A configured account is a channel, "webchat:site".
const (
	Email    Kind = "email"
	SMS      Kind = "sms"
	Telegram Kind = "telegram"
	WebChat  Kind = "webchat"
	Voice    Kind = "voice"
	Desk     Kind = "desk" // a case entered by an operator or over the API
)

// Hosted says that conversations of this kind live with us rather than at a
// provider, so that each of their messages needs a place in a Thread.
func (k Kind) Hosted() bool { return k == WebChat }

// IsDesk says that a channel's id stands for a case entered by hand, on which
// nothing can be sent: "desk:walk_in".
func IsDesk(channelID string) bool { return strings.HasPrefix(channelID, string(Desk)+":") }

// Threaded says that everything an address of this kind writes is one
// conversation, so that a message joins its newest open case by itself. Mail is
// not: two mails of one person may be two matters.
func (k Kind) Threaded() bool { return k != Email && k != Desk }

// Buttons says that the customer can press buttons on channels of this kind.
func (k Kind) Buttons() bool { return k == Telegram || k == WebChat }

// Repeatable says that sending a message again is harmless when the first time may
// have worked: the receiver knows it by its id, or the door looks first.
func (k Kind) Repeatable() bool { return k == Email || k == SMS || k.Hosted() }

// Receipts says that providers of this kind report whether a message arrived.
func (k Kind) Receipts() bool { return k == SMS }

// Address is one end of a conversation. Handle is canonical: an E.164 number, an
// address with lower-cased domain, a chat id, a visitor id.
type Address struct {
	Kind   Kind   `json:"kind"`
	Handle string `json:"handle"`
	Name   string `json:"name,omitempty"`
}

// Key identifies the address; the name does not count, and in mail neither does
// the case of letters: programs write Ann@ for ann@, and no mail server tells the
// two apart.
func (a Address) Key() string {
	if a.Kind == Email {
		return string(a.Kind) + ":" + strings.ToLower(a.Handle)
	}
	return string(a.Kind) + ":" + a.Handle
}

// File is an attachment whose bytes are durable already, under their hash.
type File struct {
	Name string `json:"name"`
	Type string `json:"type"`          // media type, sniffed by us
	Size int64  `json:"size"`          // bytes
	Blob string `json:"blob"`          // the hash it is kept under
	CID  string `json:"cid,omitempty"` // the name by which the HTML shows it in place
}

// Button is a choice offered with a message; Data comes back when it is pressed.
type Button struct {
	Label string `json:"label"`
	Data  string `json:"data"`
}

// Body is what a message says. Text is always there, in valid UTF-8.
type Body struct {
	Subject string   `json:"subject,omitempty"`
	Text    string   `json:"text"`
	Quoted  string   `json:"quoted,omitempty"` // the history that a reply carries below its own words
	HTML    string   `json:"html,omitempty"`   // as received: sanitise before showing
	Lang    string   `json:"lang,omitempty"`   // BCP 47, when the door knows it
	Files   []File   `json:"files,omitempty"`
	Buttons []Button `json:"buttons,omitempty"`
}

// Inbound is a message that a door has received.
type Inbound struct {
	Channel    string  // the channel's id
	ExternalID string  // the same for every repeat of this message on this channel
	From       Address // whom to answer
	Writer     Address // who wrote, when answers are to go to somebody else; zero: From
	To         []Address
	Refs       []string // names by which later messages of this kind may refer to it
	Answers    []string // names or Outbound ids of earlier messages that it answers, nearest first
	Mentions   []string // the same, believed only when the topics agree (E6)
	Topic      string   // the subject without "Re:" and the like, to compare subjects by
	Case       string   // number of its case, proven by a token that only the door can make
	Report     bool     // a provider's word on a message of ours: joins its case whoever signs it
	Replaces   string   // ExternalID of the message of which this one is an edited version
	Copy       string   // the same for each copy of one message sent to several of our addresses
	Auto       bool     // sent by a machine: store it, never answer it
	Body       Body
	Facts      map[string]string // what the door knows besides: "page", "product", ...
	SentAt     time.Time
	Received   time.Time
	Broken     string                        // why it could not be read in full; such a message is flagged
	Source     func() (io.ReadCloser, error) // the raw form, nil when Body is all there is
	Cursor     []byte                        // stored for this channel in the same commit; nil leaves it
}

// Outbound is a message to send. ID is stable across retries.
type Outbound struct {
	ID      string
	Channel string
	To      Address
	Answers []string // names of the messages before it, nearest first: the customer's latest leads
	Case    string   // the case's number, as the customer may see it
	Subject string   // the case's
	Auto    bool     // written by a rule or a status, not by a person
	Status  string   // the label of the status this message tells of, when it tells of one
	Body    Body
	// Doubt is since when the provider may have the message from an earlier try
	// that nobody knows the end of; zero when it has it from none. A door whose
	// provider can be asked looks there before it sends again (S3).
	Doubt time.Time
}

// State is how far a message has come. States only go forward; see Later.
type State string

// States of delivery, in the order they are reached.
const (
	Queued      State = "queued"
	Sending     State = "sending"
	Uncertain   State = "uncertain" // the provider may or may not have it
	Sent        State = "sent"      // the provider has it
	Delivered   State = "delivered"
	Read        State = "read"
	Undelivered State = "undelivered"
	Failed      State = "failed"
	Cancelled   State = "cancelled" // taken back before it went out
)

// Receipt is a provider's word on a message that was sent.
type Receipt struct {
	Channel    string
	OutboundID string
	ProviderID string
	State      State
	Code       string   // the provider's, for people to look up
	Detail     string   // without message text or addresses
	Reason     Reason   // of Undelivered and Failed, when the code tells: what follows from it
	Refs       []string // further names by which answers may refer to the message
	Talk       *Talk    // of a call; nil for a message
	At         time.Time
}

// Standing is a customer's or a provider's word on whether an address may be
// written to: a block, a STOP, a START.
type Standing struct {
	Channel    string
	ExternalID string // the same for every repeat of this word on this channel
	Address    Address
	Open       bool   // may be written to again
	Reason     Reason // Blocked or BadAddress, when not Open
	Code       string // "stop", "bot_blocked", ...
	At         time.Time
	Cursor     []byte // as Inbound.Cursor
}

// Channel is an open door.
type Channel interface {
	// Run receives until ctx is done and then returns nil. It hands every
	// message to in and acknowledges to the provider only after nil.
	Run(ctx context.Context, in Sink) error
	// Send hands m to the provider. Errors are *SendError.
	Send(ctx context.Context, m Outbound) (Receipt, error)
}

// Sink is where doors put what they receive. A nil answer means durably stored:
// only then may the door acknowledge. Repeats are answered nil, too. A Cursor is
// stored as the door's Memory under "cursor", in the same commit.
type Sink interface {
	Message(ctx context.Context, m Inbound) error
	Receipt(ctx context.Context, r Receipt) error
	Standing(ctx context.Context, s Standing) error
}

// Web is a door that also speaks HTTP to the outside. Handler serves the paths
// below Prefix ("/chat/").
type Web interface {
	Prefix() string
	Handler(in Sink) http.Handler
}

// Prober is a door that can try its counterpart.
type Prober interface {
	Probe(ctx context.Context) error
}

// Health is how a door fares, in words for people and without secrets.
type Health struct {
	OK    bool
	Text  string
	Since time.Time
}

// Healthy is a door that knows more of itself than whether Run is running. Run
// goes on while it is ill.
type Healthy interface{ Health() Health }

// Finding is one thing that an examination tried.
type Finding struct {
	Step string // "login", "tls", "round trip"
	OK   bool
	Warn bool   // works, and should be seen to all the same
	Text string // what was found
	Mend string // what to do, when not OK or Warn
}

// Examiner is a door that can try all about its counterpart that can be tried,
// for "casewire doctor". It works without Run, sends nothing to customers and
// leaves nothing behind.
type Examiner interface {
	Examine(ctx context.Context, found func(Finding))
}

// Measure is what sending a text takes on a channel that counts.
type Measure struct {
	Sent  string // the text as it would be sent, which may be rewritten to be cheaper
	Parts int    // that are sent and paid; 0 for an empty text
	Left  int    // characters that still fit into the last part
	Wide  bool   // signs in it made every part hold less than half as much
	Long  bool   // more than the provider takes
	Runes int    // characters, as people count them
	Signs string // the first of those that made it Wide, each once
}

// Measurer is a door whose texts cost by their length (S7).
type Measurer interface {
	Measure(text, lang string) Measure
}

// Typer is a door that can show the customer that somebody is writing.
type Typer interface {
	Typing(ctx context.Context, to Address) error
}

// Linker is a door with links that open a conversation with us, "t.me/…". What
// payload says comes back as Inbound.Facts["start"]; "" while the door does not
// know yet how it is called.
type Linker interface{ Link(payload string) string }

// Solo is a door of which only one may receive at a time, over all nodes: it reads
// a mailbox or polls for updates. Sending is not meant.
type Solo interface{ Solo() bool }

// Counter is a door that counts what it does. Names are the field's, in lower
// case ("messages", "bad_frames"); counts only grow.
type Counter interface{ Counts() map[string]int64 }

// Config is the decoded configuration of one channel, and opens it.
type Config interface {
	// Validate returns every fault, joined; each is a *FieldError.
	Validate() error
	Open(env Env) (Channel, error)
}

// Kinds lists what can be configured. It is a literal in cmd and passed down.
type Kinds map[Kind]func() Config

// Env is what a door gets from the house.
type Env struct {
	ID        string         // the channel's id, "webchat:site"
	PublicURL string         // how the outside reaches us, without a trailing slash
	Proxies   []netip.Prefix // whose X-Forwarded-For header is believed
	Log       *slog.Logger
	Now       func() time.Time
	State     Memory
	Files     Files
	Threads   Threads // for hosted kinds
	// Answer returns what the house answers at once to a command or a pressed
	// button, and nil for a message that is to be taken in as usual. A door that
	// has no commands does not ask. Asking again for the same message is harmless.
	Answer func(ctx context.Context, m Inbound) (*Body, error)
	// Ours returns the Outbound.ID of the message that the provider of this channel
	// names so, or ErrNotFound.
	Ours  func(ctx context.Context, providerID string) (string, error)
	Check func(point string) // called at named points; tests kill the process there
}
