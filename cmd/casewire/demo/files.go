package demo

import (
	"bytes"
	"fmt"
	"io"
	"mime"
	"mime/multipart"
	"net/http"
	"path"
	"strings"
	"time"

	"casewire/channels"
)

// upload reads a file that came with a form.
func upload(h *multipart.FileHeader) (attachment, error) {
	f, err := h.Open()
	if err != nil {
		return attachment{}, fmt.Errorf("read an upload: %w", err)
	}
	defer f.Close()
	data, err := io.ReadAll(f)
	if err != nil {
		return attachment{}, fmt.Errorf("read an upload: %w", err)
	}
	return attachment{path.Base(h.Filename), http.DetectContentType(data), data}, nil
}

// sampleFile is one of the files that the devices have at hand.
func sampleFile(name string) (attachment, error) {
	data, err := assets.ReadFile("assets/" + name)
	if err != nil {
		return attachment{}, fmt.Errorf("sample file: %w", err)
	}
	return attachment{name, http.DetectContentType(data), data}, nil
}

// isPicture says whether a browser may show a file in place.
func isPicture(data []byte) bool {
	_, ok := channels.Showable(bytes.NewReader(data))
	return ok
}

// isVoice says whether a file is a recording as phones make them.
func isVoice(data []byte) bool { return bytes.HasPrefix(data, []byte("OggS")) }

// serveFile sends a file of a device: pictures and voices in place, all else to be
// saved.
func serveFile(w http.ResponseWriter, r *http.Request, f attachment) {
	h := w.Header()
	h.Set("Content-Security-Policy", "default-src 'none'; sandbox")
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("Cache-Control", "private, max-age=600")
	kind, picture := channels.Showable(bytes.NewReader(f.Data))
	switch {
	case r.URL.Query().Has("save"):
		picture, kind = false, "application/octet-stream"
	case isVoice(f.Data):
		picture, kind = true, "audio/ogg"
	}
	if !picture {
		kind = "application/octet-stream"
		h.Set("Content-Disposition", mime.FormatMediaType("attachment", map[string]string{"filename": strings.Map(printable, f.Name)}))
	}
	h.Set("Content-Type", kind)
	http.ServeContent(w, r, "", time.Time{}, bytes.NewReader(f.Data))
}

func printable(r rune) rune {
	if r < ' ' || r == '"' || r == '\\' || r == '/' {
		return '_'
	}
	return r
}

// size is a file's size for people.
func size(n int64) string {
	switch {
	case n < 1<<10:
		return fmt.Sprintf("%d B", n)
	case n < 1<<20:
		return fmt.Sprintf("%d KB", (n+512)>>10)
	}
	return fmt.Sprintf("%.1f MB", float64(n)/(1<<20))
}
