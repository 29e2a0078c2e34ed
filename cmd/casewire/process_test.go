package main

import (
	"fmt"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/gorilla/websocket"

	"casewire/casecore/store/sqlite"
	"casewire/cmd/casewire/app"
	"casewire/routing/live"
)

// refused runs a command that must end by itself, with this exit code and with
// each of these words on stderr, and nothing on stdout.
func refused(t *testing.T, p *process, code int, words ...string) string {
	t.Helper()
	p.start()
	got, text := p.wait(), p.log.String()
	if got != code {
		t.Errorf("ended with %d, want %d; stderr:\n%s", got, code, tail(text))
	}
	for _, w := range words {
		if !strings.Contains(text, w) {
			t.Errorf("stderr says nothing of %q:\n%s", w, tail(text))
		}
	}
	if out := p.stdout(); out != "" {
		t.Errorf("stdout: %q, want nothing", out)
	}
	return text
}

func serve(t *testing.T, args ...string) *process {
	t.Helper()
	return prepare(t, childCommand, append([]string{"serve"}, args...))
}

// TestServeRefusesWithThePlaceAndTheMend promises that a start that cannot
// succeed ends at once, says what is in the way and how to mend it, and changes
// nothing that is stored.
func TestServeRefusesWithThePlaceAndTheMend(t *testing.T) {
	t.Run("port in use", func(t *testing.T) {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		defer l.Close()
		data := filepath.Join(t.TempDir(), "data")
		refused(t, serve(t, "--listen", l.Addr().String(), "--data", data), 1, l.Addr().String(), "another program uses that port", "--listen")
		if _, err := os.Stat(data); err == nil {
			t.Error("the data folder was made all the same")
		}
	})
	t.Run("data folder in use", func(t *testing.T) {
		data := filepath.Join(t.TempDir(), "data")
		holder := serve(t, "--listen", "127.0.0.1:0", "--data", data)
		holder.start()
		url := holder.url()
		refused(t, serve(t, "--listen", "127.0.0.1:0", "--data", data), 1,
			data, "in use", fmt.Sprintf("pid %d", holder.cmd.Process.Pid), "another data folder")
		if code := get(t, url+"/readyz"); code != http.StatusOK {
			t.Errorf("the holder answers %d afterwards", code)
		}
		holder.signal(syscall.SIGTERM)
		if code := holder.wait(); code != 0 {
			t.Errorf("the holder stopped with %d", code)
		}
	})
	t.Run("data folder read-only", func(t *testing.T) {
		data := newData(t)
		lock(t, data)
		p := serve(t, "--listen", "127.0.0.1:0", "--data", data)
		if os.Getuid() == 0 {
			p.cmd.Env = append(p.cmd.Env, userVariable+"=65534")
		}
		refused(t, p, 1, data, "not writable", "write access")
	})
	t.Run("data from a newer version", func(t *testing.T) {
		data := newData(t)
		file := filepath.Join(data, "casewire.db")
		setFormat(t, file, 99)
		refused(t, serve(t, "--listen", "127.0.0.1:0", "--data", data), 1, file, "newer version", "99", "backup")
		setFormat(t, file, 1)
		st, err := sqlite.Open(t.Context(), file, sqlite.Options{})
		if err != nil {
			t.Fatalf("the refusal has harmed the data: %v", err)
		}
		if err := st.Close(); err != nil {
			t.Error(err)
		}
	})
	t.Run("a file that is no store", func(t *testing.T) {
		data := t.TempDir()
		file := filepath.Join(data, "casewire.db")
		if err := os.WriteFile(file, []byte("Dear diary, today"), 0o600); err != nil {
			t.Fatal(err)
		}
		refused(t, serve(t, "--listen", "127.0.0.1:0", "--data", data), 1, file, "not a Casewire store", "another data folder")
		if b, err := os.ReadFile(file); err != nil || string(b) != "Dear diary, today" {
			t.Errorf("the file was changed: %q, %v", b, err)
		}
	})
}

// newData makes a data folder in which a process has run.
func newData(t *testing.T) string {
	t.Helper()
	data := filepath.Join(t.TempDir(), "data")
	if err := startApp(t, data, nil).Stop(t.Context()); err != nil {
		t.Fatal(err)
	}
	return data
}

