package console

import (
	"context"
	"errors"
	"mime"
	"net/http"
	"path/filepath"
	"strconv"
	"strings"
	"time"
	"unicode"

	"casewire/channels"
)

// shown says whether an attachment is shown in place: the bytes decide, the type
// only spares opening what cannot be a picture.
func (c *Console) shown(ctx context.Context, f channels.File) bool {
	if c.o.Files == nil || !strings.HasPrefix(f.Type, "image/") {
		return false
	}
	data, err := c.o.Files.Open(ctx, f.Blob)
	if err != nil {
		return false
	}
	defer data.Close() //nolint:errcheck // only read from
	_, ok := channels.Showable(data)
	return ok
}

// file serves an attachment to whoever may read its case.
func (c *Console) file(v *visit) error {
	view, err := c.o.Work.Read(v.ctx(), v.by, v.r.PathValue("number"))
	if err != nil {
		return err
	}
	n, err := strconv.Atoi(v.r.PathValue("n"))
	if err != nil || c.o.Files == nil {
		return errNoPage
	}
	for _, m := range view.Messages {
		if m.ID == v.r.PathValue("message") && n >= 0 && n < len(m.Body.Files) {
			return c.sendFile(v, m.Body.Files[n])
		}
	}
	return errNoPage
}

func (c *Console) sendFile(v *visit, f channels.File) error {
	data, err := c.o.Files.Open(v.ctx(), f.Blob)
	if errors.Is(err, channels.ErrNotFound) {
		return errNoPage
	}
	if err != nil {
		return err
	}
	defer data.Close() //nolint:errcheck // only read from
	h := v.w.Header()
	// What is not shown is saved, as bytes without a type, so that nothing from
	// outside runs on our address.
	kind, how := "application/octet-stream", "attachment"
	if is, ok := channels.Showable(data); ok {
		kind, how = is, "inline"
	}
	h.Set("Content-Type", kind)
	h.Set("Content-Disposition", mime.FormatMediaType(how, map[string]string{"filename": fileName(f.Name)}))
	h.Set("Content-Security-Policy", "default-src 'none'; sandbox")
	h.Set("Cross-Origin-Resource-Policy", "same-origin")
	h.Set("Cache-Control", "private, no-cache")
	h.Set("ETag", `"`+f.Blob+`"`)
	http.ServeContent(v.w, v.r, "", time.Time{}, data)
	return nil
}

// fileName is a name from outside without folders and without characters that
// mislead about what it is.
func fileName(s string) string {
	s = filepath.Base(strings.ReplaceAll(s, "\\", "/"))
	s = strings.Map(func(r rune) rune {
		if unicode.IsControl(r) || unicode.Is(unicode.Cf, r) {
			return -1
		}
		return r
	}, s)
	if s == "" || s == "." || s == "/" {
		return "file"
	}
	return limit(s, 120)
}
