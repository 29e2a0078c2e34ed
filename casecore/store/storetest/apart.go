package storetest

import (
	"context"
	"errors"

	"casewire/casecore/store"
)

// Apart returns the store as a process has it that is not the only one: what its
// Updates write depends on no newer version of a document than they read, but what
// they only read may have changed before their commit (snapshot isolation). meanwhile
// is called before each commit with the names of the collections that it changes; what
// it does by the other store is committed first. A function that was overtaken runs
// again.
func Apart(st store.Store, meanwhile func(changes []string)) store.Store {
	return &apart{st, meanwhile}
}

type apart struct {
	store.Store
	meanwhile func(changes []string)
}

var errNotYet = errors.New("not committed yet")

// Update implements store.Store.
func (a *apart) Update(ctx context.Context, fn func(store.Tx) error) error {
	for {
		var w *writes
		err := a.Store.Update(ctx, func(tx store.Tx) error {
			w = &writes{Tx: tx}
			if err := fn(w); err != nil {
				return err
			}
			return errNotYet
		})
		if !errors.Is(err, errNotYet) || len(w.list) == 0 {
			return unless(err, errNotYet)
		}
		a.meanwhile(w.collections())
		err = a.Store.Update(ctx, func(tx store.Tx) error {
			for _, again := range w.list {
				if err := again.do(tx); err != nil {
					return err
				}
			}
			return nil
		})
		if !errors.Is(err, store.ErrConflict) && !errors.Is(err, store.ErrExists) {
			return err
		}
	}
}

// unless returns the error, if it is not this one.
func unless(err, this error) error {
	if errors.Is(err, this) {
		return nil
	}
	return err
}

// writes is a transaction that takes note of what it writes.
type writes struct {
	store.Tx
	list []write
}

type write struct {
	coll *store.Coll
	doc  store.Doc
	gone bool
}

func (w write) do(tx store.Tx) error {
	if w.gone {
		return tx.Delete(w.coll, w.doc.ID, w.doc.Version)
	}
	_, err := tx.Put(w.coll, w.doc)
	return err
}

func (w *writes) Put(coll *store.Coll, d store.Doc) (uint64, error) {
	version, err := w.Tx.Put(coll, d)
	if err == nil {
		w.list = append(w.list, write{coll: coll, doc: d})
	}
	return version, err
}

func (w *writes) Delete(coll *store.Coll, id string, version uint64) error {
	err := w.Tx.Delete(coll, id, version)
	if err == nil {
		w.list = append(w.list, write{coll: coll, doc: store.Doc{ID: id, Version: version}, gone: true})
	}
	return err
}

func (w *writes) collections() []string {
	var names []string
	for _, one := range w.list {
		names = append(names, one.coll.Name)
	}
	return names
}
