package submit

import (
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"mime/quotedprintable"
	"strings"

	"casewire/channels"
)

// partWriter writes the body of a mail: the text and the same as HTML, pictures that
// the HTML shows, and attachments.
type partWriter struct {
	ctx  context.Context
	w    io.Writer
	mail *Mail
	seed string
}

// errFile is a fault of ours in reading an attachment, not one of the connection.
var errFile = errors.New("read an attachment")

func (p *partWriter) write(h *header) error {
	shown, attached := p.files()
	if len(attached) == 0 {
		return p.alternatives(h, shown)
	}
	return p.multipart(h, "mixed", func(next func() error) error {
		if err := next(); err != nil {
			return err
		}
		if err := p.alternatives(&header{}, shown); err != nil {
			return err
		}
		for _, f := range attached {
			if err := next(); err != nil {
				return err
			}
			if err := p.file(f, "attachment"); err != nil {
				return err
			}
		}
		return nil
	})
}

// files tells pictures that the text shows from attachments.
func (p *partWriter) files() (shown, attached []channels.File) {
	for _, f := range p.mail.Files {
		if isID(f.CID+"@x") && strings.HasPrefix(f.Type, "image/") {
			shown = append(shown, f)
		} else {
			attached = append(attached, f)
		}
	}
	return shown, attached
}

// alternatives writes the text in its two forms.
func (p *partWriter) alternatives(h *header, shown []channels.File) error {
	text := lines(p.mail.Text)
	ids := make([]string, len(shown))
	for i, f := range shown {
		ids[i] = f.CID
	}
	page := toHTML(text, p.mail.Lang, p.mail.Marker, ids)
	return p.multipart(h, "alternative", func(next func() error) error {
		if err := next(); err != nil {
			return err
		}
		if err := p.text(&header{}, "text/plain", text); err != nil {
			return err
		}
		if err := next(); err != nil {
			return err
		}
		if len(shown) == 0 {
			return p.text(&header{}, "text/html", page)
		}
		return p.related(page, shown)
	})
}

func (p *partWriter) related(page string, shown []channels.File) error {
	return p.multipart(&header{}, "related", func(next func() error) error {
		if err := next(); err != nil {
			return err
		}
		if err := p.text(&header{}, "text/html", page); err != nil {
			return err
		}
		for _, f := range shown {
			if err := next(); err != nil {
				return err
			}
			if err := p.file(f, "inline"); err != nil {
				return err
			}
		}
		return nil
	})
}

// multipart writes a part of parts; next begins the next of them. The boundary holds
// "=_", which neither base64 nor quoted-printable can.
func (p *partWriter) multipart(h *header, kind string, parts func(next func() error) error) error {
	boundary := "=_" + kind + "_" + p.seed
	h.raw("Content-Type", fmt.Sprintf("multipart/%s; boundary=%q", kind, boundary))
	if err := p.end(h); err != nil {
		return err
	}
	err := parts(func() error { return p.print("\r\n--" + boundary + "\r\n") })
	if err != nil {
		return err
	}
	return p.print("\r\n--" + boundary + "--\r\n")
}

func (p *partWriter) text(h *header, kind, text string) error {
	h.raw("Content-Type", kind+"; charset=utf-8")
	h.raw("Content-Transfer-Encoding", "quoted-printable")
	if err := p.end(h); err != nil {
		return err
	}
	w := quotedprintable.NewWriter(p.w)
	if _, err := io.WriteString(w, strings.ReplaceAll(text, "\n", "\r\n")); err != nil {
		return err
	}
	return w.Close()
}

// file writes an attachment as it is read.
func (p *partWriter) file(f channels.File, disposition string) error {
	h := &header{}
	h.oldParam("Content-Type", mediaType(f.Type), "name", f.Name)
	h.param("Content-Disposition", disposition, "filename", f.Name)
	h.raw("Content-Transfer-Encoding", "base64")
	if disposition == "inline" {
		h.raw("Content-ID", "<"+f.CID+">")
	}
	if err := p.end(h); err != nil {
		return err
	}
	r, err := p.mail.Open(p.ctx, f.Blob)
	if err != nil {
		return errors.Join(errFile, err)
	}
	defer r.Close()
	out := &lineWriter{w: p.w}
	enc := base64.NewEncoder(base64.StdEncoding, out)
	if _, err := io.Copy(enc, fileReader{p.ctx, r}); err != nil {
		return err
	}
	return enc.Close()
}

// fileReader tells faults of the file from those of the connection.
type fileReader struct {
	ctx context.Context
	r   io.Reader
}

func (f fileReader) Read(b []byte) (int, error) {
	if err := f.ctx.Err(); err != nil {
		return 0, err
	}
	n, err := f.r.Read(b)
	if err != nil && !errors.Is(err, io.EOF) {
		err = errors.Join(errFile, err)
	}
	return n, err
}

// lineWriter ends a line after every 76 bytes.
type lineWriter struct {
	w   io.Writer
	col int
}

func (l *lineWriter) Write(b []byte) (int, error) {
	done := 0
	for done < len(b) {
		if l.col == softLine {
			if _, err := io.WriteString(l.w, "\r\n"); err != nil {
				return done, err
			}
			l.col = 0
		}
		n := min(softLine-l.col, len(b)-done)
		if _, err := l.w.Write(b[done : done+n]); err != nil {
			return done, err
		}
		l.col += n
		done += n
	}
	return done, nil
}

// end writes a finished header and the line behind it.
func (p *partWriter) end(h *header) error { return p.print(h.b.String() + "\r\n") }

func (p *partWriter) print(s string) error {
	if err := p.ctx.Err(); err != nil {
		return err
	}
	_, err := io.WriteString(p.w, s)
	return err
}

// lines makes a text of lines that end in \n, with no other controls than tabs.
func lines(s string) string {
	s = strings.NewReplacer("\r\n", "\n", "\r", "\n", "\u2028", "\n", "\u2029", "\n").Replace(strings.ToValidUTF8(s, "\uFFFD"))
	return strings.TrimRight(strings.Map(func(r rune) rune {
		if r < ' ' && r != '\n' && r != '\t' || r >= 0x7f && r < 0xa0 {
			return -1
		}
		return r
	}, s), "\n") + "\n"
}