// lock makes a folder and what is in it read-only, and reachable by everybody.
func lock(t *testing.T, folder string) {
	t.Helper()
	err := filepath.WalkDir(folder, func(name string, d os.DirEntry, err error) error {
		if err != nil {
			return err
		}
		mode := os.FileMode(0o444)
		if d.IsDir() {
			mode = 0o555
			t.Cleanup(func() { _ = os.Chmod(name, 0o700) }) // so that it can be removed
		}
		return os.Chmod(name, mode)
	})
	if err != nil {
		t.Fatal(err)
	}
	for up := filepath.Dir(folder); strings.HasPrefix(up, filepath.Clean(os.TempDir())+"/"); up = filepath.Dir(up) {
		if err := os.Chmod(up, 0o755); err != nil {
			t.Fatal(err)
		}
	}
}

// setFormat writes the version of the layout into the header of a store, where
// SQLite keeps what it calls user_version.
func setFormat(t *testing.T, file string, version byte) {
	t.Helper()
	f, err := os.OpenFile(file, os.O_RDWR, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if _, err := f.WriteAt([]byte{0, 0, 0, version}, 60); err != nil {
		t.Fatal(err)
	}
}

func get(t *testing.T, url string) int {
	t.Helper()
	res, err := once.Get(url)
	if err != nil {
		t.Fatal(err)
	}
	_ = res.Body.Close()
	return res.StatusCode
}

// TestSIGTERMDrains promises a stop that loses nobody: who is connected is told
// to come again, and the process ends with 0 and leaves no control file.
func TestSIGTERMDrains(t *testing.T) {
	data := filepath.Join(t.TempDir(), "data")
	p := serve(t, "--listen", "127.0.0.1:0", "--data", data)
	p.start()
	url := p.url()
	if !strings.Contains(p.stdout(), "first administrator, once and within a day: "+url+"/desk/welcome/") {
		t.Errorf("a fresh store has no link for the first administrator: %q", p.stdout())
	}
	v := newVisitor("ada", func() {})
	if err := v.connect(t.Context(), url); err != nil {
		t.Fatal(err)
	}
	defer v.leave()
	m := newWritten(v, "My phone is broken", nil)
	if err := v.send(t.Context(), m); err != nil {
		t.Fatal(err)
	}
	desk := watchDesk(t, data, url)
	p.signal(syscall.SIGTERM)
	if code, err := v.closed(); err != nil || code != websocket.CloseServiceRestart {
		t.Errorf("the visitor is closed with %d, want 1012 (%v)", code, err)
	}
	if err := desk(); !websocket.IsCloseError(err, websocket.CloseServiceRestart) {
		t.Errorf("the operator's page ends with %v, want 1012", err)
	}
	if code := p.wait(); code != 0 {
		t.Errorf("ended with %d; stderr:\n%s", code, tail(p.log.String()))
	}
	if c, err := app.ReadControl(data); err != nil || c != nil {
		t.Errorf("the control file is still there: %+v, %v", c, err)
	}
}

// watchDesk opens the operators' live feed and waits for its first snapshot. What
// it returns reads on to the end.
func watchDesk(t *testing.T, data, url string) (end func() error) {
	t.Helper()
	token := command(t, "", "token", "add", "watcher", "--role", "supervisor", "--data", data)
	dial := websocket.Dialer{Subprotocols: []string{live.Protocol}}
	ws, res, err := dial.DialContext(t.Context(), "ws"+strings.TrimPrefix(url, "http")+"/api/v1/live",
		http.Header{"Authorization": {"Bearer " + strings.TrimSpace(token.out)}})
	if err != nil {
		t.Fatalf("%v: %v", err, res)
	}
	t.Cleanup(func() { _ = ws.Close() })
	if err := ws.SetReadDeadline(time.Now().Add(patience)); err != nil {
		t.Fatal(err)
	}
	if err := ws.WriteJSON(map[string]any{"t": "hello", "queues": []string{}}); err != nil {
		t.Fatal(err)
	}
	if _, first, err := ws.ReadMessage(); err != nil || !strings.Contains(string(first), `"snapshot"`) {
		t.Fatalf("first frame %s, %v", first, err)
	}
	return func() error {
		for {
			if _, _, err := ws.ReadMessage(); err != nil {
				return err
			}
		}
	}
}

// TestSIGHUPReloadsOrKeeps promises that a good file takes effect without a
// restart, a bad one changes nothing, and visitors notice neither.
func TestSIGHUPReloadsOrKeeps(t *testing.T) {
	folder := t.TempDir()
	file := filepath.Join(folder, "casewire.yaml")
	write := func(extra string) {
		t.Helper()
		text := "listen: 127.0.0.1:0\ndata: " + filepath.Join(folder, "data") + "\nchannels:\n  - {kind: webchat, id: site}\n" + extra
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	write("")
	p := serve(t, "--config", file)
	p.start()
	url := p.url()
	v := newVisitor("ada", func() {})
	if err := v.connect(t.Context(), url); err != nil {
		t.Fatal(err)
	}
	defer v.leave()
	if code := get(t, url+"/help/"); code != http.StatusNotFound {
		t.Fatalf("/help/ answers %d before there is such a channel", code)
	}

	write("  - {kind: webchat, id: help, path: /help/}\n")
	p.signal(syscall.SIGHUP)
	p.says(t, "configuration reloaded")
	if code := get(t, url+"/help/"); code != http.StatusOK {
		t.Errorf("the new channel answers %d", code)
	}

	write("  - {kind: webchat, id: help, path: no}\n  - {kind: pigeon, id: bird}\n")
	p.signal(syscall.SIGHUP)
	p.says(t, "configuration kept as it was")
	for _, word := range []string{"casewire.yaml:5:", "casewire.yaml:6:"} {
		if !strings.Contains(p.log.String(), word) {
			t.Errorf("stderr does not name %s:\n%s", word, tail(p.log.String()))
		}
	}
	if code := get(t, url+"/help/"); code != http.StatusOK {
		t.Errorf("after a bad file the channel answers %d", code)
	}

	m := newWritten(v, "My phone is broken", nil)
	if err := v.send(t.Context(), m); err != nil {
		t.Errorf("the visitor of before the reloads cannot write: %v", err)
	}
	if _, ok := v.acked(m.id); !ok {
		t.Error("the visitor of before the reloads gets no ack")
	}
	p.signal(syscall.SIGTERM)
	if code := p.wait(); code != 0 {
		t.Errorf("ended with %d", code)
	}
}

// says waits until the words are on stderr.
func (p *process) says(t *testing.T, words string) {
	t.Helper()
	deadline := time.NewTimer(patience)
	defer deadline.Stop()
	for {
		text, more := p.log.next()
		if strings.Contains(text, words) {
			return
		}
		select {
		case <-more:
		case <-p.over:
			t.Fatalf("ended without saying %q; stderr:\n%s", words, tail(text))
		case <-deadline.C:
			t.Fatalf("does not say %q; stderr:\n%s", words, tail(text))
		}
	}
}

// TestStopGivesEverythingBack promises that a stopped process holds nothing: no
// goroutine, no file, no socket (I7).
func TestStopGivesEverythingBack(t *testing.T) {
	data := filepath.Join(t.TempDir(), "data")
	round := func() {
		a := startApp(t, data, nil)
		v := newVisitor("ada", func() {})
		if err := v.connect(t.Context(), a.URL()); err != nil {
			t.Fatal(err)
		}
		if err := v.send(t.Context(), newWritten(v, "My phone is broken", []byte("a file"))); err != nil {
			t.Fatal(err)
		}
		if err := v.sees(t.Context(), 1, "auto"); err != nil {
			t.Fatal(err)
		}
		if code := get(t, a.URL()+"/readyz"); code != http.StatusOK {
			t.Fatalf("readyz answers %d", code)
		}
		if err := a.Stop(t.Context()); err != nil {
			t.Fatal(err)
		}
		v.leave()
		once.CloseIdleConnections()
	}
	round() // what is made once and kept for good
	goroutines, files := runtime.NumGoroutine(), openFiles(t)
	for range 3 {
		round()
		// What has been told to end may need a moment to be gone.
		tick := time.NewTicker(10 * time.Millisecond)
		deadline := time.After(10 * time.Second)
		for runtime.NumGoroutine() > goroutines || len(openFiles(t)) > len(files) {
			select {
			case <-tick.C:
				continue
			case <-deadline:
			}
			stacks := make([]byte, 1<<20)
			t.Fatalf("%d goroutines, %d at first; files %q, at first %q\n%s", runtime.NumGoroutine(), goroutines,
				openFiles(t), files, stacks[:runtime.Stack(stacks, true)])
		}
		tick.Stop()
	}
}

// openFiles lists what this process has open.
func openFiles(t *testing.T) []string {
	t.Helper()
	const folder = "/proc/self/fd"
	entries, err := os.ReadDir(folder)
	if err != nil {
		t.Skipf("open files cannot be counted here: %v", err)
	}
	var out []string
	for _, e := range entries {
		if target, err := os.Readlink(filepath.Join(folder, e.Name())); err == nil {
			out = append(out, target)
		}
	}
	slices.Sort(out)
	return out
}
