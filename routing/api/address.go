package api

import (
	"errors"
	"fmt"
	"net/mail"
	"regexp"
	"strings"
	"time"

	"casewire/casecore"
	"casewire/casecore/store"
	"casewire/channels"
)

// addAddresses gives the customer addresses that nobody else has.
func addAddresses(tx store.Tx, customer string, all []channels.Address) ([]*casecore.Identity, error) {
	var out []*casecore.Identity
	for i, adr := range all {
		id := casecore.IdentityID(adr)
		was, err := casecore.Identities.Get(tx, id)
		if err == nil && was.Customer == customer {
			continue
		}
		if err == nil {
			p := problem("conflict", "another customer has this address")
			p.Errors = []Fault{at(fmt.Sprintf("addresses/%d", i), "belongs to another customer")}
			return nil, p
		}
		if !errors.Is(err, store.ErrNotFound) {
			return nil, err
		}
		n := &casecore.Identity{Meta: store.Meta{ID: id}, Address: adr, Customer: customer}
		if err := casecore.Identities.Put(tx, n); err != nil {
			return nil, err
		}
		out = append(out, n)
	}
	return out, nil
}

func canonicalAll(in []NewAddress) ([]channels.Address, []Fault) {
	var (
		out    []channels.Address
		faults []Fault
	)
	for i, n := range in {
		handle, why := canonical(n.Kind, n.Handle)
		if why != "" {
			faults = append(faults, at(fmt.Sprintf("addresses/%d/handle", i), why))
			continue
		}
		out = append(out, channels.Address{Kind: n.Kind, Handle: handle})
	}
	return out, faults
}

var (
	phone  = regexp.MustCompile(`^\+[1-9][0-9]{6,14}$`)
	chatID = regexp.MustCompile(`^-?[0-9]{1,19}$`)
)

// canonical writes an address as its kind keeps it, or says what is wrong.
func canonical(kind channels.Kind, handle string) (string, string) {
	handle = strings.TrimSpace(handle)
	switch kind {
	case channels.Email:
		a, err := mail.ParseAddress(handle)
		if err != nil || a.Name != "" {
			return "", "is no email address; write it like name@example.org"
		}
		local, domain, _ := cutLast(a.Address, "@")
		return local + "@" + strings.ToLower(domain), ""
	case channels.SMS:
		if n := bare(handle); phone.MatchString(n) {
			return n, ""
		}
		return "", "is no number in E.164 form; write it like +380501234567"
	case channels.Telegram:
		if chatID.MatchString(handle) {
			return handle, ""
		}
		return "", "is no chat id; it is a number"
	}
	return "", "say of which kind it is: email, sms or telegram"
}

// bare leaves out what people write between digits.
func bare(number string) string {
	return strings.NewReplacer(" ", "", "-", "", "(", "", ")", "", ".", "").Replace(number)
}

func cutLast(s, sep string) (before, after string, found bool) {
	if i := strings.LastIndex(s, sep); i >= 0 {
		return s[:i], s[i+len(sep):], true
	}
	return s, "", false
}

func checkZone(name string) []Fault {
	if name == "" {
		return nil
	}
	if _, err := time.LoadLocation(name); err != nil || name == "Local" {
		return []Fault{at("time_zone", "no such time zone; write it like Europe/Kyiv")}
	}
	return nil
}
