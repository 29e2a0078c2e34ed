package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"casewire/casecore"
	"casewire/casecore/store"
	"casewire/channels"
	"casewire/cmd/casewire/app"
	"casewire/routing/intake"
)

// TestBackupRestoreVerifyByCommand promises that the commands do the same whether
// casewire runs on the data folder or not, and that none of them harms what is
// there.
func TestBackupRestoreVerifyByCommand(t *testing.T) {
	folder := t.TempDir()
	h := hand{t, filepath.Join(folder, "data")}
	p := serve(t, "--listen", "127.0.0.1:0", "--data", h.data)
	p.start()
	v := newVisitor("ada", func() {})
	if err := v.connect(t.Context(), p.url()); err != nil {
		t.Fatal(err)
	}
	defer v.leave()
	if err := v.send(t.Context(), newWritten(v, "My phone is broken", []byte("a file"))); err != nil {
		t.Fatal(err)
	}
	if err := v.sees(t.Context(), 1, "auto"); err != nil {
		t.Fatal(err)
	}
	running := filepath.Join(folder, "running.tar.gz")
	h.good("running.tar.gz: ", "backup", running)
	h.good("1 attachments of 6 bytes, 0 faults", "verify")
	h.refuse("", 2, []string{"is there already", "--force"}, "backup", running)
	h.good("running.tar.gz: ", "backup", running, "--force")
	h.refuse("", 2, []string{"is a folder", "name a file in it"}, "backup", folder)
	h.refuse("", 1, []string{"no such file"}, "backup", filepath.Join(folder, "no", "x.tar.gz"))
	h.refuse("", 1, []string{"in use", fmt.Sprintf("pid %d", p.cmd.Process.Pid)}, "restore", running)
	p.signal(syscall.SIGTERM)
	if code := p.wait(); code != 0 {
		t.Fatalf("ended with %d", code)
	}
	stopped := command(t, "", "backup", "-", "--data", h.data)
	if stopped.code != 0 || !strings.HasPrefix(stopped.err, "standard output: ") {
		t.Fatalf("%d, %s", stopped.code, stopped.err)
	}
	h.refuse("", 1, []string{"has documents already", "--data"}, "restore", running)
	for name, args := range map[string][]string{"file": {"restore", running}, "pipe": {"restore", "-"}} {
		to := hand{t, filepath.Join(folder, "from-"+name)}
		got := piped(t, stopped.out, append(args, "--data", to.data)...)
		for _, w := range []string{"restored the backup of ", "1 attachments of 6 bytes", "nothing was on its way", "casewire verify --data " + to.data} {
			if got.code != 0 || got.err != "" || !strings.Contains(got.out, w) {
				t.Errorf("restore from a %s: %+v, want %q", name, got, w)
			}
		}
		to.good(" 0 faults", "verify")
		b := openBook(t, to.data)
		b.isInOrder()
		if len(b.messages) != 2 || len(b.files) != 1 {
			t.Errorf("%d messages and %d files", len(b.messages), len(b.files))
		}
	}
	if left, err := filepath.Glob(filepath.Join(folder, "*.partial")); err != nil || left != nil {
		t.Errorf("left behind: %q, %v", left, err)
	}
}

// piped runs a command with a standard input that can be read once only.
func piped(t *testing.T, stdin string, args ...string) said {
	t.Helper()
	var out, err bytes.Buffer
	code := run(t.Context(), args, struct{ io.Reader }{strings.NewReader(stdin)}, &out, &err, func() {})
	return said{code, out.String(), err.String()}
}

// good runs a command that succeeds and says these words.
func (h hand) good(words string, args ...string) {
	h.t.Helper()
	got := command(h.t, "", append(args, "--data", h.data)...)
	if got.code != 0 || got.err != "" || !strings.Contains(got.out, words) {
		h.t.Errorf("%s: %+v, want %q", strings.Join(args, " "), got, words)
	}
}

// A command that is about what is stored makes no store where there is none.
func TestBackupAndVerifyMakeNoStore(t *testing.T) {
	data := filepath.Join(t.TempDir(), "typo")
	for _, args := range [][]string{{"backup", filepath.Join(t.TempDir(), "x")}, {"verify"}} {
		hand{t, data}.refuse("", 2, []string{"there is no store in " + data, "--data"}, args...)
	}
	hand{t, data}.refuse("", 2, []string{"no such file"}, "restore", filepath.Join(data, "none.tar.gz"))
	if _, err := os.Stat(data); err == nil {
		t.Error("the folder was made")
	}
}

