package inbox

import (
	"context"
	"fmt"
	"time"

	"casewire/channels/email/link"

	"github.com/emersion/go-imap/v2"
	"github.com/emersion/go-imap/v2/imapclient"
)

// Remove waits until the mail with a Message-ID is in one of the folders, or in the
// one for stored mail, and deletes it and nothing else. It uses a connection of its
// own.
func (b *Inbox) Remove(ctx context.Context, messageID string) error {
	client, conn, err := b.connect(ctx, nil, nil)
	if err != nil {
		return err
	}
	defer client.Close()
	defer context.AfterFunc(ctx, func() { conn.Close() })()
	if err := b.authenticate(ctx, client); err != nil {
		return err
	}
	folders := b.s.Folders
	if b.s.MoveTo != "" {
		folders = append(folders[:len(folders):len(folders)], b.s.MoveTo)
	}
	for wait := 50 * time.Millisecond; ; wait = min(2*wait, 2*time.Second) {
		for _, folder := range folders {
			done, err := remove(client, folder, messageID)
			if err != nil {
				if conn.Failed() != nil {
					err = link.Explain(conn.Failed())
				}
				return &stepError{step: "remove", folder: folder, err: err}
			}
			if done {
				return nil
			}
		}
		if !pause(ctx, wait) {
			return ctx.Err()
		}
	}
}

// remove deletes the mail if it is in the folder.
func remove(client *imapclient.Client, folder, messageID string) (bool, error) {
	if _, err := client.Select(folder, nil).Wait(); err != nil {
		return false, err
	}
	data, err := client.UIDSearch(&imap.SearchCriteria{
		Header: []imap.SearchCriteriaHeaderField{{Key: "Message-Id", Value: messageID}},
	}, nil).Wait()
	if err != nil {
		return false, err
	}
	uids := data.AllUIDs()
	if len(uids) != 1 { // none, or more than one of an id that is unique: not ours to delete
		return false, nil
	}
	set := imap.UIDSetNum(uids[0])
	mark := &imap.StoreFlags{Op: imap.StoreFlagsAdd, Silent: true, Flags: []imap.Flag{imap.FlagDeleted}}
	if err := client.Store(set, mark, nil).Close(); err != nil {
		return false, err
	}
	if !client.Caps().Has(imap.CapUIDPlus) {
		return true, nil // EXPUNGE would remove what others have marked; the owner's program will
	}
	if err := client.UIDExpunge(set).Close(); err != nil {
		return false, fmt.Errorf("expunge: %w", err)
	}
	return true, nil
}
