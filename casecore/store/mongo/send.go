package mongo

import (
	"context"
	"fmt"
	"strconv"

	"go.mongodb.org/mongo-driver/v2/bson"
	"go.mongodb.org/mongo-driver/v2/mongo"

	"casewire/casecore/store"
)

// send sends the writes of a transaction and checks that each has found what it
// was based on.
func (s *Store) send(ctx context.Context, ops []operation) error {
	var want, got int64
	for _, op := range ops {
		if len(op.doc) > maxStored {
			return fmt.Errorf("a document of %s has %d bytes as it is stored, at most %d: %w", op.c.Name(), len(op.doc), maxStored, store.ErrLimit)
		}
		if op.kind != opInsert {
			want++
		}
	}
	var err error
	if s.bulk {
		var few []operation
		few, ops = apart(ops)
		got, err = s.sendBulk(ctx, few)
	}
	if err == nil {
		var more int64
		more, err = sendEach(ctx, ops)
		got += more
	}
	switch {
	case isDuplicate(err):
		return fmt.Errorf("%w: %w", errRefused, err)
	case err != nil:
		return err
	case got != want:
		return errRefused
	}
	return nil
}

// many is from how many writes of one kind in one collection on a command of their own
// costs the server less than their part of a bulkWrite.
const many = 8

// apart takes out what gets a command of its own. What sets ids and keys free stays
// with the few, which go first.
func apart(ops []operation) (few, lots []operation) {
	type kind struct {
		c    *mongo.Collection
		kind operationKind
	}
	count := make(map[kind]int)
	for _, op := range ops {
		count[kind{op.c, op.kind}]++
	}
	for _, op := range ops {
		if (op.kind == opInsert || op.kind == opReplace) && count[kind{op.c, op.kind}] >= many {
			lots = append(lots, op)
		} else {
			few = append(few, op)
		}
	}
	return few, lots
}

// sendBulk sends all of them as one command, which MongoDB knows since 8.0.
func (s *Store) sendBulk(ctx context.Context, ops []operation) (found int64, err error) {
	writes := make([]mongo.ClientBulkWrite, len(ops))
	for i, op := range ops {
		writes[i] = mongo.ClientBulkWrite{Database: op.c.Database().Name(), Collection: op.c.Name(), Model: op.clientModel()}
	}
	res, err := s.client.BulkWrite(ctx, writes)
	if err != nil {
		return 0, err
	}
	return res.MatchedCount + res.DeletedCount + res.UpsertedCount, nil
}

func (op *operation) clientModel() mongo.ClientWriteModel {
	switch op.kind {
	case opDelete:
		return mongo.NewClientDeleteOneModel().SetFilter(op.filter)
	case opInsert:
		return mongo.NewClientInsertOneModel().SetDocument(op.doc)
	case opReplace:
		return mongo.NewClientReplaceOneModel().SetFilter(op.filter).SetReplacement(op.doc)
	}
	return mongo.NewClientUpdateOneModel().SetFilter(op.filter).SetUpdate(op.doc).SetUpsert(op.kind == opMark)
}

// sendEach sends the writes of one collection and verb, as far as they stand together,
// as one command.
func sendEach(ctx context.Context, ops []operation) (found int64, err error) {
	for len(ops) > 0 {
		cmd, n := command(ops)
		reply, err := ops[0].c.Database().RunCommand(ctx, cmd).Raw()
		if err != nil {
			return 0, err
		}
		if ops[0].kind != opInsert {
			there, _ := reply.Lookup("n").AsInt64OK()
			found += there
		}
		ops = ops[n:]
	}
	return found, nil
}

// Bounds of one command, whose body is one BSON document.
const (
	maxCommand = 8 << 20 // bytes; one write alone may have more
	maxWrites  = 10_000
	maxStored  = 16 << 20 // the server's own bound of a document
)

// verbs are the commands and what they call the list of their writes.
var verbs = [...]struct{ name, list string }{
	opDelete: {"delete", "deletes"}, opRelease: {"update", "updates"}, opReplace: {"update", "updates"},
	opInsert: {"insert", "documents"}, opMark: {"update", "updates"},
}

// command makes one command of the first of these writes, and returns of how many. The
// driver's own way there reads every document for an id and copies it twice.
func command(ops []operation) (cmd bson.Raw, n int) {
	verb, size := verbs[ops[0].kind], 0
	for n < len(ops) && n < maxWrites && ops[n].c == ops[0].c && verbs[ops[n].kind] == verb {
		if size += len(ops[n].filter) + len(ops[n].doc) + 40; size > maxCommand && n > 0 {
			break
		}
		n++
	}
	dst := make([]byte, 4, size+128)
	dst = appendString(appendHead(dst, bson.TypeString, verb.name), ops[0].c.Name())
	dst, list := openDoc(appendHead(dst, bson.TypeArray, verb.list))
	for i, op := range ops[:n] {
		dst = append(strconv.AppendInt(append(dst, byte(bson.TypeEmbeddedDocument)), int64(i), 10), 0)
		dst = op.append(dst)
	}
	return closeDoc(closeDoc(dst, list), 0), n
}

// append writes the operation as one of a command.
func (op *operation) append(dst []byte) []byte {
	if op.kind == opInsert {
		return append(dst, op.doc...)
	}
	dst, start := openDoc(dst)
	dst = append(appendHead(dst, bson.TypeEmbeddedDocument, "q"), op.filter...)
	if op.kind == opDelete {
		return closeDoc(appendInt64(appendHead(dst, bson.TypeInt64, "limit"), 1), start)
	}
	dst = append(appendHead(dst, bson.TypeEmbeddedDocument, "u"), op.doc...)
	if op.kind == opMark {
		dst = append(appendHead(dst, bson.TypeBoolean, "upsert"), 1)
	}
	return closeDoc(dst, start)
}
