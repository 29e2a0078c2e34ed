package webchat

import (
	"regexp"
	"strconv"
	"strings"
	"time"

	"casewire/channels"

	"github.com/google/uuid"
)

// Subprotocol is what a client must offer when it connects.
const Subprotocol = "casewire.chat.v1"

// Codes of error frames and of refused requests. They are stable.
const (
	codeBadFrame    = "bad_frame"       // not one JSON object in UTF-8 text
	codeUnknownType = "unknown_type"    // a verb that does not exist
	codeHelloFirst  = "hello_first"     // a verb before, or a second, hello
	codeBadID       = "bad_id"          // the id is not a UUID
	codeBadFile     = "bad_file"        // unknown, too many, empty, or of a type that is not taken
	codeBadChoice   = "bad_choice"      // no such button on that message
	codeEmpty       = "empty"           // neither text nor files
	codeTooLarge    = "too_large"       // a frame, text or file over the limit
	codeRateLimited = "rate_limited"    // too much in too short a time
	codeTryAgain    = "try_again"       // not stored: send it again
	codeExpired     = "token_expired"   // the token is nobody's; a new one follows
	codeBadIdentity = "bad_identity"    // the signed identity is not valid
	codeNoChannel   = "unknown_channel" // the hello names another channel
)

// Close codes. 1001, 1012, 1013 and 4408 mean: connect again and resume.
const (
	closeRestart  = 1012 // the server goes down or comes up again
	closeTryLater = 1013 // the store is away
	closeAbuse    = 4400 // too many bad frames, or no hello in time
	closeRevoked  = 4401 // the token is not valid any more
	closeSlow     = 4408 // the client takes too long to read
	closeTooMany  = 4429 // too many connections or frames
)

const (
	maxFrame  = 64 << 10     // bytes of a frame that is still looked at
	hardFrame = 4 * maxFrame // bytes of a frame that ends the connection
)

// request is a frame from a client. T names the verb.
type request struct {
	T string `json:"t"`

	// hello
	Channel  string `json:"channel"`
	Token    string `json:"token"`
	LastSeq  int64  `json:"last_seq"`
	Language string `json:"language"`
	Page     string `json:"page"`
	Identity string `json:"identity"`

	// send, choose
	ID      string   `json:"id"`
	Text    string   `json:"text"`
	Files   []string `json:"files"`
	Message int64    `json:"message"`
	Button  string   `json:"button"`

	// read, history
	Seq    int64 `json:"seq"`
	Before int64 `json:"before"`
}

// Frames to a client.
type (
	welcomeFrame struct {
		T         string      `json:"t"`
		Token     string      `json:"token"`
		Case      string      `json:"case"`
		Status    string      `json:"status"`
		Open      bool        `json:"open"`
		Seq       int64       `json:"seq"`
		Truncated bool        `json:"truncated,omitempty"` // forget what was shown before
		Messages  []lineFrame `json:"messages"`
	}
	// lineFrame is a "message", or a "status" that tells of one.
	lineFrame struct {
		T       string        `json:"t"`
		Seq     int64         `json:"seq"`
		ID      string        `json:"id,omitempty"` // the client's, of its own message
		From    string        `json:"from"`         // visitor, operator or auto
		Name    string        `json:"name,omitempty"`
		Case    string        `json:"case,omitempty"`
		Status  string        `json:"status,omitempty"`
		Text    string        `json:"text"`
		Files   []fileFrame   `json:"files,omitempty"`
		Buttons []buttonFrame `json:"buttons,omitempty"`
		At      time.Time     `json:"at"`
		Read    bool          `json:"read,omitempty"`
	}
	fileFrame struct {
		N     int    `json:"n"` // its place in the message, for the download
		Name  string `json:"name"`
		Type  string `json:"type"`
		Size  int64  `json:"size"`
		Image bool   `json:"image,omitempty"` // may be shown in place
	}
	buttonFrame struct {
		ID    string `json:"id"`
		Label string `json:"label"`
	}
	// statusFrame tells where the case stands now; it is no line of the thread.
	statusFrame struct {
		T      string `json:"t"`
		Seq    int64  `json:"seq"`
		Case   string `json:"case"`
		Status string `json:"status"`
		Text   string `json:"text"` // always empty here
		Open   bool   `json:"open"`
	}
	ackFrame struct {
		T    string `json:"t"`
		ID   string `json:"id"`
		Seq  int64  `json:"seq"`
		Case string `json:"case"`
	}
	historyFrame struct {
		T        string      `json:"t"`
		Messages []lineFrame `json:"messages"`
	}
	readFrame struct {
		T   string `json:"t"`
		Seq int64  `json:"seq"`
	}
	bareFrame struct {
		T string `json:"t"`
	}
	errorFrame struct {
		T      string  `json:"t"`
		Code   string  `json:"code"`
		ID     string  `json:"id,omitempty"`
		After  float64 `json:"retry_after,omitempty"` // seconds
		Detail string  `json:"detail"`                // for people: what, where, and what to do instead
	}
)

// Who wrote a line, as frames name them.
const (
	fromVisitor  = "visitor"
	fromOperator = "operator"
	fromAuto     = "auto"
)

// frameOf writes a line of visitor's thread as a frame. The data of buttons stays
// on the server; the client knows them by their place.
func frameOf(visitor string, l channels.Line) lineFrame {
	f := lineFrame{
		T: "message", Seq: l.Seq, From: fromOperator, Name: l.From, Case: l.Case,
		Status: l.Status, Text: l.Body.Text, At: l.At.UTC(), Read: l.Read,
	}
	switch {
	case l.In:
		f.From, f.Name = fromVisitor, ""
		f.ID = strings.TrimPrefix(l.ExternalID, visitor+"|")
	case l.Auto:
		f.From = fromAuto
	}
	if l.Status != "" && !l.In {
		f.T = "status"
	}
	for i, file := range l.Body.Files {
		f.Files = append(f.Files, fileFrame{
			N: i, Name: cleanName(file.Name), Type: file.Type, Size: file.Size, Image: inlineTypes[baseType(file.Type)],
		})
	}
	for i, b := range l.Body.Buttons {
		f.Buttons = append(f.Buttons, buttonFrame{ID: buttonID(i), Label: b.Label})
	}
	return f
}

func buttonID(i int) string { return strconv.Itoa(i + 1) }

// canonicalID returns the one form of a client's message id, which must be a UUID
// in its usual notation (W2).
func canonicalID(s string) (string, bool) {
	if len(s) != 36 {
		return "", false
	}
	id, err := uuid.Parse(s)
	if err != nil {
		return "", false
	}
	return id.String(), true
}

// cleanText keeps what a person can have meant, without blank margins (W6).
func cleanText(s string) string { return strings.TrimSpace(channels.CleanText(s)) }

// cleanName makes a file's name safe to show; each has one.
func cleanName(s string) string {
	if s = channels.CleanName(s); s != "" {
		return s
	}
	return "file"
}

var languageShape = regexp.MustCompile(`^[A-Za-z]{2,3}([-_][A-Za-z0-9]{2,8})*$`)

// cleanLanguage returns a tag that looks like one, else "".
func cleanLanguage(s string) string {
	if len(s) > 35 || !languageShape.MatchString(s) {
		return ""
	}
	return strings.ReplaceAll(s, "_", "-")
}
