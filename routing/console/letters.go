package console

import (
	"bytes"
	"errors"
	"fmt"
	"mime"
	"net/http"
	"slices"
	"sync"
	"time"

	"casewire/casecore"
	"casewire/channels"
	"casewire/routing/letter"
)

// letterBox is where the page shows a mail as its sender formatted it.
type letterBox struct {
	URL    string
	Frame  string // the frame's name, by which the button finds it
	Height int    // pixels
	Remote int    // pictures from elsewhere, which are left out at first
}

// letterPolicy is what the frame may do: show. The sandbox gives it an origin of
// its own, without our cookies, so it has its pictures in itself.
const letterPolicy = "default-src 'none'; img-src data:%s; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'; frame-ancestors 'self'; sandbox allow-popups allow-popups-to-escape-sandbox"

func (t talk) letter(m *casecore.Message) *letterBox {
	if m.Body.HTML == "" {
		return nil
	}
	n := t.c.remote.count(m)
	if n < 0 {
		return nil
	}
	return &letterBox{
		URL: t.at(m) + "/html", Frame: fmt.Sprintf("letter-%d", m.Seq), Height: letterHeight(m), Remote: n,
	}
}

func (t talk) source(m *casecore.Message) string {
	if !m.HasSource() || t.c.o.Files == nil {
		return ""
	}
	return t.at(m) + "/source"
}

func (t talk) at(m *casecore.Message) string {
	return fmt.Sprintf("%scases/%s/messages/%s", Prefix, t.view.Case.CaseNumber(), m.ID)
}

// letterHeight guesses how high a letter is: the page cannot ask its frame.
func letterHeight(m *casecore.Message) int {
	const least, most, line, picture = 120, 560, 22, 160
	chars := len([]rune(limit(m.Body.Text+m.Body.Quoted, 10_000)))
	lines := chars/70 + bytes.Count([]byte(m.Body.Text+m.Body.Quoted), []byte("\n"))
	return min(least+line*lines+picture*len(m.Body.Files), most)
}

// remotes remembers how many pictures from elsewhere messages have, so that a page
// that is read again does not read every letter again.
type remotes struct {
	mu    sync.Mutex
	known map[string]int
}

// count says how many m has, -1 when its HTML cannot be shown.
func (r *remotes) count(m *casecore.Message) int {
	const most = 8192
	key := fmt.Sprint(m.ID, "/", m.Version)
	r.mu.Lock()
	n, ok := r.known[key]
	r.mu.Unlock()
	if ok {
		return n
	}
	n, err := letter.Remote(m.Body.HTML)
	if err != nil {
		n = -1
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.known == nil || len(r.known) >= most {
		r.known = make(map[string]int)
	}
	r.known[key] = n
	return n
}

// message finds the message that the address names, for whoever may read its case,
// and what was written before it, nearest first.
func (c *Console) message(v *visit) (number string, m *casecore.Message, before []*casecore.Message, err error) {
	view, err := c.o.Work.Read(v.ctx(), v.by, v.r.PathValue("number"))
	if err != nil {
		return "", nil, nil, err
	}
	i := slices.IndexFunc(view.Messages, func(m *casecore.Message) bool { return m.ID == v.r.PathValue("message") })
	if i < 0 {
		return "", nil, nil, errNoPage
	}
	before = slices.Clone(view.Messages[:i])
	slices.Reverse(before)
	return view.Case.CaseNumber(), view.Messages[i], before, nil
}

// letter serves the frame of a mail as its sender formatted it, made safe (E15,
// E16). Pictures from elsewhere are shown to who asks for them, this once.
func (c *Console) letter(v *visit) error {
	_, m, before, err := c.message(v)
	if err != nil {
		return err
	}
	if m.Body.HTML == "" {
		return errNoPage
	}
	remote, also := v.r.FormValue("remote") != "", ""
	if remote {
		also = " https:"
	}
	l, err := letter.Read(m.Body.HTML, remote)
	if errors.Is(err, letter.ErrUnshowable) {
		return errNoPage
	}
	if err != nil {
		return err
	}
	var head bytes.Buffer
	pages, err := v.pages()
	if err != nil {
		return fmt.Errorf("templates in %s: %w", v.Tag(), err)
	}
	if err := pages.ExecuteTemplate(&head, "letter", nil); err != nil {
		return fmt.Errorf("render letter: %w", err)
	}
	h := v.w.Header()
	h.Set("Content-Type", "text/html; charset=utf-8")
	h.Set("Content-Security-Policy", fmt.Sprintf(letterPolicy, also))
	h.Set("Referrer-Policy", "no-referrer")
	if _, err := v.w.Write(head.Bytes()); err != nil {
		return errGone
	}
	files := [][]channels.File{m.Body.Files}
	for _, b := range before {
		files = append(files, b.Body.Files)
	}
	if err := l.Render(v.w, func(cid string) (letter.Picture, bool) { return c.picture(v, cid, files) }); err != nil {
		return errGone
	}
	return nil
}

// picture opens the file that a letter shows in place, if it may be shown.
func (c *Console) picture(v *visit, cid string, files [][]channels.File) (letter.Picture, bool) {
	f, ok := letter.File(cid, files...)
	if !ok || c.o.Files == nil {
		return letter.Picture{}, false
	}
	data, err := c.o.Files.Open(v.ctx(), f.Blob)
	if err != nil {
		return letter.Picture{}, false
	}
	kind, ok := channels.Showable(data)
	if !ok {
		_ = data.Close() // only read from
		return letter.Picture{}, false
	}
	return letter.Picture{Type: kind, Size: f.Size, Data: data}, true
}

// source serves a message as it arrived, to be saved.
func (c *Console) source(v *visit) error {
	number, m, _, err := c.message(v)
	if err != nil {
		return err
	}
	data, err := m.OpenSource(v.ctx(), c.o.Files)
	if errors.Is(err, channels.ErrNotFound) {
		return errNoPage
	}
	if err != nil {
		return err
	}
	defer data.Close() //nolint:errcheck // only read from
	name, kind := letter.Raw(number, m)
	h := v.w.Header()
	h.Set("Content-Type", kind)
	h.Set("Content-Disposition", mime.FormatMediaType("attachment", map[string]string{"filename": name}))
	h.Set("Content-Security-Policy", "default-src 'none'; sandbox")
	h.Set("Cross-Origin-Resource-Policy", "same-origin")
	http.ServeContent(v.w, v.r, "", time.Time{}, data)
	return nil
}
