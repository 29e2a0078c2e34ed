package desk

import (
	"encoding/json"
	"fmt"
	"sync"
)

// Frame is one change as it goes to watchers, encoded once for all of them.
type Frame struct {
	Seq  uint64 // place in the board's sequence
	Data []byte // a JSON object; must not be changed

	queue    string // whose watchers get it, or
	operator string // whose own case it is about

	once sync.Once
	form any
}

// Form returns what encode made of the frame when it was first asked for: a face
// that sends the same bytes to many prepares them once. All callers must pass
// the same function.
func (f *Frame) Form(encode func(*Frame) any) any {
	f.once.Do(func() { f.form = encode(f) })
	return f.form
}

// The frames of interface.md, "Live feed".
type (
	cardFrame struct {
		T     string `json:"t"`
		Seq   uint64 `json:"seq"`
		Queue string `json:"queue"`
		Card  Card   `json:"card"`
	}
	goneFrame struct {
		T     string `json:"t"`
		Seq   uint64 `json:"seq"`
		Queue string `json:"queue"`
		Case  string `json:"case"`
		By    string `json:"by,omitempty"` // name of who took it
	}
	countsFrame struct {
		T     string `json:"t"`
		Seq   uint64 `json:"seq"`
		Queue string `json:"queue"`
		Counts
	}
	mineFrame struct {
		T    string `json:"t"`
		Seq  uint64 `json:"seq"`
		Case Mine   `json:"case"`
	}
	notMineFrame struct {
		T    string     `json:"t"`
		Seq  uint64     `json:"seq"`
		Case numberOnly `json:"case"`
		Gone bool       `json:"gone"`
	}
	numberOnly struct {
		Number string `json:"number"`
	}
	changedFrame struct {
		T       string `json:"t"`
		Seq     uint64 `json:"seq"`
		Case    string `json:"case"`
		Version uint64 `json:"version,omitempty"`
		Gone    bool   `json:"gone,omitempty"` // it may not be read any more
	}
	snapshotFrame struct {
		T      string      `json:"t"`
		Epoch  string      `json:"epoch"`
		Seq    uint64      `json:"seq"`
		Queues []queueJSON `json:"queues"`
		Mine   []Mine      `json:"mine"`
	}
	queueJSON struct {
		ID     string `json:"id"`
		Name   string `json:"name"`
		Counts Counts `json:"counts"`
		Cards  []Card `json:"cards"`
	}
)

// encode cannot fail: frames have nothing that JSON lacks. Were it to, the error
// text takes the frame's place rather than being lost.
func encode(frame any) []byte {
	b, err := json.Marshal(frame)
	if err != nil {
		return fmt.Appendf(nil, `{"t":"error","code":"internal","detail":%q}`, err.Error())
	}
	return b
}

// Encode returns the snapshot as a frame, with queues named in a language.
func (s *Snapshot) Encode(lang string) []byte {
	f := snapshotFrame{T: "snapshot", Epoch: s.Epoch, Seq: s.Seq, Queues: make([]queueJSON, len(s.Queues)), Mine: s.Mine}
	for i, q := range s.Queues {
		f.Queues[i] = queueJSON{ID: q.ID, Name: q.Name.In(lang), Counts: q.Counts, Cards: q.Cards}
	}
	return encode(f)
}

// history is the last frames, for those who come back. Seqs follow one another,
// so a frame's place is known from its Seq.
type history struct {
	frames []*Frame
	first  uint64 // Seq after which all frames have been kept at one time
}

func (h *history) add(f *Frame) { h.frames[f.Seq%uint64(len(h.frames))] = f }

// since returns the frames after seq up to last that keep says yes to; ok is
// false when some are not known any more.
func (h *history) since(seq, last uint64, keep func(*Frame) bool) (out []*Frame, ok bool) {
	if seq < h.first || seq > last || last-seq > uint64(len(h.frames)) {
		return nil, false
	}
	for s := seq + 1; s <= last; s++ {
		if f := h.frames[s%uint64(len(h.frames))]; keep(f) {
			out = append(out, f)
		}
	}
	return out, true
}
