package sqlite

import (
	"hash/crc32"

	"casewire/casecore/store"
	"casewire/casecore/store/sqlite/sqlite3"
)

// table is a collection as SQL sees it.
type table struct {
	coll   *store.Coll
	single []int // positions in coll.Indexes
	multi  []int
}

// keySet is some of a table's key columns: bit i is that of single[i].
type keySet uint64

const (
	maxSingle = 64
	allKeys   = ^keySet(0)
)

func (s keySet) has(i int) bool { return s&(1<<i) != 0 }

func newTable(c *store.Coll) *table {
	t := &table{coll: c}
	for i, ix := range c.Indexes {
		if ix.Multi {
			t.multi = append(t.multi, i)
		} else {
			t.single = append(t.single, i)
		}
	}
	return t
}

// Names hold letters, digits and _ only (store.Coll.Check), so the $ keeps what
// belongs to a collection apart from other collections.

func (t *table) name() string            { return quote(t.coll.Name) }
func (t *table) column(i int) string     { return "key_" + t.coll.Indexes[i].Name }
func (t *table) object(i int) string     { return t.coll.Name + "$" + t.coll.Indexes[i].Name }
func (t *table) objectName(i int) string { return quote(t.object(i)) }

func quote(name string) string { return `"` + name + `"` }

// keyArgs appends the values of the key columns.
func (t *table) keyArgs(args []sqlite3.Arg, keys store.Keys) []sqlite3.Arg {
	for _, i := range t.single {
		if list := keys[t.coll.Indexes[i].Name]; len(list) == 1 && list[0] != "" {
			args = append(args, sqlite3.Text(list[0]))
		} else {
			args = append(args, sqlite3.Null())
		}
	}
	return args
}

// multiKeys returns the document's keys in a Multi index, each once.
func (t *table) multiKeys(i int, keys store.Keys) map[string]bool {
	set := make(map[string]bool)
	for _, key := range keys[t.coll.Indexes[i].Name] {
		if key != "" {
			set[key] = true
		}
	}
	return set
}

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// checksum is the CRC-32C of the body, the id and the version, in eight bytes:
// all that a reader is given.
func checksum(id string, version int64, body []byte) int64 {
	sum := ^crc32.Checksum(body, castagnoli)
	for i := range len(id) {
		sum = castagnoli[byte(sum)^id[i]] ^ sum>>8
	}
	for shift := 56; shift >= 0; shift -= 8 {
		sum = castagnoli[byte(sum)^byte(version>>shift)] ^ sum>>8
	}
	return int64(^sum)
}
