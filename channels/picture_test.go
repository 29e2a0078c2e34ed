package channels_test

import (
	"bytes"
	"encoding/base64"
	"encoding/binary"
	"hash/crc32"
	"image"
	"image/color"
	"image/gif"
	"image/jpeg"
	"image/png"
	"io"
	"testing"

	"casewire/channels"
)

func encoded(t *testing.T, do func(io.Writer, image.Image) error) []byte {
	t.Helper()
	var b bytes.Buffer
	if err := do(&b, image.NewPaletted(image.Rect(0, 0, 40, 30), color.Palette{color.Black, color.White})); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

// sized is a PNG that says it has these sides.
func sized(t *testing.T, w, h uint32) []byte {
	b := encoded(t, png.Encode)
	binary.BigEndian.PutUint32(b[16:], w)
	binary.BigEndian.PutUint32(b[20:], h)
	binary.BigEndian.PutUint32(b[29:], crc32.ChecksumIEEE(b[12:29]))
	return b
}

// webp is the beginning of a WebP whose first chunk is this.
func webp(chunk string, data ...byte) []byte {
	b := append([]byte("RIFF\x40\x00\x00\x00WEBP"+chunk+"\x20\x00\x00\x00"), data...)
	return append(b, make([]byte, 32)...)
}

func TestShowable(t *testing.T) {
	// A whole picture of 1 × 1, so that the header is not only what we believe it to be.
	pixel, err := base64.StdEncoding.DecodeString("UklGRhoAAABXRUJQVlA4TA0AAAAvAAAAEAcQERGIiP4HAA==")
	if err != nil {
		t.Fatal(err)
	}
	jpg := encoded(t, func(w io.Writer, m image.Image) error { return jpeg.Encode(w, m, nil) })
	for name, c := range map[string]struct {
		data []byte
		want string
	}{
		"png":               {encoded(t, png.Encode), "image/png"},
		"jpeg":              {jpg, "image/jpeg"},
		"gif":               {encoded(t, func(w io.Writer, m image.Image) error { return gif.Encode(w, m, nil) }), "image/gif"},
		"webp, lossless":    {pixel, "image/webp"},
		"webp, lossy":       {webp("VP8 ", 0, 0, 0, 0x9d, 1, 0x2a, 0x80, 0x02, 0xe0, 0x01), "image/webp"},
		"webp, extended":    {webp("VP8X", 0, 0, 0, 0, 0xff, 1, 0, 0xff, 1, 0), "image/webp"},
		"webp, huge":        {webp("VP8X", 0, 0, 0, 0, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff), ""},
		"webp, long side":   {webp("VP8L", 0x2f, 0xff, 0x3f, 0, 0), ""},
		"webp, broken":      {webp("VP8 ", 0, 0, 0, 1, 2, 3, 0x80, 2, 0xe0, 1), ""},
		"webp, cut short":   {webp("VP8X", 0)[:24], ""},
		"webp, unknown":     {webp("ANIM", 0), ""},
		"40 megapixels":     {sized(t, 8000, 5000), "image/png"},
		"more":              {sized(t, 8000, 5001), ""},
		"long and thin":     {sized(t, 12_001, 2), ""},
		"a bomb":            {sized(t, 1<<31-1, 1<<31-1), ""},
		"png, cut short":    {encoded(t, png.Encode)[:20], ""},
		"jpeg without size": {jpg[:30], ""},
		"svg":               {[]byte(`<svg xmlns="http://www.w3.org/2000/svg"/>`), ""},
		"a page":            {[]byte("<script>alert(1)</script>"), ""},
		"empty":             {nil, ""},
		"bmp, not of ours":  {append([]byte("BM"), make([]byte, 60)...), ""},
	} {
		t.Run(name, func(t *testing.T) {
			r := bytes.NewReader(c.data)
			got, ok := channels.Showable(r)
			if got != c.want || ok != (c.want != "") {
				t.Errorf("%q, %v; want %q", got, ok, c.want)
			}
			if at, _ := r.Seek(0, io.SeekCurrent); ok && at != 0 {
				t.Errorf("left at byte %d", at)
			}
		})
	}
}
