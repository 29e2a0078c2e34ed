package api

import (
	"context"
	"maps"
	"net/http"
	"slices"
	"strings"
	"time"

	"casewire/casecore"
	"casewire/casecore/store"
	"casewire/channels"
)

// Customer is a person or firm that writes to the centre.
type Customer struct {
	ID         string            `json:"id"`
	Name       string            `json:"name"`
	Lang       string            `json:"lang"`
	LangSet    bool              `json:"lang_set" doc:"The language was chosen: it wins over the one they write in."`
	TimeZone   string            `json:"time_zone"`
	Preferred  *Address          `json:"preferred,omitempty" doc:"Where they want to be written to; absent: where they last wrote."`
	Attributes map[string]string `json:"attributes"`
	Addresses  []KnownAddress    `json:"addresses"`
	Version    uint64            `json:"version"`
}

// KnownAddress is an address of a customer.
type KnownAddress struct {
	ID       string        `json:"id" doc:"For operations on this address."`
	Kind     channels.Kind `json:"kind"`
	Handle   string        `json:"handle"`
	Name     string        `json:"name,omitempty"`
	Verified bool          `json:"verified"`
	Shut     *Shut         `json:"shut,omitempty" doc:"Why nothing is sent there."`
}

// Shut says why an address is not written to.
type Shut struct {
	Reason  channels.Reason `json:"reason" enum:"bad_address,blocked" doc:"Nobody there, or they refuse it."`
	Code    string          `json:"code,omitempty" doc:"The provider's; stop is the customer's own wish."`
	Channel string          `json:"channel" doc:"On which channel it was learned."`
	At      time.Time       `json:"at"`
	By      *Person         `json:"by,omitempty" doc:"Who took the wish down, when it was told to us."`
	Note    string          `json:"note,omitempty" doc:"The reason they gave."`
}

// NewAddress is an address to be added to a customer.
type NewAddress struct {
	Kind   channels.Kind `json:"kind" enum:"email,sms,telegram"`
	Handle string        `json:"handle" minLength:"1" maxLength:"254" example:"+380501234567"`
}

// NewCustomer is a customer to be made.
type NewCustomer struct {
	Name       string            `json:"name" minLength:"1" maxLength:"100"`
	Lang       string            `json:"lang,omitempty" maxLength:"16" example:"uk"`
	TimeZone   string            `json:"time_zone,omitempty" maxLength:"64" example:"Europe/Kyiv"`
	Attributes map[string]string `json:"attributes,omitempty" maxProperties:"50"`
	Addresses  []NewAddress      `json:"addresses,omitempty" maxItems:"10"`
}

// CustomerEdit is what to change of a customer; what is left out stays.
type CustomerEdit struct {
	Name       *string           `json:"name,omitempty" minLength:"1" maxLength:"100"`
	Lang       *string           `json:"lang,omitempty" maxLength:"16"`
	TimeZone   *string           `json:"time_zone,omitempty" maxLength:"64"`
	Preferred  *NewAddress       `json:"preferred,omitempty" doc:"One of their addresses, to which nothing stops us from writing."`
	Anywhere   bool              `json:"anywhere,omitempty" doc:"True: they prefer no address any more, and are told where they last wrote."`
	Attributes map[string]string `json:"attributes,omitempty" maxProperties:"50" doc:"Only those to change; an empty value removes one."`
	Addresses  []NewAddress      `json:"addresses,omitempty" maxItems:"10" doc:"To be added to those there are."`
}

type (
	customersInput struct {
		Paged
		Name string `query:"name" maxLength:"100" doc:"Only those whose name begins so."`
	}
	newCustomerInput struct {
		Creating
		Body NewCustomer
	}
	customerInput struct {
		ID string `path:"id" maxLength:"128" doc:"Id of the customer."`
	}
	customerEditInput struct {
		ID string `path:"id" maxLength:"128" doc:"Id of the customer."`
		Matching
		Body CustomerEdit
	}
)

func (a *API) customerOperations(r *registrar) {
	register(r, operation{id: "list-customers", method: http.MethodGet, path: "/customers", tag: "Customers", summary: "List customers",
		about: "In the order they came, or by name when one is asked for. Operators see those of whom they may read a case, and those without any."}, a.listCustomers)
	register(r, operation{id: "create-customer", method: http.MethodPost, path: "/customers", tag: "Customers", summary: "Make a customer",
		status: http.StatusCreated, body: jsonBody, refuses: []int{409},
		example: map[string]any{"name": "Іван Петренко", "lang": "uk", "addresses": []any{map[string]any{"kind": "sms", "handle": "+380501234567"}}}}, a.createCustomer)
	register(r, operation{id: "get-customer", method: http.MethodGet, path: "/customers/{id}", tag: "Customers", summary: "Read a customer",
		refuses: []int{404}}, a.getCustomer)
	register(r, operation{id: "change-customer", method: http.MethodPatch, path: "/customers/{id}", tag: "Customers", summary: "Change a customer",
		about: "Operators may while they hold a case of theirs. If-Match is asked when it is given. The language and the preferred address are wishes of the customer: to change them is an event, on the newest case that you may work on.", body: jsonBody, refuses: []int{403, 404, 409, 412},
		example: map[string]any{"lang": "uk"}}, a.changeCustomer)
}

