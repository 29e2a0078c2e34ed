package mongo_test

import (
	"encoding/binary"
	"errors"
	"io"
	"net"
	"strings"
	"sync"
	"testing"

	"go.mongodb.org/mongo-driver/v2/bson"

	"casewire/casecore/store/mongo"
)

// speaker is a server that says hello and nothing else.
type speaker struct{ hello bson.D }

// serve answers until the test ends and returns the address.
func (s *speaker) serve(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	var wg sync.WaitGroup
	t.Cleanup(func() { _ = l.Close(); wg.Wait() })
	wg.Go(func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			wg.Go(func() {
				defer c.Close()
				for s.answer(c) == nil { //nolint:revive // until the client goes
				}
			})
		}
	})
	return l.Addr().String()
}

// answer reads one message of the wire protocol and answers it with hello.
func (s *speaker) answer(c net.Conn) error {
	const head, opReply, opQuery, opMsg = 16, 1, 2004, 2013
	var h [head]byte
	if _, err := io.ReadFull(c, h[:]); err != nil {
		return err
	}
	if _, err := io.CopyN(io.Discard, c, int64(binary.LittleEndian.Uint32(h[:]))-head); err != nil {
		return err
	}
	doc, err := bson.Marshal(append(s.hello, bson.E{Key: "ok", Value: 1}))
	if err != nil {
		return err
	}
	kind, before := uint32(opMsg), make([]byte, 4+1)
	if binary.LittleEndian.Uint32(h[12:]) == opQuery {
		kind, before = opReply, make([]byte, 4+8+4+4)
		before[16] = 1 // one document
	}
	out := binary.LittleEndian.AppendUint32(nil, uint32(head+len(before)+len(doc)))
	out = binary.LittleEndian.AppendUint32(out, 1)
	out = append(out, h[4:8]...)
	out = binary.LittleEndian.AppendUint32(out, kind)
	_, err = c.Write(append(append(out, before...), doc...))
	return err
}

// A server that cannot keep the promises is refused in words that say what to do.
func TestServersThatWillNotDo(t *testing.T) {
	for name, tt := range map[string]struct {
		hello bson.D
		want  error
		mend  string
	}{
		"MongoDB 6.0":     {bson.D{{Key: "maxWireVersion", Value: 17}, {Key: "setName", Value: "rs0"}}, mongo.ErrOldServer, "upgrade it to MongoDB 7.0 or 8.0"},
		"no replica set":  {bson.D{{Key: "maxWireVersion", Value: 25}}, mongo.ErrNoReplicaSet, "--replSet rs0 and run rs.initiate()"},
		"older than that": {bson.D{{Key: "maxWireVersion", Value: 6}}, mongo.ErrOldServer, "upgrade it"},
	} {
		t.Run(name, func(t *testing.T) {
			s := &speaker{append(bson.D{
				{Key: "isWritablePrimary", Value: true}, {Key: "helloOk", Value: true}, {Key: "minWireVersion", Value: 0},
				{Key: "maxBsonObjectSize", Value: 16 << 20}, {Key: "maxMessageSizeBytes", Value: 48000000}, {Key: "maxWriteBatchSize", Value: 100000},
			}, tt.hello...)}
			uri := "mongodb://" + s.serve(t) + "/?directConnection=true&serverSelectionTimeoutMS=2000"
			_, err := mongo.Open(t.Context(), uri, mongo.Options{}, tallies)
			if !errors.Is(err, tt.want) || !strings.Contains(err.Error(), tt.mend) {
				t.Errorf("%v, want %v with %q", err, tt.want, tt.mend)
			}
		})
	}
}
