package api

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	_ "image/gif" // dimensions of what is shown inline
	_ "image/jpeg"
	_ "image/png"
	"io"
	"mime"
	"net/http"
	"slices"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"casewire/casecore"
	"casewire/casecore/store"
	"casewire/channels"
	"casewire/routing/letter"
)

// upload is a file that waits to be attached by whoever sent it.
type upload struct {
	store.Meta
	By    string        `json:"by"` // actor's id
	File  channels.File `json:"file"`
	Until time.Time     `json:"until"`
}

// Keys of an upload: until, for sweeping; the blob it keeps alive.
func (u *upload) Keys() store.Keys {
	k := store.Keys{}
	k.Set("until", store.TimeKey(u.Until))
	k.Set("blob", u.File.Blob)
	return k
}

var uploads = store.NewTable[upload]("api_upload", store.Index{Name: "until"}, store.Index{Name: "blob"})

const keepUploads = 24 * time.Hour

// Upload is a file that can be attached.
type Upload struct {
	ID        string    `json:"id" doc:"For files of a message or a case."`
	Name      string    `json:"name"`
	Type      string    `json:"type" doc:"Media type, as its bytes look."`
	Size      int64     `json:"size" doc:"Bytes."`
	ExpiresAt time.Time `json:"expires_at" doc:"Attach it before."`
}

type uploadInput struct{ Creating }

type fileInput struct {
	Numbered
	Message string `path:"message" maxLength:"128" doc:"Id of the message."`
	N       int    `path:"n" minimum:"1" maximum:"1000" doc:"Place among its files, from 1."`
}

type sourceInput struct {
	Numbered
	Message string `path:"message" maxLength:"128" doc:"Id of the message."`
}

type fileOutput struct{ Body func(huma.Context) }

func (a *API) fileOperations(r *registrar) {
	register(r, operation{
		id: "upload-file", method: http.MethodPost, path: "/files", tag: "Files", summary: "Upload a file to attach",
		about:  "One part named file, of at most 10 MB. Attach it by its id within 24 hours; only you can.",
		status: http.StatusCreated, body: fileBody, refuses: []int{408},
	}, a.uploadFile)
	register(r, operation{
		id: "get-file", method: http.MethodGet, path: "/cases/{number}/files/{message}/{n}", tag: "Files", summary: "Get a file of a message",
		about: "Pictures may be shown; everything else is sent as a download. Ranges are answered.", refuses: []int{403, 404},
	}, a.getFile)
	register(r, operation{
		id: "get-source", method: http.MethodGet, path: "/cases/{number}/messages/{message}/source", tag: "Files", summary: "Get a message as received",
		about: "A mail as message/rfc822, anything else as bytes; always as a download. Ranges are answered.", refuses: []int{403, 404},
	}, a.getSource)
}

func (a *API) uploadFile(ctx context.Context, c *call, in *uploadInput) (*created[Upload], error) {
	f, err := a.receive(ctx, c)
	if err != nil {
		return nil, err
	}
	return once(ctx, a, c, in.Key, f.Name+"\x00"+f.Blob, func(keep keep[Upload]) (*created[Upload], error) {
		var out *created[Upload]
		err := a.Store.Update(ctx, func(tx store.Tx) error {
			u := &upload{By: c.actor.ID, File: f, Until: a.o.Now().Add(keepUploads)}
			if err := uploads.Put(tx, u); err != nil {
				return err
			}
			out = &created[Upload]{Status: http.StatusCreated,
				Body: Upload{ID: u.ID, Name: f.Name, Type: f.Type, Size: f.Size, ExpiresAt: u.Until.UTC()}}
			return keep(tx, out)
		})
		return out, err
	})
}

// receive stores the part named file. Its bytes are durable before anything
// refers to them.
func (a *API) receive(ctx context.Context, c *call) (channels.File, error) {
	const around = 64 << 10 // headers and boundaries of the form
	if c.r.ContentLength > a.o.MaxFile+around {
		return channels.File{}, tooLarge("the file", a.o.MaxFile)
	}
	c.deadline(fileTime)
	c.r.Body = http.MaxBytesReader(c.w, c.r.Body, a.o.MaxFile+around)
	form, err := c.r.MultipartReader()
	if err != nil {
		return channels.File{}, problem("malformed", "the form cannot be read: "+err.Error())
	}
	part, err := form.NextPart()
	if errors.Is(err, io.EOF) {
		return channels.File{}, invalid(at("file", "required: one part named file"))
	}
	if p := readFault(err, "the file", a.o.MaxFile); p != nil {
		return channels.File{}, p
	}
	if part.FormName() != "file" || part.FileName() == "" {
		return channels.File{}, invalid(at("file", "the first part must be named file and have a file name"))
	}
	f, err := a.Files.Put(ctx, part.FileName(), part, a.o.MaxFile)
	if errors.Is(err, channels.ErrTooLarge) {
		return channels.File{}, tooLarge("the file", a.o.MaxFile)
	}
	if err != nil {
		if broken(err) {
			return channels.File{}, readFault(err, "the file", a.o.MaxFile)
		}
		return channels.File{}, fmt.Errorf("keep an upload: %w", err)
	}
	if f.Size == 0 {
		return channels.File{}, invalid(at("file", "is empty"))
	}
	if _, err := form.NextPart(); !errors.Is(err, io.EOF) {
		return channels.File{}, invalid(at("file", "send one file at a time"))
	}
	return f, nil
}

