package sqlite_test

import (
	"path/filepath"
	"testing"

	"casewire/casecore/store"
	"casewire/casecore/store/sqlite"
	"casewire/casecore/store/storetest"
)

func TestConformance(t *testing.T) {
	storetest.Run(t, func(t *testing.T) storetest.Open {
		path := filepath.Join(t.TempDir(), "data", "store.db")
		return func(colls ...*store.Coll) (store.Store, error) {
			return sqlite.Open(t.Context(), path, sqlite.Options{}, colls...)
		}
	})
}
