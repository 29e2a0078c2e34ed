package main

import (
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/goccy/go-yaml"
)

const deployFolder = "../../config/deploy"

// stack is what of a compose file decides whether it can work. The images are not run
// here: what is checked is that its parts name one another rightly, and what they are
// told to do.
type stack struct {
	Services map[string]service `yaml:"services"`
	Networks map[string]any     `yaml:"networks"`
	Volumes  map[string]any     `yaml:"volumes"`
}

type service struct {
	Image     string            `yaml:"image"`
	Build     map[string]string `yaml:"build"`
	Command   []string          `yaml:"command"`
	Restart   string            `yaml:"restart"`
	Networks  []string          `yaml:"networks"`
	Volumes   []string          `yaml:"volumes"`
	Ports     []string          `yaml:"ports"`
	DependsOn any               `yaml:"depends_on"`
	Health    map[string]any    `yaml:"healthcheck"`
	Grace     string            `yaml:"stop_grace_period"`
	ReadOnly  bool              `yaml:"read_only"`
}

// awaits is what a service waits for, and in which state.
func (s service) awaits() map[string]string {
	out := map[string]string{}
	switch d := s.DependsOn.(type) {
	case []any:
		for _, name := range d {
			out[name.(string)] = "service_started"
		}
	case map[string]any:
		for name, how := range d {
			out[name], _ = how.(map[string]any)["condition"].(string)
		}
	}
	return out
}

func deployed(t *testing.T, name string) string {
	t.Helper()
	b, err := os.ReadFile(filepath.Join(deployFolder, name))
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

// The compose file is three members on three volumes that become one set, and two
// nodes behind a proxy, who all find one another.
func TestComposeFileHoldsTogether(t *testing.T) {
	var s stack
	if err := yaml.UnmarshalWithOptions([]byte(deployed(t, "compose.yaml")), &s); err != nil {
		t.Fatal(err)
	}
	var members, nodes []string
	for name, sv := range s.Services {
		if sv.Image == "" || sv.Restart == "" {
			t.Errorf("%s has no image or is not started again", name)
		}
		for _, n := range sv.Networks {
			if _, ok := s.Networks[n]; !ok {
				t.Errorf("%s: there is no network %s", name, n)
			}
		}
		for _, v := range sv.Volumes {
			from, _, _ := strings.Cut(v, ":")
			if _, named := s.Volumes[from]; named {
				continue
			}
			if _, err := os.Stat(filepath.Join(deployFolder, from)); err != nil {
				t.Errorf("%s: neither a volume nor a file: %s", name, from)
			}
		}
		for other, how := range sv.awaits() {
			on, ok := s.Services[other]
			if !ok || how == "service_healthy" && on.Health == nil || how == "" {
				t.Errorf("%s waits for %s to be %q, which cannot come about", name, other, how)
			}
		}
		switch {
		case slices.Contains(sv.Command, "mongod"):
			members = append(members, name)
		case sv.Image == "casewire":
			nodes = append(nodes, name)
		}
	}
	slices.Sort(members)
	slices.Sort(nodes)
	if len(members) != 3 || len(nodes) != 2 {
		t.Fatalf("members %v, nodes %v; want three and two", members, nodes)
	}
	volumes := map[string]bool{}
	for _, m := range members {
		sv := s.Services[m]
		volumes[sv.Volumes[0]] = true
		if i := slices.Index(sv.Command, "--replSet"); i < 0 || sv.Command[i+1] != "rs0" {
			t.Errorf("%s is no member of rs0: %v", m, sv.Command)
		}
		if len(sv.Ports) > 0 || slices.Contains(sv.Networks, "web") {
			t.Errorf("%s can be reached from outside", m)
		}
	}
	if len(volumes) != 3 {
		t.Errorf("members share a volume: %v", slices.Collect(maps.Keys(volumes)))
	}
	starter := s.Services["replica-set"]
	config := deployed(t, "casewire-mongodb.yaml")
	for _, m := range members {
		if !strings.Contains(starter.Command[len(starter.Command)-1], `"`+m+`:27017"`) || !strings.Contains(config, m+":27017") {
			t.Errorf("%s is not initiated as a member, or the nodes do not know of it", m)
		}
		if starter.awaits()[m] != "service_healthy" {
			t.Errorf("the set is initiated before %s answers", m)
		}
	}
	proxy := deployed(t, "Caddyfile")
	for _, n := range nodes {
		sv := s.Services[n]
		if sv.awaits()["replica-set"] != "service_completed_successfully" || !sv.ReadOnly || len(sv.Ports) > 0 {
			t.Errorf("%s starts before the set, may write its image, or has ports of its own: %+v", n, sv)
		}
		if !strings.Contains(proxy, n+":8080") {
			t.Errorf("the proxy does not know %s", n)
		}
		if _, err := os.Stat(filepath.Join(deployFolder, sv.Build["context"], sv.Build["dockerfile"])); err != nil {
			t.Errorf("%s cannot be built: %v", n, err)
		}
	}
}

// Supervisors give a node more time to stop than it takes.
func TestSupervisorsWaitLongerThanGrace(t *testing.T) {
	config := stated(t, "casewire-mongodb.yaml", `(?m)^grace: (\S+)`)
	for file, pattern := range map[string]string{"compose.yaml": `stop_grace_period: (\S+)`, "casewire.service": `TimeoutStopSec=(\d+)`} {
		if d := stated(t, file, pattern); d <= config {
			t.Errorf("%s waits %s, and grace is %s", file, d, config)
		}
	}
}

func stated(t *testing.T, file, pattern string) time.Duration {
	t.Helper()
	m := regexp.MustCompile(pattern).FindStringSubmatch(deployed(t, file))
	if m == nil {
		t.Fatalf("%s: nothing like %s", file, pattern)
	}
	text := m[1]
	if !strings.ContainsAny(text, "smh") {
		text += "s"
	}
	d, err := time.ParseDuration(text)
	if err != nil {
		t.Fatalf("%s: %v", file, err)
	}
	return d
}

// Every example configuration is one that casewire starts with.
func TestExampleConfigurationsCheck(t *testing.T) {
	t.Setenv("TWILIO_AUTH_TOKEN", strings.Repeat("0a", 16))
	t.Setenv("TELEGRAM_TOKEN", "123456789:"+strings.Repeat("Aa0", 11)+"-_")
	files, err := filepath.Glob(filepath.Join(deployFolder, "casewire*.yaml"))
	if err != nil || len(files) == 0 {
		t.Fatalf("no example configurations: %v", err)
	}
	for _, file := range append(files, filepath.Join(deployFolder, "../example.yaml")) {
		if got := command(t, "", "check", "--config", file); got.code != 0 || got.err != "" {
			t.Errorf("%s: %+v", file, got)
		}
	}
	text := deployed(t, "compose.yaml")
	if !strings.Contains(text, "./casewire-mongodb.yaml:/etc/casewire/casewire.yaml") || !strings.Contains(deployed(t, "Dockerfile"), "/etc/casewire/casewire.yaml") {
		t.Error("the containers do not start with the example configuration")
	}
}
