package sqlite

import (
	"bufio"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
)

// A write-ahead log that a killed process left behind is read by SQLite up to
// the first frame whose checksum is wrong; what follows is taken for a torn end
// and forgotten. That is right for the last transaction, which was never
// acknowledged, but damage further ahead would silently cost acknowledged ones.
// So the log is looked through before SQLite gets it.

const (
	logSuffix     = "-wal"
	logHeaderSize = 32
	frameHeader   = 24
)

// logFrames is what a look through a log found.
type logFrames struct {
	pages       map[uint32]bool // pages that committed transactions hold
	lostCommits int             // commits behind the first frame that is wrong
}

// readLog looks through the log at path; a missing or empty one is no fault.
func readLog(path string) (logFrames, error) {
	found := logFrames{pages: make(map[uint32]bool)}
	f, err := os.Open(path)
	if errors.Is(err, fs.ErrNotExist) {
		return found, nil
	}
	if err != nil {
		return found, err
	}
	defer f.Close()
	r := bufio.NewReaderSize(f, 1<<20)
	head := make([]byte, logHeaderSize)
	switch n, err := io.ReadFull(r, head); {
	case n == 0:
		return found, nil
	case err != nil:
		return found, ignoreEOF(err) // too short for any transaction
	}
	magic := binary.BigEndian.Uint32(head)
	sum := logSum{order: binary.LittleEndian}
	if magic&1 == 1 {
		sum.order = binary.BigEndian
	}
	sum.add(head[:24])
	if magic&^1 != 0x377f0682 || !sum.is(head[24:]) {
		return found, errors.New("the header of its log is wrong")
	}
	return found, found.read(r, head, sum)
}

func (found *logFrames) read(r io.Reader, head []byte, sum logSum) error {
	frame := make([]byte, frameHeader+binary.BigEndian.Uint32(head[8:])%(1<<17))
	whole := true
	var pending []uint32
	for {
		if _, err := io.ReadFull(r, frame); err != nil {
			return ignoreEOF(err)
		}
		if string(frame[8:16]) != string(head[16:24]) { // salt: left from an older log
			whole = false
			continue
		}
		page, commit := binary.BigEndian.Uint32(frame), binary.BigEndian.Uint32(frame[4:]) != 0
		if whole {
			sum.add(frame[:8])
			sum.add(frame[frameHeader:])
			whole = sum.is(frame[16:24])
		}
		switch {
		case whole:
			pending = append(pending, page)
			if commit {
				for _, p := range pending {
					found.pages[p] = true
				}
				pending = pending[:0]
			}
		case commit:
			found.lostCommits++
		}
	}
}

// logSum is the running checksum of a log.
type logSum struct {
	order  binary.ByteOrder
	s0, s1 uint32
}

func (s *logSum) add(b []byte) {
	for ; len(b) >= 8; b = b[8:] {
		s.s0 += s.order.Uint32(b) + s.s1
		s.s1 += s.order.Uint32(b[4:]) + s.s0
	}
}

func (s *logSum) is(stored []byte) bool {
	return s.s0 == binary.BigEndian.Uint32(stored) && s.s1 == binary.BigEndian.Uint32(stored[4:])
}

// checkLength refuses a file that ends too early and a log that has lost
// transactions which were acknowledged. head is the header of the file.
func checkLength(path string, head []byte, length int64) error {
	found, err := readLog(path + logSuffix)
	if err != nil {
		return damaged(path, err)
	}
	// Each commit is synced before the next begins, so only one can be torn.
	if found.lostCommits > 1 {
		return damaged(path, fmt.Errorf("its log is wrong in the middle: %d commits follow", found.lostCommits))
	}
	size := int64(binary.BigEndian.Uint16(head[16:]))
	if size == 1 {
		size = 1 << 16
	}
	if size < 512 {
		return damaged(path, fmt.Errorf("its page size is %d", size))
	}
	// A process killed while moving pages from the log may leave the file short
	// of pages that the log still has.
	pages := binary.BigEndian.Uint32(head[28:])
	for page := uint32(length/size) + 1; page <= pages; page++ {
		if !found.pages[page] {
			return damaged(path, fmt.Errorf("it has %d bytes and should have %d", length, int64(pages)*size))
		}
	}
	return nil
}
