package channels

import (
	"context"
	"time"
)

// CallRequest is a call to be made between two phones: the operator's rings first
// and, once it is answered, the customer's. No sound passes through us.
type CallRequest struct {
	ID       string // comes back in the call's receipts, as OutboundID
	Operator string // numbers in E.164
	Customer string
}

// Caller is a door that can make calls. The SMS door does so through Twilio; a
// door to a PBX, over SIP or an interface of its own, would be another, of kind
// Voice, and nobody but the list of kinds would have to know.
type Caller interface {
	// CallerID is the number that calls come from, "" when there is none: then
	// the door cannot call.
	CallerID() string
	// Call has the provider make a call, and returns a Receipt of Sent once it has
	// taken the request. What becomes of the call comes to the Sink as receipts
	// with the request's ID: Delivered when both have spoken, otherwise Undelivered
	// with a Code of "operator_" or "customer_" and one of the CallEnds. Errors are
	// *SendError; of all but Unsure no phone rings. It never calls twice by itself.
	Call(ctx context.Context, c CallRequest) (Receipt, error)
}

// Talk is what a Receipt says of a call besides.
type Talk struct {
	// Incoming is true of a call that came to us, as an Inbound with the receipt's
	// ProviderID as its ExternalID. Its Code is one of the CallEnds.
	Incoming bool
	By       string        // the number of ours that answered an incoming call, in E.164; "" when unknown
	Length   time.Duration // how long they spoke; 0 when they did not, or it is unknown
}

// How a call ends that nobody answers.
const (
	CallNoAnswer = "no_answer"
	CallBusy     = "busy"
	CallFailed   = "failed"   // the number cannot be called
	CallCanceled = "canceled" // whoever called has hung up before
)

// MoreWeb is a Web whose Handler serves paths elsewhere, too. Each prefix ends in
// a slash and belongs to this channel alone.
type MoreWeb interface{ Prefixes() []string }
