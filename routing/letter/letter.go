// Package letter makes the HTML of a mail fit to be shown (E16): everything in it
// is hostile until it has passed here. It knows neither who may see a letter nor
// where its pictures are kept; that is the faces' business.
package letter

import (
	"bytes"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"regexp"
	"strconv"
	"strings"

	"golang.org/x/net/html"

	"casewire/casecore"
	"casewire/channels"
)

// The HTML of a letter may be MaxBytes long, and without the pictures in it
// MaxClean. What is longer has its text and its raw form.
const (
	MaxBytes = 2 << 20
	MaxClean = 1 << 20
)

// A view carries pictures in itself, since its frame may load nothing: none above
// MaxPicture bytes, and none once they come to MaxPictures.
const (
	MaxPicture  = 10 << 20
	MaxPictures = 25 << 20
)

// ErrUnshowable is the answer to HTML that is too long or nested too deeply.
var ErrUnshowable = errors.New("the HTML is too long or nested too deeply to be shown")

// Letter is the HTML of one mail, made safe. It is not changed once read.
type Letter struct {
	// Remote is how many pictures it would load from elsewhere.
	Remote int

	parts    []string // of the HTML, with a picture between each two
	pictures []source
}

// source is where a picture comes from: a file with a name, or data.
type source struct {
	cid  string
	kind string
	data []byte
}

// Picture is one that may be shown. Data is closed by whoever it is given to.
type Picture struct {
	Type string
	Size int64
	Data io.ReadCloser
}

// Read makes HTML as it was received safe: what is left are texts, tables, links
// that open elsewhere, plain styles and pictures. Pictures from elsewhere are counted
// and left out unless remote says to let them in, over https alone.
func Read(raw string, remote bool) (*Letter, error) {
	t, body, err := parse(raw, remote)
	if err != nil {
		return nil, err
	}
	if body == nil {
		return &Letter{}, nil
	}
	var b strings.Builder
	if err := html.Render(&b, body); err != nil {
		return nil, fmt.Errorf("%w: %w", ErrUnshowable, err)
	}
	if b.Len() > MaxClean {
		return nil, ErrUnshowable
	}
	l := &Letter{Remote: t.remote, pictures: t.pictures}
	l.cut(policy().Sanitize(b.String())) //nolint:misspell // the library's name
	return l, nil
}

// Remote says how many pictures raw would load from elsewhere, at less cost than
// Read.
func Remote(raw string) (int, error) {
	t, _, err := parse(raw, false)
	return t.remote, err
}

// place is where one of our own numbers stands for a picture. Quotes outside of
// tags are escaped, and every source of a picture has been replaced by then, so
// nothing that was received reads like this.
var place = regexp.MustCompile(` src="cid:(\d+)"`)

func (l *Letter) cut(clean string) {
	var used []source
	at := 0
	for _, m := range place.FindAllStringSubmatchIndex(clean, -1) {
		n, err := strconv.Atoi(clean[m[2]:m[3]])
		if err != nil || n >= len(l.pictures) {
			continue
		}
		l.parts = append(l.parts, clean[at:m[0]])
		used = append(used, l.pictures[n])
		at = m[1]
	}
	l.parts, l.pictures = append(l.parts, clean[at:]), used
}

// String is the letter for programs: files that it shows in place are named by cid:
// addresses.
func (l *Letter) String() string {
	var b strings.Builder
	for i, part := range l.parts {
		b.WriteString(part)
		if i == len(l.pictures) {
			break
		}
		if s := l.pictures[i]; s.data == nil {
			b.WriteString(` src="cid:` + html.EscapeString(s.cid) + `"`)
		} else {
			b.WriteString(` src="` + dataURL(s.kind) + base64.StdEncoding.EncodeToString(s.data) + `"`)
		}
	}
	return b.String()
}

// Render writes the letter with its pictures in it. find returns the picture with
// a cid, or false for none; it is asked about each place anew. Errors are w's.
func (l *Letter) Render(w io.Writer, find func(cid string) (Picture, bool)) error {
	room := int64(MaxPictures)
	for i, part := range l.parts {
		if _, err := io.WriteString(w, part); err != nil {
			return err
		}
		if i == len(l.pictures) {
			break
		}
		p, ok := l.pictures[i].open(find)
		if !ok {
			continue
		}
		err := p.write(w, &room)
		_ = p.Data.Close() // only read from
		if err != nil {
			return err
		}
	}
	return nil
}

func (s source) open(find func(cid string) (Picture, bool)) (Picture, bool) {
	if s.data == nil {
		return find(s.cid)
	}
	return Picture{Type: s.kind, Size: int64(len(s.data)), Data: io.NopCloser(bytes.NewReader(s.data))}, true
}

func (p Picture) write(w io.Writer, room *int64) error {
	if p.Size > MaxPicture || p.Size > *room {
		return nil
	}
	*room -= p.Size
	if _, err := io.WriteString(w, ` src="`+dataURL(p.Type)); err != nil {
		return err
	}
	encode := base64.NewEncoder(base64.StdEncoding, w)
	// A picture that cannot be read to its end is shown as far as it goes.
	_, _ = io.Copy(encode, io.LimitReader(p.Data, p.Size))
	if err := encode.Close(); err != nil {
		return err
	}
	_, err := io.WriteString(w, `"`)
	return err
}

func dataURL(kind string) string { return "data:" + kind + ";base64," }

// File returns the file that a cid names, among those of a message and then of the
// ones before it, nearest first: a quoted history shows pictures of older mail (E15).
func File(cid string, nearest ...[]channels.File) (channels.File, bool) {
	want := plainCID(cid)
	for _, files := range nearest {
		for _, f := range files {
			if f.CID != "" && want != "" && strings.EqualFold(plainCID(f.CID), want) {
				return f, true
			}
		}
	}
	return channels.File{}, false
}

func plainCID(s string) string { return strings.Trim(strings.TrimSpace(s), "<>") }

// Raw tells a browser how to save the raw form of a message: a mail as one, the
// rest as bytes.
func Raw(number string, m *casecore.Message) (name, mediaType string) {
	name = fmt.Sprintf("%s-%d", number, m.Seq)
	if m.Customer().Kind == channels.Email {
		return name + ".eml", "message/rfc822"
	}
	return name + ".raw", "application/octet-stream"
}
