package main

import (
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"casewire/casecore"
	"casewire/casecore/blob/dir"
	"casewire/casecore/store"
	"casewire/casecore/store/sqlite"
	"casewire/channels"
	"casewire/notify"
)

// spoil changes a stopped house behind its back.
func (h hand) spoil(fn func(tx store.Tx) error) {
	h.t.Helper()
	st, err := sqlite.Open(h.t.Context(), filepath.Join(h.data, "casewire.db"), sqlite.Options{}, collected()...)
	if err != nil {
		h.t.Fatal(err)
	}
	if err := st.Update(h.t.Context(), fn); err != nil {
		h.t.Error(err)
	}
	if err := st.Close(); err != nil {
		h.t.Error(err)
	}
}

// content puts an attachment, and damages or removes it.
func (h hand) content(text string, damage func(file string) error) (hash string) {
	h.t.Helper()
	folder := filepath.Join(h.data, "blobs")
	files, err := dir.Open(folder, dir.Options{})
	if err != nil {
		h.t.Fatal(err)
	}
	ref, err := files.Put(h.t.Context(), strings.NewReader(text), 1000)
	if err != nil {
		h.t.Fatal(err)
	}
	if err := files.Close(); err != nil {
		h.t.Fatal(err)
	}
	if err := damage(filepath.Join(folder, ref.Hash[:1], ref.Hash[1:2], ref.Hash)); err != nil {
		h.t.Fatal(err)
	}
	return ref.Hash
}

// event hands fn the event with this number.
func (h hand) event(seq int64, fn func(tx store.Tx, e *casecore.Event) error) {
	h.t.Helper()
	h.spoil(func(tx store.Tx) error {
		c, err := onlyCase(tx)
		if err != nil {
			return err
		}
		e, err := casecore.Events.Find(tx, "case", store.Join(c.ID, store.NumberKey(seq)))
		if err != nil {
			return err
		}
		return fn(tx, e)
	})
}

// onlyCase is the one case of the house.
func onlyCase(tx store.Tx) (*casecore.Case, error) { return casecore.Cases.First(tx, store.Range{}) }

// TestVerifyNamesWhatIsWrong promises that each fault is named with its place, and
// that verify changes nothing and ends with 1.
func TestVerifyNamesWhatIsWrong(t *testing.T) {
	whole := os.DirFS(aCase(t).data)
	for name, tt := range map[string]struct {
		spoil func(h hand)
		words []string
	}{
		"a claim out of its chain": {
			func(h hand) {
				h.spoil(func(tx store.Tx) error {
					c, err := onlyCase(tx)
					if err != nil {
						return err
					}
					c.ClaimNo = 7
					return casecore.Cases.Put(tx, c)
				})
			},
			[]string{"case CW-000001: ", "claim 7", "claim 1"},
		},
		"a holder that no event knows": {
			func(h hand) {
				h.spoil(func(tx store.Tx) error {
					c, err := onlyCase(tx)
					if err != nil {
						return err
					}
					c.Owner = "somebody"
					return casecore.Cases.Put(tx, c)
				})
			},
			[]string{"case CW-000001: ", `"somebody"`},
		},
		"an event that is gone": {
			func(h hand) {
				h.spoil(func(tx store.Tx) error {
					e, err := casecore.Events.First(tx, store.Range{Index: "case"})
					if err != nil {
						return err
					}
					return casecore.Events.Delete(tx, e)
				})
			},
			[]string{"case CW-000001: event 1 is missing: event 2 follows event 0"},
		},
		"an event that says something else": {
			func(h hand) {
				h.event(2, func(tx store.Tx, e *casecore.Event) error {
					e.ActorName = "Somebody Else"
					return casecore.Events.Put(tx, e)
				})
			},
			[]string{"case CW-000001: event 2 is changed: it does not say what its seal is of", "1 faults"},
		},
		"events that changed places": {
			func(h hand) {
				h.event(3, func(tx store.Tx, e *casecore.Event) error {
					e.Seq = 99
					return casecore.Events.Put(tx, e)
				})
				h.event(2, func(tx store.Tx, e *casecore.Event) error {
					e.Seq = 3
					return casecore.Events.Put(tx, e)
				})
				h.event(99, func(tx store.Tx, e *casecore.Event) error {
					e.Seq = 2
					return casecore.Events.Put(tx, e)
				})
			},
			[]string{"case CW-000001: event 2 is reordered: it was event 3", "case CW-000001: event 3 is reordered: it was event 2", "2 faults"},
		},
		"an event that was added": {
			func(h hand) {
				h.event(1, func(tx store.Tx, e *casecore.Event) error {
					c, err := onlyCase(tx)
					if err != nil {
						return err
					}
					c.Events++
					e.Meta, e.Seq, e.Prev = store.Meta{}, c.Events, c.Head
					e.ID = store.NewID()
					e.Hash = e.Digest()
					return errors.Join(casecore.Cases.Put(tx, c), casecore.Events.Put(tx, e))
				})
			},
			[]string{"is changed: it was sealed anew: the case has another head", "1 faults"},
		},
		"a message that says something else": {
			func(h hand) {
				h.spoil(func(tx store.Tx) error {
					m, err := casecore.Messages.First(tx, store.Range{Index: "case"})
					if err != nil {
						return err
					}
					m.Body.Text = "I never wrote."
					return casecore.Messages.Put(tx, m)
				})
			},
			[]string{"case CW-000001: message 1 (event 1) is changed: it does not say what the event's seal is of", "1 faults"},
		},
		"a delivery that its notice knows otherwise": {
			func(h hand) {
				h.spoil(func(tx store.Tx) error {
					var sent *casecore.Message
					for m, err := range casecore.Messages.Scan(tx, store.Range{Index: "case"}) {
						if err != nil {
							return err
						}
						if m.Direction == casecore.Out {
							sent = m
						}
					}
					l := casecore.Ledger{Now: time.Now}
					if _, err := l.Attempted(tx, sent.ID, casecore.Attempt{No: 1, At: time.Now(), State: channels.Sent}); err != nil {
						return err
					}
					return notify.Notices.Put(tx, &notify.Notice{Case: sent.Case, Message: sent.ID, State: notify.Delivered, Proof: "another"})
				})
			},
			[]string{"case CW-000001: entry 1 of the delivery of message 2 (event 4) is changed: its notice has another seal of it", "1 faults"},
		},
		"a document that cannot be read": {
			func(h hand) {
				h.spoil(func(tx store.Tx) error {
					_, err := tx.Put(casecore.Customers.Coll(), store.Doc{ID: "odd", Body: []byte(`{"name":7}`)})
					return err
				})
			},
			[]string{"documents of customer: odd: "},
		},
		"attachments that are missing or damaged": {
			func(h hand) {
				gone := h.content("gone", os.Remove)
				cut := h.content("cut", func(file string) error { return os.Truncate(file, 1) })
				h.spoil(func(tx store.Tx) error {
					m, err := casecore.Messages.First(tx, store.Range{Index: "case"})
					if err != nil {
						return err
					}
					m.Source = gone
					m.Versions = []casecore.Version{{Body: channels.Body{Files: []channels.File{{Blob: cut, Name: "x"}}}, At: time.Now()}}
					return casecore.Messages.Put(tx, m)
				})
			},
			[]string{
				"case CW-000001, message 1: its raw form, 283b", "case CW-000001, message 1: an attachment of an earlier version, ",
				"is missing or damaged", "case CW-000001: message 1 (event 1) is changed", "3 faults",
			},
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			h := hand{t, filepath.Join(t.TempDir(), "data")}
			if err := os.CopyFS(h.data, whole); err != nil {
				t.Fatal(err)
			}
			h.good(" 1 cases, 0 attachments of 0 bytes, 0 faults", "verify")
			tt.spoil(h)
			for range 2 {
				got := command(t, "", "verify", "--data", h.data)
				if got.code != 1 || !strings.Contains(got.err, "something is wrong") {
					t.Errorf("%+v", got)
				}
				for _, w := range tt.words {
					if !strings.Contains(got.out, w) {
						t.Errorf("nothing of %q:\n%s", w, got.out)
					}
				}
			}
			h.tellsPrograms()
		})
	}
}

