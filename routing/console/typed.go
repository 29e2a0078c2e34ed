package console

import (
	"errors"
	"net/url"
	"strings"
	"unicode"

	"casewire/casecore"
)

// typed is what the fields of a case page show, when not what the case says.
type typed struct{ Subject, NewKey, NewValue, Tag string }

// typedIn is what to show again of a form: all of it when its texts were refused,
// so that they can be corrected. Any other refusal shows the case as it is now.
func typedIn(values url.Values, err error) url.Values {
	var bad *casecore.Invalid
	if errors.As(err, &bad) {
		return values
	}
	return nil
}

// keep shows what was typed in place of what the case says.
func (p *casePage) keep(values url.Values) {
	show := func(to *string, name string) {
		if values.Has(name) {
			*to = plain(values.Get(name))
		}
	}
	show(&p.Typed.Subject, "subject")
	show(&p.Typed.NewKey, "new.key")
	show(&p.Typed.NewValue, "new.value")
	show(&p.Typed.Tag, "add")
	if p.Call != nil {
		show(&p.Call.Note, "note")
	}
	for i := range p.Attributes {
		show(&p.Attributes[i].Typed, "attr."+p.Attributes[i].Key)
	}
}

// plain leaves out what cannot be shown, so that the rest can be sent again.
func plain(s string) string {
	return strings.Map(func(r rune) rune {
		if unicode.IsControl(r) && !strings.ContainsRune("\n\r\t", r) {
			return -1
		}
		return r
	}, strings.ToValidUTF8(s, ""))
}
