package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net/http"
	"path/filepath"
	"syscall"
	"testing"

	"casewire/cmd/casewire/demo"
)

// TestDemoSurvivesAKillWhileItPrepares promises that a demo which was killed
// before it was ready comes up on the same folder, with logins that work, and
// keeps them.
func TestDemoSurvivesAKillWhileItPrepares(t *testing.T) {
	data := filepath.Join(t.TempDir(), "data")
	for _, commits := range []int{3, 30} {
		at := fmt.Sprintf("store.after-commit:%d", commits)
		p := spawn(t, childCrash, []string{data, "demo"}, crashVariable+"="+at)
		if p.wait() != -1 || p.crash() == "" {
			t.Fatalf("was not killed at %s; stderr:\n%s", at, tail(p.log.String()))
		}
	}
	p := spawn(t, childCommand, []string{"demo", "--listen", "127.0.0.1:0", "--data", data})
	url := p.url()
	file, err := demo.Load(data)
	if err != nil {
		t.Fatal(err)
	}
	if file.URL != url || len(file.Operators) != 3 {
		t.Fatalf("demo.json says %+v, the process is at %s", file, url)
	}
	for _, o := range file.Operators {
		if got := signIn(t, url, o.Login, o.Password); got != http.StatusCreated {
			t.Errorf("%s signs in with the password of demo.json: %d", o.Login, got)
		}
	}
	if got := bearer(t, url+"/api/v1/operators", file.APIToken); got != http.StatusOK {
		t.Errorf("the token of demo.json is answered %d", got)
	}
	p.signal(syscall.SIGTERM)
	if code := p.wait(); code != 0 {
		t.Errorf("stopped with %d; stderr:\n%s", code, tail(p.log.String()))
	}
	again, err := demo.Load(data)
	if err != nil || again.APIToken != file.APIToken {
		t.Errorf("the token changed, or demo.json is gone: %v", err)
	}
}

func signIn(t *testing.T, url, login, password string) int {
	t.Helper()
	body, err := json.Marshal(map[string]string{"login": login, "password": password})
	if err != nil {
		t.Fatal(err)
	}
	res, err := once.Post(url+"/api/v1/sessions", "application/json", bytes.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	_ = res.Body.Close()
	return res.StatusCode
}

func bearer(t *testing.T, url, token string) int {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, url, nil)
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Authorization", "Bearer "+token)
	res, err := once.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	_ = res.Body.Close()
	return res.StatusCode
}
