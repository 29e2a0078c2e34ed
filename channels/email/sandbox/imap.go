package sandbox

import (
	"crypto/subtle"
	"io"
	"maps"
	"slices"
	"sync"

	"github.com/emersion/go-imap/v2"
	"github.com/emersion/go-imap/v2/imapserver"
	"github.com/emersion/go-sasl"
)

// imapSession is one IMAP connection.
type imapSession struct {
	srv     *Server
	conn    *imapserver.Conn
	idling  sync.WaitGroup
	closed  bool     // guarded by Server.mu: no idling begins any more
	account *account // nil before login
	view    *view    // nil while nothing is selected
}

var _ interface {
	imapserver.SessionMove
	imapserver.SessionNamespace
	imapserver.SessionSASL
} = (*imapSession)(nil)

func (s *Server) newIMAP(c *imapserver.Conn) (imapserver.Session, *imapserver.GreetingData, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	select {
	case <-s.done:
		return nil, nil, &imap.Error{Type: imap.StatusResponseTypeBye, Text: "closing"}
	default:
	}
	s.sessions.Add(1)
	return &imapSession{srv: s, conn: c}, nil, nil
}

// Close ends the session.
func (i *imapSession) Close() error {
	defer i.srv.sessions.Done()
	i.srv.mu.Lock()
	i.closed = true
	i.srv.mu.Unlock()
	i.idling.Wait()
	if i.view != nil {
		return i.Unselect()
	}
	return nil
}

// fails plays the fault that a test wants at a command.
func (i *imapSession) fails(command string) error {
	f := i.srv.fault(command)
	if f.harmless() {
		return nil
	}
	if f.Drop {
		i.conn.NetConn().Close()
		return errDropped
	}
	return f.imap()
}

func no(code imap.ResponseCode, text string) error {
	return &imap.Error{Type: imap.StatusResponseTypeNo, Code: code, Text: text}
}

// Login lets in who knows the password.
func (i *imapSession) Login(name, password string) error {
	return i.enter(name, password, func(a Account) string { return a.Password })
}

func (i *imapSession) enter(name, secret string, of func(Account) string) error {
	if err := i.fails("LOGIN"); err != nil {
		return err
	}
	i.srv.mu.Lock()
	defer i.srv.mu.Unlock()
	a := i.srv.user(name)
	if a == nil || !same(secret, of(a.Account)) {
		return imapserver.ErrAuthFailed
	}
	i.account = a
	return nil
}

func same(a, b string) bool { return b != "" && subtle.ConstantTimeCompare([]byte(a), []byte(b)) == 1 }

// AuthenticateMechanisms lists the ways to log in.
func (i *imapSession) AuthenticateMechanisms() []string { return i.srv.mechanisms() }

// Authenticate starts a login.
func (i *imapSession) Authenticate(mechanism string) (sasl.Server, error) {
	srv := authenticate(mechanism, i.enter)
	if srv == nil {
		return nil, no("", "no such mechanism")
	}
	return srv, nil
}

// folder returns one of the account's folders. The caller holds mu.
func (i *imapSession) folder(name string, code imap.ResponseCode) (*folder, error) {
	f := i.account.folder(name)
	if f == nil {
		return nil, no(code, "no such mailbox")
	}
	return f, nil
}

// Select opens a folder.
func (i *imapSession) Select(name string, _ *imap.SelectOptions) (*imap.SelectData, error) {
	if err := i.fails("SELECT"); err != nil {
		return nil, err
	}
	i.srv.mu.Lock()
	defer i.srv.mu.Unlock()
	f, err := i.folder(name, imap.ResponseCodeNonExistent)
	if err != nil {
		return nil, err
	}
	i.view = f.open()
	flags := []imap.Flag{imap.FlagSeen, imap.FlagAnswered, imap.FlagFlagged, imap.FlagDeleted, imap.FlagDraft}
	data := &imap.SelectData{
		Flags: flags, PermanentFlags: append(slices.Clone(flags), imap.FlagWildcard),
		NumMessages: uint32(len(f.list)), UIDNext: f.next, UIDValidity: f.validity,
	}
	if at := slices.IndexFunc(f.list, func(m *message) bool { return !m.has(imap.FlagSeen) }); at >= 0 {
		data.FirstUnseenSeqNum = uint32(at) + 1
	}
	return data, nil
}

// Unselect closes the folder.
func (i *imapSession) Unselect() error {
	i.srv.mu.Lock()
	defer i.srv.mu.Unlock()
	i.view.close()
	i.view = nil
	return nil
}

// Create makes a folder.
func (i *imapSession) Create(name string, _ *imap.CreateOptions) error {
	i.srv.mu.Lock()
	defer i.srv.mu.Unlock()
	if i.account.folder(name) != nil {
		return no(imap.ResponseCodeAlreadyExists, "mailbox exists")
	}
	_, err := i.account.create(name)
	return err
}

// Delete removes a folder with its mail.
func (i *imapSession) Delete(name string) error {
	i.srv.mu.Lock()
	defer i.srv.mu.Unlock()
	f, err := i.folder(name, imap.ResponseCodeNonExistent)
	if err != nil {
		return err
	}
	defer i.srv.tell()
	return i.account.remove(f)
}

