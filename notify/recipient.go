package notify

import (
	"cmp"
	"fmt"
	"net/mail"
	"regexp"
	"slices"
	"strings"
	"unicode/utf8"

	"casewire/casecore"
	"casewire/casecore/lang"
	"casewire/casecore/search"
	"casewire/casecore/staff"
	"casewire/casecore/store"
	"casewire/channels"
)

// Recipient is who is told as well, or in the customer's place: somebody of the house
// at one address, those with a role, or a contact person. One of the fields is given.
type Recipient struct {
	Email    string `yaml:"email" json:"email,omitempty"`
	Telegram string `yaml:"telegram" json:"telegram,omitempty"` // number of the chat with the bot
	SMS      string `yaml:"sms" json:"sms,omitempty"`           // "+380441234567"

	// Role is that of operators: each who has a mail address for notices is told.
	Role string `yaml:"role" json:"role,omitempty"`
	// Attribute is that of the case in which a contact person's mail address or
	// telephone number is; a case without it tells nobody.
	Attribute string `yaml:"attribute" json:"attribute,omitempty"`
}

// addresses are those that are given.
func (r *Recipient) addresses() []channels.Address {
	var out []channels.Address
	for _, a := range []channels.Address{
		{Kind: channels.Email, Handle: strings.ToLower(strings.TrimSpace(r.Email))},
		{Kind: channels.Telegram, Handle: strings.TrimSpace(r.Telegram)},
		{Kind: channels.SMS, Handle: strings.TrimSpace(r.SMS)},
	} {
		if a.Handle != "" {
			out = append(out, a)
		}
	}
	return out
}

var (
	chatNumber  = regexp.MustCompile(`^-?[1-9][0-9]{0,19}$`)
	phoneNumber = regexp.MustCompile(`^\+[1-9][0-9]{6,14}$`)
)

// target is to whom a compiled OnEvent goes; the zero one is the customer.
type target struct {
	at        channels.Address
	role      string
	attribute string
}

// recipient checks to whom a notice goes.
func (c *compiler) recipient(at string, r *Recipient) target {
	if r == nil {
		return target{}
	}
	all := r.addresses()
	n := len(all)
	for _, s := range []string{r.Role, r.Attribute} {
		if s != "" {
			n++
		}
	}
	switch {
	case n != 1:
		c.fault(at, "write one of email, telegram, sms, role and attribute, or leave it out: then it is the customer", "names %d recipients", n)
		return target{}
	case r.Role != "":
		c.role(at+".role", r.Role)
		return target{role: r.Role}
	case r.Attribute != "":
		if strings.TrimSpace(r.Attribute) != r.Attribute || utf8.RuneCountInString(r.Attribute) > casecore.MaxAttributeName {
			c.fault(at+".attribute", "write the name of an attribute of the case, contact", "%q can be the name of none", r.Attribute)
		}
		return target{attribute: r.Attribute}
	}
	c.address(at, all[0])
	return target{at: all[0]}
}

func (c *compiler) role(path, role string) {
	if slices.Contains(casecore.Roles, role) {
		return
	}
	mend := "it is one of " + strings.Join(casecore.Roles, ", ")
	if near := search.Nearest(role, casecore.Roles); near != "" {
		mend = fmt.Sprintf("did you mean %q?", near)
	}
	c.fault(path, mend, "no role %q", role)
}

func (c *compiler) address(at string, to channels.Address) {
	switch to.Kind {
	case channels.Email:
		if !isMail(to.Handle) {
			c.fault(at+".email", "write it as boss@shop.example", "%q is no mail address", to.Handle)
		}
	case channels.Telegram:
		if !chatNumber.MatchString(to.Handle) {
			c.fault(at+".telegram", "write the number of the chat with the bot, 123456789", "%q is no chat", to.Handle)
		}
	default:
		if !phoneNumber.MatchString(to.Handle) {
			c.fault(at+".sms", "write it with the country, +380441234567", "%q is no telephone number", to.Handle)
		}
	}
}

// maxMail is how long an address of mail may be, in bytes (RFC 5321).
const maxMail = 254

func isMail(s string) bool {
	a, err := mail.ParseAddress(s)
	return err == nil && a.Address == s && len(s) <= maxMail
}