func customerOf(k *casecore.Customer, ids []*casecore.Identity) Customer {
	out := Customer{ID: k.ID, Name: k.Name, Lang: k.Lang, LangSet: k.LangSet, TimeZone: k.Zone, Attributes: filled(k.Attributes), Addresses: []KnownAddress{}, Version: k.Version}
	for _, i := range ids {
		known := KnownAddress{ID: i.ID, Kind: i.Address.Kind, Handle: i.Address.Handle, Name: i.Address.Name, Verified: i.Verified}
		if s := i.Shut; s != nil {
			known.Shut = &Shut{Reason: s.Reason, Code: s.Code, Channel: s.Channel, At: s.At.UTC(), Note: s.Note}
			if s.By != "" {
				known.Shut.By = &Person{ID: s.By, Name: s.ByName}
			}
		}
		out.Addresses = append(out.Addresses, known)
		if i.Address.Key() == k.Preferred {
			out.Preferred = addressOf(i.Address)
		}
	}
	return out
}

// maxCases bounds how many cases of one customer are asked for a right to see
// them; the newest come first.
const maxCases = 500

// mayCustomer says whether the actor may do v to some case of the customer.
// Without a case there is nothing that a claim would have to uncover, so everybody
// may read; to change them takes a case in hand.
func mayCustomer(tx store.Tx, by casecore.Actor, id string, v casecore.Verb) (bool, error) {
	if by.Wide() {
		return true, nil
	}
	none := true
	for k, err := range casecore.Cases.Scan(tx, store.Range{Index: "customer", Prefix: store.Under(id), Reverse: true, Limit: maxCases}) {
		if err != nil {
			return false, err
		}
		if none = false; casecore.Authorize(by, v, k) == nil {
			return true, nil
		}
	}
	return none && v == casecore.VerbRead, nil
}

// customer returns a customer whom the actor may see; v is what they are to be
// seen for. To others there is none.
func (a *API) customer(ctx context.Context, by casecore.Actor, id string, v casecore.Verb) (k *casecore.Customer, ids []*casecore.Identity, err error) {
	err = a.Store.View(ctx, func(tx store.Tx) error {
		if k, err = casecore.Customers.Get(tx, id); err != nil {
			return err
		}
		ok, err := mayCustomer(tx, by, id, v)
		if err != nil {
			return err
		}
		if !ok {
			return notFound()
		}
		ids, err = casecore.Addresses(tx, id)
		return err
	})
	return k, ids, err
}

func (a *API) getCustomer(ctx context.Context, c *call, in *customerInput) (*stated[Customer], error) {
	k, ids, err := a.customer(ctx, c.actor, in.ID, casecore.VerbRead)
	if err != nil {
		return nil, err
	}
	return &stated[Customer]{ETag: etag(k.Version), Body: customerOf(k, ids)}, nil
}

func (a *API) listCustomers(ctx context.Context, c *call, in *customersInput) (*plain[List[Customer]], error) {
	of, err := a.listed(ctx, c, in.Cursor, "customers", in.Name)
	if err != nil {
		return nil, err
	}
	out := &plain[List[Customer]]{}
	err = a.Store.View(ctx, func(tx store.Tx) error {
		out.Body = List[Customer]{Items: []Customer{}}
		last, scanned := of.mark, 0
		// Without a name the order is that of arrival: not everybody has told theirs.
		r := store.Range{After: of.mark, Limit: maxScanned}
		if in.Name != "" {
			r.Index, r.Prefix = "name", in.Name
		}
		for k, err := range casecore.Customers.Scan(tx, r) {
			if err != nil {
				return err
			}
			ok, err := mayCustomer(tx, c.actor, k.ID, casecore.VerbRead)
			if err != nil {
				return err
			}
			if ok && len(out.Body.Items) == in.Limit {
				out.Body.Next = of.write(last)
				return nil
			}
			if ok {
				ids, err := casecore.Addresses(tx, k.ID)
				if err != nil {
					return err
				}
				out.Body.Items = append(out.Body.Items, customerOf(k, ids))
			}
			last = store.Mark{ID: k.ID}
			if keys := k.Keys()[r.Index]; len(keys) > 0 {
				last.Key = keys[0]
			}
			if scanned++; scanned == maxScanned {
				out.Body.Next = of.write(last)
			}
		}
		return nil
	})
	return out, err
}

