package inbox

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"time"
)

// Mail is one mail of a folder as it was fetched.
type Mail struct {
	Folder   string
	Validity uint32 // UIDVALIDITY that UID belongs to
	UID      uint32
	Arrived  time.Time // when the server got it
	Size     int64     // bytes that Open returns
	Fetched  bool      // false: the server could not deliver it, and there is nothing to open
	Fault    string    // why it is not whole, in words; "" when it is
	Suspect  bool      // the process ended several times with this mail in hand: read it no more

	memory []byte
	file   *os.File
}

// Open returns the bytes of the mail. It may be called several times, and for mail
// that is not in memory only until it is delivered.
func (m *Mail) Open() (io.ReadCloser, error) {
	switch {
	case !m.Fetched:
		return nil, errors.New("open mail: it was not fetched")
	case m.file == nil:
		return io.NopCloser(bytes.NewReader(m.memory)), nil
	}
	if _, err := m.file.Stat(); err != nil {
		return nil, fmt.Errorf("open mail: %w", err)
	}
	return io.NopCloser(io.NewSectionReader(m.file, 0, m.Size)), nil
}

func (m *Mail) close() {
	if m.file != nil {
		m.file.Close()
	}
}

// inMemory is the largest mail that is kept in memory while it is in hand; larger
// ones go through a file.
const inMemory = 256 << 10

// fill reads the mail from r: at most limit bytes of the size that the server
// promised. What comes short of that is an error.
func (m *Mail) fill(r io.Reader, size, limit int64, step func()) error {
	want := min(size, limit)
	if want <= inMemory {
		m.memory = make([]byte, want)
		if _, err := io.ReadFull(r, m.memory); err != nil {
			return fmt.Errorf("read mail: %w", err)
		}
		m.Size, m.Fetched = want, true
		return nil
	}
	f, err := os.CreateTemp("", "casewire-mail-*")
	if err != nil {
		return fmt.Errorf("%w: keep mail: %w", errStore, err)
	}
	// Without a name it is gone when the process is, however that ends.
	if err := os.Remove(f.Name()); err != nil {
		f.Close()
		return fmt.Errorf("%w: keep mail: %w", errStore, err)
	}
	n, err := io.Copy(f, io.LimitReader(stepping{r, step}, want))
	switch {
	case errors.As(err, new(*os.PathError)):
		err = fmt.Errorf("%w: keep mail: %w", errStore, err)
	case err == nil && n < want:
		err = fmt.Errorf("read mail: %w", io.ErrUnexpectedEOF)
	}
	if err != nil {
		f.Close()
		return err
	}
	m.file, m.Size, m.Fetched = f, n, true
	return nil
}

// stepping tells of every read.
type stepping struct {
	r    io.Reader
	step func()
}

func (s stepping) Read(p []byte) (int, error) {
	n, err := s.r.Read(p)
	if n > 0 {
		s.step()
	}
	return n, err
}

// NewMail returns a mail that is all there, of bytes that came some other way.
func NewMail(folder string, validity, uid uint32, raw []byte) *Mail {
	return &Mail{Folder: folder, Validity: validity, UID: uid, Size: int64(len(raw)), Fetched: true, memory: raw}
}