// aside says that the notice is for somebody else than the customer.
func (n Planned) aside() bool { return n.whom() != "" }

// whom names those for whom a notice is, whoever they are just now; empty: the
// customer.
func (n Planned) whom() string {
	switch {
	case n.Role != "":
		return "role:" + n.Role
	case n.Attribute != "":
		return "attribute:" + n.Attribute
	case n.To.Handle != "":
		return n.To.Key()
	}
	return ""
}

// one is whom the notice of one recipient is for; empty: the customer.
func (n Planned) one() string {
	if !n.aside() {
		return ""
	}
	return n.To.Key()
}

// label tells the notice from others of the same event.
func (n Planned) label() string { return store.Join(n.name(), n.whom(), n.one()) }

// whom is Planned.one of the plan that the notice came of.
func (n *Notice) whom() string {
	if !n.Aside {
		return ""
	}
	return n.To.Key()
}

// sleeper is by whose clock the hours are quiet: the customer's own, or the
// centre's.
func (n Planned) sleeper(who *casecore.Customer) *casecore.Customer {
	if n.aside() {
		return &casecore.Customer{}
	}
	return who
}

// spread makes of a plan one for each of those whom it means, with their address. A
// plan for a contact person whom the case does not have is none; another one that
// means nobody stays one, without an address. Of a role they are those who may know
// that there is such a case.
func spread(tx store.Tx, c *casecore.Case, n Planned) ([]Planned, error) {
	if n.Attribute != "" {
		contact := strings.TrimSpace(c.Attributes[n.Attribute])
		if contact == "" {
			return nil, nil
		}
		n.To = addressIn(contact)
	}
	if n.Role == "" {
		return []Planned{n}, nil
	}
	all, err := staff.OfRole(tx, n.Role)
	if err != nil {
		return nil, err
	}
	var out []Planned
	for _, o := range all {
		if o.Email != "" && casecore.Authorize(o.Actor(), casecore.VerbCard, c) == nil {
			one := n
			one.To = channels.Address{Kind: channels.Email, Handle: o.Email}
			out = append(out, one)
		}
	}
	if len(out) == 0 {
		return []Planned{n}, nil
	}
	return out, nil
}

// addressIn reads a mail address or a telephone number out of what people wrote; the
// zero one when it is neither.
func addressIn(s string) channels.Address {
	if m := strings.ToLower(strings.TrimSpace(s)); isMail(m) {
		return channels.Address{Kind: channels.Email, Handle: m}
	}
	if n := staff.CleanPhone(s); phoneNumber.MatchString(n) {
		return channels.Address{Kind: channels.SMS, Handle: n}
	}
	return channels.Address{}
}

// colleague is where a notice for somebody else than the customer goes. Who wrote to
// us themselves is not told of it: that would be a loop.
func (p *Planner) colleague(tx store.Tx, c *casecore.Case, to channels.Address) (place, error) {
	channel, ok := p.o.Reach.On(to.Kind)
	switch {
	case to.Handle == "" || !ok:
		return place{to: to, reason: NoAddress}, nil
	case to.Key() == c.To.Key():
		return place{to: to, reason: Loop}, nil
	}
	s, err := shut(tx, to)
	if err != nil {
		return place{}, err
	}
	if s != nil {
		return place{to: to, reason: AllShut}, nil
	}
	return place{channel: channel, to: to}, nil
}

// forOthers renders what somebody else than the customer is told, without the
// customer's own page: in the house's language, and for a contact person in the
// customer's.
func (p *Policy) forOthers(plan Planned, e *casecore.Event, c *casecore.Case, who *casecore.Customer) casecore.Message {
	ours, named := *c, *who
	if plan.Attribute == "" {
		ours.Lang, named.LangSet = cmp.Or(p.o.Lang, lang.Fallback), false
	}
	m := p.Render(plan.Template, e, &ours, &named, "")
	m.Status = ""
	return m
}

// noticeName tells the notice from others of the same event and recipient.
func noticeName(template string, reminder int, late casecore.EventKind) string {
	switch {
	case late != "":
		return template + "|" + string(late)
	case reminder > 0:
		return fmt.Sprintf("%s|%d", template, reminder)
	}
	return template
}
