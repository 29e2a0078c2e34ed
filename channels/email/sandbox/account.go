package sandbox

import (
	"cmp"
	"slices"
	"strings"
	"time"

	"github.com/emersion/go-imap/v2"
	"github.com/emersion/go-imap/v2/imapserver"
)

const (
	inbox = "INBOX"
	delim = '/'
)

// account is the mailboxes of one Account. Server.mu guards it.
type account struct {
	Account
	folders  map[string]*folder
	validity uint32 // the last that was given to a folder
	journal  *journal
}

func (a *account) user() string { return cmp.Or(a.User, a.Address) }

// folder is one IMAP mailbox.
type folder struct {
	name     string
	validity uint32
	next     imap.UID
	list     []*message // by UID
	tracker  *imapserver.MailboxTracker
	views    map[*view]struct{}
}

// message is one mail in a folder. Only flags change.
type message struct {
	uid   imap.UID
	raw   []byte
	flags []imap.Flag // sorted
	at    time.Time
	from  string // of the envelope
	to    string
}

// view is a folder as one client sees it.
type view struct {
	*folder
	tracker *imapserver.SessionTracker
	hint    chan struct{} // has room for one: something changed
	found   imap.UIDSet   // by the last search that saved its result
}

func newFolder(name string, validity uint32) *folder {
	return &folder{
		name: name, validity: validity, next: 1,
		tracker: imapserver.NewMailboxTracker(0), views: map[*view]struct{}{},
	}
}

// open returns a new view of the folder.
func (f *folder) open() *view {
	v := &view{folder: f, tracker: f.tracker.NewSession(), hint: make(chan struct{}, 1)}
	f.views[v] = struct{}{}
	return v
}

func (v *view) close() {
	delete(v.views, v)
	v.tracker.Close()
}

// hint wakes the clients that idle in the folder.
func (f *folder) hint() {
	for v := range f.views {
		select {
		case v.hint <- struct{}{}:
		default:
		}
	}
}

// folder returns a folder by name; INBOX in any case.
func (a *account) folder(name string) *folder { return a.folders[folderName(name)] }

func folderName(name string) string {
	name = strings.TrimRight(name, string(delim))
	if strings.EqualFold(name, inbox) {
		return inbox
	}
	return name
}

// create makes an empty folder with a UIDVALIDITY of its own.
func (a *account) create(name string) (*folder, error) {
	f := newFolder(folderName(name), a.validity+1)
	if err := a.journal.write(entry{Op: opCreate, Folder: f.name, Validity: f.validity}); err != nil {
		return nil, err
	}
	a.validity++
	a.folders[f.name] = f
	return f, nil
}

func (a *account) remove(f *folder) error {
	if err := a.journal.write(entry{Op: opDelete, Folder: f.name}); err != nil {
		return err
	}
	delete(a.folders, f.name)
	f.hint()
	return a.journal.forget(f, f.list)
}

func (a *account) rename(f *folder, name string) error {
	name = folderName(name)
	if err := a.journal.write(entry{Op: opRename, Folder: f.name, To: name}); err != nil {
		return err
	}
	delete(a.folders, f.name)
	f.name = name
	a.folders[name] = f
	return nil
}

// add appends a mail to a folder, under the next UID.
func (a *account) add(f *folder, m message) (*message, error) {
	m.uid = f.next
	m.flags = canonical(m.flags)
	if err := a.journal.keep(f, &m); err != nil {
		return nil, err
	}
	f.append(&m)
	f.tracker.QueueNumMessages(uint32(len(f.list)))
	f.hint()
	return &m, nil
}

func (f *folder) append(m *message) {
	f.list = append(f.list, m)
	f.next = max(f.next, m.uid+1)
}

// find returns where the mail with a UID is, or would be, in the list.
func (f *folder) find(uid imap.UID) (int, bool) {
	return slices.BinarySearchFunc(f.list, uid, func(m *message, uid imap.UID) int { return cmp.Compare(m.uid, uid) })
}

// setFlags changes what a mail is marked with. but is not told.
func (a *account) setFlags(f *folder, seq int, flags []imap.Flag, but *view) error {
	m := f.list[seq-1]
	flags = canonical(flags)
	if slices.Equal(m.flags, flags) {
		return nil
	}
	if err := a.journal.write(entry{Op: opFlags, Folder: f.name, UID: m.uid, Flags: flags}); err != nil {
		return err
	}
	m.flags = flags
	var source *imapserver.SessionTracker
	if but != nil {
		source = but.tracker
	}
	f.tracker.QueueMessageFlags(uint32(seq), m.uid, flags, source)
	f.hint()
	return nil
}

// expunge takes mails out of a folder.
func (a *account) expunge(f *folder, gone func(*message) bool) error {
	var out []*message
	for seq := len(f.list); seq > 0; seq-- {
		m := f.list[seq-1]
		if !gone(m) {
			continue
		}
		if err := a.journal.write(entry{Op: opExpunge, Folder: f.name, UID: m.uid}); err != nil {
			return err
		}
		out = append(out, m)
		f.list = slices.Delete(f.list, seq-1, seq)
		f.tracker.QueueExpunge(uint32(seq))
	}
	f.hint()
	return a.journal.forget(f, out)
}

// canonical sorts flags and writes those of the system as the standard does.
func canonical(flags []imap.Flag) []imap.Flag {
	system := []imap.Flag{imap.FlagSeen, imap.FlagAnswered, imap.FlagFlagged, imap.FlagDeleted, imap.FlagDraft}
	out := slices.Clone(flags)
	for i, f := range out {
		for _, s := range system {
			if strings.EqualFold(string(f), string(s)) {
				out[i] = s
			}
		}
	}
	slices.Sort(out)
	return slices.Compact(out)
}

func (m *message) has(flag imap.Flag) bool {
	return slices.ContainsFunc(m.flags, func(f imap.Flag) bool { return strings.EqualFold(string(f), string(flag)) })
}
