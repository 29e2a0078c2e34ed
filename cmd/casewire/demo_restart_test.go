package main

import (
	"encoding/json"
	"io"
	"net/http"
	"net/url"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"casewire/cmd/casewire/demo"
)

// TestDemoKeepsItsSandbox: after a kill and after a stop, a demo on the same folder
// has the same mails, chats and texts, and its channels take in what came meanwhile
// once.
func TestDemoKeepsItsSandbox(t *testing.T) {
	data := filepath.Join(t.TempDir(), "data")
	start := func() (*process, string, *demo.File) {
		p := spawn(t, childCommand, []string{"demo", "--listen", "127.0.0.1:0", "--data", data})
		at := p.url()
		file, err := demo.Load(data)
		if err != nil {
			t.Fatal(err)
		}
		return p, at, file
	}
	p, at, first := start()
	before := len(casesOf(t, at, first.APIToken))
	for path, fields := range map[string]url.Values{
		"email":    {"me": {"jovana@mail.test"}, "to": {demo.SupportAddress}, "subject": {"Zvučnik krči"}, "text": {"Pišem mejlom"}},
		"telegram": {"me": {"70010004"}, "do": {"say"}, "text": {"I write by Telegram"}},
		"sms":      {"me": {"+447700900123"}, "do": {"say"}, "text": {"I write by SMS"}},
	} {
		acts(t, at, path, fields)
	}
	awaitCases(t, at, first.APIToken, before+3)
	// A second demo on the same folder is refused before it touches the sandbox.
	refused(t, prepare(t, childCommand, []string{"demo", "--listen", "127.0.0.1:0", "--data", data}), 1, "in use")
	p.kill()

	p, at, second := start()
	if second.APIToken != first.APIToken || second.Keys != first.Keys || second.Mailboxes[0] != first.Mailboxes[0] {
		t.Error("the secrets changed")
	}
	remembers(t, at)
	acts(t, at, "email", url.Values{"me": {"daniel@mail.test"}, "to": {demo.SupportAddress}, "subject": {"Later"}, "text": {"After the kill"}})
	awaitCases(t, at, second.APIToken, before+4)
	began := time.Now()
	p.signal(syscall.SIGTERM)
	if code := p.wait(); code != 0 {
		t.Errorf("stopped with %d; stderr:\n%s", code, tail(p.log.String()))
	}
	if took := time.Since(began); took > 8*time.Second {
		t.Errorf("stopping took %s", took)
	}

	p, at, third := start()
	remembers(t, at)
	acts(t, at, "sms", url.Values{"me": {"+380501234567"}, "do": {"say"}, "text": {"After the stop"}})
	awaitCases(t, at, third.APIToken, before+5)
	p.signal(syscall.SIGTERM)
	if code := p.wait(); code != 0 {
		t.Errorf("stopped with %d; stderr:\n%s", code, tail(p.log.String()))
	}
}

// acts sends a form of a device.
func acts(t *testing.T, at, device string, fields url.Values) {
	t.Helper()
	res, err := once.PostForm(at+"/sandbox/phone/"+device, fields)
	if err != nil {
		t.Fatal(err)
	}
	_ = res.Body.Close()
	if res.StatusCode != http.StatusSeeOther && res.StatusCode != http.StatusOK || strings.Contains(res.Header.Get("Location"), "error=") {
		t.Fatalf("%s: %s to %q", device, res.Status, res.Header.Get("Location"))
	}
}

// remembers says that the devices show what was written before.
func remembers(t *testing.T, at string) {
	t.Helper()
	for path, words := range map[string]string{
		"email?me=jovana@mail.test&box=sent": "Zvučnik krči", "email?me=jovana@mail.test": "Mill Street Repairs",
		"telegram?me=70010004": "I write by Telegram", "telegram?me=70010001": "iPhone 11",
		"sms?me=%2B447700900123": "I write by SMS", "sms?me=%2B381641234567": "Samsung, ne puni se",
	} {
		if body := body(t, at+"/sandbox/phone/"+path); strings.Count(body, words) == 0 {
			t.Errorf("%s has forgotten %q", path, words)
		}
	}
}

func body(t *testing.T, from string) string {
	t.Helper()
	res, err := once.Get(from)
	if err != nil {
		t.Fatal(err)
	}
	return read(t, res)
}

// casesOf lists the numbers of all cases.
func casesOf(t *testing.T, at, token string) []string {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, at+"/api/v1/cases?limit=100", nil)
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Authorization", "Bearer "+token)
	res, err := once.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	var page struct {
		Items []struct{ Number string }
	}
	if err := json.Unmarshal([]byte(read(t, res)), &page); err != nil {
		t.Fatal(err)
	}
	var out []string
	for _, c := range page.Items {
		out = append(out, c.Number)
	}
	return out
}

// awaitCases waits until there are so many, and none too many.
func awaitCases(t *testing.T, at, token string, want int) {
	t.Helper()
	look := time.NewTicker(100 * time.Millisecond)
	defer look.Stop()
	late := time.After(pageWait)
	for {
		got := len(casesOf(t, at, token))
		if got == want {
			return
		}
		select {
		case <-look.C:
		case <-late:
			t.Fatalf("%d cases, want %d", got, want)
		}
	}
}

// read is the whole body of an answer.
func read(t *testing.T, res *http.Response) string {
	t.Helper()
	defer res.Body.Close()
	b, err := io.ReadAll(res.Body)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}
