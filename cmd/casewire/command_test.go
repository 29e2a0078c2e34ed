package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"casewire/config"
)

// said is what a command came to.
type said struct {
	code     int
	out, err string
}

// command runs a command in this process, with a line on its standard input.
func command(t *testing.T, stdin string, args ...string) said {
	t.Helper()
	var out, err bytes.Buffer
	code := run(t.Context(), args, strings.NewReader(stdin), &out, &err, func() {})
	return said{code, out.String(), err.String()}
}

// TestCommandsRefuseWithThePlaceAndTheMend promises that wrong usage and wrong
// files end with 2, what is wrong and how to mend it on stderr, nothing on stdout.
func TestCommandsRefuseWithThePlaceAndTheMend(t *testing.T) {
	data := filepath.Join(t.TempDir(), "data")
	bad := filepath.Join(t.TempDir(), "policy.yaml")
	if err := os.WriteFile(bad, []byte("queues: none\nstatusses: []\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct {
		args  string
		code  int
		words []string
	}{
		{"serve --lisen 127.0.0.1:0", 2, []string{"--lisen", "see casewire serve --help"}},
		{"serve now", 2, []string{`"now"`, "see casewire serve --help"}},
		{"serve --listen 127.0.0.1:99999 --data DATA", 2, []string{"listen", "99999"}},
		{"serve --listen nowhere --data DATA", 2, []string{"listen", "nowhere", "127.0.0.1:8080"}},
		{"serve --config DATA/none.yaml", 2, []string{"none.yaml", "no such file"}},
		{"check --policy DATA/none.yaml", 2, []string{"none.yaml", "no such file"}},
		{"check --policy BAD", 2, []string{"policy.yaml:1:", "policy.yaml:2:1: statusses: unknown key", `did you mean "statuses"?`}},
		{"dmeo", 2, []string{`no command "dmeo"`, "see casewire --help"}},
		{"user lost", 2, []string{`no command "lost"`, "see casewire user --help"}},
		{"token lost", 2, []string{`no command "lost"`, "see casewire token --help"}},
		{"user add", 2, []string{"1 arg", "see casewire user add --help"}},
		{"user add ira --data DATA", 2, []string{"no password on standard input", "pipe it in"}},
		{"version 2", 2, []string{`"2"`, "see casewire version --help"}},
	} {
		args := strings.Fields(strings.NewReplacer("DATA", data, "BAD", bad).Replace(tt.args))
		got := command(t, "", args...)
		if got.code != tt.code || got.out != "" {
			t.Errorf("%s: ends with %d, want %d; stdout %q", tt.args, got.code, tt.code, got.out)
		}
		for _, w := range tt.words {
			if !strings.Contains(got.err, w) {
				t.Errorf("%s: stderr says nothing of %q: %s", tt.args, w, got.err)
			}
		}
	}
	if _, err := os.Stat(data); err == nil {
		t.Error("a command that was refused made the data folder")
	}
}

// TestTenMistakesAreToldAtOnce promises that every fault of a file is told, each
// with its place, by check and by serve alike, and that serve then does nothing.
func TestTenMistakesAreToldAtOnce(t *testing.T) {
	file := filepath.Join("testdata", "ten.yaml")
	_, err := config.Load(file, kinds())
	faults, ok := errors.AsType[config.Errors](err)
	if !ok || len(faults) != 10 {
		t.Fatalf("%d faults, want the ten of the file: %v", len(faults), err)
	}
	for _, name := range []string{"check", "serve"} {
		got := command(t, "", name, "--config", file)
		if got.code != 2 || got.out != "" {
			t.Errorf("%s ends with %d, stdout %q; want 2 and nothing", name, got.code, got.out)
		}
		for _, f := range faults {
			if f.Line == 0 || f.Mend == "" {
				t.Errorf("%v has no place or no mend", f)
			}
			if !strings.Contains(got.err, f.Error()+"\n") {
				t.Errorf("%s does not tell %q:\n%s", name, f, got.err)
			}
		}
	}
	if got := command(t, "", "check", "--config", file); !strings.Contains(got.err, "10 faults\n") {
		t.Errorf("check does not count: %s", got.err)
	}
	if got := command(t, "", "check"); got != (said{0, "nothing wrong\n", ""}) {
		t.Errorf("check of the defaults: %+v", got)
	}
}

func TestVersionIsReadByPrograms(t *testing.T) {
	got := command(t, "", "version", "--json")
	var v struct{ Version, Commit, Go string }
	if err := json.Unmarshal([]byte(got.out), &v); err != nil || got.code != 0 {
		t.Fatalf("%+v: %v", got, err)
	}
	if v.Version == "" || !strings.HasPrefix(v.Go, "go1.") {
		t.Errorf("%+v", v)
	}
	if plain := command(t, "", "version"); !strings.HasPrefix(plain.out, "casewire "+v.Version) {
		t.Errorf("%q", plain.out)
	}
}

// TestOperatorsAndTokensByCommand promises that the commands do the same whether
// casewire runs on the data folder, does not, or was killed there.
func TestOperatorsAndTokensByCommand(t *testing.T) {
	h := hand{t, filepath.Join(t.TempDir(), "data")}
	h.manages("stopped")

	p := serve(t, "--listen", "127.0.0.1:0", "--data", h.data)
	p.start()
	url := p.url()
	h.manages("running")
	h.isRefused()
	h.hasEffect(url)

	p.signal(syscall.SIGKILL) // and leaves its control file behind
	p.wait()
	h.manages("killed")
}

// hand is somebody at the command line of an installation.
type hand struct {
	t    *testing.T
	data string
}

const (
	firstPassword  = "a-long-password-1"
	secondPassword = "a-long-password-2"
)

// expect runs a command that succeeds and prints want, and nothing on stderr.
func (h hand) expect(stdin, want string, args ...string) {
	h.t.Helper()
	args = append(args, "--data", h.data)
	if got := command(h.t, stdin, args...); got != (said{0, want, ""}) {
		h.t.Errorf("%s: %+v, want %q", strings.Join(args, " "), got, want)
	}
}

// refuse runs a command that ends with code and prints these words on stderr.
func (h hand) refuse(stdin string, code int, words []string, args ...string) {
	h.t.Helper()
	got := command(h.t, stdin, append(args, "--data", h.data)...)
	for _, w := range words {
		if got.code != code || got.out != "" || !strings.Contains(got.err, w) {
			h.t.Errorf("%s: %+v, want %d and %q", strings.Join(args, " "), got, code, w)
		}
	}
}

// manages goes through the life of an operator and a token.
func (h hand) manages(name string) {
	h.t.Helper()
	h.expect(firstPassword+"\n", "added "+name+"\n", "user", "add", name, "--name", "Ira K", "--queue", "phones", "--queue", "tv", "--language", "uk", "--capacity", "7", "--phone", "+381 60 1234567")
	h.expect(secondPassword+"\n", name+": password set\n", "user", "password", name)
	h.expect("", name+": disabled\n", "user", "disable", name)

	listed := command(h.t, "", "user", "list", "--json", "--data", h.data)
	var all []operator
	if err := json.Unmarshal([]byte(listed.out), &all); err != nil {
		h.t.Fatalf("%+v: %v", listed, err)
	}
	found := false
	for _, o := range all {
		if o.Login == name {
			found = o.Name == "Ira K" && strings.Join(o.Queues, " ") == "phones tv" && o.Language == "uk" && o.Capacity == 7 && o.Phone == "+381601234567" && o.Disabled
		}
	}
	if !found {
		h.t.Errorf("%s is listed as %+v", name, all)
	}

	token := command(h.t, "", "token", "add", "shop-"+name, "--days", "2", "--data", h.data)
	if token.code != 0 || strings.TrimSpace(token.out) == "" || strings.Count(token.out, "\n") != 1 {
		h.t.Errorf("%+v", token)
	}
	h.expect("", "revoked\n", "token", "revoke", tokenNamed(h.t, h.data, "shop-"+name).ID)
	if tokenNamed(h.t, h.data, "shop-"+name).RevokedAt.IsZero() {
		h.t.Errorf("the revoked token of %s is listed as if it stood", name)
	}
}

// isRefused is told what is wrong with the command, and how to mend it.
func (h hand) isRefused() {
	h.t.Helper()
	h.refuse(firstPassword, 2, []string{"login: ", "is taken"}, "user", "add", "stopped")
	h.refuse(firstPassword, 2, []string{`queues/0: no queue "tvs"`, `roles/0: "boss" is not one of`}, "user", "add", "bob", "--queue", "tvs", "--role", "boss")
	h.refuse("short", 2, []string{"password: "}, "user", "add", "bob")
	h.refuse(firstPassword, 2, []string{"phone: "}, "user", "add", "bob", "--phone", "060 1234567")
	h.refuse("", 1, []string{`no operator "nobody"`, "see casewire user list"}, "user", "disable", "nobody")
	h.refuse(secondPassword, 1, []string{`no operator "nobody"`}, "user", "password", "nobody")
	h.refuse("", 1, []string{`no token "none"`, "see casewire token list"}, "token", "revoke", "none")
	h.refuse("", 2, []string{"expires"}, "token", "add", "late", "--days", "-1")
}

// hasEffect on the running process, at once.
func (h hand) hasEffect(url string) {
	h.t.Helper()
	signsIn := func(password string, want int) {
		h.t.Helper()
		if got := signIn(h.t, url, "ira", password); got != want {
			h.t.Errorf("ira signs in: %d, want %d", got, want)
		}
	}
	h.expect(firstPassword, "added ira\n", "user", "add", "ira")
	signsIn(firstPassword, http.StatusCreated)
	h.expect(secondPassword, "ira: password set\n", "user", "password", "ira")
	signsIn(firstPassword, http.StatusUnauthorized)
	signsIn(secondPassword, http.StatusCreated)
	h.expect("", "ira: disabled\n", "user", "disable", "ira")
	signsIn(secondPassword, http.StatusUnauthorized)
	h.expect("", "ira: enabled\n", "user", "disable", "ira", "--undo")
	signsIn(secondPassword, http.StatusCreated)

	token := strings.TrimSpace(command(h.t, "", "token", "add", "reader", "--role", "supervisor", "--data", h.data).out)
	if got := bearer(h.t, url+"/api/v1/operators", token); got != http.StatusOK {
		h.t.Errorf("a new token is answered %d", got)
	}
	h.expect("", "revoked\n", "token", "revoke", tokenNamed(h.t, h.data, "reader").ID)
	if got := bearer(h.t, url+"/api/v1/operators", token); got != http.StatusUnauthorized {
		h.t.Errorf("a revoked token is answered %d", got)
	}
	if got := command(h.t, "", "token", "list", "--data", h.data); !strings.Contains(got.out, "revoked") || strings.Contains(got.out, token) {
		h.t.Errorf("%+v", got)
	}
	if got := command(h.t, "", "user", "list", "--data", h.data); !strings.Contains(got.out, "ira") || !strings.Contains(got.out, "disabled") {
		h.t.Errorf("%+v", got)
	}
}

func tokenNamed(t *testing.T, data, name string) apiToken {
	t.Helper()
	got := command(t, "", "token", "list", "--json", "--data", data)
	var all []apiToken
	if err := json.Unmarshal([]byte(got.out), &all); err != nil {
		t.Fatalf("%+v: %v", got, err)
	}
	for _, token := range all {
		if token.Name == name {
			return token
		}
	}
	t.Fatalf("no token %s in %s", name, got.out)
	return apiToken{}
}
