package sandbox

import (
	"bytes"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/emersion/go-imap/v2"
	"github.com/emersion/go-imap/v2/imapclient"
)

func TestFolders(t *testing.T) {
	s := open(t, Options{Dir: t.TempDir()})
	c := imapIn(t, s, nil)
	if err := errors.Join(c.Create("Work/Done", nil).Wait(), c.Rename("Work/Done", "Archive", nil).Wait(), c.Subscribe("Archive").Wait()); err != nil {
		t.Fatal(err)
	}
	for name, err := range map[string]error{
		"create twice":   c.Create("inbox", nil).Wait(),
		"rename onto":    c.Rename("Archive", "INBOX", nil).Wait(),
		"rename nothing": c.Rename("Nowhere", "X", nil).Wait(),
		"delete nothing": c.Delete("Nowhere").Wait(),
		"open nothing":   func() error { _, err := c.Select("Nowhere", nil).Wait(); return err }(),
	} {
		if err == nil {
			t.Errorf("%s: no error", name)
		}
	}
	list, err := c.List("", "*", nil).Collect()
	if err != nil || len(list) != 2 || list[0].Mailbox != "Archive" || list[1].Mailbox != "INBOX" {
		t.Errorf("list: %+v, %v", list, err)
	}
	raw := mailOf("kept", "text")
	put := c.Append("Archive", int64(len(raw)), &imap.AppendOptions{Flags: []imap.Flag{imap.FlagSeen}, Time: time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)})
	if _, err := put.Write(raw); err != nil {
		t.Fatal(err)
	}
	if err := put.Close(); err != nil {
		t.Fatal(err)
	}
	if data, err := put.Wait(); err != nil || data.UID != 1 {
		t.Fatalf("append: %+v, %v", data, err)
	}
	if _, err := c.Select("Archive", nil).Wait(); err != nil {
		t.Fatal(err)
	}
	if data, err := c.Copy(imap.SeqSetNum(1), "INBOX").Wait(); err != nil || data.DestUIDs.String() != "1" {
		t.Fatalf("copy: %+v, %v", data, err)
	}
	if got := s.Messages(support); len(got) != 2 || !got[1].Seen || !bytes.Equal(got[1].Raw, raw) {
		t.Errorf("%+v", got)
	}
}

func TestSearches(t *testing.T) {
	s := open(t, Options{})
	for n := range 10 {
		if err := s.Post(customer, []string{support}, mailOf(fmt.Sprint("m", n), strings.Repeat("x", n*100))); err != nil {
			t.Fatal(err)
		}
	}
	c := imapIn(t, s, nil)
	if _, err := c.Select("INBOX", nil).Wait(); err != nil {
		t.Fatal(err)
	}
	add := func(set imap.NumSet, op imap.StoreFlagsOp, flags ...imap.Flag) {
		t.Helper()
		if err := c.Store(set, &imap.StoreFlags{Op: op, Flags: flags}, nil).Close(); err != nil {
			t.Fatal(err)
		}
	}
	add(imap.UIDSetNum(2, 3), imap.StoreFlagsAdd, imap.FlagSeen)
	add(imap.SeqSetNum(3), imap.StoreFlagsDel, "\\seen")
	add(imap.SeqSetNum(4), imap.StoreFlagsSet, imap.FlagFlagged)
	today := time.Now()
	for name, q := range map[string]struct {
		criteria imap.SearchCriteria
		want     []imap.UID
	}{
		"from a UID on":     {imap.SearchCriteria{UID: []imap.UIDSet{{{Start: 9}}}}, []imap.UID{9, 10}},
		"beyond the last":   {imap.SearchCriteria{UID: []imap.UIDSet{{{Start: 99}}}}, []imap.UID{10}}, // as the standard has it
		"by number":         {imap.SearchCriteria{SeqNum: []imap.SeqSet{{{Start: 1, Stop: 2}}}}, []imap.UID{1, 2}},
		"seen":              {imap.SearchCriteria{Flag: []imap.Flag{imap.FlagSeen}}, []imap.UID{2}},
		"neither":           {imap.SearchCriteria{NotFlag: []imap.Flag{imap.FlagSeen, imap.FlagFlagged}, Not: []imap.SearchCriteria{{UID: []imap.UIDSet{{{Start: 5}}}}}}, []imap.UID{1, 3}},
		"either":            {imap.SearchCriteria{Or: [][2]imap.SearchCriteria{{{Flag: []imap.Flag{imap.FlagFlagged}}, {Flag: []imap.Flag{imap.FlagSeen}}}}}, []imap.UID{2, 4}},
		"header":            {imap.SearchCriteria{Header: []imap.SearchCriteriaHeaderField{{Key: "Message-ID", Value: "m7@"}}}, []imap.UID{8}},
		"text":              {imap.SearchCriteria{Text: []string{"SUBJECT: M5"}}, []imap.UID{6}},
		"large":             {imap.SearchCriteria{Larger: 1150}, []imap.UID{10}},
		"today":             {imap.SearchCriteria{Since: today.AddDate(0, 0, -1), Flag: []imap.Flag{imap.FlagSeen}}, []imap.UID{2}},
		"before":            {imap.SearchCriteria{Before: today.AddDate(0, 0, -1)}, nil},
		"sent, but no Date": {imap.SearchCriteria{SentSince: today.AddDate(-1, 0, 0)}, nil},
	} {
		found, err := c.UIDSearch(&q.criteria, nil).Wait()
		if err != nil || !slices.Equal(found.AllUIDs(), q.want) {
			t.Errorf("%s: %v, %v", name, found.AllUIDs(), err)
		}
	}
	extended, err := c.Search(&imap.SearchCriteria{}, &imap.SearchOptions{ReturnMin: true, ReturnMax: true, ReturnCount: true}).Wait()
	if err != nil || extended.Min != 1 || extended.Max != 10 || extended.Count != 10 {
		t.Errorf("extended: %+v, %v", extended, err)
	}
	list, err := c.Fetch(imap.UIDSetNum(1), &imap.FetchOptions{
		RFC822Size: true, InternalDate: true, BodyStructure: &imap.FetchItemBodyStructure{},
		BodySection: []*imap.FetchItemBodySection{{Specifier: imap.PartSpecifierHeader}},
	}).Collect()
	if err != nil || len(list) != 1 || list[0].RFC822Size != int64(len(s.Messages(support)[0].Raw)) || !s.Messages(support)[0].Seen {
		t.Errorf("fetch without peek: %+v, %v", list, err)
	}
}

func TestIMAPFaults(t *testing.T) {
	s := open(t, Options{NoMove: true})
	s.Fail(Fault{Command: "LOGIN", Text: "come back later", Times: 1})
	c, err := imapclient.DialInsecure(s.IMAP(), nil)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	if err := c.Login("support", "support-secret").Wait(); err == nil || !strings.Contains(err.Error(), "come back later") {
		t.Errorf("login: %v", err)
	}
	if err := c.Login("support", "support-secret").Wait(); err != nil {
		t.Fatal(err)
	}
	if c.Caps().Has(imap.CapMove) {
		t.Error("MOVE is offered")
	}
	s.Fail(Fault{Command: "SELECT", Drop: true, Wait: time.Millisecond})
	if _, err := c.Select("INBOX", nil).Wait(); err == nil {
		t.Error("the connection was not dropped")
	}
	s.Mend()
	if _, err := imapIn(t, s, nil).Select("INBOX", nil).Wait(); err != nil {
		t.Error(err)
	}
}