func (a *API) createCustomer(ctx context.Context, c *call, in *newCustomerInput) (*created[Customer], error) {
	b := in.Body
	faults := checkAttributes(b.Attributes)
	if strings.TrimSpace(b.Name) == "" {
		faults = append(faults, at("name", "required"))
	}
	faults = append(faults, checkZone(b.TimeZone)...)
	addresses, wrong := canonicalAll(b.Addresses)
	if faults = append(faults, wrong...); len(faults) > 0 {
		return nil, invalid(faults...)
	}
	return once(ctx, a, c, in.Key, "", func(keep keep[Customer]) (*created[Customer], error) {
		var out *created[Customer]
		err := a.Store.Update(ctx, func(tx store.Tx) error {
			k := &casecore.Customer{Name: strings.TrimSpace(b.Name), Lang: b.Lang, LangSet: b.Lang != "", Zone: b.TimeZone, Attributes: b.Attributes}
			if err := casecore.Customers.Put(tx, k); err != nil {
				return err
			}
			ids, err := addAddresses(tx, k.ID, addresses)
			if err != nil {
				return err
			}
			out = &created[Customer]{Status: http.StatusCreated, ETag: etag(k.Version), Location: Prefix + "/customers/" + k.ID, Body: customerOf(k, ids)}
			return keep(tx, out)
		})
		return out, err
	})
}

func (a *API) changeCustomer(ctx context.Context, c *call, in *customerEditInput) (*stated[Customer], error) {
	version, p := versionIn(in.Match)
	if p != nil {
		return nil, p
	}
	b := in.Body
	faults := checkAttributes(b.Attributes)
	if b.TimeZone != nil {
		faults = append(faults, checkZone(*b.TimeZone)...)
	}
	if b.Name != nil && strings.TrimSpace(*b.Name) == "" {
		faults = append(faults, at("name", "required"))
	}
	addresses, wrong := canonicalAll(b.Addresses)
	if faults = append(faults, wrong...); len(faults) > 0 {
		return nil, invalid(faults...)
	}
	if _, _, err := a.customer(ctx, c.actor, in.ID, casecore.VerbRead); err != nil {
		return nil, err
	}
	var out *stated[Customer]
	err := a.Store.Update(ctx, func(tx store.Tx) error {
		k, err := casecore.Customers.Get(tx, in.ID)
		if err != nil {
			return err
		}
		if ok, err := mayCustomer(tx, c.actor, k.ID, casecore.VerbWork); err != nil || !ok {
			if err == nil {
				err = problem("forbidden", "only while you hold a case of this customer")
			}
			return err
		}
		if version != 0 && version != k.Version {
			p := problem("stale", "the customer has changed meanwhile; read it again and repeat the change")
			p.Version = k.Version
			p.header.Set("ETag", etag(k.Version))
			return p
		}
		if _, err := addAddresses(tx, k.ID, addresses); err != nil {
			return err
		}
		ids, err := casecore.Addresses(tx, k.ID)
		if err != nil {
			return err
		}
		wish, err := applyEdit(k, ids, b)
		if err != nil {
			return err
		}
		if err := a.Work.PreferFor(tx, c.actor, k, wish); err != nil {
			return err
		}
		if err := casecore.Customers.Put(tx, k); err != nil {
			return err
		}
		out = &stated[Customer]{ETag: etag(k.Version), Body: customerOf(k, ids)}
		return nil
	})
	return out, err
}

// applyEdit changes k and returns what is the customer's wish, which is not
// changed without an event.
func applyEdit(k *casecore.Customer, ids []*casecore.Identity, b CustomerEdit) (casecore.Wish, error) {
	wish := casecore.Wish{Lang: b.Lang}
	if b.Name != nil {
		k.Name = strings.TrimSpace(*b.Name)
	}
	if b.TimeZone != nil {
		k.Zone = *b.TimeZone
	}
	for _, name := range slices.Sorted(maps.Keys(b.Attributes)) {
		if k.Attributes == nil {
			k.Attributes = map[string]string{}
		}
		if k.Attributes[name] = b.Attributes[name]; b.Attributes[name] == "" {
			delete(k.Attributes, name)
		}
	}
	switch {
	case b.Preferred != nil && b.Anywhere:
		return wish, invalid(at("anywhere", "says the contrary of preferred; leave one of them out"))
	case b.Anywhere:
		wish.Address = new(string)
	case b.Preferred != nil:
		handle, _ := canonical(b.Preferred.Kind, b.Preferred.Handle)
		key := channels.Address{Kind: b.Preferred.Kind, Handle: handle}.Key()
		i := slices.IndexFunc(ids, func(i *casecore.Identity) bool { return i.Address.Key() == key })
		if i < 0 {
			return wish, invalid(at("preferred", "is none of the customer's addresses; add it first"))
		}
		wish.Address = &ids[i].ID
	}
	return wish, nil
}
