package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"casewire/casecore/staff"
	"casewire/cmd/casewire/app"
	"casewire/config/policy"
)

// caller asks the API of a running house with an administrator's token.
type caller struct {
	t          *testing.T
	url, token string
}

func (c caller) asks(method, path string, body any, header ...string) (int, map[string]any) {
	c.t.Helper()
	var b bytes.Buffer
	if body != nil {
		if err := json.NewEncoder(&b).Encode(body); err != nil {
			c.t.Fatal(err)
		}
	}
	r, err := http.NewRequestWithContext(c.t.Context(), method, c.url+"/api/v1"+path, &b)
	if err != nil {
		c.t.Fatal(err)
	}
	r.Header.Set("Authorization", "Bearer "+c.token)
	if body != nil {
		r.Header.Set("Content-Type", "application/json")
	}
	for i := 0; i+1 < len(header); i += 2 {
		r.Header.Set(header[i], header[i+1])
	}
	resp, err := once.Do(r)
	if err != nil {
		c.t.Fatal(err)
	}
	defer resp.Body.Close() //nolint:errcheck // only read from
	out := map[string]any{}
	if err := json.NewDecoder(resp.Body).Decode(&out); err != nil {
		c.t.Fatalf("%s %s: %v", method, path, err)
	}
	out["etag"] = resp.Header.Get("ETag")
	return resp.StatusCode, out
}

// wants is asks that must answer with this status.
func (c caller) wants(code int, method, path string, body any, header ...string) map[string]any {
	c.t.Helper()
	got, out := c.asks(method, path, body, header...)
	if got != code {
		c.t.Fatalf("%s %s: %d %v; want %d", method, path, got, out, code)
	}
	return out
}

// notices waits until the list holds so many.
func (c caller) notices(query string, n int) []map[string]any {
	c.t.Helper()
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	end := time.After(15 * time.Second)
	for {
		out := c.wants(http.StatusOK, http.MethodGet, "/notices"+query, nil)
		items, _ := out["items"].([]any) //nolint:errcheck // nil is none
		if len(items) == n {
			var all []map[string]any
			for _, i := range items {
				all = append(all, i.(map[string]any))
			}
			return all
		}
		select {
		case <-tick.C:
		case <-end:
			c.t.Fatalf("notices%s: %d, want %d: %v", query, len(items), n, items)
		}
	}
}

func (c caller) moves(number, to string) {
	c.t.Helper()
	k := c.wants(http.StatusOK, http.MethodGet, "/cases/"+number, nil)
	c.wants(http.StatusOK, http.MethodPost, "/cases/"+number+"/status", map[string]any{"to": to, "from": k["status"]})
}

// atOnce is the default policy without its hold, for stories that do not wait.
func atOnce() []byte {
	return bytes.Replace(policy.Default(), []byte("  hold: 2m "), []byte("  hold: 0s "), 1)
}

// What operators see of notices is what the post room does: a held one is taken
// back or hurried, and reaches the visitor once; what reaches nobody is seen to,
// and asks for a call.
func TestNoticesOverTheAPI(t *testing.T) {
	c := caller{t: t}
	a := startApp(t, filepath.Join(t.TempDir(), "data"), func(ctx context.Context, a *app.App) error {
		var err error
		_, c.token, err = a.Staff().IssueToken(ctx, &staff.Token{Name: "tests", Roles: []string{"admin"}}, time.Hour)
		return err
	})
	defer func() {
		if err := a.Stop(t.Context()); err != nil {
			t.Error(err)
		}
	}()
	c.url = a.URL()
	pol := c.wants(http.StatusOK, http.MethodGet, "/policy", nil)
	text := fmt.Sprint(pol["document"])
	text = strings.Replace(text, "\n  hold: 0s ", "\n  hold: 20m ", 1)
	c.wants(http.StatusOK, http.MethodPut, "/policy", map[string]any{"document": text}, "If-Match", fmt.Sprint(pol["etag"]))

	v := newVisitor("ada", func() {})
	if err := v.connect(t.Context(), a.URL()); err != nil {
		t.Fatal(err)
	}
	defer v.leave()
	if err := v.send(t.Context(), newWritten(v, "My phone is broken", nil)); err != nil {
		t.Fatal(err)
	}
	const number = "CW-000001"
	c.wants(http.StatusOK, http.MethodPost, "/cases/"+number+"/claim", nil)
	c.moves(number, "diagnosing")
	n := c.notices("?state=held", 1)[0]
	if n["case"] != number || n["template"] != "diagnosing" || n["due_at"] == nil {
		t.Errorf("held %v", n)
	}
	at := "/notices/" + fmt.Sprint(n["id"])
	c.wants(http.StatusOK, http.MethodPost, at+"/cancel", nil)
	for _, verb := range []string{"cancel", "send", "resend", "handled"} {
		if p := c.wants(http.StatusConflict, http.MethodPost, at+"/"+verb, nil); p["code"] != "late" {
			t.Errorf("%s of what was stopped: %v", verb, p)
		}
	}
	c.moves(number, "awaiting_approval")
	n = c.notices("?state=held", 1)[0]
	c.wants(http.StatusOK, http.MethodPost, "/notices/"+fmt.Sprint(n["id"])+"/send", nil)
	if err := v.sees(t.Context(), 2, "auto"); err != nil {
		t.Fatal(err)
	}
	for i, want := range []string{"opened", "diagnosing", "awaiting_approval"} {
		if n := c.notices("?case="+number, 3)[i]; n["template"] != want {
			t.Errorf("notice %d of the case is %v, want %s", i, n["template"], want)
		}
	}

	// Entered at the counter, without any address: nobody can be told.
	k := c.wants(http.StatusCreated, http.MethodPost, "/cases", map[string]any{"source": "walk_in", "text": "TV", "customer": map[string]any{"name": "Ivan"}})
	walkIn := fmt.Sprint(k["number"])
	c.wants(http.StatusOK, http.MethodPost, "/cases/"+walkIn+"/claim", nil)
	c.moves(walkIn, "diagnosing")
	c.moves(walkIn, "in_repair")
	all := c.notices("", 2) // the statuses: nobody misses a receipt
	if all[0]["template"] != "diagnosing" || all[1]["template"] != "in_repair" {
		t.Errorf("not the oldest first: %v", all)
	}
	if k := c.wants(http.StatusOK, http.MethodGet, "/cases/"+walkIn, nil); k["call"] == nil {
		t.Error("nobody is asked to call")
	}
	for _, n := range all {
		if n["case"] != walkIn || n["reason"] != "no_address" {
			t.Errorf("not delivered: %v", n)
		}
		c.wants(http.StatusOK, http.MethodPost, "/notices/"+fmt.Sprint(n["id"])+"/handled", nil)
	}
	c.notices("", 0)
	if k := c.wants(http.StatusOK, http.MethodPost, "/cases/"+walkIn+"/called", map[string]any{"outcome": "reached"}); k["call"] != nil {
		t.Error("still to be called")
	}
	if p := c.wants(http.StatusConflict, http.MethodPost, "/cases/"+walkIn+"/link", nil); p["code"] != "no_link" {
		t.Errorf("a link without a bot: %v", p)
	}
}
