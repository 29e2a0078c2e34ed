package webhook

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"net/netip"
	"net/url"
	"regexp"
	"slices"
	"strings"

	"casewire/casecore/outside"
	"casewire/channels"
)

// Subscription is one program outside and what it wants to be told. It is not
// changed once made.
type Subscription struct {
	// ID is a short name, by which the webhook is known here.
	ID string `yaml:"id" sample:"workshop"`
	// URL is where events are posted to. https; http only to an address in your own
	// network, with allow_private.
	URL string `yaml:"url" sample:"https://workshop.example.com/hooks/casewire"`
	// Secret signs what is sent, as the Standard Webhooks specification has it:
	// "whsec_" and 24 to 64 random bytes in base64.
	Secret channels.Secret `yaml:"secret" sample:"{env: CASEWIRE_WORKSHOP_SECRET}"`
	// PreviousSecret signs as well, while the receiver changes from it to secret.
	PreviousSecret channels.Secret `yaml:"previous_secret"`
	// Events are the names of what to tell: case.status, or notice.* for a group, or
	// "*" for all. They are listed in the API's description under webhooks.
	Events []string `yaml:"events" sample:"[case.opened, case.status, message.received, notice.*]"`
	// Queues are those whose cases to tell of; left out: all.
	Queues []string `yaml:"queues"`
	// Content adds what people wrote and entered: subject, attributes, text.
	Content bool `yaml:"content"`
	// AllowPrivate lets the address be one of this machine or of a private network.
	AllowPrivate bool `yaml:"allow_private"`
}

var idShape = regexp.MustCompile(`^[a-z0-9][a-z0-9_-]{0,31}$`)

// Validate returns every fault, joined; each is a *channels.FieldError.
func (s *Subscription) Validate() error {
	var errs []error
	fault := func(path, msg, mend string) {
		errs = append(errs, &channels.FieldError{Path: path, Msg: msg, Mend: mend})
	}
	switch {
	case s.ID == "":
		fault("id", "required", "give the webhook a short name, \"workshop\"")
	case !idShape.MatchString(s.ID):
		fault("id", fmt.Sprintf("%q is not a name", s.ID), "use small letters, digits, - and _, at most 32")
	}
	if msg, mend := s.urlFault(); msg != "" {
		fault("url", msg, mend)
	}
	const make = "write \"whsec_\" and the base64 of 24 to 64 random bytes; openssl rand -base64 32 makes them"
	if s.Secret.IsZero() {
		fault("secret", "required", "write {env: NAME} or {file: PATH}")
	} else if _, err := key(s.Secret); err != nil {
		fault("secret", err.Error(), make)
	}
	if _, err := key(s.PreviousSecret); err != nil && !s.PreviousSecret.IsZero() {
		fault("previous_secret", err.Error(), make)
	}
	if len(s.Events) == 0 {
		fault("events", "required", "write [\"*\"] for all, or list some")
	}
	for i, e := range s.Events {
		if msg, mend := outside.Fault(e); msg != "" {
			fault(fmt.Sprintf("events[%d]", i), fmt.Sprintf("%s %q", msg, e), mend)
		}
	}
	return errors.Join(errs...)
}

// urlFault never repeats the address: its path or query may be a secret.
func (s *Subscription) urlFault() (msg, mend string) {
	u, err := url.Parse(s.URL)
	switch {
	case s.URL == "":
		return "required", "write where to post to, https://..."
	case err != nil || u.Host == "" || u.Scheme != "https" && u.Scheme != "http":
		return "is not an address to post to", "write https://host/path"
	case u.User != nil:
		return "has a name or a password in it", "remove it; what is sent is signed with secret"
	case u.Fragment != "":
		return "has a fragment, which is not sent", "remove it"
	case u.Scheme == "http" && !s.AllowPrivate:
		return "is not encrypted", "write https://; in your own network allow_private: true permits http"
	}
	if a, err := netip.ParseAddr(strings.Trim(u.Hostname(), "[]")); err == nil {
		switch {
		case u.Scheme == "http" && !channels.Own(a):
			return "is not encrypted and not in a private network", "write https://"
		case !channels.Outside(a) && !channels.Own(a):
			return "is an address that nothing may be sent to", "name the program's own address"
		case !channels.Outside(a) && !s.AllowPrivate:
			return "is an address inside", "write allow_private: true if it is in your own network"
		}
	}
	return "", ""
}

// Takes says whether the subscription wants this type of a case in this queue.
func (s *Subscription) Takes(name, queue string) bool {
	return outside.Selector(s.Events).Takes(name) && (len(s.Queues) == 0 || slices.Contains(s.Queues, queue))
}

// Host is whom it is posted to, without a path, which may be a secret.
func (s *Subscription) Host() string {
	u, err := url.Parse(s.URL)
	if err != nil {
		return ""
	}
	return u.Scheme + "://" + u.Host
}

// target changes when the subscription is for another receiver, whose past is not
// this one's.
func (s *Subscription) target() string {
	sum := sha256.Sum256([]byte(s.URL))
	return hex.EncodeToString(sum[:6])
}
