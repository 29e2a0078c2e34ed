package webchat

import (
	"bytes"
	"context"
	"crypto/rand"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"mime"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"casewire/channels"
)

const (
	sniffLength = 512             // bytes by which a type is judged
	uploadTime  = 5 * time.Minute // for one file on a slow line
)

// inlineTypes may be shown in place, after their content was looked at again.
var inlineTypes = map[string]bool{"image/png": true, "image/jpeg": true, "image/gif": true, "image/webp": true}

func baseType(s string) string {
	s, _, _ = strings.Cut(s, ";")
	return strings.TrimSpace(s)
}

func uploadKey(visitor, id string) string {
	return "upload/" + visitor + "/" + base64.RawURLEncoding.EncodeToString([]byte(channels.Cut(id, 64)))
}

// upload takes one file as the body of a request and answers with the id under
// which a message can carry it. The type is judged by the content, never by what
// the client says.
func (d *Door) upload(w http.ResponseWriter, r *http.Request) {
	who, ok := d.admit(w, r)
	if !ok {
		return
	}
	if !d.mayUpload(w, r, who.Visitor) {
		return
	}
	limit := d.cfg.Limits.FileBytes
	_ = http.NewResponseController(w).SetReadDeadline(time.Now().Add(uploadTime))
	head := make([]byte, sniffLength)
	n, err := io.ReadFull(r.Body, head)
	head = head[:n]
	if err != nil && !errors.Is(err, io.ErrUnexpectedEOF) && !errors.Is(err, io.EOF) {
		d.refuse(w, http.StatusBadRequest, codeBadFile, "the file did not arrive in full", "file: broken off; send it again")
		return
	}
	if kind := sniff(head); n == 0 || !slices.Contains(d.cfg.Limits.FileTypes, kind) {
		if n == 0 {
			kind = "an empty file"
		}
		d.refuse(w, http.StatusUnsupportedMediaType, codeBadFile, "files of this type are not taken",
			fmt.Sprintf("file: %s by its content; taken: %s; at most %d bytes", kind, strings.Join(d.cfg.Limits.FileTypes, ", "), limit))
		return
	}
	name, err := url.PathUnescape(r.Header.Get("X-File-Name"))
	if err != nil {
		name = ""
	}
	f, err := d.env.Files.Put(r.Context(), cleanName(name), io.MultiReader(bytes.NewReader(head), r.Body), limit)
	switch {
	case errors.Is(err, channels.ErrTooLarge):
		d.tooLarge(w)
		return
	case err != nil:
		d.storeAway(w, r, err)
		return
	}
	id, err := d.remember(r.Context(), who.Visitor, f)
	if err != nil {
		d.storeAway(w, r, err)
		return
	}
	d.count.uploads.Add(1)
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(http.StatusCreated)
	_ = json.NewEncoder(w).Encode(struct {
		ID   string `json:"id"`
		Name string `json:"name"`
		Type string `json:"type"`
		Size int64  `json:"size"`
	}{id, f.Name, f.Type, f.Size})
}

// mayUpload checks the size and the pace of visitor and network address. A file
// counts as large as it says it is, and as large as may be if it does not say.
func (d *Door) mayUpload(w http.ResponseWriter, r *http.Request, visitor string) bool {
	limits, address, now := d.cfg.Limits, d.proxies.client(r), d.env.Now()
	size := r.ContentLength
	if size > limits.FileBytes {
		d.tooLarge(w)
		return false
	}
	if size < 0 {
		size = limits.FileBytes
	}
	over, ok := d.uploads.take(visitor, address, now)
	detail := over.detail("files")
	if ok {
		over.wait, ok = d.bytes.takeN(address, int(size), now)
		detail = fmt.Sprintf("bytes of this address: at most %d an hour; again in %s", limits.UploadBytes, seconds(over.wait))
	}
	if ok {
		return true
	}
	d.count.rateLimited.Add(1)
	d.retryAfter(w, over.wait)
	d.refuse(w, http.StatusTooManyRequests, codeRateLimited, "too many files in a short time", detail)
	return false
}

func (d *Door) tooLarge(w http.ResponseWriter) {
	d.refuse(w, http.StatusRequestEntityTooLarge, codeTooLarge, "the file is too large",
		fmt.Sprintf("file: more than %d bytes; send a smaller one", d.cfg.Limits.FileBytes))
}

// pendingKey marks the bytes of an upload. Marks are kept a little longer than the
// uploads, so that no upload outlives its mark.
func pendingKey(blob string) string { return "pending/" + blob }

// Pending says whether an upload may still wait for its message and need these
// bytes, for whoever sweeps blobs that no message refers to. It stays true for
// some hours after the upload is over.
func (d *Door) Pending(ctx context.Context, blob string) (bool, error) {
	_, err := d.env.State.Load(ctx, pendingKey(blob))
	if errors.Is(err, channels.ErrNotFound) {
		return false, nil
	}
	if err != nil {
		return false, fmt.Errorf("look for pending uploads: %w", err)
	}
	return true, nil
}

// remember keeps an upload until its message comes.
func (d *Door) remember(ctx context.Context, visitor string, f channels.File) (id string, err error) {
	raw := make([]byte, 16)
	if _, err := rand.Read(raw); err != nil {
		return "", err
	}
	id = base64.RawURLEncoding.EncodeToString(raw)
	b, err := json.Marshal(f)
	if err != nil {
		return "", err
	}
	if err := d.env.State.Save(ctx, pendingKey(f.Blob), []byte("1"), uploadKeep+time.Hour); err != nil {
		return "", err
	}
	return id, d.env.State.Save(ctx, uploadKey(visitor, id), b, uploadKeep)
}

