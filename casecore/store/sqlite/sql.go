package sqlite

import (
	"fmt"
	"strings"
)

// verb is what a prepared statement does.
type verb int8

const (
	verbGet verb = iota
	verbInsert
	verbKeys
	verbUpdate
	verbDelete
	verbScan
	verbMultiKeys
	verbMultiHolder
	verbMultiAdd
	verbMultiDrop
	verbMultiClear
	verbRekey
	verbBegin
	verbBeginImmediate
	verbCommit
	verbRollback
	verbSavepoint
	verbRelease
	verbRollbackTo
)

// sql is the text of the statement.
func (k stmtKey) sql() string {
	t := k.table
	switch k.verb {
	case verbGet:
		return "SELECT version, sum, body FROM " + t.name() + " WHERE id = ?"
	case verbInsert:
		return t.insertSQL()
	case verbUpdate:
		return "UPDATE " + t.name() + " SET version = ?, sum = ?, " + t.setKeys(k.set) + "body = ? WHERE rowid = ?"
	case verbKeys:
		return "SELECT version, rowid" + t.keyColumns() + " FROM " + t.name() + " WHERE id = ?"
	case verbRekey:
		return "UPDATE " + t.name() + " SET " + strings.TrimSuffix(t.setKeys(allKeys), ", ") + " WHERE id = ?"
	case verbDelete:
		return "DELETE FROM " + t.name() + " WHERE id = ? AND version = ?"
	case verbScan:
		return t.scanSQL(k.index, k.shape)
	case verbMultiKeys:
		return "SELECT key FROM " + t.objectName(k.index) + " WHERE id = ?"
	case verbMultiHolder:
		return "SELECT id FROM " + t.objectName(k.index) + " WHERE key = ?"
	case verbMultiAdd:
		return "INSERT INTO " + t.objectName(k.index) + " (key, id) VALUES (?, ?)"
	case verbMultiDrop:
		return "DELETE FROM " + t.objectName(k.index) + " WHERE key = ? AND id = ?"
	case verbMultiClear:
		return "DELETE FROM " + t.objectName(k.index) + " WHERE id = ?"
	case verbBegin:
		return "BEGIN"
	case verbBeginImmediate:
		return "BEGIN IMMEDIATE"
	case verbCommit:
		return "COMMIT"
	case verbRollback:
		return "ROLLBACK"
	case verbSavepoint:
		return "SAVEPOINT turn"
	case verbRelease:
		return "RELEASE turn"
	case verbRollbackTo:
		return "ROLLBACK TO turn"
	}
	return ""
}

func (t *table) insertSQL() string {
	cols, marks := "id, version, sum", "?, 1, ?"
	for _, i := range t.single {
		cols += ", " + t.column(i)
		marks += ", ?"
	}
	return fmt.Sprintf("INSERT INTO %s (%s, body) VALUES (%s, ?)", t.name(), cols, marks)
}

// keyColumns goes on with a list of columns.
func (t *table) keyColumns() string {
	var s strings.Builder
	for _, i := range t.single {
		s.WriteString(", " + t.column(i))
	}
	return s.String()
}

// setKeys sets some of the key columns.
func (t *table) setKeys(some keySet) string {
	var s strings.Builder
	for at, i := range t.single {
		if some.has(at) {
			s.WriteString(t.column(i) + " = ?, ")
		}
	}
	return s.String()
}
