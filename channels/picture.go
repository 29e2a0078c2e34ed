package channels

import (
	"bytes"
	"encoding/binary"
	"errors"
	"image"
	"image/gif"
	"image/jpeg"
	"image/png"
	"io"
	"net/http"
)

// A small file can unpack to a picture that stops a browser, so only those within
// these sizes are shown.
const (
	maxPixels = 40_000_000
	maxSide   = 12_000 // pixels
)

// Showable says whether a browser may show r in place, and as which type: a PNG,
// JPEG, GIF or WebP by its own bytes, of at most 40 megapixels and 12,000 pixels a
// side. It decodes none of it and leaves r at its start. SVG is never showable: it
// can carry scripts.
func Showable(r io.ReadSeeker) (mime string, ok bool) {
	mime, size := pictureSize(r)
	if _, err := r.Seek(0, io.SeekStart); err != nil {
		return "", false
	}
	w, h := size.Width, size.Height
	if w <= 0 || h <= 0 || w > maxSide || h > maxSide || w*h > maxPixels {
		return "", false
	}
	return mime, true
}

// pictureSize reads a picture's header; what is none has no size.
func pictureSize(r io.ReadSeeker) (string, image.Config) {
	const most = 1 << 20      // where the size stands, after any metadata
	head := make([]byte, 512) // as far as http.DetectContentType looks
	n, err := io.ReadFull(r, head)
	if err != nil && !errors.Is(err, io.ErrUnexpectedEOF) {
		return "", image.Config{}
	}
	head = head[:n]
	if _, err := r.Seek(0, io.SeekStart); err != nil {
		return "", image.Config{}
	}
	var size image.Config
	body, mime := io.LimitReader(r, most), http.DetectContentType(head)
	switch mime {
	case "image/png":
		size, err = png.DecodeConfig(body)
	case "image/jpeg":
		size, err = jpeg.DecodeConfig(body)
	case "image/gif":
		size, err = gif.DecodeConfig(body)
	case "image/webp":
		size, err = webpSize(head), nil
	default:
		return "", image.Config{}
	}
	if err != nil {
		return "", image.Config{}
	}
	return mime, size
}

// webpSize reads the header of the first chunk (RFC 9649); what it does not know
// has no size.
func webpSize(b []byte) image.Config {
	if len(b) < 30 {
		return image.Config{}
	}
	u24 := func(b []byte) int { return int(b[0]) | int(b[1])<<8 | int(b[2])<<16 }
	switch data := b[20:]; string(b[12:16]) {
	case "VP8 ":
		if !bytes.Equal(data[3:6], []byte{0x9d, 0x01, 0x2a}) {
			return image.Config{}
		}
		return image.Config{
			Width:  int(binary.LittleEndian.Uint16(data[6:]) & 0x3fff),
			Height: int(binary.LittleEndian.Uint16(data[8:]) & 0x3fff),
		}
	case "VP8L":
		if data[0] != 0x2f {
			return image.Config{}
		}
		bits := binary.LittleEndian.Uint32(data[1:])
		return image.Config{Width: int(bits&0x3fff) + 1, Height: int(bits>>14&0x3fff) + 1}
	case "VP8X":
		return image.Config{Width: u24(data[4:]) + 1, Height: u24(data[7:]) + 1}
	}
	return image.Config{}
}
