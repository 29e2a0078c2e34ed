package mime

import (
	"bytes"
	"io"
)

// decoder undoes a transfer encoding. It is given a body line by line, each with
// the line feed of the line before it, and appends what it makes of it to dst.
type decoder interface {
	decode(dst, chunk []byte) []byte
	flush(dst []byte) []byte // at the end
	damaged() bool
}

// transferDecoder returns the decoder for a Content-Transfer-Encoding. What is
// unknown is read as it stands.
func transferDecoder(encoding string) (d decoder, known bool) {
	switch encoding {
	case "base64", "base-64", "b", "x-base64":
		return &base64Decoder{lines: true}, true
	case "quoted-printable", "quoted printable", "quotedprintable", "q", "qp":
		return &quotedDecoder{}, true
	case "", "7bit", "8bit", "binary", "7-bit", "8-bit", "7 bit", "8 bit", "none", "utf-8", "us-ascii",
		"uuencode", "x-uuencode", "x-uue", "uue":
		return identity{}, true
	}
	return identity{}, false
}

type identity struct{}

func (identity) decode(dst, chunk []byte) []byte { return append(dst, chunk...) }
func (identity) flush(dst []byte) []byte         { return dst }
func (identity) damaged() bool                   { return false }

// base64Decoder skips what is no base64. Text below it, as mailing lists append
// it, is left out; another run behind the padding is decoded.
type base64Decoder struct {
	lines  bool // it is given lines, of which some may be prose
	bits   uint32
	n      int // characters in bits
	padded bool
	bad    bool
}

func isBase64(c byte) bool {
	return c >= 'A' && c <= 'Z' || c >= 'a' && c <= 'z' || c >= '0' && c <= '9' || c == '+' || c == '/'
}

func sextet(c byte) uint32 {
	switch {
	case c >= 'a':
		return uint32(c-'a') + 26
	case c >= 'A':
		return uint32(c - 'A')
	case c >= '0':
		return uint32(c-'0') + 52
	case c == '+':
		return 62
	default:
		return 63
	}
}

func (d *base64Decoder) decode(dst, chunk []byte) []byte {
	if d.padded {
		if !wholeBase64(chunk) {
			d.bad = d.bad || len(bytes.TrimSpace(chunk)) > 0
			return dst
		}
		d.padded = false
	}
	if d.lines && isProse(chunk) {
		d.bad = true
		return dst
	}
	for _, c := range chunk {
		switch {
		case isBase64(c):
			d.padded = false
			d.bits = d.bits<<6 | sextet(c)
			if d.n++; d.n == 4 {
				dst = append(dst, byte(d.bits>>16), byte(d.bits>>8), byte(d.bits))
				d.bits, d.n = 0, 0
			}
		case c == '=':
			dst = d.rest(dst)
			d.padded = true
		case c > ' ':
			d.bad = true
		}
	}
	return dst
}

// rest decodes a group of less than four characters.
func (d *base64Decoder) rest(dst []byte) []byte {
	switch d.n {
	case 1:
		d.bad = true
	case 2:
		dst = append(dst, byte(d.bits>>4))
	case 3:
		dst = append(dst, byte(d.bits>>10), byte(d.bits>>2))
	}
	d.bits, d.n = 0, 0
	return dst
}

func (d *base64Decoder) flush(dst []byte) []byte { return d.rest(dst) }
func (d *base64Decoder) damaged() bool           { return d.bad }

// wholeBase64 says whether a line is base64 and nothing else.
func wholeBase64(line []byte) bool {
	line = bytes.TrimSpace(line)
	for _, c := range line {
		if !isBase64(c) && c != '=' {
			return false
		}
	}
	return len(line) > 0 && len(line)%4 == 0
}

// isProse says whether a line is words rather than base64 with stray spaces.
func isProse(line []byte) bool {
	const longWord = 20
	line = bytes.TrimSpace(line)
	if bytes.IndexByte(line, ' ') < 0 {
		return false
	}
	n := len(bytes.Fields(line))
	return n > 1 && len(line)/n < longWord
}