// tellsPrograms says the same in JSON: faults, and a summary that counts them.
func (h hand) tellsPrograms() {
	h.t.Helper()
	got := command(h.t, "", "verify", "--json", "--data", h.data)
	faults, lines := int64(0), json.NewDecoder(strings.NewReader(got.out))
	for {
		var f struct {
			At, Fault string
			Summary   *struct{ Documents, Faults int64 }
		}
		if err := lines.Decode(&f); err != nil {
			h.t.Fatalf("no summary: %v in %+v", err, got)
		}
		if f.Summary != nil {
			if got.code != 1 || f.Summary.Faults != faults || faults == 0 || f.Summary.Documents == 0 {
				h.t.Errorf("%d faults, %+v", faults, got)
			}
			return
		}
		if f.At == "" || f.Fault == "" {
			h.t.Errorf("%+v", f)
		}
		faults++
	}
}

// A file that has rotted is named, by the engine itself.
func TestVerifyReadsTheFile(t *testing.T) {
	h := aCase(t)
	file := filepath.Join(h.data, "casewire.db")
	b, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	at := strings.Index(string(b), "My phone is broken")
	if at < 0 {
		t.Fatal("the file does not hold the message as it is")
	}
	b[at] ^= 1
	if err := os.WriteFile(file, b, 0o600); err != nil {
		t.Fatal(err)
	}
	h.refuse("", 1, []string{"damaged", "restore the latest backup"}, "verify")
}

// A damaged attachment does not stop backups: all else is in it, and the command
// says what is not, and ends with 1.
func TestBackupNamesWhatIsDamaged(t *testing.T) {
	h := aCase(t)
	hash := h.content("a file", func(file string) error { return os.Truncate(file, 1) })
	dest := filepath.Join(t.TempDir(), "b.tar.gz")
	got := command(t, "", "backup", dest, "--data", h.data)
	if got.code != 1 || !strings.Contains(got.err, hash) || !strings.Contains(got.out, "0 attachments of 0 bytes") {
		t.Errorf("%+v", got)
	}
	to := hand{t, filepath.Join(t.TempDir(), "data")}
	to.good("1 attachments were damaged when the backup was made and are not in it: "+hash, "restore", dest)
}
