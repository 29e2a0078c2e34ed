package config

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"net"
	"net/netip"
	"net/url"
	"os"
	"reflect"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"casewire/casecore/search"
	"casewire/channels"
	"casewire/config/internal/strict"
	"casewire/notify/webhook"
)

// Error is one fault of a file: where, what, and what to write instead.
type Error = strict.Error

// Errors are all faults of a file in the order of their places, one a line.
type Errors = strict.Errors

// Snapshot is a file as the process runs on it. It is not changed once made.
type Snapshot struct {
	File     string // "" without a file
	Hash     string // of the file's bytes, to tell versions apart
	Static   Static
	Dynamic  Dynamic
	Channels []Channel
	Webhooks []webhook.Subscription // a reload changes them, too
	source   *strict.Source
}

// Override changes the static part after the file is read and before it is
// checked: what the command line says stands above what the file says.
type Override func(*Static)

// Load reads the file and the secrets it refers to. The error is Errors with every
// fault, or says that the file cannot be read.
func Load(path string, kinds channels.Kinds, over ...Override) (*Snapshot, error) {
	data, err := os.ReadFile(path)
	if err != nil {
		return nil, fmt.Errorf("read configuration: %w", err)
	}
	return Parse(path, data, kinds, over...)
}

// Default is what casewire runs on without a file: the embedded store in
// ./casewire-data and the web chat "site", when kinds has one.
func Default(kinds channels.Kinds, over ...Override) (*Snapshot, error) {
	var text string
	if kinds[channels.WebChat] != nil {
		text = "channels: [{id: site, kind: webchat}]"
	}
	return Parse("", []byte(text), kinds, over...)
}

// Parse reads a file's bytes like Load; name is what faults call it.
func Parse(name string, data []byte, kinds channels.Kinds, over ...Override) (*Snapshot, error) {
	src := strict.Read(name, data, strict.Hook{Type: reflect.TypeFor[channels.Secret](), Decode: secret})
	file := struct {
		File     `yaml:",inline"`
		Channels []strict.Node `yaml:"channels"`
		Webhooks []strict.Node `yaml:"webhooks"`
	}{File: Defaults()}
	src.Decode(&file)
	for _, o := range over {
		o(&file.Static)
	}
	sum := sha256.Sum256(data)
	s := &Snapshot{File: name, Hash: hex.EncodeToString(sum[:6]), Dynamic: file.Dynamic, source: src}
	s.Static = check(file.Static, src.Fault)
	s.Channels = accounts(file.Channels, kinds)
	s.Webhooks = webhooks(file.Webhooks)
	if err := src.Err(); err != nil {
		return nil, err
	}
	return s, nil
}

// check finds bad values and returns the part with its derived ones.
func check(s Static, fault func(path, msg, mend string)) Static {
	if msg, mend := listenFault(s.Listen); msg != "" {
		fault("listen", msg, mend)
	}
	s.PublicURL = strings.TrimSuffix(s.PublicURL, "/")
	if u, err := url.Parse(s.PublicURL); s.PublicURL != "" && (err != nil || u.Scheme != "http" && u.Scheme != "https" ||
		u.Host == "" || u.Path != "" || u.RawQuery != "" || u.Fragment != "" || u.User != nil) {
		fault("public_url", fmt.Sprintf("%q is not the address of a site", s.PublicURL), "write scheme and host only, https://help.example.com")
	}
	if strings.TrimSpace(s.Data) == "" {
		fault("data", "is empty", "name a folder, ./casewire-data")
	}
	switch scheme, _, _ := strings.Cut(s.Store, ":"); scheme {
	case "sqlite":
	case "mongodb", "mongodb+srv":
		if !strings.HasPrefix(s.Store, scheme+"://") {
			fault("store", "is no address of a replica set", "write mongodb://host1,host2,host3/casewire?replicaSet=NAME")
		}
	default:
		fault("store", fmt.Sprintf("no store engine for %q", scheme), "write sqlite:, sqlite:PATH or mongodb://...")
	}
	if s.Attachments != "" && (!strings.HasPrefix(s.Attachments, "dir:") || s.Attachments == "dir:") {
		fault("attachments", fmt.Sprintf("%q is no place for attachments", s.Attachments), "leave it out, or write dir:PATH")
	}
	if !slices.Contains([]string{"auto", "text", "json"}, s.LogFormat) {
		fault("log_format", fmt.Sprintf("%q is not a log format", s.LogFormat), "write auto, text or json")
	}
	if g := time.Duration(s.Grace); g < time.Second || g > 10*time.Minute {
		fault("grace", s.Grace.String()+" is out of range", "write 1s to 10m")
	}
	for _, l := range []struct {
		path      string
		got       Size
		low, high Size
	}{{"limits.request", s.Limits.Request, 16 << 10, 64 << 20}, {"limits.attachment", s.Limits.Attachment, 1 << 10, 1 << 30}} {
		if l.got < l.low || l.got > l.high {
			low, _ := l.low.MarshalText()
			high, _ := l.high.MarshalText()
			fault(l.path, fmt.Sprintf("%d bytes is out of range", l.got), fmt.Sprintf("write %s to %s", low, high))
		}
	}
	if s.Limits.Sockets < 1 || s.Limits.Sockets > 1_000_000 {
		fault("limits.sockets", fmt.Sprintf("%d is out of range", s.Limits.Sockets), "write 1 to 1000000")
	}
	return s
}