// download serves a file of the visitor's own thread: the thread is chosen by the
// token, so no number in the path opens another's.
func (d *Door) download(w http.ResponseWriter, r *http.Request) {
	who, ok := d.admit(w, r)
	if !ok {
		return
	}
	seq, err1 := strconv.ParseInt(r.PathValue("line"), 10, 64)
	n, err2 := strconv.Atoi(r.PathValue("n"))
	if err1 != nil || err2 != nil || seq < 1 || n < 0 {
		d.refuse(w, http.StatusNotFound, "not_found", "no such file", "path: no such file of this visitor; files/SEQ/N with seq and n of a message frame")
		return
	}
	me := channels.Address{Kind: channels.WebChat, Handle: who.Visitor}
	lines, err := d.env.Threads.Lines(r.Context(), d.env.ID, me, seq-1, 1)
	if err != nil {
		d.storeAway(w, r, err)
		return
	}
	if len(lines) == 0 || lines[0].Seq != seq || n >= len(lines[0].Body.Files) {
		d.refuse(w, http.StatusNotFound, "not_found", "no such file", "path: no such file of this visitor; files/SEQ/N with seq and n of a message frame")
		return
	}
	f := lines[0].Body.Files[n]
	body, err := d.env.Files.Open(r.Context(), f.Blob)
	if err != nil {
		d.storeAway(w, r, err)
		return
	}
	defer body.Close()
	h := w.Header()
	kind, shown := "attachment", "application/octet-stream"
	if t, ok := channels.Showable(body); ok {
		kind, shown = "inline", t
	}
	h.Set("Content-Type", shown)
	h.Set("Content-Disposition", mime.FormatMediaType(kind, map[string]string{"filename": cleanName(f.Name)}))
	h.Set("Content-Security-Policy", "default-src 'none'; sandbox")
	h.Set("Cache-Control", "private, no-cache")
	h.Set("Vary", "Authorization")
	h.Set("ETag", strconv.Quote(f.Blob))
	http.ServeContent(w, r, "", time.Time{}, body)
}

// admit says whose request this is. The token comes in a header and never in a
// URL, where logs and histories would keep it (W1).
func (d *Door) admit(w http.ResponseWriter, r *http.Request) (grant, bool) {
	w.Header().Set("X-Content-Type-Options", "nosniff")
	if r.Header.Get("Origin") != "" && !d.origins.allow(r) {
		d.refuse(w, http.StatusForbidden, "origin", "this site may not use this chat",
			"Origin: not in the list of the channel; the centre can add it to origins")
		return grant{}, false
	}
	token, _ := strings.CutPrefix(r.Header.Get("Authorization"), "Bearer ")
	who, err := d.gate.know(r.Context(), token)
	if errors.Is(err, errUnknownToken) {
		if wait, ok := d.hellos.take(d.proxies.client(r), d.env.Now()); !ok {
			d.retryAfter(w, wait)
			d.refuse(w, http.StatusTooManyRequests, codeRateLimited, "too many attempts",
				fmt.Sprintf("attempts of this address: at most %d a minute; again in %s", d.cfg.Limits.Hellos, seconds(wait)))
			return grant{}, false
		}
		w.Header().Set("WWW-Authenticate", "Bearer")
		d.refuse(w, http.StatusUnauthorized, codeExpired, "say hello to the chat first",
			"Authorization: no token, or one that is over; take it from the welcome, Bearer TOKEN")
		return grant{}, false
	}
	if err != nil {
		d.storeAway(w, r, err)
		return grant{}, false
	}
	return who, true
}

// storeAway answers a request that the store could not serve.
func (d *Door) storeAway(w http.ResponseWriter, r *http.Request, err error) {
	if r.Context().Err() == nil {
		d.count.storeErrors.Add(1)
		d.log.WarnContext(r.Context(), "file request not served", "err", err)
	}
	d.retryAfter(w, time.Second)
	d.refuse(w, http.StatusServiceUnavailable, codeTryAgain, "try again in a moment", "the store does not answer; again in 1 s")
}

func (d *Door) retryAfter(w http.ResponseWriter, wait time.Duration) {
	w.Header().Set("Retry-After", strconv.Itoa(wholeSeconds(wait)))
}

// refuse answers with problem details (RFC 9457); detail is written as in fault.
func (d *Door) refuse(w http.ResponseWriter, status int, code, title, detail string) {
	if status != http.StatusNotFound {
		d.count.refused.Add(1)
	}
	w.Header().Set("Content-Type", "application/problem+json")
	w.Header().Set("X-Content-Type-Options", "nosniff")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(struct {
		Status int    `json:"status"`
		Code   string `json:"code"`
		Title  string `json:"title"`
		Detail string `json:"detail"`
	}{status, code, title, detail})
}

// sniff judges a type by the first bytes. It knows what phones send beyond what
// the standard library does.
func sniff(head []byte) string {
	if len(head) >= 12 && string(head[4:8]) == "ftyp" {
		switch brand := string(head[8:12]); {
		case slices.Contains([]string{"heic", "heix", "heim", "heis", "mif1", "msf1"}, brand):
			return "image/heic"
		case brand == "avif":
			return "image/avif"
		case brand == "qt  ":
			return "video/quicktime"
		default:
			return "video/mp4"
		}
	}
	return baseType(http.DetectContentType(head))
}