// A backup that is damaged or cut off leaves nothing, or something that nobody can
// take for a whole store and that the next restore makes good.
func TestDamagedBackupIsRefusedByCommand(t *testing.T) {
	folder := t.TempDir()
	whole := command(t, "", "backup", "-", "--data", aCase(t).data)
	if whole.code != 0 {
		t.Fatalf("%+v", whole.err)
	}
	cut := whole.out[:len(whole.out)-40]
	file := filepath.Join(folder, "cut.tar.gz")
	if err := os.WriteFile(file, []byte(cut), 0o600); err != nil {
		t.Fatal(err)
	}
	h := hand{t, filepath.Join(folder, "data")}
	h.refuse("", 1, []string{"cut.tar.gz: the backup is damaged or cut off"}, "restore", file)
	if _, err := os.Stat(h.data); err == nil {
		t.Error("a refused backup made the data folder")
	}
	got := piped(t, cut, "restore", "-", "--data", h.data)
	if got.code != 1 || !strings.Contains(got.err, "damaged or cut off") || !strings.Contains(got.err, "run casewire restore again") {
		t.Errorf("%+v", got)
	}
	refused(t, serve(t, "--listen", "127.0.0.1:0", "--data", h.data), 1, "was not finished", "run casewire restore again")
	h.refuse("", 1, []string{"was not finished"}, "verify")
	if got := piped(t, whole.out, "restore", "-", "--data", h.data); got.code != 0 {
		t.Errorf("%+v", got)
	}
	h.good(" 0 faults", "verify")
}

// aCase makes a stopped house with a case that its operator has just answered, of
// which nobody has been told anything yet.
func aCase(t *testing.T) hand {
	t.Helper()
	h := hand{t, filepath.Join(t.TempDir(), "data")}
	p := place{data: h.data, listen: "127.0.0.1:0"}
	conf, err := p.load()
	if err != nil {
		t.Fatal(err)
	}
	a, err := app.Start(t.Context(), app.Options{
		Config: conf, Log: slog.New(slog.DiscardHandler), Version: "test", Idle: true,
		Before: func(ctx context.Context, a *app.App) error { return answered(ctx, a.House()) },
	})
	if err != nil {
		t.Fatal(err)
	}
	if err := a.Stop(t.Context()); err != nil {
		t.Fatal(err)
	}
	return h
}

const (
	chatOfAda = "0123456789abcdef0123456789abcdef"
	oldWords  = "It will be ready on Friday."
)

func answered(ctx context.Context, h app.House) error {
	ledger := &casecore.Ledger{Flow: h.Flow, Now: time.Now}
	in := intake.New(h.Store, ledger, h.Router, h.Blobs, intake.Options{})
	res, err := in.Take(ctx, channels.Inbound{
		Channel: "webchat:site", ExternalID: "1", From: channels.Address{Kind: channels.WebChat, Handle: chatOfAda, Name: "Ada"},
		Body: channels.Body{Text: "My phone is broken", Lang: "en"}, Received: time.Now(),
	})
	if err != nil {
		return err
	}
	boss := casecore.Actor{ID: "boss", Name: "Boss", Roles: []string{casecore.RoleAdmin}}
	return h.Store.Update(ctx, func(tx store.Tx) error {
		if _, err := ledger.Claim(tx, boss, res.Case.ID); err != nil {
			return err
		}
		_, _, err := ledger.Answer(tx, boss, res.Case.ID, casecore.Guard{}, casecore.Message{Body: channels.Body{Text: oldWords}})
		return err
	})
}

// What was on its way when the backup was made is not sent by the restored house,
// which works otherwise, until somebody says so (F22).
func TestRestoredHouseSendsNothingUntilTold(t *testing.T) {
	old := aCase(t)
	packed := command(t, "", "backup", "-", "--data", old.data)
	h := hand{t, filepath.Join(t.TempDir(), "data")}
	got := piped(t, packed.out, "restore", "-", "--data", h.data)
	if got.code != 0 || !strings.Contains(got.out, "1 notices were on their way and wait for your consent") {
		t.Fatalf("%+v", got)
	}
	p := serve(t, "--listen", "127.0.0.1:0", "--data", h.data)
	p.start()
	url := p.url()
	v := newVisitor("grace", func() {})
	if err := v.connect(t.Context(), url); err != nil {
		t.Fatal(err)
	}
	defer v.leave()
	if err := v.send(t.Context(), newWritten(v, "And so is mine", nil)); err != nil {
		t.Fatal(err)
	}
	if err := v.sees(t.Context(), 1, "auto"); err != nil { // the post room works
		t.Fatal(err)
	}
	token := strings.TrimSpace(command(t, "", "token", "add", "boss", "--role", "admin", "--data", h.data).out)
	waiting := noticesOf(t, url, token)
	if len(waiting) != 1 || waiting[0].State != "dead" || waiting[0].Reason != "restored" {
		t.Fatalf("undelivered: %+v", waiting)
	}
	b := func() *book { p.signal(syscall.SIGTERM); p.wait(); return openBook(t, h.data) }
	again := asked(t, http.MethodPost, url+"/api/v1/notices/"+waiting[0].ID+"/resend", token)
	if again != http.StatusOK {
		t.Errorf("resend answers %d", again)
	}
	if left := noticesOf(t, url, token); len(left) != 0 {
		t.Errorf("still undelivered: %+v", left)
	}
	sent := 0
	for _, m := range b().messages {
		if m.Body.Text == oldWords && m.Instead != "" {
			sent++
		}
	}
	if sent != 1 {
		t.Errorf("told to, it wrote the old words %d times anew", sent)
	}
}

