package notify_test

import (
	"os"
	"testing"

	"casewire/casecore/store/tempstore"
)

// stores are where the tests of this package keep their data.
var stores tempstore.Pool

func TestMain(m *testing.M) { os.Exit(stores.Main(m)) }