// broken says whether reading, not keeping, went wrong.
func broken(err error) bool {
	_, large := errors.AsType[*http.MaxBytesError](err)
	return large || errors.Is(err, io.ErrUnexpectedEOF)
}

// attached resolves uploads among those of the actor: the file of anybody else's
// case has no id that could be given here.
func (a *API) attached(ctx context.Context, by casecore.Actor, ids []string) ([]channels.File, error) {
	var (
		files  []channels.File
		faults []Fault
	)
	err := a.Store.View(ctx, func(tx store.Tx) error {
		files, faults = nil, nil
		for i, id := range ids {
			u, err := uploads.Get(tx, id)
			if err != nil && !errors.Is(err, store.ErrNotFound) {
				return err
			}
			if u == nil || u.By != by.ID || !a.o.Now().Before(u.Until) {
				faults = append(faults, at(fmt.Sprintf("files/%d", i), "no such upload of yours; upload the file again"))
				continue
			}
			files = append(files, u.File)
		}
		return nil
	})
	if err == nil && len(faults) > 0 {
		err = invalid(faults...)
	}
	return files, err
}

func (a *API) getFile(ctx context.Context, c *call, in *fileInput) (*fileOutput, error) {
	m, _, err := a.message(ctx, c, in.Message)
	if err != nil {
		return nil, err
	}
	if in.N > len(m.Body.Files) {
		return nil, notFound()
	}
	f := m.Body.Files[in.N-1]
	body, err := a.Files.Open(ctx, f.Blob)
	if err != nil {
		return nil, err
	}
	return &fileOutput{Body: func(huma.Context) {
		defer body.Close()
		a.sendFile(c, f, body)
	}}, nil
}

// message returns a message of the case, and the case's number, to whoever may
// read it.
func (a *API) message(ctx context.Context, c *call, id string) (*casecore.Message, string, error) {
	v, err := a.Work.Read(ctx, c.actor, c.number)
	if err != nil {
		return nil, "", err
	}
	i := slices.IndexFunc(v.Messages, func(m *casecore.Message) bool { return m.ID == id })
	if i < 0 {
		return nil, "", notFound()
	}
	return v.Messages[i], v.Case.CaseNumber(), nil
}

func (a *API) getSource(ctx context.Context, c *call, in *sourceInput) (*fileOutput, error) {
	m, number, err := a.message(ctx, c, in.Message)
	if err != nil {
		return nil, err
	}
	if !m.HasSource() {
		return nil, notFound()
	}
	body, err := m.OpenSource(ctx, a.Files)
	if err != nil {
		return nil, err
	}
	return &fileOutput{Body: func(huma.Context) {
		defer body.Close()
		name, kind := letter.Raw(number, m)
		a.send(c, cmp.Or(m.Source, m.ID), kind, mime.FormatMediaType("attachment", map[string]string{"filename": name}), body)
	}}, nil
}

// sendFile never believes the sender about the type: what is not plainly a
// picture is a download that no browser will open in our origin.
func (a *API) sendFile(c *call, f channels.File, body io.ReadSeeker) {
	kind, how := "application/octet-stream", "attachment"
	if is, ok := channels.Showable(body); ok {
		kind, how = is, "inline"
	}
	a.send(c, f.Blob, kind, mime.FormatMediaType(how, map[string]string{"filename": f.Name}), body)
}

// send writes what came from outside so that nothing of it runs in our origin.
func (a *API) send(c *call, blob, kind, disposition string, body io.ReadSeeker) {
	h := c.w.Header()
	h.Set("Content-Type", kind)
	h.Set("Content-Disposition", disposition)
	h.Set("Content-Security-Policy", "sandbox; default-src 'none'")
	h.Set("Cache-Control", "private, no-cache")
	h.Set("ETag", `"`+blob+`"`)
	http.ServeContent(c.w, c.r, "", time.Time{}, body)
}

func sweepUploads(tx store.Tx, now time.Time, limit int) (int, error) {
	var old []*upload
	for u, err := range uploads.Scan(tx, store.Range{Index: "until", To: store.TimeKey(now), Limit: limit}) {
		if err != nil {
			return 0, err
		}
		old = append(old, u)
	}
	for _, u := range old {
		if err := uploads.Delete(tx, u); err != nil {
			return 0, err
		}
	}
	return len(old), nil
}

// Uploaded says whether an upload that has not been attached yet keeps these
// bytes, for whoever sweeps blobs that nothing refers to.
func Uploaded(tx store.Tx, hash string) (bool, error) {
	_, err := uploads.Find(tx, "blob", hash)
	if errors.Is(err, store.ErrNotFound) {
		return false, nil
	}
	return err == nil, err
}
