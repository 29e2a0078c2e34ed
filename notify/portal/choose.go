package portal

import (
	"context"
	"errors"
	"net/http"
	"net/url"
	"slices"

	"casewire/casecore"
	"casewire/casecore/lang"
	"casewire/casecore/store"
)

// wishes are what a form of the page may ask for.
var wishes = []string{"language", "where", "stop", "again"}

// fields are what each of those forms has.
var fields = map[string]string{"language": "lang", "where": "at", "stop": "at", "again": "at"}

// maxForm is how many bytes a form may have.
const maxForm = 4 << 10

// word is how a wish became known that was made here.
var word = casecore.Word{Via: "page"}

// choose does what a form asks for, and shows the page again. Sent twice, it is
// done once.
func (p *Portal) choose(w http.ResponseWriter, r *http.Request) {
	if !ownPage(r, p.o.URL) {
		p.say(w, r, http.StatusForbidden, "foreign")
		return
	}
	wish := r.PathValue("wish")
	if !slices.Contains(wishes, wish) {
		p.missing(w, r)
		return
	}
	if _, ok := p.open(r.PathValue("token")); !ok { // it must not take a turn of the store's writer
		p.missing(w, r)
		return
	}
	r.Body = http.MaxBytesReader(w, r.Body, maxForm)
	if err := r.ParseForm(); err != nil {
		p.fault(w, r, errGone)
		return
	}
	if err := p.grant(r.Context(), r.PathValue("token"), wish, r.PostForm); err != nil {
		p.fault(w, r, err)
		return
	}
	next := url.Values{"saved": {wish}}
	if tag := r.URL.Query().Get("lang"); slices.Contains(lang.Supported, tag) && wish != "language" {
		next.Set("lang", tag)
	}
	w.Header().Set("Location", Prefix+r.PathValue("token")+"?"+next.Encode())
	w.WriteHeader(http.StatusSeeOther)
}

// grant does it in one transaction. errGone: what was chosen is not to be had.
func (p *Portal) grant(ctx context.Context, token, wish string, form url.Values) error {
	return p.o.Store.Update(ctx, func(tx store.Tx) error {
		c, who, err := p.find(tx, token)
		if err != nil {
			return err
		}
		if !form.Has(fields[wish]) {
			return errGone // not a form of ours
		}
		switch wish {
		case "language":
			err = p.speak(tx, c, form.Get("lang"))
		case "where":
			err = p.where(tx, c, who, form.Get("at"))
		case "stop":
			err = p.stop(tx, c, form.Get("at"))
		case "again":
			err = p.again(tx, c, form.Get("at"))
		}
		return refused(err)
	})
}

func (p *Portal) speak(tx store.Tx, c *casecore.Case, tag string) error {
	if tag != "" && !slices.Contains(lang.Supported, tag) {
		return errGone
	}
	_, err := p.o.Ledger.Prefer(tx, by, c.ID, casecore.Wish{Lang: &tag})
	return err
}

// where has the customer told at an address that is known to be theirs, or that
// they are told at already; empty means where they last wrote.
func (p *Portal) where(tx store.Tx, c *casecore.Case, who *casecore.Customer, ref string) error {
	id := ""
	if ref != "" {
		i, err := p.chosen(tx, c, ref)
		if err != nil {
			return err
		}
		proven, err := casecore.Proven(tx, c.Customer)
		if err != nil {
			return err
		}
		theirs := slices.ContainsFunc(proven, func(o *casecore.Identity) bool { return o.ID == i.ID })
		if !theirs && i.Address.Key() != who.Preferred {
			return errGone
		}
		id = i.ID
	}
	_, err := p.o.Ledger.Prefer(tx, by, c.ID, casecore.Wish{Address: &id})
	return err
}

func (p *Portal) stop(tx store.Tx, c *casecore.Case, ref string) error {
	i, err := p.chosen(tx, c, ref)
	if err != nil {
		return err
	}
	_, err = p.o.Ledger.OptOut(tx, by, c.ID, i.ID, word)
	return err
}

// again takes back what was asked of us; why else an address is shut is not for
// the page to take back.
func (p *Portal) again(tx store.Tx, c *casecore.Case, ref string) error {
	i, err := p.chosen(tx, c, ref)
	switch {
	case err != nil || i.Shut == nil:
		return err
	case i.Shut.By == "":
		return errGone
	}
	_, err = p.o.Ledger.OptIn(tx, by, c.ID, i.ID, word)
	return err
}

// chosen returns the customer's address that a form names.
func (p *Portal) chosen(tx store.Tx, c *casecore.Case, ref string) (*casecore.Identity, error) {
	list, err := casecore.Addresses(tx, c.Customer)
	if err != nil {
		return nil, err
	}
	for _, i := range list {
		if casecore.Writable(i.Address.Kind) && p.ref(c.ID, i.ID) == ref {
			return i, nil
		}
	}
	return nil, errGone
}

// refused makes the book's refusals one answer: the page shows how things are.
func refused(err error) error {
	var invalid *casecore.Invalid
	if errors.Is(err, casecore.ErrShut) || errors.Is(err, casecore.ErrWish) || errors.As(err, &invalid) {
		return errGone
	}
	return err
}
