package console

import (
	"errors"
	"io"
	"mime/multipart"
	"net/http"
	"net/url"
	"strings"

	"casewire/casecore"
	"casewire/casecore/store"
	"casewire/channels"
	"casewire/routing/desk"
)

const maxFiles = 10 // of one answer

func isMissing(err error) bool { return errors.Is(err, store.ErrNotFound) }

// write sends an answer or leaves a note. Whatever stands in the way, the text
// comes back.
func (c *Console) write(v *visit) error {
	view, err := c.o.Work.Read(v.ctx(), v.by, v.r.PathValue("number"))
	if err != nil && !errors.Is(err, casecore.ErrForbidden) && !isMissing(err) {
		return err
	}
	values, files, bad := c.readWriting(v, view)
	f := formOf(values, v.r.PathValue("number"))
	text := strings.ReplaceAll(f.Get("text"), "\r\n", "\n")
	a := again{draft: draft{Kind: f.Get("kind"), Text: plain(text)}, at: "write"}
	switch {
	case bad != nil:
		err = bad
	case err != nil:
		err = c.why(v, f, err)
	case strings.TrimSpace(text) == "" && len(files) == 0:
		err = &saying{code: http.StatusUnprocessableEntity, key: "write.empty", icon: "edit"}
	case a.draft.Kind == "note":
		_, _, err = c.o.Work.Note(v.ctx(), v.by, f.number, text)
	default:
		err = c.answer(v, f, view, channels.Body{Text: text, Files: files})
	}
	if err != nil {
		return c.refuse(v, err, a)
	}
	return v.goTo(casePath(f.number))
}

// why asks the book what stands in the way of somebody who may not read the case:
// whether it waits to be taken, or is not theirs at all.
func (c *Console) why(v *visit, f form, refusal error) error {
	if _, err := c.o.Work.Edit(v.ctx(), v.by, f.number, casecore.Edit{}, f.guard); err != nil {
		return err
	}
	return refusal
}

// answer writes to the customer unless they have written something that the
// operator had not before them. Other changes meanwhile do not matter.
func (c *Console) answer(v *visit, f form, view *desk.View, body channels.Body) error {
	newer := &saying{code: http.StatusConflict, key: "write.newer", icon: "mine"}
	if lastIn(view) > f.seen {
		return newer
	}
	f.guard.Version = view.Case.Version
	err := c.stillSo(v, f, func(now *desk.View) bool { return lastIn(now) <= f.seen }, func(g casecore.Guard) error {
		_, _, err := c.o.Work.Answer(v.ctx(), v.by, f.number, body, g)
		return err
	})
	var stale *casecore.Stale
	if errors.As(err, &stale) && stale.Now.ClaimNo == f.guard.ClaimNo {
		return newer
	}
	return err
}

// readWriting reads the composer's form part by part, so that attachments go
// straight to where they are kept. Without the right to answer none is read.
func (c *Console) readWriting(v *visit, view *desk.View) (url.Values, []channels.File, error) {
	attach := view != nil && view.MayWork && c.o.Files != nil
	most := int64(maxForm)
	if attach {
		most += maxFiles * c.o.FileLimit
	}
	v.r.Body = http.MaxBytesReader(v.w, v.r.Body, most)
	parts, err := v.r.MultipartReader()
	if errors.Is(err, http.ErrNotMultipart) {
		f, err := v.form()
		return f.Values, nil, err
	}
	values := url.Values{}
	if err != nil {
		return values, nil, &saying{code: http.StatusBadRequest, key: "error.bad_form"}
	}
	var (
		files []channels.File
		room  int64 = maxForm // bytes, of all fields together
	)
	for {
		part, err := parts.NextPart()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return values, nil, partError(err)
		}
		if part.FileName() == "" {
			n, err := readField(values, part, room)
			if err != nil {
				return values, nil, err
			}
			room -= n + 64 // even an empty one costs something
			continue
		}
		switch {
		case !attach:
			return values, nil, &saying{code: http.StatusUnprocessableEntity, key: "write.no_files"}
		case len(files) == maxFiles:
			return values, nil, &saying{code: http.StatusUnprocessableEntity, key: "write.many_files", args: []any{"n", maxFiles}}
		}
		file, err := c.o.Files.Put(v.ctx(), clip(part.FileName()), part, c.o.FileLimit)
		if errors.Is(err, channels.ErrTooLarge) {
			return values, nil, &saying{code: http.StatusRequestEntityTooLarge, key: "write.large_file", args: []any{"name", clip(part.FileName()), "size", v.Size(c.o.FileLimit)}}
		}
		if err != nil {
			return values, nil, partError(err)
		}
		files = append(files, file)
	}
	return values, files, nil
}

// readField reads a field of at most room bytes and says how many it has.
func readField(values url.Values, part *multipart.Part, room int64) (int64, error) {
	data, err := io.ReadAll(io.LimitReader(part, room+1))
	if err != nil {
		return 0, partError(err)
	}
	n := int64(len(data))
	if n > room {
		return 0, &http.MaxBytesError{Limit: maxForm}
	}
	values.Add(part.FormName(), string(data))
	return n, nil
}

// partError tells a form that ended too early from one that is too large; what
// the store says goes on as it is.
func partError(err error) error {
	if errors.Is(err, io.ErrUnexpectedEOF) || strings.HasPrefix(err.Error(), "multipart:") {
		return &saying{code: http.StatusBadRequest, key: "error.bad_form"}
	}
	return err
}

// typing lets the customer see that somebody writes.
func (c *Console) typing(v *visit) error {
	if c.o.Typing != nil {
		view, err := c.o.Work.Read(v.ctx(), v.by, v.r.PathValue("number"))
		if err != nil {
			return err
		}
		if view.MayWork {
			c.o.Typing(v.ctx(), view.Case.Channel, view.Case.To)
		}
	}
	v.w.WriteHeader(http.StatusNoContent)
	return nil
}

// measure says in words what sending a text takes, and nothing where that does not
// matter (S7).
func (c *Console) measure(v *visit) error {
	view, err := c.o.Work.Read(v.ctx(), v.by, v.r.PathValue("number"))
	if err != nil {
		return err
	}
	h := v.w.Header()
	h.Set("Content-Type", "text/plain; charset=utf-8")
	if c.o.Measure == nil || !view.MayWork {
		v.w.WriteHeader(http.StatusNoContent)
		return nil
	}
	m, ok := c.o.Measure(view.Case.Channel, limit(v.r.PostFormValue("text"), casecore.MaxText), view.Customer.Reads(view.Case))
	if !ok || m.Parts == 0 {
		v.w.WriteHeader(http.StatusNoContent)
		return nil
	}
	words := v.N("measure.parts", m.Parts, "left", m.Left)
	switch {
	case m.Long:
		words += " · " + v.T("measure.long")
	case m.Wide && m.Parts > 1:
		words += " · " + v.T("measure.wide")
	}
	_, _ = io.WriteString(v.w, words) // the browser may be gone
	return nil
}

// measured says that answers on the case's channel are paid by their length.
func (c *Console) measured(k *casecore.Case) bool {
	if c.o.Measure == nil {
		return false
	}
	_, ok := c.o.Measure(k.Channel, "", k.Lang)
	return ok
}