type noticeLine struct{ ID, State, Reason string }

func noticesOf(t *testing.T, url, token string) []noticeLine {
	t.Helper()
	var page struct{ Items []noticeLine }
	req := request(t, http.MethodGet, url+"/api/v1/notices", token)
	res, err := once.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	if err := json.NewDecoder(res.Body).Decode(&page); err != nil || res.StatusCode != http.StatusOK {
		t.Fatalf("%s, %v", res.Status, err)
	}
	return page.Items
}

func request(t *testing.T, method, url, token string) *http.Request {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), method, url, nil)
	if err != nil {
		t.Fatal(err)
	}
	if token != "" {
		req.Header.Set("Authorization", "Bearer "+token)
	}
	return req
}

func asked(t *testing.T, method, url, token string) int {
	t.Helper()
	res, err := once.Do(request(t, method, url, token))
	if err != nil {
		t.Fatal(err)
	}
	_ = res.Body.Close()
	return res.StatusCode
}

// Everything that is stored is for administrators.
func TestBackupAndVerifyAreForAdministrators(t *testing.T) {
	data := filepath.Join(t.TempDir(), "data")
	a := startApp(t, data, nil)
	defer func() {
		if err := a.Stop(t.Context()); err != nil {
			t.Error(err)
		}
	}()
	for role, want := range map[string]int{"": 401, "integrator": 403, "operator": 403, "supervisor": 403, "admin": 200} {
		token := ""
		if role != "" {
			token = strings.TrimSpace(command(t, "", "token", "add", role, "--role", role, "--data", data).out)
		}
		for _, path := range []string{"backup", "verify"} {
			if got := asked(t, http.MethodGet, a.URL()+"/api/v1/"+path, token); got != want {
				t.Errorf("%s for %q: %d, want %d", path, role, got, want)
			}
		}
	}
}

// A backup of a house in which everybody goes on working is one moment of it:
// restored, it is in order, and holds what was acknowledged before (F22, I1, I4, I5).
func TestBackupUnderLoadIsInOrder(t *testing.T) {
	folder := t.TempDir()
	h := hand{t, filepath.Join(folder, "data")}
	a := startBusy(t, folder, h.data)
	ctx, rest := context.WithCancel(t.Context())
	defer rest()
	var everybody sync.WaitGroup
	var mu sync.Mutex
	var acked []string
	begun := make(chan struct{}, 1000)
	for i := range 4 {
		everybody.Go(func() {
			v := newVisitor(fmt.Sprint("visitor", i), func() {})
			defer v.leave()
			if err := v.connect(t.Context(), a.URL()); err != nil {
				t.Error(err)
				return
			}
			for n := 0; ctx.Err() == nil && n < 200; n++ {
				text := fmt.Sprintf("message %d of %d", n, i)
				m := newWritten(v, text, []byte(text))
				if err := v.send(t.Context(), m); err != nil {
					t.Error(err)
					return
				}
				if _, ok := v.acked(m.id); !ok {
					t.Errorf("%q is not acknowledged", text)
					return
				}
				mu.Lock()
				acked = append(acked, text)
				mu.Unlock()
				begun <- struct{}{}
			}
		})
	}
	for i := range 3 {
		for range 8 {
			<-begun
		}
		mu.Lock()
		before := slices.Clone(acked)
		mu.Unlock()
		file, to := filepath.Join(folder, fmt.Sprint(i, ".tar.gz")), hand{t, filepath.Join(folder, fmt.Sprint("to", i))}
		h.good("attachments", "backup", file)
		if got := command(t, "", "restore", file, "--data", to.data); got.code != 0 {
			t.Fatalf("%+v", got)
		}
		b := openBook(t, to.data) // which reads every file
		b.isInOrder()
		for _, text := range before {
			if !slices.ContainsFunc(texts(b), func(s string) bool { return s == text }) {
				t.Errorf("%q was acknowledged before the backup and is not in it", text)
			}
		}
		to.good(" 0 faults", "verify")
	}
	rest()
	everybody.Wait()
	if err := a.Stop(t.Context()); err != nil {
		t.Error(err)
	}
}

// startBusy starts a house whose visitors may write as fast as they can.
func startBusy(t *testing.T, folder, data string) *app.App {
	t.Helper()
	file := filepath.Join(folder, "casewire.yaml")
	text := "listen: 127.0.0.1:0\ndata: " + data + "\nchannels:\n  - {kind: webchat, id: site, limits: {messages: 6000, uploads: 6000}}\n"
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	p := place{config: file}
	conf, err := p.load()
	if err != nil {
		t.Fatal(err)
	}
	a, err := app.Start(t.Context(), app.Options{Config: conf, Log: slog.New(slog.DiscardHandler), Version: "test"})
	if err != nil {
		t.Fatal(err)
	}
	return a
}

func texts(b *book) []string {
	var out []string
	for _, m := range b.messages {
		out = append(out, m.Body.Text)
	}
	return out
}