func listenFault(listen string) (msg, mend string) {
	host, port, err := net.SplitHostPort(listen)
	if err != nil {
		return fmt.Sprintf("%q is not address:port", listen), "write it like 127.0.0.1:8080"
	}
	if p, err := strconv.Atoi(port); err != nil || p < 0 || p > 65535 {
		return fmt.Sprintf("port %q is not from 0 to 65535", port), "write it like 127.0.0.1:8080"
	}
	if host == "" {
		return fmt.Sprintf("%q names no address", listen), fmt.Sprintf("write 127.0.0.1:%s for this machine only, 0.0.0.0:%[1]s for every network", port)
	}
	if _, err := netip.ParseAddr(host); err != nil && host != "localhost" {
		return fmt.Sprintf("%q is not an address of this machine", host), "write an IP address or localhost"
	}
	return "", ""
}

var nameShape = regexp.MustCompile(`^[a-z0-9][a-z0-9_-]{0,31}$`)

// accounts decodes the list of channels: id and kind are ours, the other keys are
// those of the kind's own configuration.
func accounts(nodes []strict.Node, kinds channels.Kinds) []Channel {
	var out []Channel
	ids, prefixes := map[string]string{}, map[string]string{}
	for _, n := range nodes {
		var head struct {
			ID   string `yaml:"id"`
			Kind string `yaml:"kind"`
		}
		if !n.Mapping() {
			n.Refuse("", "must be a mapping", "write id and kind, and the keys of that kind")
			continue
		}
		name, _ := n.Scalar("kind")
		kind := channels.Kind(name)
		if kinds[kind] == nil {
			kindFault(n, name, slices.Sorted(maps.Keys(kinds)))
			continue
		}
		c := Channel{Kind: kind, Config: kinds[kind]()}
		n.Decode(&head, c.Config)
		c.Name, c.ID = head.ID, string(kind)+":"+head.ID
		switch first, twice := ids[c.ID]; {
		case head.ID == "":
			n.Fault("id", "required", "give the channel a short name, \"site\"")
		case !nameShape.MatchString(head.ID):
			n.Fault("id", fmt.Sprintf("%q is not a name", head.ID), "use small letters, digits, - and _, at most 32")
		case twice:
			n.Fault("id", fmt.Sprintf("%q is used by %s as well", c.ID, first), "give each channel of a kind its own name")
		default:
			ids[c.ID] = n.Path()
		}
		for _, err := range faultsOf(c.Config.Validate()) {
			if fe, ok := errors.AsType[*channels.FieldError](err); ok {
				n.Fault(fe.Path, fe.Msg, fe.Mend)
			} else {
				n.Fault("", err.Error(), "")
			}
		}
		if m, ok := c.Config.(Mounted); ok {
			if first, twice := prefixes[m.Prefix()]; twice {
				n.Fault("path", fmt.Sprintf("%q is served by %s as well", m.Prefix(), first), "give each channel its own path")
			} else {
				prefixes[m.Prefix()] = n.Path()
			}
		}
		out = append(out, c)
	}
	return out
}