// Rename gives a folder another name.
func (i *imapSession) Rename(name, to string, _ *imap.RenameOptions) error {
	i.srv.mu.Lock()
	defer i.srv.mu.Unlock()
	f, err := i.folder(name, imap.ResponseCodeNonExistent)
	if err != nil {
		return err
	}
	if i.account.folder(to) != nil {
		return no(imap.ResponseCodeAlreadyExists, "mailbox exists")
	}
	defer i.srv.tell()
	return i.account.rename(f, to)
}

// Subscribe does nothing: every folder is subscribed.
func (i *imapSession) Subscribe(string) error { return nil }

// Unsubscribe does nothing.
func (i *imapSession) Unsubscribe(string) error { return nil }

// Namespace says that all folders are the account's own.
func (i *imapSession) Namespace() (*imap.NamespaceData, error) {
	return &imap.NamespaceData{Personal: []imap.NamespaceDescriptor{{Delim: delim}}}, nil
}

// List names folders.
func (i *imapSession) List(w *imapserver.ListWriter, ref string, patterns []string, o *imap.ListOptions) error {
	if len(patterns) == 0 {
		return w.WriteList(&imap.ListData{Attrs: []imap.MailboxAttr{imap.MailboxAttrNoSelect}, Delim: delim})
	}
	i.srv.mu.Lock()
	var found []imap.ListData
	for _, name := range slices.Sorted(maps.Keys(i.account.folders)) {
		if !slices.ContainsFunc(patterns, func(p string) bool { return imapserver.MatchList(name, delim, ref, p) }) {
			continue
		}
		data := imap.ListData{Mailbox: name, Delim: delim}
		if o.ReturnSubscribed || o.SelectSubscribed {
			data.Attrs = append(data.Attrs, imap.MailboxAttrSubscribed)
		}
		if o.ReturnStatus != nil {
			data.Status = i.account.folders[name].status(o.ReturnStatus)
		}
		found = append(found, data)
	}
	i.srv.mu.Unlock()
	for _, data := range found {
		if err := w.WriteList(&data); err != nil {
			return err
		}
	}
	return nil
}

// Status tells of a folder without opening it.
func (i *imapSession) Status(name string, o *imap.StatusOptions) (*imap.StatusData, error) {
	i.srv.mu.Lock()
	defer i.srv.mu.Unlock()
	f, err := i.folder(name, imap.ResponseCodeNonExistent)
	if err != nil {
		return nil, err
	}
	return f.status(o), nil
}

func (f *folder) status(o *imap.StatusOptions) *imap.StatusData {
	count := func(want bool, of func(*message) bool) *uint32 {
		if !want {
			return nil
		}
		var n uint32
		for _, m := range f.list {
			if of(m) {
				n++
			}
		}
		return &n
	}
	data := &imap.StatusData{
		Mailbox: f.name, UIDNext: f.next, UIDValidity: f.validity,
		NumMessages: count(o.NumMessages, func(*message) bool { return true }),
		NumUnseen:   count(o.NumUnseen, func(m *message) bool { return !m.has(imap.FlagSeen) }),
		NumDeleted:  count(o.NumDeleted, func(m *message) bool { return m.has(imap.FlagDeleted) }),
		NumRecent:   count(o.NumRecent, func(*message) bool { return false }),
	}
	if o.Size {
		var n int64
		for _, m := range f.list {
			n += int64(len(m.raw))
		}
		data.Size = &n
	}
	return data
}

// Append takes in a mail from the client.
func (i *imapSession) Append(name string, r imap.LiteralReader, o *imap.AppendOptions) (*imap.AppendData, error) {
	if err := i.fails("APPEND"); err != nil {
		return nil, err
	}
	raw, err := io.ReadAll(r)
	if err != nil {
		return nil, err
	}
	i.srv.mu.Lock()
	defer i.srv.mu.Unlock()
	f, err := i.folder(name, imap.ResponseCodeTryCreate)
	if err != nil {
		return nil, err
	}
	at := o.Time
	if at.IsZero() {
		at = i.srv.o.Now()
	}
	m, err := i.account.add(f, message{raw: raw, at: at, flags: o.Flags})
	if err != nil {
		return nil, err
	}
	i.srv.tell()
	return &imap.AppendData{UIDValidity: f.validity, UID: m.uid}, nil
}

// Poll tells the client what changed.
func (i *imapSession) Poll(w *imapserver.UpdateWriter, allowExpunge bool) error {
	if i.view == nil {
		return nil
	}
	return i.view.tracker.Poll(w, allowExpunge)
}

// Idle tells the client what changes, until stop. The library's own may miss a mail
// that arrives as it begins.
func (i *imapSession) Idle(w *imapserver.UpdateWriter, stop <-chan struct{}) error {
	v, ok := i.idles()
	if !ok {
		return nil
	}
	defer i.idling.Done()
	if err := i.fails("IDLE"); err != nil {
		return err
	}
	if v == nil {
		<-stop
		return nil
	}
	for {
		if err := v.tracker.Poll(w, true); err != nil {
			return err
		}
		select {
		case <-v.hint:
		case <-stop:
			return nil
		}
	}
}

// idles begins an IDLE, unless the session has ended meanwhile: the library starts
// it in a goroutine of its own.
func (i *imapSession) idles() (*view, bool) {
	i.srv.mu.Lock()
	defer i.srv.mu.Unlock()
	if i.closed {
		return nil, false
	}
	i.idling.Add(1)
	return i.view, true
}