// looksBase64 says whether a text that is called base64 can be: its lines have no
// spaces between words and few foreign characters.
func looksBase64(raw []byte) bool {
	raw = raw[:min(len(raw), 4<<10)]
	good, bad := 0, 0
	for _, line := range bytes.Split(raw, []byte("\n")) {
		line = bytes.TrimSpace(line)
		for _, c := range line {
			if isBase64(c) || c == '=' {
				good++
			} else {
				bad++
			}
		}
	}
	return bad*10 <= good
}

// quotedDecoder reads quoted-printable; what is damaged stays as it is.
type quotedDecoder struct {
	carry []byte // the end of the last piece, which the next one explains
	bad   bool
}

func (d *quotedDecoder) decode(dst, chunk []byte) []byte {
	if startsLine(chunk) {
		// Spaces at the end of a line were added on the way.
		switch end := bytes.TrimRight(d.carry, " \t"); len(end) {
		case 0:
		case 1: // a soft line break
			chunk = bytes.TrimPrefix(bytes.TrimPrefix(chunk, []byte("\r")), []byte("\n"))
		default:
			dst = append(dst, end...)
			d.bad = true
		}
	} else if len(d.carry) > 0 {
		chunk = append(bytes.Clone(d.carry), chunk...)
	}
	end := len(bytes.TrimRight(chunk, " \t"))
	for i := 0; i < end; i++ {
		c := chunk[i]
		switch {
		case c != '=':
			dst = append(dst, c)
		case i+2 < end && isHex(chunk[i+1]) && isHex(chunk[i+2]):
			dst = append(dst, unhex(chunk[i+1])<<4|unhex(chunk[i+2]))
			i += 2
		case i+1 == end || i+2 == end && isHex(chunk[i+1]):
			d.carry = append(d.carry[:0], chunk[i:]...)
			return dst
		default:
			d.bad = true
			dst = append(dst, c)
		}
	}
	d.carry = append(d.carry[:0], chunk[end:]...)
	return dst
}

func startsLine(chunk []byte) bool {
	return len(chunk) > 0 && (chunk[0] == '\n' || chunk[0] == '\r' && len(chunk) > 1 && chunk[1] == '\n')
}

func (d *quotedDecoder) flush(dst []byte) []byte {
	if end := bytes.TrimRight(d.carry, " \t"); len(end) > 1 {
		dst = append(dst, end...)
	}
	return dst
}

func (d *quotedDecoder) damaged() bool { return d.bad }

// partReader yields the decoded content of the part that the parser is in, up to
// its boundary.
type partReader struct {
	p    *parser
	dec  decoder
	line []byte // a chunk, with the line feed before it
	feed []byte // the line feed that ended the line before
	out  []byte
	pos  int
	done bool
}

func (p *parser) part(dec decoder) *partReader { return &partReader{p: p, dec: dec} }

func (r *partReader) Read(b []byte) (int, error) {
	for r.pos == len(r.out) {
		if r.done {
			if r.p.src.err != nil {
				return 0, r.p.src.err
			}
			return 0, io.EOF
		}
		r.out, r.pos = r.out[:0], 0
		chunk, ok := r.chunk()
		if ok {
			r.out = r.dec.decode(r.out, chunk)
			continue
		}
		r.done = true
		r.out = r.dec.flush(r.out)
	}
	n := copy(b, r.out[r.pos:])
	r.pos += n
	return n, nil
}

// chunk returns the next piece of the part. The line feed before a boundary is
// the boundary's, so each is held back until another piece follows.
func (r *partReader) chunk() ([]byte, bool) {
	piece, _, ok := r.p.next()
	if !ok {
		return nil, false
	}
	r.line = append(append(r.line[:0], r.feed...), piece...)
	r.feed = r.feed[:0]
	if bytes.HasSuffix(r.line, []byte("\n")) {
		n := len(r.line) - 1
		if n > 0 && r.line[n-1] == '\r' {
			n--
		}
		r.feed = append(r.feed, r.line[n:]...)
		r.line = r.line[:n]
	}
	return r.line, true
}
