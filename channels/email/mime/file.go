package mime

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"net/url"
	"path"
	"regexp"
	"slices"
	"strings"

	"casewire/channels"
)

// attach hands a part to keep as it comes by.
func (p *parser) attach(h header, ct, disposition content, at place, dec decoder) {
	if len(p.files) >= p.limits.Files {
		p.breaks("The mail has more attachments than the limit; the rest was left out.")
		p.skip()
		return
	}
	mediaType := ct.value
	if mediaType == "" {
		mediaType = "application/octet-stream"
	}
	body := bufio.NewReaderSize(p.part(dec), lineBytes)
	name := channels.CleanName(decodeWords(fileName(ct, disposition), p.hint))
	if isMail(mediaType) {
		name = p.mailName(name, body, at)
	}
	if name == "" {
		name = nameByType(mediaType)
	}
	limit := p.limits.FileBytes
	bounded := &io.LimitedReader{R: body, N: limit}
	f, err := p.keep(name, mediaType, bounded, limit)
	switch {
	case p.src.err != nil:
		return
	case errors.Is(err, channels.ErrTooLarge):
		p.breaks("An attachment is larger than the limit; it was left out.")
	case err != nil:
		p.fail = fmt.Errorf("keep attachment: %w", err)
		return
	default:
		if bounded.N <= 0 && more(body) {
			p.breaks("An attachment is larger than the limit; only its beginning was kept.")
		}
		f.CID = canonicalID(h.get("Content-Id"))
		p.files = append(p.files, f)
	}
	p.skip()
	if dec.damaged() {
		p.breaks("The encoding of an attachment is damaged; what could be read was kept.")
	}
}

func more(r *bufio.Reader) bool {
	_, err := r.Peek(1)
	return err == nil
}

func isMail(mediaType string) bool {
	return mediaType == "message/rfc822" || mediaType == "message/global" || isHeaders(mediaType)
}

func isHeaders(mediaType string) bool {
	return mediaType == "text/rfc822-headers" || mediaType == "message/rfc822-headers" || mediaType == "message/global-headers"
}

// mailName names an attached mail by its subject, and keeps the header of the one
// that a report is about (E12).
func (p *parser) mailName(name string, body *bufio.Reader, at place) string {
	head, _ := body.Peek(lineBytes)
	inner := (&parser{src: newSource(p.src.limit.ctx, bytes.NewReader(head), lineBytes), limits: p.limits, hit: none}).header()
	if at.parent == "multipart/report" && p.original == nil {
		p.original = inner
		p.returned = strings.Join(inner.all("X-Casewire"), " ")
	}
	if name == "" {
		name = channels.CleanName(decodeWords(inner.get("Subject"), p.hint))
	}
	if name == "" {
		name = "message"
	}
	if !strings.HasSuffix(strings.ToLower(name), ".eml") {
		name += ".eml"
	}
	return name
}

// settleFiles returns the attachments. Only one that the HTML shows in its place
// keeps its CID; the others are attachments whatever they call themselves (E15).
func (p *parser) settleFiles(html string) []channels.File {
	if !slices.ContainsFunc(p.files, func(f channels.File) bool { return f.CID != "" }) {
		return p.files
	}
	shown := map[string]bool{}
	for _, m := range cidURL.FindAllStringSubmatch(html, -1) {
		cid := strings.ReplaceAll(m[1], "&amp;", "&")
		if u, err := url.PathUnescape(cid); err == nil {
			cid = u
		}
		shown[strings.ToLower(cid)] = true
	}
	for i, f := range p.files {
		if !shown[strings.ToLower(f.CID)] {
			p.files[i].CID = ""
		}
	}
	return p.files
}

var cidURL = regexp.MustCompile(`(?i)\bcid:([^\s"'<>)]+)`)

// fileName returns the raw name of a part.
func fileName(ct, disposition content) string {
	for _, n := range []string{disposition.param("filename"), ct.param("name"), disposition.param("name"), ct.param("filename")} {
		if strings.TrimSpace(n) != "" {
			return n
		}
	}
	return ""
}

// Names for what has none.
var names = map[string]string{
	"text/calendar": "invite.ics", "application/ics": "invite.ics", "text/vcard": "contact.vcf", "text/x-vcard": "contact.vcf",
	"application/ms-tnef": "winmail.dat", "application/vnd.ms-tnef": "winmail.dat",
	"application/pgp-signature": "signature.asc", "application/pgp-encrypted": "encryption.asc", "application/pgp-keys": "key.asc",
	"application/pkcs7-signature": "smime.p7s", "application/x-pkcs7-signature": "smime.p7s",
	"application/pkcs7-mime": "smime.p7m", "application/x-pkcs7-mime": "smime.p7m",
	"text/plain": "text.txt", "text/html": "text.html", "text/csv": "table.csv", "text/rtf": "text.rtf",
	"image/jpeg": "image.jpg", "image/jpg": "image.jpg", "image/pjpeg": "image.jpg", "image/png": "image.png",
	"image/gif": "image.gif", "image/webp": "image.webp", "image/svg+xml": "image.svg", "image/bmp": "image.bmp",
	"image/tiff": "image.tiff", "image/heic": "image.heic", "image/heif": "image.heif",
	"audio/mpeg": "audio.mp3", "audio/mp4": "audio.m4a", "audio/ogg": "audio.ogg", "audio/amr": "audio.amr", "audio/wav": "audio.wav",
	"video/mp4": "video.mp4", "video/quicktime": "video.mov", "video/3gpp": "video.3gp",
	"application/pdf": "document.pdf", "application/zip": "archive.zip", "application/json": "data.json",
	"message/delivery-status": "delivery-status.txt", "message/global-delivery-status": "delivery-status.txt",
	"message/disposition-notification": "receipt.txt", "message/feedback-report": "report.txt",
}

func nameByType(mediaType string) string {
	if n, ok := names[mediaType]; ok {
		return n
	}
	switch major, _ := path.Split(mediaType); major {
	case "image/", "audio/", "video/":
		return strings.TrimSuffix(major, "/")
	case "text/":
		return "text.txt"
	}
	return "attachment"
}

// noteSealed tells of content that only the addressee's keys can open (E14).
func (p *parser) noteSealed(ct content, at place) {
	if at.parent == "multipart/encrypted" || ct.value == "application/pkcs7-mime" || ct.value == "application/x-pkcs7-mime" {
		p.breaks("The mail is encrypted or sealed and cannot be read here; it is attached as it came.")
	}
}