// webhooks decodes the list of programs outside that are told what happens.
func webhooks(nodes []strict.Node) []webhook.Subscription {
	var out []webhook.Subscription
	ids := map[string]string{}
	for _, n := range nodes {
		if !n.Mapping() {
			n.Refuse("", "must be a mapping", "write id, url, secret and events")
			continue
		}
		var s webhook.Subscription
		n.Decode(&s)
		for _, err := range faultsOf(s.Validate()) {
			if fe, ok := errors.AsType[*channels.FieldError](err); ok {
				n.Fault(fe.Path, fe.Msg, fe.Mend)
			}
		}
		if first, twice := ids[s.ID]; twice && s.ID != "" {
			n.Fault("id", fmt.Sprintf("%q is used by %s as well", s.ID, first), "give each webhook its own name")
		} else {
			ids[s.ID] = n.Path()
		}
		out = append(out, s)
	}
	return out
}

// Mounted is the configuration of a channel that is served below a path of its
// own: no two may share one.
type Mounted interface{ Prefix() string }

func kindFault(n strict.Node, kind string, known []channels.Kind) {
	names := make([]string, len(known))
	for i, k := range known {
		names[i] = string(k)
	}
	mend := "write one of " + strings.Join(names, ", ")
	if near := search.Nearest(kind, names); near != "" {
		mend = fmt.Sprintf("did you mean %q?", near)
	}
	if kind == "" {
		n.Fault("kind", "required", mend)
		return
	}
	n.Fault("kind", fmt.Sprintf("no kind of channel %q", kind), mend)
}

// faultsOf takes joined errors apart.
func faultsOf(err error) []error {
	if err == nil {
		return nil
	}
	var joined interface{ Unwrap() []error }
	if !errors.As(err, &joined) {
		return []error{err}
	}
	var out []error
	for _, e := range joined.Unwrap() {
		out = append(out, faultsOf(e)...)
	}
	return out
}

// secret reads {env: NAME} or {file: PATH}. A literal is refused without being
// repeated in the fault.
func secret(n strict.Node, v reflect.Value) {
	const mend = "write {env: NAME} or {file: PATH}"
	if !n.Mapping() {
		n.Refuse("", "a secret does not stand in the file itself", mend)
		return
	}
	var ref struct {
		Env  string `yaml:"env"`
		File string `yaml:"file"`
	}
	n.Decode(&ref)
	switch {
	case (ref.Env == "") == (ref.File == ""):
		n.Refuse("", "must name either a variable or a file", mend)
	case ref.Env != "":
		text, ok := os.LookupEnv(ref.Env)
		if !ok || text == "" {
			n.Refuse("env", fmt.Sprintf("the environment variable %s is not set", ref.Env), "set it for the process, or use {file: PATH}")
			return
		}
		v.Set(reflect.ValueOf(channels.NewSecret(text)))
	default:
		text, err := readSecret(ref.File)
		if err != nil {
			n.Refuse("file", err.Error(), "name a file that holds the secret and nothing else")
			return
		}
		v.Set(reflect.ValueOf(channels.NewSecret(text)))
	}
}

func readSecret(path string) (string, error) {
	const most = 64 << 10
	info, err := os.Stat(path)
	if err != nil {
		return "", err
	}
	if !info.Mode().IsRegular() || info.Size() > most {
		return "", &fs.PathError{Op: "read", Path: path, Err: errors.New("not a file of at most 64 KB")}
	}
	f, err := os.Open(path)
	if err != nil {
		return "", err
	}
	defer f.Close()
	b, err := io.ReadAll(io.LimitReader(f, most))
	if err != nil {
		return "", err
	}
	text := strings.TrimRight(string(b), "\r\n")
	if text == "" {
		return "", &fs.PathError{Op: "read", Path: path, Err: errors.New("is empty")}
	}
	return text, nil
}
