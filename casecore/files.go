package casecore

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"path"
	"strings"
	"unicode"

	"casewire/casecore/blob"
	"casewire/channels"
)

// Files keeps attachments in a blob store (channels.Files).
type Files struct{ Blobs blob.Store }

var _ channels.Files = Files{}

// sniffed is how many bytes http.DetectContentType looks at.
const sniffed = 512

// Put stores at most limit bytes of r under their hash. The type is what the
// bytes look like, whatever the sender called it; the name loses its folders and
// control characters.
func (f Files) Put(ctx context.Context, name string, r io.Reader, limit int64) (channels.File, error) {
	br := bufio.NewReaderSize(r, sniffed)
	head, err := br.Peek(sniffed)
	if err != nil && !errors.Is(err, io.EOF) {
		return channels.File{}, fmt.Errorf("read attachment: %w", err)
	}
	kind, _, _ := strings.Cut(http.DetectContentType(head), ";")
	ref, err := f.Blobs.Put(ctx, br, limit)
	if errors.Is(err, blob.ErrTooLarge) {
		return channels.File{}, fmt.Errorf("%w: more than %d bytes", channels.ErrTooLarge, limit)
	}
	if err != nil {
		return channels.File{}, err
	}
	return channels.File{Name: FileName(name), Type: kind, Size: ref.Size, Blob: ref.Hash}, nil
}

// Open returns the bytes kept under a hash.
func (f Files) Open(ctx context.Context, hash string) (io.ReadSeekCloser, error) {
	r, err := f.Blobs.Open(ctx, hash)
	if errors.Is(err, blob.ErrNotFound) {
		return nil, fmt.Errorf("attachment: %w", channels.ErrNotFound)
	}
	return r, err
}

// FileName makes a sender's file name harmless: no folders, no control or
// direction characters, at most 120 characters, never empty.
func FileName(s string) string {
	s = path.Base(strings.ReplaceAll(strings.ToValidUTF8(s, "_"), `\`, "/"))
	s = strings.Map(func(r rune) rune {
		if unicode.IsControl(r) || unicode.Is(unicode.Cf, r) || strings.ContainsRune(`<>:"/|?*`, r) {
			return -1
		}
		return r
	}, s)
	s = strings.Trim(s, ". ")
	if s == "" {
		return "file"
	}
	if r := []rune(s); len(r) > 120 {
		ext := []rune(path.Ext(s))
		if len(ext) > 10 {
			ext = nil
		}
		s = string(r[:120-len(ext)]) + string(ext)
	}
	return s
}
